import assert from "node:assert/strict"
import { setTimeout as sleep } from "node:timers/promises"
import { type Fabric, join } from "../../../../index.ts"
import type { EdgeOptions } from "../../../../patterns/fabric/edge/options.ts"
import * as P from "../../../../patterns/fabric/edge/protocol.ts"
import { closesAfterEach } from "../../../support/cleanup.ts"
import { until } from "../../../support/wait.ts"
import { events } from "../nodes.ts"
import { RawEdgeClient, record } from "./edge-client.ts"
import { open, SERVERS } from "./edge-node.ts"

/** What the client was refused, once it has come: [what, number, code]. */
async function refusal(client: RawEdgeClient, what: number, number: number): Promise<unknown> {
  const got = await client.first(P.REFUSED, one => one.what === what && one.number === number)
  assert.ok((got.text as string).length > 20, `a reason in words: ${got.text}`)
  return got.code
}

async function failure(client: RawEdgeClient, id: number): Promise<unknown> {
  const got = await client.first(P.REPLY, one => one.id === id && one.flags === P.FAILED)
  return (got.value as { code: string }).code
}

const serve = (id: number, pattern: string, group = ""): Buffer =>
  record(P.SERVE, out => out.varint(id).text(pattern).text(group).varint(0).varint(10))

for (const server of SERVERS) {
  describe(`Policies of the edge by ${server}`, () => {
    closesAfterEach()

    it("let nobody do anything unless told otherwise, and say so on both sides", async () => {
      const { node, endpoint } = await open({ server })
      const seen = events(node, "edge")
      const got: unknown[] = []
      node.subscribe(">", message => void got.push(message.data))
      const client = await RawEdgeClient.open(endpoint)
      client.subscribe(1, "a.b")
      client.publish(1, "a.b", 1)
      client.request(1, "a.b", 1)
      client.socket.send(serve(1, "a.b"))
      assert.equal(await refusal(client, P.OF_SUBSCRIBE, 1), "EACCES")
      assert.equal(await refusal(client, P.OF_PUBLISH, 1), "EACCES")
      assert.equal(await refusal(client, P.OF_SERVE, 1), "EACCES")
      assert.equal(await failure(client, 1), "EACCES")
      await client.first(P.PUBLISHED, one => one.number === 1)
      await until(() => node.stats().edge?.refused.EACCES === 4)
      await until(() => seen.filter(one => one.what === "refused").reduce((sum, one) => sum + one.count, 0) === 4)
      assert.equal(client.closed, null)
      assert.deepEqual(got, [])
    })

    it("allow a pattern that one of the list covers, and no wider one", async () => {
      const { endpoint } = await open({
        server,
        subscribe: ["chat.*.text", "prices.>"],
        publish: ["chat.>"],
        serve: ["page.*"],
      })
      const client = await RawEdgeClient.open(endpoint)
      const may = ["chat.a.text", "chat.*.text", "prices.eur", "prices.*", "prices.>", "prices.a.>"]
      for (const [i, pattern] of may.entries()) await client.subscribed(i, pattern)
      const mayNot = ["chat.>", "chat.*.*", "chat.a", ">", "*", "prices", "*.text", "$heddle.x", "a..b", "", "a b"]
      for (const [i, pattern] of mayNot.entries()) {
        client.subscribe(100 + i, pattern)
        const code = await refusal(client, P.OF_SUBSCRIBE, 100 + i)
        assert.ok(code === "EACCES" || code === "EINVAL", `${pattern}: ${code}`)
      }
      for (const [i, subject] of ["chat", "prices.eur", "chat.*", "chat.>", "", "$heddle.x"].entries()) {
        client.publish(i + 1, subject, 1)
        const code = await refusal(client, P.OF_PUBLISH, i + 1)
        assert.ok(code === "EACCES" || code === "EINVAL", `${subject}: ${code}`)
      }
      client.publish(7, "chat.x", 1, P.PUB_RESULT)
      await client.first(P.PUBLISH_RESULT, one => one.number === 7)
    })

    it("ask the host about tokens, which may bring lists and users of their own", async () => {
      const asked: unknown[] = []
      const { node, endpoint } = await open({
        server,
        subscribe: ["all.>"],
        token: async (token, request) => {
          asked.push([token, request.headers.get("x-who")])
          if (token === "throw") throw new Error("the database is down")
          if (token === "admin") return { user: "root", subscribe: [">"] }
          return token === "guest" ? { user: "guest" } : null
        },
      })
      const problems = events(node, "error")
      const seen = events(node, "edge")
      const admin = new RawEdgeClient(endpoint, { headers: { "x-who": "me" } })
      await admin.opened()
      // What follows HELLO waits until the token is judged.
      admin.socket.send(
        Buffer.concat([
          record(P.HELLO, out => out.varint(1).text("admin").text("").text("tab")),
          record(P.SUBSCRIBE, out => out.varint(1).text(">").byte(0)),
        ]),
      )
      await admin.first(P.READY)
      assert.deepEqual(asked, [["admin", "me"]])
      const guest = await RawEdgeClient.open(endpoint, { token: "guest" })
      guest.subscribe(1, ">")
      assert.equal(await refusal(guest, P.OF_SUBSCRIBE, 1), "EACCES")
      await guest.subscribed(2, "all.*")
      for (const token of ["", "throw", "other"]) {
        const stranger = new RawEdgeClient(endpoint)
        await stranger.opened()
        stranger.hello(token)
        stranger.subscribe(1, "all.*")
        assert.equal(await refusal(stranger, P.OF_CONNECTION, 0), "EACCES")
        assert.equal((await stranger.ended()).code, P.CLOSE_TOKEN)
        assert.equal(stranger.all(P.WELCOME).length, 0)
      }
      assert.equal(problems.length, 1)
      await until(() =>
        seen.some(one => one.what === "join" && one.client.user === "root" && one.client.name === "tab"),
      )
    })

    it("close who has a token that expires, unless it brings a new one", async () => {
      const { endpoint } = await open({
        server,
        token: token => {
          if (token === "bad") return null
          if (token === "old") return { expires: Date.now() - 1 }
          if (token === "other") return { user: "other" }
          return token === "long" ? { subscribe: ["b"] } : { subscribe: ["a", "b"], expires: Date.now() + 900 }
        },
      })
      const old = new RawEdgeClient(endpoint)
      await old.opened()
      old.hello("old")
      assert.equal((await old.ended()).code, P.CLOSE_TOKEN)
      const [lazy, keen] = await Promise.all([1, 2].map(() => RawEdgeClient.open(endpoint, { token: "short" })))
      const rest = (await lazy.first(P.WELCOME)).rest as number
      assert.ok(rest > 0 && rest <= 900)
      await keen.subscribed(1, "a")
      await keen.subscribed(2, "b")
      await keen.first(P.NOTICE, one => one.kind === P.EXPIRING)
      for (const token of ["bad", "other"]) {
        const before = keen.all(P.REFUSED).length
        keen.send(P.AUTH, out => out.text(token))
        await until(() => keen.all(P.REFUSED).length > before)
        assert.equal(keen.all(P.REFUSED)[before].what, P.OF_AUTH)
      }
      keen.send(P.AUTH, out => out.text("long"))
      assert.equal((await keen.first(P.AUTHENTICATED)).rest, 0)
      // The new token does not allow it any more.
      assert.equal(await refusal(keen, P.OF_SUBSCRIBE, 1), "EACCES")
      assert.equal((await lazy.ended()).code, P.CLOSE_TOKEN)
      assert.equal(await refusal(lazy, P.OF_CONNECTION, 0), "EACCES")
      keen.send(P.PING, out => out.varint(5))
      await keen.first(P.PONG)
      assert.equal(keen.closed, null)
    })

    it("refuse pages of other origins, other hosts' names, and other sub-protocols", async () => {
      const { node, endpoint } = await open({ server })
      const seen = events(node, "edge")
      const port = new URL(endpoint).port
      const attempt = async (options: ConstructorParameters<typeof RawEdgeClient>[1]): Promise<string> => {
        const client = new RawEdgeClient(endpoint, options)
        return client.opened().then(
          () => "open",
          error => (error as Error).message,
        )
      }
      assert.match(await attempt({ origin: "https://evil.example" }), /403/)
      assert.match(
        await attempt({ origin: `http://evil.example:${port}`, headers: { host: `evil.example:${port}` } }),
        /403/,
      )
      assert.match(await attempt({ headers: { host: `evil.example:${port}` } }), /403/)
      assert.match(await attempt({ protocol: "mqtt" }), /400/)
      assert.equal(await attempt({ origin: `http://127.0.0.1:${port}` }), "open")
      assert.equal(
        await attempt({ origin: `http://localhost:${port}`, headers: { host: `localhost:${port}` } }),
        "open",
      )
      await until(() => seen.filter(one => one.what === "refused").reduce((sum, one) => sum + one.count, 0) === 4)
      const listed = await open({ server, origins: ["https://good.example"] })
      const good = new RawEdgeClient(listed.endpoint, {
        origin: "https://good.example",
        headers: { host: "good.example" },
      })
      await good.opened()
    })

    it("bound what one client may have", async () => {
      const { endpoint, node } = await open({
        server,
        subscribe: [">"],
        serve: [">"],
        request: [">"],
        maxSubscriptions: 2,
        maxServices: 1,
        maxRequests: 1,
        maxHistory: 5,
        maxClients: 2,
        maxChannels: 3,
      })
      node.serve("slow", () => new Promise(() => {}))
      const client = await RawEdgeClient.open(endpoint)
      await client.subscribed(1, "a")
      await client.subscribed(2, "b")
      client.subscribe(3, "c")
      assert.equal(await refusal(client, P.OF_SUBSCRIBE, 3), "EAGAIN")
      client.send(P.UNSUBSCRIBE, out => out.varint(1))
      client.subscribe(4, "c", { history: 6 })
      assert.equal(await refusal(client, P.OF_SUBSCRIBE, 4), "EINVAL")
      client.subscribe(2, "c")
      assert.equal(await refusal(client, P.OF_SUBSCRIBE, 2), "EINVAL")
      client.subscribe(5, "c", { history: 5, group: "g" })
      assert.equal(await refusal(client, P.OF_SUBSCRIBE, 5), "EINVAL")
      client.socket.send(serve(1, "s"))
      client.socket.send(serve(2, "t"))
      assert.equal(await refusal(client, P.OF_SERVE, 2), "EAGAIN")
      client.request(1, "slow", null)
      client.request(2, "slow", null)
      assert.equal(await failure(client, 2), "EAGAIN")
      client.send(P.CANCEL, out => out.varint(1))
      client.request(3, "slow", null, { timeout: 20 })
      assert.equal(await failure(client, 3), "ETIMEDOUT")
      const second = await RawEdgeClient.open(endpoint)
      await second.subscribed(1, "d")
      await second.subscribed(2, "e")
      await client.subscribed(6, "e")
      client.send(P.UNSUBSCRIBE, out => out.varint(6))
      client.subscribe(7, "f")
      assert.equal(await refusal(client, P.OF_SUBSCRIBE, 7), "EAGAIN")
      const third = new RawEdgeClient(endpoint)
      await assert.rejects(third.opened(), /503/)
    })

    it("close who says nothing", async () => {
      const { endpoint } = await open({ server, helloTimeout: 50, token: () => new Promise(() => {}) })
      const [mute, waiting] = [new RawEdgeClient(endpoint), new RawEdgeClient(endpoint)]
      await Promise.all([mute.opened(), waiting.opened()])
      waiting.hello("x")
      assert.equal((await mute.ended()).code, P.CLOSE_NO_HELLO)
      assert.equal((await waiting.ended()).code, P.CLOSE_NO_HELLO)
    })

    it("check payloads by the schemas of the fabric", async () => {
      const numbersOnly = {
        "~standard": {
          version: 1 as const,
          vendor: "test",
          validate: (value: unknown) =>
            typeof value === "number" ? { value } : { issues: [{ message: "is no number" }] },
        },
      }
      const { node, endpoint } = await open(
        { server, publish: ["n.>"], request: ["n.>"] },
        { schemas: { "n.>": numbersOnly } },
      )
      const got: unknown[] = []
      node.subscribe("n.>", message => void got.push(message.data))
      node.serve("n.ask", () => 1)
      const client = await RawEdgeClient.open(endpoint)
      client.publish(1, "n.a", "text")
      client.publish(2, "n.a", 5)
      client.request(1, "n.ask", {})
      assert.equal(await refusal(client, P.OF_PUBLISH, 1), "ERR_VALIDATION")
      assert.equal(await failure(client, 1), "ERR_VALIDATION")
      await until(() => got.length === 1)
      assert.deepEqual(got, [5])
    })
  })
}

describe("The edge of a node", () => {
  closesAfterEach()

  it("checks its options before anything is opened", async () => {
    const attempts: [unknown, RegExp][] = [
      ["tcp://127.0.0.1:0", /ws:\/\//],
      [{}, /listen/],
      [{ listen: [] }, /listen/],
      [{ listen: "ws://127.0.0.1:0", publish: "chat.>" }, /list/],
      [{ listen: "ws://127.0.0.1:0", publish: ["a..b"] }, /empty token/],
      [{ listen: "ws://127.0.0.1:0", subscribe: ["$heddle.>"] }, /reserved/],
      [{ listen: "ws://127.0.0.1:0", publsh: [] }, /no option publsh/],
      [{ listen: "ws://127.0.0.1:0", rate: { message: 1 } }, /no option message/],
      [{ listen: "ws://127.0.0.1:0", rate: { messages: -1 } }, /rate.messages/],
      [{ listen: "ws://127.0.0.1:0", token: "secret" }, /function/],
      [{ listen: "ws://127.0.0.1:0", origins: ["example.com"] }, /origin/],
      [{ listen: "ws://127.0.0.1:0", files: { "index.html": { type: "text/html", body: "" } } }, /path/],
      [{ listen: "ws://127.0.0.1:0", maxClients: 0 }, /maxClients/],
    ]
    for (const [edge, why] of attempts)
      await assert.rejects(join("edge-options", { discovery: [], edge: edge as EdgeOptions }), {
        code: "EINVAL",
        message: why,
      })
  })

  it("says when its port is taken, and leaves nothing open", async () => {
    const { node } = await open({})
    const taken = node.edgeEndpoints[0]
    await assert.rejects(join("edge-taken", { discovery: [], edge: taken }), { code: "EADDRINUSE" })
  })

  it("tells clients that it leaves, and closes them", async () => {
    const { node, endpoint } = await open({ subscribe: [">"] })
    const client = await RawEdgeClient.open(endpoint)
    await client.subscribed(1, "a")
    await node.drain()
    assert.equal((await client.ended()).code, P.CLOSE_LEAVING)
    assert.ok(client.all(P.NOTICE).some(one => one.kind === P.LEAVING))
    const late = new RawEdgeClient(endpoint)
    await assert.rejects(late.opened())
  })

  it("ends a session that says goodbye, and lets another connection take one over", async () => {
    const { node, endpoint } = await open({ subscribe: [">"], publish: [">"] })
    const first = await RawEdgeClient.open(endpoint)
    const { session } = await first.first(P.WELCOME)
    const sub = await first.subscribed(1, "a")
    first.publish(1, "b", 1)
    await first.first(P.PUBLISHED)
    const second = await RawEdgeClient.open(endpoint, { session: session as string })
    assert.equal((await first.ended()).code, P.CLOSE_REPLACED)
    const welcome = await second.first(P.WELCOME)
    assert.deepEqual([welcome.session, welcome.flags, welcome.publishes], [session, P.RESUMED, 1])
    const again = await second.subscribed(1, "a", { channel: sub.channel as number, position: 0 })
    assert.equal(again.flags, P.RESUMED)
    second.send(P.BYE)
    assert.equal((await second.ended()).code, P.CLOSE_DONE)
    await until(() => node.stats().edge?.sessions === 0)
    const third = await RawEdgeClient.open(endpoint, { session: session as string })
    assert.equal((await third.first(P.WELCOME)).flags, 0)
  })

  it("forgets sessions and channels of clients that do not come back", async () => {
    const { node, endpoint } = await open({ subscribe: [">"], resume: { time: 100 } })
    const client = await RawEdgeClient.open(endpoint)
    await client.subscribed(1, "a")
    await client.subscribed(2, "b", { group: "g" })
    client.socket.terminate()
    await until(() => node.stats().edge?.clients === 0)
    assert.equal(node.stats().edge?.sessions, 1)
    await until(() => node.stats().edge?.sessions === 0 && node.stats().edge?.channels === 0)
    await sleep(1)
    assert.equal(subscriptions(node), 0)
  })
})

function subscriptions(node: Fabric): number {
  return node.stats().takers.length
}
