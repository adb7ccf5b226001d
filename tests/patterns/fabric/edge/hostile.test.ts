import assert from "node:assert/strict"
import net from "node:net"
import * as P from "../../../../patterns/fabric/edge/protocol.ts"
import { closesAfterEach, later } from "../../../support/cleanup.ts"
import { Random } from "../../../support/random.ts"
import { until } from "../../../support/wait.ts"
import { RawEdgeClient, record } from "./edge-client.ts"
import { open, SERVERS } from "./edge-node.ts"

const EVERYTHING = { subscribe: [">"], publish: [">"], request: [">"], serve: [">"] }
const NO_LIMIT = { rate: { messages: 0, bytes: 0 } }

for (const server of SERVERS) {
  describe(`Hostile clients at the edge by ${server}`, () => {
    closesAfterEach()

    it("are closed with a reason for what is malformed, and nobody else notices", async () => {
      const { node, endpoint } = await open({ server, ...EVERYTHING })
      const witness = await RawEdgeClient.open(endpoint)
      const sub = await witness.subscribed(1, "a")
      const hello = record(P.HELLO, out => out.varint(1).text("").text("").text(""))
      const attempts: (Buffer | string)[] = [
        "text",
        record(P.PING, out => out.varint(1)),
        Buffer.from([P.HELLO, 200, 1, 2]),
        Buffer.concat([hello, hello]),
        Buffer.concat([hello, record(P.PUBLISH, out => out.varint(1).byte(0).byte(4).text("a").data(Buffer.alloc(1)))]),
        Buffer.concat([hello, record(P.PUBLISH, out => out.varint(1).byte(0).byte(0x40).data(Buffer.alloc(1)))]),
        Buffer.concat([hello, record(P.SUBSCRIBE, out => out.varint(1).text("a").byte(255))]),
        Buffer.concat([hello, Buffer.from([P.SUBSCRIBE, 3, 255, 255, 255])]),
        Buffer.concat([hello, record(P.REQUEST, out => out.varint(1).byte(9))]),
        Buffer.concat([hello, Buffer.from([P.CREDIT, 9, 255, 255, 255, 255, 255, 255, 255, 255, 1])]),
        Buffer.from([]),
      ]
      for (const attempt of attempts) {
        const client = new RawEdgeClient(endpoint)
        await client.opened()
        client.socket.send(attempt)
        if (attempt.length === 0) {
          // Nothing is said by it, and nothing is wrong.
          client.hello()
          await client.first(P.WELCOME)
          continue
        }
        const { code, reason } = await client.ended()
        assert.equal(code, P.CLOSE_MALFORMED, `${JSON.stringify(attempt)}: ${reason}`)
        assert.ok(client.all(P.REFUSED).length > 0)
      }
      node.publish("a", Buffer.from("x"))
      await until(() => witness.values(sub.channel).length === 1)
      assert.equal(node.stats().edge?.refused.EPROTO, attempts.length - 1)
    })

    it("may send any bytes: none throws, none stops the node", async () => {
      const { node, endpoint } = await open({ server, ...EVERYTHING, ...NO_LIMIT })
      const random = new Random(7)
      const byte = (): number => random.int(0, 255)
      node.serve("a", message => message.data)
      for (let round = 0; round < 60; round++) {
        const client = await RawEdgeClient.open(endpoint)
        for (let i = 0; i < 40; i++) {
          const type = 2 + random.int(0, 12)
          const body = Buffer.from(Array.from({ length: random.int(0, 23) }, byte))
          if (type !== P.BYE) client.send(type, out => out.raw(body))
        }
        client.socket.close()
        await client.ended()
      }
      const honest = await RawEdgeClient.open(endpoint)
      honest.request(1, "a", 5)
      assert.equal((await honest.first(P.REPLY)).flags, 0)
      honest.socket.close()
      await until(() => node.stats().edge?.clients === 0)
    })

    it("are refused what exceeds their rate, and closed when they do not stop", async () => {
      const { node, endpoint } = await open({ server, ...EVERYTHING, rate: { messages: 50, bytes: 1_000_000 } })
      let count = 0
      node.subscribe("flood", () => void count++)
      const [honest, flooder] = await Promise.all([1, 2].map(() => RawEdgeClient.open(endpoint)))
      for (let i = 1; i <= 150; i++) flooder.publish(i, "flood", i)
      await flooder.first(P.REFUSED, one => one.what === P.OF_PUBLISH && one.code === "EAGAIN")
      assert.equal(flooder.closed, null)
      const before = count
      assert.ok(before >= 90 && before <= 130, `${before} of 150 were published`)
      for (let i = 151; i <= 1_000; i++) flooder.publish(i, "flood", i)
      assert.equal((await flooder.ended()).code, P.CLOSE_FLOOD)
      assert.ok(count < 200, `${count} were published`)
      honest.publish(1, "flood", 1, P.PUB_RESULT)
      await honest.first(P.PUBLISH_RESULT)
    })

    it("are closed for messages that are too large, and for too many bytes", async () => {
      const { node, endpoint } = await open({
        server,
        ...EVERYTHING,
        maxMessageSize: 100_000,
        rate: { messages: 0, bytes: 100_000 },
      })
      const large = await RawEdgeClient.open(endpoint)
      large.publish(1, "a", Buffer.alloc(200_000))
      assert.equal((await large.ended()).code, P.CLOSE_TOO_LARGE)
      await until(() => node.stats().edge?.refused.EMSGSIZE === 1)
      // Far too large: uWebSockets.js ends it without a word, the node knows why all the same.
      const huge = await RawEdgeClient.open(endpoint)
      huge.publish(1, "a", Buffer.alloc(2_000_000))
      const { code } = await huge.ended()
      assert.ok(code === P.CLOSE_TOO_LARGE || code === 1006, `closed with ${code}`)
      await until(() => node.stats().edge?.refused.EMSGSIZE === 2)
      const greedy = await RawEdgeClient.open(endpoint)
      for (let i = 1; i < 20; i++) greedy.publish(i, "a", Buffer.alloc(50_000))
      assert.equal((await greedy.ended()).code, P.CLOSE_FLOOD)
    })

    it("that read nothing do not hold up others, and get the rest later or are told", async function () {
      this.timeout(30_000)
      const { node, endpoint } = await open({
        server,
        ...EVERYTHING,
        maxBuffer: 64 * 1024,
        resume: { bytes: 1024 * 1024 },
      })
      const [quick, slow] = await Promise.all([1, 2].map(() => RawEdgeClient.open(endpoint)))
      const [sub] = await Promise.all([quick, slow].map(client => client.subscribed(1, "big")))
      slow.socket.pause()
      const pad = Buffer.alloc(16 * 1024, 120).toString()
      const COUNT = 1_500
      for (let i = 0; i < COUNT; i++) {
        node.publish("big", { i, pad }, { codec: "json" })
        if (i % 4 === 0) await new Promise(setImmediate)
      }
      await until(() => quick.position(sub.channel) === COUNT)
      assert.equal(quick.all(P.GAP).length, 0)
      assert.ok((node.stats().edge?.slow ?? 0) > 0)
      slow.socket.resume()
      await until(() => slow.position(sub.channel) === COUNT)
      const missing = slow.all(P.GAP).reduce((sum, gap) => sum + (gap.missing as number), 0)
      assert.ok(missing > 0)
      const got = slow.values(sub.channel) as { i: number }[]
      assert.equal(got.length + missing, COUNT)
      assert.equal(got.at(-1)?.i, COUNT - 1)
      node.publish("big", { i: COUNT }, { codec: "json" })
      await until(() => slow.position(sub.channel) === COUNT + 1)
    })

    it("that speak no WebSocket, or stop in the middle, cost nothing", async () => {
      const { node, endpoint, http } = await open({ server, ...EVERYTHING })
      const { hostname, port } = new URL(http)
      const upgrade = `GET / HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: heddle.edge.1\r\n\r\n`
      const texts = [
        "",
        "GET",
        "\0\x01\x02garbage\r\n\r\n",
        upgrade.slice(0, 60),
        `${upgrade}\xff\xff\xff\xff`,
        `${upgrade}\x82\x85`,
      ]
      for (const text of texts) {
        const socket = net.connect(Number(port), hostname)
        later(() => socket.destroy())
        socket.on("error", () => {})
        await new Promise(resolve => socket.once("connect", resolve))
        socket.write(Buffer.from(text, "latin1"))
        if (text.endsWith("\x85")) await until(() => node.stats().edge?.clients === 1)
        socket.destroy()
      }
      await until(() => node.stats().edge?.clients === 0)
      const honest = await RawEdgeClient.open(endpoint)
      honest.send(P.PING, out => out.varint(1))
      await honest.first(P.PONG)
    })
  })
}
