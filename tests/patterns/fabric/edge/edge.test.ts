import assert from "node:assert/strict"
import * as P from "../../../../patterns/fabric/edge/protocol.ts"
import type { Content } from "../../../../patterns/fabric/edge/wire.ts"
import { closesAfterEach } from "../../../support/cleanup.ts"
import { until } from "../../../support/wait.ts"
import { RawEdgeClient, readValue } from "./edge-client.ts"
import { open, SERVERS } from "./edge-node.ts"

for (const server of SERVERS) {
  describe(`Edge by ${server}`, () => {
    closesAfterEach()

    it("gives what is published to all that have subscribed alike, by one channel", async () => {
      const { node, endpoint } = await open({ server, subscribe: ["prices.>"] })
      const clients = await Promise.all([1, 2, 3].map(() => RawEdgeClient.open(endpoint)))
      const subs = await Promise.all(clients.map(client => client.subscribed(7, "prices.*")))
      assert.equal(new Set(subs.map(sub => sub.channel)).size, 1)
      for (let i = 0; i < 100; i++) node.publish("prices.eur", { i })
      for (const client of clients) {
        await until(() => client.values(subs[0].channel).length === 100)
      }
      const data = clients[0].all(P.DATA)
      const all = data.flatMap(record => record.contents as Content[])
      assert.deepEqual(new Set(all.map(content => content.subject)), new Set(["prices.eur"]))
      assert.ok(data.length < 10, `one turn made ${data.length} messages`)
    })

    it("publishes for clients, says what became of it, and acknowledges numbers", async () => {
      const { node, endpoint } = await open({ server, publish: ["chat.>"] })
      const got: unknown[] = []
      node.subscribe("chat.>", message => void got.push([message.subject, message.data]))
      const client = await RawEdgeClient.open(endpoint)
      client.publish(1, "chat.a", { text: "hello" }, P.PUB_RESULT)
      client.publish(2, "chat.b", Buffer.from([1, 2]))
      client.publish(0, "chat.c", "unnumbered")
      await client.first(P.PUBLISHED, record => record.number === 2)
      const result = await client.first(P.PUBLISH_RESULT)
      assert.deepEqual([result.number, result.peers, result.dropped], [1, 1, 0])
      await until(() => got.length === 3)
      assert.deepEqual(got, [
        ["chat.a", { text: "hello" }],
        ["chat.b", Buffer.from([1, 2])],
        ["chat.c", "unnumbered"],
      ])
    })

    it("asks servers of the fabric: one, a stream, many, and says what they throw", async () => {
      const { node, endpoint } = await open({ server, request: ["math.>"] })
      node.serve("math.double", message => (message.data as number) * 2)
      node.serve("math.count", async function* (message) {
        for (let i = 0; i < (message.data as number); i++) yield i
      })
      node.serve("math.fail", () => {
        throw Object.assign(new TypeError("no"), { code: "ENO" })
      })
      node.serve("math.who", () => "a")
      node.serve("math.who", () => "b")
      const client = await RawEdgeClient.open(endpoint)
      client.request(1, "math.double", 21)
      client.request(2, "math.count", 5, { kind: P.ASK_STREAM, credit: 2 })
      client.request(3, "math.fail", null)
      client.request(4, "math.who", null, { kind: P.ASK_MANY })
      client.request(5, "math.nobody", null)
      const replies = (id: number) => client.all(P.REPLY).filter(reply => reply.id === id)
      await until(() => [1, 3, 5].every(id => replies(id).length === 1) && replies(2).length === 2)
      await until(() => replies(4).length === 3)
      // Plain msgpack in this test's client is text: 42 is one byte.
      assert.deepEqual(replies(1)[0].flags, 0)
      assert.equal(Buffer.from(replies(1)[0].value as string)[0], 42)
      assert.deepEqual(
        replies(4).map(reply => reply.flags),
        [P.MORE, P.MORE, P.END],
      )
      assert.equal(replies(3)[0].flags, P.FAILED)
      const failure = replies(3)[0].value as Record<string, unknown>
      assert.deepEqual([failure.code, failure.name, failure.remoteCode], ["ERR_REMOTE", "TypeError", "ENO"])
      assert.equal((replies(5)[0].value as Record<string, unknown>).code, "ERR_NO_RESPONDERS")
      client.send(P.CREDIT, out => out.varint(2).varint(10))
      await until(() => replies(2).length === 6)
      assert.deepEqual(
        replies(2).map(reply => reply.flags),
        [1, 1, 1, 1, 1, P.END],
      )
    })

    it("lets clients serve: a value, a stream, a failure, and a cancellation", async () => {
      const { node, endpoint } = await open({ server, serve: ["page.*"] })
      const client = await RawEdgeClient.open(endpoint)
      client.send(P.SERVE, out => out.varint(1).text("page.title").text("").varint(0).varint(100))
      await client.first(P.SERVING)
      const first = node.request("page.title", { tab: 1 })
      const call = await client.first(P.CALL)
      assert.deepEqual([call.id, (call.content as Content).subject], [1, "page.title"])
      client.result(call.call as number, 0, { title: "Heddle" })
      assert.deepEqual((await first).data, { title: "Heddle" })

      const stream = node.stream("page.title", null)
      const second = await client.first(P.CALL, one => one.call !== call.call)
      for (let i = 0; i < 3; i++) client.result(second.call as number, P.MORE, i)
      client.result(second.call as number, P.END, undefined)
      const values: unknown[] = []
      for await (const message of stream) values.push(message.data)
      assert.deepEqual(values, [0, 1, 2])

      const third = node.request("page.title", null)
      const bad = await client.first(P.CALL, one => (one.call as number) > (second.call as number))
      client.result(bad.call as number, P.FAILED, { name: "RangeError", code: "EPAGE", message: "not there" })
      await assert.rejects(third, { code: "ERR_REMOTE", remoteName: "RangeError", remoteCode: "EPAGE" })

      const gone = new AbortController()
      const fourth = node.request("page.title", null, { signal: gone.signal })
      const late = await client.first(P.CALL, one => (one.call as number) > (bad.call as number))
      gone.abort()
      await assert.rejects(fourth, { code: "ECANCELED" })
      await client.first(P.CALL_CANCEL, one => one.call === late.call)

      const fifth = node.request("page.title", null)
      await client.first(P.CALL, one => (one.call as number) > (late.call as number))
      client.socket.terminate()
      await assert.rejects(fifth, (error: { code: string; remoteCode: string }) => error.remoteCode === "ECONNRESET")
      await until(() => node.stats().edge?.clients === 0)
      await assert.rejects(node.request("page.title", null), { code: "ERR_NO_RESPONDERS" })
    })

    it("gives history first, then what is live, to each newcomer", async () => {
      const { node, endpoint } = await open({ server, subscribe: ["room.>"] })
      node.keep("room.>", { last: 3 })
      for (let i = 0; i < 5; i++) node.publish("room.a", `${i}`, { codec: "string" })
      const a = await RawEdgeClient.open(endpoint)
      const subA = await a.subscribed(1, "room.*", { history: 2 })
      await until(() => a.values(subA.channel).length === 2)
      assert.deepEqual(a.values(subA.channel), ["3", "4"])
      node.publish("room.a", "5", { codec: "string" })
      node.publish("room.b", "6", { codec: "string" })
      const b = await RawEdgeClient.open(endpoint)
      const subB = await b.subscribed(1, "room.*", { history: 2 })
      assert.equal(subB.channel, subA.channel)
      const kept = b.all(P.KEPT).flatMap(record => record.contents as Content[])
      assert.deepEqual(kept.map(readValue), ["4", "5", "6"])
      assert.ok(kept.every(content => content.kept))
      node.publish("room.b", "7", { codec: "string" })
      await until(() => b.values(subB.channel).length === 1 && a.values(subA.channel).length === 5)
      assert.deepEqual(b.values(subB.channel), ["7"])
    })

    it("gives one pattern twice to who asks twice, each in a channel of its own", async () => {
      const { node, endpoint } = await open({ server, subscribe: [">"] })
      const [client, other] = await Promise.all([1, 2].map(() => RawEdgeClient.open(endpoint)))
      const subs = [await client.subscribed(1, "a"), await client.subscribed(2, "a"), await other.subscribed(1, "a")]
      assert.notEqual(subs[0].channel, subs[1].channel)
      assert.equal(subs[2].channel, subs[0].channel)
      node.publish("a", 1, { codec: "json" })
      for (const sub of subs) {
        const whose = sub === subs[2] ? other : client
        await until(() => whose.values(sub.channel).length === 1)
      }
      client.send(P.UNSUBSCRIBE, out => out.varint(1))
      node.publish("a", 2, { codec: "json" })
      await until(() => client.values(subs[1].channel).length === 2 && other.values(subs[2].channel).length === 2)
      client.send(P.PING, out => out.varint(1))
      await client.first(P.PONG)
      assert.ok(client.values(subs[0].channel).length <= 2)
      client.send(P.UNSUBSCRIBE, out => out.varint(2))
      other.send(P.UNSUBSCRIBE, out => out.varint(1))
      await until(() => node.stats().edge?.channels === 0 && node.stats().takers.length === 0)
    })

    it("resumes: what came meanwhile, exactly once; and says how many are lost beyond the ring", async () => {
      const { node, endpoint } = await open({
        server,
        subscribe: ["n.>"],
        publish: ["up"],
        resume: { time: 60_000, bytes: 4_000 },
      })
      const up: unknown[] = []
      node.subscribe("up", message => void up.push(message.data))
      const first = await RawEdgeClient.open(endpoint)
      const welcome = await first.first(P.WELCOME)
      const sub = await first.subscribed(1, "n.*")
      first.publish(1, "up", 1)
      first.publish(2, "up", 2)
      for (let i = 0; i < 10; i++) node.publish("n.a", `${i}`, { codec: "string" })
      await until(() => first.values(sub.channel).length === 10)
      await first.first(P.PUBLISHED, record => record.number === 2)
      first.socket.terminate()
      await until(() => node.stats().edge?.clients === 0)
      for (let i = 10; i < 20; i++) node.publish("n.a", `${i}`, { codec: "string" })

      const second = await RawEdgeClient.open(endpoint, { session: welcome.session as string })
      const again = await second.first(P.WELCOME)
      assert.deepEqual([again.flags, again.publishes, again.session], [P.RESUMED, 2, welcome.session])
      second.publish(2, "up", "again")
      second.publish(3, "up", 3)
      const resumed = await second.subscribed(1, "n.*", { channel: sub.channel as number, position: 10 })
      assert.deepEqual([resumed.flags, resumed.missing, resumed.position], [P.RESUMED, 0, 10])
      node.publish("n.a", "20", { codec: "string" })
      await until(() => second.values(sub.channel).length === 11)
      assert.deepEqual(
        second.values(sub.channel),
        Array.from({ length: 11 }, (_, i) => `${i + 10}`),
      )
      await until(() => up.length === 3)
      assert.deepEqual(up, [1, 2, 3])

      second.socket.terminate()
      await until(() => node.stats().edge?.clients === 0)
      for (let i = 0; i < 100; i++) {
        node.publish("n.a", Buffer.alloc(100))
        await new Promise(setImmediate)
      }
      const third = await RawEdgeClient.open(endpoint)
      const lossy = await third.subscribed(1, "n.*", { channel: sub.channel as number, position: 21 })
      const rest = third.values(sub.channel).length
      await until(() => third.position(sub.channel) === 121)
      assert.equal((lossy.missing as number) + third.values(sub.channel).length, 100)
      assert.ok((lossy.missing as number) > 50 && rest <= 50)

      const fourth = await RawEdgeClient.open(endpoint)
      const strange = await fourth.subscribed(1, "n.*", { channel: 999, position: 21 })
      assert.deepEqual([strange.flags, strange.missing], [0, -1])
    })
  })
}
