import assert from "node:assert/strict"
import { parseEndpoint } from "../../../core/endpoint.ts"
import { WsTransport } from "../../../transports/ws/transport.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { local } from "../../support/link-options.ts"
import { LONG_RUN, type Random, seeded } from "../../support/random.ts"
import { Collector, Door } from "../../support/sinks.ts"
import { RawWebPeer } from "./raw-web-peer.ts"
import { KINDS, serversOf } from "./web-suite.ts"

/** Beginnings that get somewhere: what follows them is noise. */
const PREFIXES = [
  "",
  "\x00",
  "\x01",
  "\x02",
  "\x02\x05READY",
  "\x02\x05READY\x0bSocket-Type\x00\x00\x00\x04PAIR",
  "\x02\x05ERROR",
  "\x02\x06WINDOW",
  "\x02\x09SUBSCRIBE",
  "\x02\x04PING",
].map(one => Buffer.from(one, "latin1"))

/** Octets of FIN and opcode: mostly whole binary messages. */
const FIRST = [0x82, 0x82, 0x82, 0x82, 0x81, 0x02, 0x00, 0x80, 0x88, 0x89, 0x8a, 0x83, 0xc2]

/** What a peer may do to a listener: `moves` frames, or bytes that are none. */
function mischief(peer: RawWebPeer, random: Random, moves: number): void {
  for (let n = 0; n < moves; n++) {
    if (random.int(0, 40) === 0) peer.socket.write(random.bytes(random.int(1, 60)))
    else {
      const prefix = PREFIXES[random.int(0, PREFIXES.length - 1)]
      const noise = random.bytes(random.int(0, random.int(0, 5) === 0 ? 5_000 : 20))
      peer.send(FIRST[random.int(0, FIRST.length - 1)], Buffer.concat([prefix, noise]))
    }
  }
}

for (const kind of KINDS) {
  describe(`Noise over ws by ${kind}`, () => {
    closesAfterEach()

    it("ends at most the connection that it comes by", () =>
      seeded(async random => {
        const transport = new WsTransport("ws", serversOf(kind))
        const door = new Door()
        const listener = await transport.listen(
          parseEndpoint("ws://127.0.0.1:*"),
          local("PAIR", { options: { maxMessageSize: 4_000 } }),
          door,
        )
        later(() => listener.close())
        later(() => {
          for (const one of door.connections) one.close()
        })
        door.onConnection = connection => {
          const sink = new Collector()
          sink.keeps = false
          sink.onMessage = message => void connection.send(message)
          connection.start(sink)
        }
        const { signal } = new AbortController()
        const good = await transport.dial(parseEndpoint(listener.endpoint), local("PAIR"), signal)
        later(() => good.close())
        const echo = new Collector(good)
        let hellos = 0
        for (let round = 0; round < (LONG_RUN ? 3_000 : 150); round++) {
          const protocol = ["ZWS2.0", "ZWS2.0/NULL", "heddle.zws2.null"][random.int(0, 2)]
          const peer = await RawWebPeer.open(listener.endpoint, { headers: { "Sec-WebSocket-Protocol": protocol } })
          if (random.int(0, 1) === 0) {
            peer.binary(protocol === "ZWS2.0" ? PREFIXES[1] : PREFIXES[5])
            hellos++
          }
          mischief(peer, random, random.int(1, 12))
          if (random.int(0, 1) === 0) peer.socket.end()
          else peer.socket.destroy()
        }
        const second = await transport.dial(parseEndpoint(listener.endpoint), local("PAIR"), signal)
        later(() => second.close())
        const sink = new Collector(second)
        good.send([Buffer.from("still there")])
        second.send([Buffer.from("and serves")])
        await echo.has(1)
        await sink.has(1)
        assert.deepEqual([echo.texts, sink.texts], [["still there"], ["and serves"]])
        assert.ok(hellos > 0 && door.connections.length > 2, "no noise got behind a handshake")
      }))
  })
}
