import assert from "node:assert/strict"
import type { Handshake, PeerHello, SocketType } from "../../../core/contract.ts"
import type { HeddleError } from "../../../core/errors.ts"
import type { ZmtpConnection } from "../../../transports/zmtp/connection.ts"
import { Handshaker } from "../../../transports/zmtp/handshake.ts"
import { COMMAND, command, frame, GREETING, message, octets, property, ready } from "../../support/bytes.ts"
import { FakeClock } from "../../support/clock.ts"
import { FakeStream } from "../../support/fake-stream.ts"
import { local } from "../../support/link-options.ts"
import { Collector } from "../../support/sinks.ts"

/** One handshake, with the test in the place of the peer. */
class Shaking {
  readonly stream = new FakeStream()
  readonly connections: ZmtpConnection[] = []
  readonly errors: HeddleError[] = []
  readonly handshaker: Handshaker

  constructor(ours: Handshake, side: "accept" | "dial" = "accept") {
    this.handshaker = new Handshaker(this.stream, ours, "tcp://peer:1", side, {
      connected: connection => this.connections.push(connection),
      failed: error => this.errors.push(error),
    })
    this.handshaker.begin()
  }

  get outcomes(): number {
    return this.connections.length + this.errors.length
  }

  /** The only error; nothing else came of it. */
  get error(): HeddleError {
    assert.equal(this.connections.length, 0)
    assert.equal(this.errors.length, 1)
    assert.equal(this.errors[0].name, "HeddleError")
    return this.errors[0]
  }

  get peer(): PeerHello {
    assert.deepEqual(this.errors, [])
    assert.equal(this.connections.length, 1)
    return this.connections[0].peer
  }

  feed(...bytes: Buffer[]): this {
    this.stream.feed(Buffer.concat(bytes))
    return this
  }
}

/** Refused by a plain close: the peer may come back (zmtp.md 1.16). */
function plainClose({ stream }: Shaking): void {
  assert.ok(stream.isDestroyed && !stream.isEnded)
}

/** Refused by ERROR and a goodbye: the peer is told not to come back as it is. */
function errorClose({ stream, error }: Shaking): void {
  assert.ok(stream.isEnded && !stream.isDestroyed)
  assert.ok(error.fatal)
  const said = stream.output()
  const reason = Buffer.from(error.message).subarray(0, 255)
  const expected = command("ERROR", Buffer.concat([Buffer.from([reason.length]), reason]))
  assert.ok(said.subarray(-expected.length).equals(expected), said.toString("latin1"))
}

describe("ZMTP handshake", () => {
  describe("greeting", () => {
    it("is sent whole and at once by both sides: a peer may wait for all 64 octets", () => {
      for (const side of ["accept", "dial"] as const) {
        assert.equal(new Shaking(local("PULL"), side).stream.output().toString("hex"), GREETING.toString("hex"))
      }
    })

    it("is answered by READY as soon as it is whole, on both sides (zmtp.md 1.4)", () => {
      for (const side of ["accept", "dial"] as const) {
        const shaking = new Shaking(local("DEALER"), side)
        shaking.stream.output()
        shaking.feed(GREETING.subarray(0, 63))
        assert.equal(shaking.stream.output().length, 0)
        shaking.feed(GREETING.subarray(63))
        assert.equal(
          shaking.stream.output().toString("hex"),
          octets(
            "04 29 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 06 44 45 41 4c 45 52 08 49 64 65 6e 74 69 74 79 00 00 00 00",
          ).toString("hex"),
        )
        assert.equal(shaking.outcomes, 0)
      }
    })

    it("may come octet by octet, as all of the handshake", () => {
      const shaking = new Shaking(local("PULL"))
      const bytes = Buffer.concat([GREETING, ready("PUSH", ["X-a", "b"])])
      for (const byte of bytes) {
        assert.equal(shaking.outcomes, 0)
        shaking.feed(Buffer.from([byte]))
      }
      assert.equal(shaking.peer.socketType, "PUSH")
      assert.equal(shaking.peer.metadata.get("X-a")?.toString(), "b")
    })

    for (const [what, greeting] of [
      ["major version 4", "ff 00*7 01 7f 04 00 'NULL' 00*16 00 00*31"],
      ["minor version 7", "ff 00*7 01 7f 03 07 'NULL' 00*16 00 00*31"],
      ["minor version 0", "ff 00*7 01 7f 03 00 'NULL' 00*16 00 00*31"],
      ["any padding", "ff de ad be ef de ad be ef 7f 03 01 'NULL' 00*16 00 00*31"],
      ["as-server 1", "ff 00*7 01 7f 03 01 'NULL' 00*16 01 00*31"],
      ["any filler", "ff 00*7 01 7f 03 01 'NULL' 00*16 00 ff*31"],
    ]) {
      it(`is accepted with ${what}`, () => {
        assert.equal(new Shaking(local("PULL")).feed(octets(greeting), ready("PUSH")).peer.socketType, "PUSH")
      })
    }

    for (const [what, start, says] of [
      ["an HTTP request", "'GET / HTTP/1.1' 0d 0a 0d 0a", /another protocol/],
      ["a single wrong octet", "00", /another protocol/],
      ["a TLS hello", "16 03 01 02 00", /another protocol/],
      ["ZMTP 1.0", "ff 00*7 05 00 'abcd'", /ZMTP 1\.0/],
      ["ZMTP 2.0", "ff 00*7 01 7f 01 05 00 00", /ZMTP 2\.0/],
    ] as const) {
      it(`refuses ${what} at once, by a plain close`, () => {
        const shaking = new Shaking(local("PULL")).feed(octets(start))
        assert.equal(shaking.error.code, "ERR_ZMTP_GREETING")
        assert.match(shaking.error.message, says)
        assert.equal(shaking.error.fatal, false)
        plainClose(shaking)
      })
    }

    it("refuses another mechanism, and names both", () => {
      const shaking = new Shaking(local("PULL")).feed(octets("ff 00*7 01 7f 03 01 'CURVE' 00*15 00 00*31"))
      assert.equal(shaking.error.code, "ERR_ZMTP_MECHANISM_MISMATCH")
      assert.match(shaking.error.message, /"CURVE".*NULL/)
      plainClose(shaking)
    })

    it("compares all 20 octets of the mechanism", () => {
      for (const name of ["'NULL' 'X' 00*15", "'null' 00*16", "00*20", "'NULL'*5"]) {
        const shaking = new Shaking(local("PULL")).feed(octets(`ff 00*7 01 7f 03 01 ${name} 00 00*31`))
        assert.equal(shaking.error.code, "ERR_ZMTP_MECHANISM_MISMATCH", name)
      }
    })
  })

  describe("ends once", () => {
    const whole = Buffer.concat([GREETING, ready("PUSH")])

    it("with ECONNRESET when the peer leaves at any octet", () => {
      for (let length = 0; length < whole.length; length++) {
        const shaking = new Shaking(local("PULL")).feed(whole.subarray(0, length))
        shaking.stream.reader.ended()
        assert.equal(shaking.error.code, "ECONNRESET", `left after ${length}`)
        assert.equal(shaking.error.address, "tcp://peer:1")
        shaking.feed(whole.subarray(length))
        shaking.handshaker.cancel(shaking.error)
        assert.equal(shaking.outcomes, 1)
      }
    })

    it("with the system's own error as its cause when the link breaks", () => {
      const shaking = new Shaking(local("PULL"))
      const cause = Object.assign(new Error("write EPIPE"), { code: "EPIPE" })
      shaking.stream.reader.ended(cause)
      assert.equal(shaking.error.code, "EPIPE")
      assert.equal(shaking.error.cause, cause)
    })

    it("with what `cancel` was given", () => {
      const shaking = new Shaking(local("PULL"))
      const first = new Shaking(local("PULL")).feed(octets("00")).error
      shaking.handshaker.cancel(first)
      shaking.handshaker.cancel(first)
      assert.equal(shaking.error, first)
      plainClose(shaking)
    })

    describe("in time", () => {
      let clock: FakeClock
      beforeEach(() => {
        clock = new FakeClock().install()
      })
      afterEach(() => clock.restore())

      it("with ERR_HANDSHAKE_TIMEOUT after handshakeInterval, however much has come", () => {
        for (const length of [0, 10, 11, 64, whole.length - 1]) {
          const shaking = new Shaking(local("PULL", { options: { handshakeInterval: 500 } }))
          shaking.feed(whole.subarray(0, length))
          clock.advance(499)
          assert.equal(shaking.outcomes, 0)
          clock.advance(1)
          assert.equal(shaking.error.code, "ERR_HANDSHAKE_TIMEOUT")
          assert.match(shaking.error.message, /500 ms/)
          plainClose(shaking)
        }
        assert.equal(clock.pending, 0)
      })

      it("and not at all with handshakeInterval 0, nor after success or failure", () => {
        assert.equal(new Shaking(local("PULL", { options: { handshakeInterval: 0 } })).outcomes, 0)
        assert.equal(clock.pending, 0)
        new Shaking(local("PULL")).feed(whole)
        new Shaking(local("PULL")).feed(octets("00"))
        assert.equal(clock.pending, 0)
      })
    })
  })

  describe("READY", () => {
    it("tells who the peer is", () => {
      const { peer } = new Shaking(local("ROUTER")).feed(GREETING, ready("DEALER", ["Identity", "me"], ["X-app", "1"]))
      assert.equal(peer.routingId.toString(), "me")
      assert.deepEqual([...peer.metadata], [["X-app", Buffer.from("1")]])
      assert.equal(peer.address, "tcp://peer:1")
      assert.equal(peer.mechanism, "NULL")
      assert.equal(peer.userId, "")
    })

    it("may come in the same segment as the greeting and what follows, cut anywhere", async () => {
      const bytes = Buffer.concat([GREETING, ready("PUSH"), message("early"), message("bird")])
      for (let at = 1; at < bytes.length; at++) {
        const shaking = new Shaking(local("PULL")).feed(bytes.subarray(0, at)).feed(bytes.subarray(at))
        const sink = new Collector()
        assert.equal(shaking.peer.socketType, "PUSH")
        shaking.connections[0].start(sink)
        // The budget of the turn may end between the two.
        await new Promise(resolve => setImmediate(resolve))
        await new Promise(resolve => setImmediate(resolve))
        assert.deepEqual(sink.texts, ["early", "bird"], `cut at ${at}`)
      }
    })

    it("may come in the long form", () => {
      const body = ready("PUSH").subarray(2)
      assert.equal(
        new Shaking(local("PULL")).feed(GREETING, frame(COMMAND, body, { long: true })).peer.socketType,
        "PUSH",
      )
    })

    it("may have 64 KiB, and not one octet more, which is refused by its announced length", () => {
      const most = 64 * 1024 - ready("PUSH").subarray(9 - 7).length - property("X-a", "").length
      const big = ready("PUSH", ["X-a", Buffer.alloc(most, "v")])
      assert.equal(big.length, 9 + 64 * 1024)
      assert.equal(new Shaking(local("PULL")).feed(GREETING, big).peer.metadata.get("X-a")?.length, most)
      const shaking = new Shaking(local("PULL")).feed(GREETING, frame(COMMAND, "", { size: 64n * 1024n + 1n }))
      assert.equal(shaking.error.code, "EMSGSIZE")
      errorClose(shaking)
    })

    for (const size of [2n ** 63n, 2n ** 64n - 1n]) {
      it(`is refused with an announced length of ${size}`, () => {
        const shaking = new Shaking(local("PULL")).feed(GREETING, frame(COMMAND, "abc", { size }))
        assert.equal(shaking.error.code, "EMSGSIZE")
      })
    }

    for (const [what, bytes, code] of [
      ["a message", message("hello"), "ERR_ZMTP_UNEXPECTED_COMMAND"],
      ["another command", command("HELLO"), "ERR_ZMTP_UNEXPECTED_COMMAND"],
      ["the name in another case", command("ready", property("Socket-Type", "PUSH")), "ERR_ZMTP_UNEXPECTED_COMMAND"],
      ["an empty command", frame(COMMAND), "ERR_ZMTP_MALFORMED_COMMAND_UNSPECIFIED"],
      ["a name longer than the body", octets("04 05 09 'READ'"), "ERR_ZMTP_MALFORMED_COMMAND_UNSPECIFIED"],
      ["metadata that is cut off", octets("04 08 05 'READY' 0b 'S'"), "ERR_ZMTP_INVALID_METADATA"],
      ["no socket type", command("READY"), "ERR_ZMTP_INVALID_METADATA"],
      ["an identity of 256 octets", ready("PUSH", ["Identity", Buffer.alloc(256, 1)]), "ERR_PEER_IDENTITY"],
    ] as const) {
      it(`is due: ${what} is refused with ${code}, and the peer is told`, () => {
        const shaking = new Shaking(local("PULL")).feed(GREETING, bytes)
        assert.equal(shaking.error.code, code)
        errorClose(shaking)
      })
    }

    it("of an incompatible socket type is refused, and the peer is told why", () => {
      const shaking = new Shaking(local("PULL"), "dial").feed(GREETING, ready("PUB"))
      assert.equal(shaking.error.code, "ERR_PEER_INCOMPATIBLE")
      errorClose(shaking)
    })
  })

  describe("ERROR of the peer", () => {
    it("is passed on with its reason, and not answered", () => {
      const shaking = new Shaking(local("PULL"), "dial").feed(GREETING, octets("04 10 05 'ERROR' 09 'go away !'"))
      assert.equal(shaking.error.code, "ERR_ZMTP_PEER_ERROR")
      assert.match(shaking.error.message, /go away !/)
      assert.ok(shaking.error.fatal, "dialling again would end the same way")
      plainClose(shaking)
    })

    it("without its reason is malformed", () => {
      const shaking = new Shaking(local("PULL")).feed(GREETING, octets("04 07 05 'ERROR' 09"))
      assert.equal(shaking.error.code, "ERR_ZMTP_MALFORMED_COMMAND_ERROR")
    })
  })

  describe("socket types", () => {
    // zmtp.md 1.6, and the three of nanomsg that Heddle adds.
    const accepts: Record<SocketType, string> = {
      REQ: "REP ROUTER",
      REP: "REQ DEALER",
      DEALER: "REP DEALER ROUTER",
      ROUTER: "REQ DEALER ROUTER",
      PUB: "SUB XSUB",
      XPUB: "SUB XSUB",
      SUB: "PUB XPUB",
      XSUB: "PUB XPUB",
      PUSH: "PULL",
      PULL: "PUSH",
      PAIR: "PAIR",
      CLIENT: "SERVER",
      SERVER: "CLIENT",
      RADIO: "DISH",
      DISH: "RADIO",
      SCATTER: "GATHER",
      GATHER: "SCATTER",
      PEER: "PEER",
      CHANNEL: "CHANNEL",
      DGRAM: "DGRAM",
      STREAM: "",
      SURVEYOR: "RESPONDENT",
      RESPONDENT: "SURVEYOR",
      BUS: "BUS",
    }
    const types = Object.keys(accepts) as SocketType[]

    for (const ours of types) {
      it(`${ours} accepts ${accepts[ours] || "nobody"} and refuses the others, in both roles`, () => {
        for (const theirs of types) {
          for (const side of ["accept", "dial"] as const) {
            const shaking = new Shaking(local(ours), side).feed(GREETING, ready(theirs))
            if (accepts[ours].split(" ").includes(theirs)) assert.equal(shaking.peer.socketType, theirs)
            else assert.equal(shaking.error.code, "ERR_PEER_INCOMPATIBLE", `${ours} and ${theirs}`)
          }
        }
      })
    }
  })

  describe("adaptive", () => {
    const ours = (seen: (PeerHello | null)[]): Handshake =>
      local("REP", {
        adaptive: true,
        answer: peer => {
          seen.push(peer)
          return {
            socketType: peer?.socketType === "SUB" ? "PUB" : "REP",
            routingId: Buffer.alloc(0),
            metadata: new Map(),
          }
        },
        admit: () => {},
      })

    it("an acceptor hears the peer out before it says what it is", () => {
      const seen: (PeerHello | null)[] = []
      const shaking = new Shaking(ours(seen))
      shaking.stream.output()
      shaking.feed(GREETING)
      assert.equal(shaking.stream.output().length, 0)
      shaking.feed(ready("SUB"))
      assert.equal(shaking.stream.output().toString("hex"), ready("PUB").toString("hex"))
      assert.deepEqual(
        seen.map(peer => peer?.socketType),
        ["SUB"],
      )
      assert.equal(seen[0]?.address, "tcp://peer:1")
      assert.equal(shaking.peer.socketType, "SUB")
    })

    it("a dialler cannot wait: two that did would wait for each other", () => {
      const seen: (PeerHello | null)[] = []
      const shaking = new Shaking(ours(seen), "dial")
      shaking.stream.output()
      shaking.feed(GREETING)
      assert.equal(shaking.stream.output().toString("hex"), ready("REP").toString("hex"))
      assert.deepEqual(seen, [null])
    })
  })
})
