import assert from "node:assert/strict"
import { once } from "node:events"
import net from "node:net"
import { WebSocket } from "ws"
import type { Fabric, JoinOptions } from "../../index.ts"
import { connect } from "../../patterns/fabric/browser/connect.ts"
import type { FabricClient } from "../../patterns/fabric/browser/fabric-client.ts"
import type { ConnectOptions } from "../../patterns/fabric/browser/options.ts"
import type { WebSocketConstructor } from "../../patterns/fabric/browser/websocket.ts"
import type { EdgeOptions } from "../../patterns/fabric/edge/options.ts"
import { RemoteError, ServiceError } from "../../patterns/fabric/requests/failures.ts"
import { another, overTcp } from "../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { seeded } from "../support/random.ts"
import { Relay } from "../support/relay.ts"
import { Valve } from "../support/valve.ts"
import { turns, until } from "../support/wait.ts"

const webSocket: WebSocketConstructor = WebSocket
const ALL = { publish: [">"], subscribe: [">"], request: [">"], serve: [">"] }

async function nodeWith(edge: Partial<EdgeOptions> = {}, options: JoinOptions = {}): Promise<Fabric> {
  const listen = "ws://127.0.0.1:0"
  return (await overTcp(1, { edge: { listen, ...ALL, ...edge }, ...options }))[0]
}

async function clientOf(url: string, options: ConnectOptions = {}): Promise<FabricClient> {
  const fabric = await connect(url, { webSocket, reconnect: { delay: 2, maxDelay: 20 }, ...options })
  later(() => fabric.close())
  return fabric
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, "close")
  return port
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

describe("A client at the edge of a node", () => {
  closesAfterEach()

  it("publishes to nodes and other clients, and gets what they publish", async () => {
    const node = await nodeWith()
    const far = await another(node)
    const url = node.edgeEndpoints[0]
    const [one, two] = [await clientOf(url, { name: "one" }), await clientOf(url, { codec: "json" })]
    assert.deepEqual([one.fabric, one.node], [node.fabric, node.name])
    const got: Record<string, unknown[]> = { far: [], one: [], two: [] }
    const note = (who: string) => (message: { subject: string; data: unknown; encoding: string }) =>
      void got[who].push([message.subject, message.data, message.encoding])
    const subscriptions = [
      far.subscribe("chat.*", note("far")),
      one.subscribe("chat.*", note("one")),
      two.subscribe("chat.>", note("two")),
    ]
    await Promise.all(subscriptions.map(({ ready }) => ready))
    const said = { text: "hello", at: new Date(0), bytes: new Uint8Array([1, 2]), big: 2n ** 60n }
    assert.ok(((await one.send("chat.a", said)).peers ?? 0) > 0)
    await two.send("chat.b", { n: 1 })
    await until(() => got.two.length === 2)
    far.publish("chat.c", { same: "keys" })
    far.publish("chat.c", { same: "keys again" })
    await until(() => got.two.length === 4)
    node.publish("chat.d", Buffer.from("raw"))
    await until(() => Object.values(got).every(list => list.length === 5))
    const plain = JSON.parse(JSON.stringify(got, (_, value) => (typeof value === "bigint" ? `${value}` : value)))
    assert.deepEqual(got.one, got.two)
    assert.deepEqual(got.one[0], ["chat.a", said, "msgpack"])
    assert.deepEqual(got.one.slice(1), [
      ["chat.b", { n: 1 }, "json"],
      ["chat.c", { same: "keys" }, "msgpack"],
      ["chat.c", { same: "keys again" }, "msgpack"],
      ["chat.d", new Uint8Array(Buffer.from("raw")), "bytes"],
    ])
    assert.equal(plain.far.length, 5)
  })

  it("passes headers on, either way", async () => {
    const node = await nodeWith()
    const client = await clientOf(node.edgeEndpoints[0])
    const there = node.subscribe("a")
    const here = client.subscribe("b")
    await Promise.all([there.ready, here.ready])
    client.publish("a", 1, { headers: { Trace: ["x", "y"] } })
    node.publish("b", 2, { headers: [["Bin", Buffer.from([7])]] })
    assert.deepEqual((await there.receive()).headers.getAll("Trace"), ["x", "y"])
    assert.deepEqual((await here.receive()).headers.getBytes("Bin"), new Uint8Array([7]))
  })

  it("asks nodes, and answers them", async () => {
    const node = await nodeWith()
    const far = await another(node)
    const client = await clientOf(node.edgeEndpoints[0])
    far.serve("stock.check", ({ data }) => {
      if (data.sku === "silk") throw new ServiceError("UNKNOWN_SKU", "no silk", { asked: 1 })
      return { left: 7 }
    })
    await node.ready({ subject: "stock.check", servers: 1 })
    assert.deepEqual((await client.request("stock.check", { sku: "warp" })).data, { left: 7 })
    await assert.rejects(client.request("stock.check", { sku: "silk" }), (error: RemoteError) => {
      assert.ok(error instanceof RemoteError)
      assert.deepEqual([error.code, error.remoteCode, error.details], ["ERR_REMOTE", "UNKNOWN_SKU", { asked: 1 }])
      assert.match(error.message, /no silk$/)
      return true
    })
    await assert.rejects(client.request("nobody.here", 1), { code: "ERR_NO_RESPONDERS" })

    const service = client.serve("page.title", async ({ data }) => {
      await turns()
      if (data === "boom") throw new ServiceError("BOOM", "no title", [1])
      return `title of ${data}`
    })
    await service.ready
    await far.ready({ subject: "page.title", servers: 1 })
    assert.equal((await far.request("page.title", "x")).data, "title of x")
    await assert.rejects(far.request("page.title", "boom"), { code: "ERR_REMOTE", remoteCode: "BOOM", details: [1] })
    // One client may ask another.
    const second = await clientOf(node.edgeEndpoints[0])
    assert.equal((await second.request("page.title", "y")).data, "title of y")
    service.close()
    // Until all nodes know it, a request may still come: it is refused.
    await assert.rejects(client.request("page.title", "z"), ({ code }) => /^ERR_(NO_RESPONDERS|REMOTE)$/.test(code))
  })

  it("gives up in time, and servers hear of it, either way", async () => {
    const node = await nodeWith()
    const client = await clientOf(node.edgeEndpoints[0])
    const aborted: string[] = []
    const never = (where: string) => (message: { signal: AbortSignal }) =>
      new Promise(resolve => {
        message.signal.addEventListener("abort", () => {
          aborted.push(where)
          // Not at once: whoever gives up must not get an answer after all.
          setTimeout(resolve, 50)
        })
      })
    node.serve("at.node", never("node"))
    await client.serve("at.client", never("client")).ready
    await assert.rejects(client.request("at.node", 1, { timeout: 30 }), { code: "ETIMEDOUT" })
    await assert.rejects(node.request("at.client", 1, { timeout: 30 }), { code: "ETIMEDOUT" })
    const control = new AbortController()
    const cancelled = assert.rejects(node.request("at.client", 1, { signal: control.signal }), { code: "ECANCELED" })
    await turns(5)
    control.abort()
    await cancelled
    await until(() => aborted.length === 3)
    assert.deepEqual(aborted.sort(), ["client", "client", "node"])
  })

  it("streams either way, and asks many", async () => {
    const node = await nodeWith({ rate: { messages: 0 } })
    const far = await another(node)
    const client = await clientOf(node.edgeEndpoints[0])
    const count = async function* ({ data }: { data: unknown }): AsyncGenerator<number> {
      for (let i = 0; i < Number(data); i++) yield i
    }
    far.serve("count.node", count)
    await client.serve("count.client", count).ready
    await node.ready({ subject: "count.node", servers: 1 })
    await far.ready({ subject: "count.client", servers: 1 })
    const got: unknown[] = []
    for await (const { data } of client.stream("count.node", 500)) got.push(data)
    assert.deepEqual(got, upTo(500))
    got.length = 0
    for await (const { data } of far.stream("count.client", 500)) got.push(data)
    assert.deepEqual(got, upTo(500))
    for (const one of [node, far]) one.serve("who", () => one.name)
    await client.serve("who", () => "client").ready
    await node.ready({ subject: "who", servers: 3 })
    const names: unknown[] = []
    for await (const { data } of client.requestMany("who", null, { max: 3 })) names.push(data)
    assert.deepEqual(names.sort(), [node.name, "another", "client"].sort())
  })

  it("gets what publishers have kept, then the live flow", async () => {
    const node = await nodeWith()
    const url = node.edgeEndpoints[0]
    node.keep("prices.>", { last: 3 })
    for (const i of upTo(5)) node.publish("prices.tin", i)
    node.publish("prices.zinc", "z")
    const got: unknown[] = []
    const client = await clientOf(url)
    const subscription = client.subscribe("prices.*", ({ data, kept }) => void got.push([data, kept]), { history: 2 })
    await subscription.ready
    node.publish("prices.tin", 5)
    await until(() => got.length === 4)
    assert.deepEqual(
      got.filter(one => (one as unknown[])[0] !== "z"),
      [
        [3, true],
        [4, true],
        [5, false],
      ],
    )
  })

  it("is one member of a queue group among others", async () => {
    const node = await nodeWith()
    const url = node.edgeEndpoints[0]
    const [one, two] = [await clientOf(url), await clientOf(url)]
    const done: number[][] = [[], [], []]
    const worker = (who: number) => async (message: { data: unknown }) => {
      await turns()
      done[who].push(Number(message.data))
    }
    const subscriptions = [
      one.subscribe("jobs", worker(0), { queue: "q" }),
      two.subscribe("jobs", worker(1), { queue: "q" }),
      node.subscribe("jobs", worker(2), { queue: "q" }),
    ]
    await Promise.all(subscriptions.map(({ ready }) => ready))
    for (const i of upTo(200)) node.publish("jobs", i)
    await until(() => done.flat().length === 200)
    assert.deepEqual(
      done.flat().sort((a, b) => a - b),
      upTo(200),
    )
    assert.ok(
      done.every(list => list.length > 10),
      done.map(({ length }) => length).join(),
    )
  })

  it("may do what the lists say, and nothing else", async () => {
    const node = await nodeWith({ publish: ["chat.>"], subscribe: ["chat.*", "news"], request: ["stock"], serve: [] })
    const client = await clientOf(node.edgeEndpoints[0])
    const errors: unknown[] = []
    client.events.on("error", ({ subject }) => errors.push(subject))
    await client.send("chat.a", 1)
    await assert.rejects(client.send("orders", 1), { code: "EACCES" })
    client.publish("secret", 1)
    await assert.rejects(client.subscribe("chat.>").ready, { code: "EACCES" })
    await assert.rejects(client.subscribe("orders").ready, { code: "EACCES" })
    await client.subscribe("news").ready
    await assert.rejects(client.request("orders", 1), { code: "EACCES" })
    await assert.rejects(client.request("stock", 1), { code: "ERR_NO_RESPONDERS" })
    await assert.rejects(client.serve("stock", () => 1).ready, { code: "EACCES" })
    await until(() => client.waiting === 0)
    assert.deepEqual(errors.sort(), ["chat.>", "orders", "secret", "stock"])
    const closed = await nodeWith({ publish: [], subscribe: [], request: [], serve: [] })
    const guest = await clientOf(closed.edgeEndpoints[0])
    await assert.rejects(guest.send("a", 1), { code: "EACCES" })
  })

  it("shows its token, and brings another before it expires", async () => {
    const asked: string[] = []
    const node = await nodeWith({
      token: token => {
        asked.push(token)
        if (!token.startsWith("good")) return null
        return { user: "ann", ...(token === "good 1" ? { expires: Date.now() + 5_000 } : {}) }
      },
    })
    const url = node.edgeEndpoints[0]
    await assert.rejects(clientOf(url), { code: "EACCES" })
    let count = 0
    const client = await clientOf(url, { token: () => `good ${++count}` })
    const events: string[] = []
    for (const type of ["resuming", "closed"] as const) client.events.on(type, () => events.push(type))
    const got: unknown[] = []
    await client.subscribe("a", ({ data }) => void got.push(data)).ready
    await until(() => asked.includes("good 2"))
    await client.send("a", 1)
    await until(() => got.length === 1)
    assert.deepEqual(events, [])
    await assert.rejects(client.authenticate("bad"), { code: "EACCES" })
    await client.send("a", 2)
  })

  it("loses nothing and gets nothing twice, however often its connection breaks", () =>
    seeded(async random => {
      const node = await nodeWith({ rate: { messages: 0 } })
      const [, port] = /:(\d+)$/.exec(node.edgeEndpoints[0]) as RegExpExecArray
      const relay = await Relay.open(`tcp://127.0.0.1:${port}`, () => ({
        bytes: random.int(400, 8_000),
        reset: random.chance(0.5),
      }))
      later(() => relay.close())
      const client = await clientOf(relay.endpoint.replace("tcp", "ws"), { connectTimeout: 30_000 })
      const events: unknown[] = []
      for (const type of ["gap", "unconfirmed", "drop"] as const) client.events.on(type, event => events.push(event))
      const [up, down]: [number[], number[]] = [[], []]
      const there = node.subscribe("up", ({ data }) => void up.push(Number(data)))
      const here = client.subscribe("down", ({ data }) => void down.push(Number(data)))
      await Promise.all([there.ready, here.ready])
      const MANY = 1_500
      for (let i = 0; i < MANY; i++) {
        client.publish("up", i)
        node.publish("down", i)
        if (i % 20 === 0) await turns(random.int(0, 3))
      }
      await until(() => relay.broken >= 8 || (up.length >= MANY && down.length >= MANY))
      relay.spares = true
      await until(() => up.length >= MANY && down.length >= MANY)
      await client.flush()
      assert.deepEqual([up, down], [upTo(MANY), upTo(MANY)])
      assert.deepEqual(events, [])
      assert.ok(relay.broken > 0, "nothing was broken")
    }))

  it("is told how many messages are gone when it was away for too long", async () => {
    const node = await nodeWith({ resume: { bytes: 2_000 } })
    const [, port] = /:(\d+)$/.exec(node.edgeEndpoints[0]) as RegExpExecArray
    const target = `tcp://127.0.0.1:${port}`
    const way = await Valve.open(target)
    const client = await clientOf(way.endpoint.replace("tcp", "ws"))
    const got: number[] = []
    let missing = 0
    client.events.on("gap", ({ count }) => {
      missing += count ?? Number.NaN
    })
    const subscription = client.subscribe("a", ({ data }) => void got.push(Number((data as { i: number }).i)))
    await subscription.ready
    node.publish("a", { i: 0, text: "x".repeat(200) })
    await until(() => got.length === 1)
    await way.close()
    await until(() => client.status === "resuming")
    for (let i = 1; i <= 100; i++) {
      node.publish("a", { i, text: "x".repeat(200) })
      // What one turn publishes is kept or dropped together.
      await turns(2)
    }
    const again = await Valve.open(target, Number(/:(\d+)$/.exec(way.endpoint)?.[1]))
    later(() => again.close())
    await until(() => got.at(-1) === 100)
    assert.equal(got.length + missing, 101, `${got.length} and ${missing} missing`)
    assert.ok(missing > 50 && missing === subscription.missed, `${missing} are missing`)
    assert.deepEqual(got.slice(1), upTo(101).slice(101 - got.length + 1))
  })

  it("goes on with a node that was started anew", async () => {
    const url = `ws://127.0.0.1:${await freePort()}`
    const first = await nodeWith({ listen: url })
    const client = await clientOf(url)
    const events: unknown[] = []
    client.events.on("gap", ({ count }) => events.push(["gap", count]))
    client.events.on("resumed", ({ lost }) => events.push(["resumed", lost]))
    const got: unknown[] = []
    await client.subscribe("a", ({ data }) => void got.push(data)).ready
    await client.serve("b", () => "answer").ready
    await first.close()
    await until(() => client.status === "resuming")
    client.publish("c", "while nobody was there")
    const node = await nodeWith({ listen: url })
    const c = node.subscribe("c")
    assert.equal((await c.receive()).data, "while nobody was there")
    await node.ready({ subject: "b", servers: 1 })
    assert.equal((await node.request("b", 1)).data, "answer")
    await node.ready({ subject: "a", subscribers: 1 })
    node.publish("a", 1)
    await until(() => got.length === 1)
    assert.deepEqual(events.sort(), [
      ["gap", null],
      ["resumed", true],
    ])
  })

  it("sends what has gathered no faster than the node allows", async () => {
    const node = await nodeWith({ rate: { messages: 400 } })
    const client = await clientOf(node.edgeEndpoints[0])
    const errors: unknown[] = []
    client.events.on("error", ({ error }) => errors.push(error))
    let count = 0
    await node.subscribe("a", () => void count++).ready
    for (let i = 0; i < 700; i++) assert.equal(client.publish("a", i).taken, true)
    await client.flush()
    await until(() => count === 700)
    assert.deepEqual(errors, [])
  })
})
