import assert from "node:assert/strict"
import type { Connection, Endpoint, Handshake, Listener, ListenerSink } from "../../../core/contract.ts"
import { parseEndpoint } from "../../../core/endpoint.ts"
import { IpcTransport } from "../../../transports/ipc.ts"
import type { Addon } from "../../../transports/native/addon.ts"
import { NONCE_AT, NONCE_SIZE } from "../../../transports/shm/ring-layout.ts"
import { sharedSize } from "../../../transports/shm/ring-stream.ts"
import { transportConformance } from "../../conformance/transport.ts"
import { freeIpc } from "../../support/addresses.ts"
import { command, message } from "../../support/bytes.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { local } from "../../support/link-options.ts"
import { seeded } from "../../support/random.ts"
import { RawPeer } from "../../support/raw-peer.ts"
import { Collector, Door } from "../../support/sinks.ts"
import { turns, until } from "../../support/wait.ts"
import { describeNative } from "../native/addon-fixtures.ts"
import { type Counts, countingNative, Leaks } from "./memory-counts.ts"

const NAME = "HEDDLE-RINGS"
const RINGS = ["X-Heddle-Rings", "1"] as [string, string]
const LATE = ["X-Heddle-Rings-Late", "1"] as [string, string]
const CAPACITY = 65_536

function lately(local: Handshake): Handshake {
  return { ...local, options: { ...local.options, sharedMemoryLate: true } }
}

/** What fabrics use: rings when there is traffic. */
class LateIpcTransport extends IpcTransport {
  override listen(endpoint: Endpoint, local: Handshake, sink: ListenerSink): Promise<Listener> {
    return super.listen(endpoint, lately(local), sink)
  }

  override dial(...[endpoint, local, signal, reached]: Parameters<IpcTransport["dial"]>): Promise<Connection> {
    return super.dial(endpoint, lately(local), signal, reached)
  }
}

describeNative("with rings when there is traffic", () =>
  transportConformance("ipc in shared memory, later", () => new LateIpcTransport(), {
    any: () => "ipc://*",
    definite: freeIpc,
    refused: "ENOENT",
    bytes: true,
    invalid: [],
  }),
)

describeNative("Shared memory in the midst of the traffic", real => {
  closesAfterEach()

  let native: Addon
  let counts: Counts
  let late: IpcTransport
  let eager: IpcTransport
  beforeEach(() => {
    ;({ native, counts } = countingNative(real))
    late = new LateIpcTransport(() => native)
    eager = new IpcTransport(() => native)
  })

  const listening = async (transport = late): Promise<{ door: Door; endpoint: string; listener: Listener }> => {
    const door = new Door()
    const options = { sharedMemory: CAPACITY }
    const listener = await transport.listen(parseEndpoint("ipc://*"), local("PAIR", { options }), door)
    later(() => listener.close())
    later(() => {
      for (const one of door.connections) one.close()
    })
    return { door, endpoint: listener.endpoint, listener }
  }

  const pair = async (dialler = late, acceptor = late): Promise<[Connection, Connection]> => {
    const { door, endpoint, listener } = await listening(acceptor)
    const ours = local("PAIR", { options: { sharedMemory: CAPACITY } })
    const dialled = await dialler.dial(parseEndpoint(endpoint), ours, new AbortController().signal)
    later(() => dialled.close())
    const accepted = await door.next()
    await listener.close()
    return [dialled, accepted]
  }

  /** Sends so many numbers, a few each turn, so that the other side reads often. */
  const send = async (from: Connection, count: number, first = 0): Promise<void> => {
    for (let i = first; i < first + count; i++) {
      from.send([Buffer.from(`${i}`)])
      from.flush?.()
      if (i % 4 === 3) await turns(1)
    }
  }

  const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`)

  it("is not made as long as little passes", async () => {
    const [one, two] = await pair()
    const sinks = [new Collector(one), new Collector(two)]
    await send(one, 20)
    await send(two, 20)
    for (const sink of sinks) assert.deepEqual((await sink.has(20)).texts, numbers(20))
    assert.equal(counts.created, 0)
  })

  for (const [what, from] of [
    ["who dialled", 0],
    ["who accepted", 1],
  ] as const) {
    it(`is made when ${what} sends much, and nothing is lost or changes its place`, async () => {
      const leaks = new Leaks()
      const ends = await pair()
      const [sinks, sender] = [ends.map(end => new Collector(end)), ends[from]]
      await send(sender, 2_000)
      assert.deepEqual((await sinks[1 - from].has(2_000)).texts, numbers(2_000))
      assert.deepEqual([counts.created, counts.opened, counts.closed, counts.released], [1, 1, 1, 0])
      // The other direction has moved, too.
      const { bells } = counts
      await send(ends[1 - from], 50)
      assert.deepEqual((await sinks[from].has(50)).texts, numbers(50))
      assert.ok(counts.bells > bells)
      ends[0].close()
      await sinks[1].gone()
      assert.equal(sinks[1].late, 0)
      ends[1].close()
      await until(() => counts.released === 2)
      await leaks.gone()
    })
  }

  for (const [what, dialler, acceptor] of [
    ["dials", () => late, () => eager],
    ["accepts", () => eager, () => late],
  ] as const) {
    it(`is made at once when only who ${what} would wait`, async () => {
      const [one, two] = await pair(dialler(), acceptor())
      assert.deepEqual([counts.created, counts.opened], [1, 1])
      const sinks = [new Collector(one), new Collector(two)]
      await send(one, 200)
      await send(two, 200)
      for (const sink of sinks) assert.deepEqual((await sink.has(200)).texts, numbers(200))
      assert.equal(counts.created, 1)
    })
  }

  it("passes everything in order while both sides send as much as they can, large and small, and stop reading now and then", () =>
    seeded(async random => {
      for (let round = 0; round < 10; round++) {
        const ends = await pair()
        const count = 400
        const bodies = ends.map(() => Array.from({ length: count }, () => random.bytes(sizeOf(random.int(0, 20)))))
        const got: Buffer[][] = [[], []]
        const full = [false, false]
        for (const [i, end] of ends.entries()) {
          const sink = new Collector()
          sink.keeps = false
          sink.onMessage = ([body]) => {
            got[i].push(Buffer.from(body))
            if (random.int(0, 30) > 0) return
            end.pause()
            setTimeout(() => end.resume(), random.int(0, 3))
          }
          sink.onDrain = () => {
            full[i] = false
          }
          end.start(sink)
        }
        const sending = ends.map(async (end, i) => {
          for (const body of bodies[i]) {
            await until(() => !full[i])
            full[i] = !end.send([body])
            if (random.int(0, 3) === 0) await turns(1)
          }
          end.flush?.()
        })
        await Promise.all(sending)
        await until(() => got.every(each => each.length === count))
        for (const i of [0, 1]) assert.ok(got[i].every((body, at) => body.equals(bodies[1 - i][at])))
        assert.equal(counts.created, round + 1)
        for (const end of ends) end.close()
      }
    })).timeout(120_000)

  it("leaves nothing behind when either side leaves at any moment of the move", () =>
    seeded(async random => {
      const leaks = new Leaks()
      for (let round = 0; round < 60; round++) {
        const [one, two] = await pair()
        const sinks = [new Collector(one), new Collector(two)]
        const leaver = random.int(0, 2) === 0 ? one : two
        const how = random.int(0, 2)
        const at = random.int(50, 90)
        for (let i = 0; i < 120; i++) {
          if (i === at) how === 0 ? leaver.close() : leaver.end()
          if (i < at || leaver !== one) one.send([Buffer.from(`${i}`)])
          one.flush?.()
          await turns(1)
        }
        for (const end of [one, two]) end.close()
        for (const sink of sinks) {
          await sink.gone()
          assert.equal(sink.late, 0)
        }
        const { texts } = sinks[1]
        assert.deepEqual(texts, numbers(texts.length))
        if (leaver === one && how === 1) assert.equal(texts.length, at)
      }
      await until(() => counts.released === counts.created + counts.opened && counts.closed === counts.created)
      await leaks.gone()
    })).timeout(120_000)

  describe("with a hostile peer", () => {
    const guest = async (): Promise<{ raw: RawPeer; connection: Connection; sink: Collector }> => {
      const { door, endpoint } = await listening()
      const raw = await RawPeer.connect(endpoint)
      later(() => raw.destroy())
      await raw.shake("PAIR", RINGS, LATE)
      const connection = await door.next()
      return { raw, connection, sink: new Collector(connection) }
    }

    const offer = (): { body: Buffer; memory: ArrayBuffer } => {
      const { descriptor, memory } = real.createMemory(sharedSize(CAPACITY))
      later(() => real.releaseMemory(memory))
      later(() => real.closeDescriptor(descriptor))
      const body = Buffer.alloc(8 + NONCE_SIZE, "n")
      body.writeUInt32BE(descriptor, 0)
      body.writeUInt32BE(CAPACITY, 4)
      body.copy(new Uint8Array(memory, NONCE_AT), 0, 8)
      return { body, memory }
    }

    const BREACHES: [what: string, bytes: () => Buffer[]][] = [
      ["a question, which only who was dialled may ask", () => [command(NAME)]],
      ["two offers", () => [command(NAME, offer().body), command(NAME, offer().body)]],
      ["a last word that is none", () => [command(NAME, offer().body), command(NAME, "\x03")]],
      ["a last word after a refusal", () => [command(NAME, "x".repeat(24)), command(NAME, "\x02")]],
    ]
    for (const [what, bytes] of BREACHES) {
      it(`ends the connection for ${what}`, async () => {
        const { raw, sink } = await guest()
        await raw.write(message("before"), ...bytes())
        await sink.gone()
        assert.deepEqual(sink.texts, ["before"])
        assert.equal((sink.reason as { code?: string }).code, "ERR_ZMTP_UNEXPECTED_COMMAND")
        await until(() => counts.opened === counts.released)
      })
    }

    for (const [what, body] of [
      ["that names nothing", "x".repeat(24)],
      ["that is none", "\x02"],
    ])
      it(`refuses an offer ${what}, and goes on over the socket`, async () => {
        const { raw, connection, sink } = await guest()
        await raw.write(command(NAME, body), message("on"))
        const { name, data } = await raw.readCommand()
        assert.deepEqual([name, data], [NAME, Buffer.from([0])])
        await sink.has(1)
        connection.send([Buffer.from("answer")])
        assert.deepEqual(await raw.readMessage(), ["answer"])
        assert.deepEqual(sink.texts, ["on"])
      })

    it("reads the socket until the last word there, whatever lies in the ring, and takes what follows for bells", async () => {
      const { raw, sink } = await guest()
      const { body, memory } = offer()
      await raw.write(command(NAME, body))
      const { data } = await raw.readCommand()
      assert.deepEqual(data, Buffer.from([1]))
      // A record of the first ring, written before its time: "ring".
      const ring = message("ring")
      const at = NONCE_AT + NONCE_SIZE
      const words = new Int32Array(memory)
      words[at / 4] = 8 + ring.length
      words[at / 4 + 1] = 1
      new Uint8Array(memory).set(ring, at + 8)
      Atomics.store(words, 0, (8 + ring.length + 7) & ~7)
      await raw.write(message("socket"))
      await sink.has(1)
      await turns(20)
      assert.deepEqual(sink.texts, ["socket"])
      await raw.write(message("last"), command(NAME, "\x02"), Buffer.alloc(300))
      await sink.has(3)
      await raw.write(message("nobody reads this"))
      await turns(20)
      assert.deepEqual(sink.texts, ["socket", "last", "ring"])
      raw.end()
      await sink.gone()
      assert.equal(sink.reason, undefined)
    })

    it("is gone without a trace when it leaves between its offer and its last word", async () => {
      const { raw, sink } = await guest()
      await raw.write(command(NAME, offer().body))
      await raw.readCommand()
      raw.destroy()
      await sink.gone()
      await until(() => counts.opened === 1 && counts.released === 1)
    })
  })
})

/** Mostly small, some larger than a ring. */
function sizeOf(dice: number): number {
  if (dice < 14) return 10 + dice
  return dice < 19 ? 3_000 : 200_000
}
