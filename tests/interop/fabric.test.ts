/** A node of a fabric with clients of libzmq, by the npm package `zeromq`. */
import assert from "node:assert/strict"
import * as zmq from "zeromq"
import { type Fabric, type JoinOptions, join, seeds } from "../../index.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { ENDPOINTS, lastingIpc } from "../support/sockets.ts"
import { until } from "../support/wait.ts"
import { payload, theirs } from "./support.ts"

let fabrics = 0

/** Two linked nodes; clients connect to the second, or to both. */
async function nodes(endpoint: string, options: JoinOptions = {}): Promise<[Fabric, Fabric]> {
  const name = `interop-${fabrics++}`
  const listen = (): string => (endpoint.startsWith("ipc") ? lastingIpc() : endpoint)
  const a = await join(name, { name: "a", discovery: [], listen: listen(), ...options })
  later(() => a.close())
  const b = await join(name, { name: "b", discovery: [seeds([a.endpoints[0]])], listen: listen(), ...options })
  later(() => b.close())
  await a.ready({ peers: 1 })
  await b.ready({ peers: 1 })
  return [a, b]
}

function client<T extends { linger: number; close(): void; reconnectInterval: number; connect(to: string): void }>(
  socket: T,
  node: Fabric,
): T {
  theirs(socket).connect(node.endpoints[0])
  return socket
}

async function texts(socket: { receive(): Promise<Buffer[]> }): Promise<string[]> {
  return (await socket.receive()).map(String)
}

for (const endpoint of ENDPOINTS) {
  describe(`interop: fabric, over ${endpoint.split(":")[0]}`, () => {
    closesAfterEach()

    it("SUB follows what every node publishes, by prefix", async () => {
      const [a, b] = await nodes(endpoint)
      const socket = client(new zmq.Subscriber(), b)
      socket.subscribe("orders.", "orders.eu", "weather")
      await a.ready({ subject: "orders.eu.1" })
      for (const node of [a, b]) {
        for (const subject of ["orders.eu.1", "prices.eu", "weather", "weather.oslo"])
          node.publish(subject, node.name, { codec: "string" })
        assert.deepEqual(await texts(socket), ["orders.eu.1", node.name])
        assert.deepEqual(await texts(socket), ["weather", node.name])
        assert.deepEqual(await texts(socket), ["weather.oslo", node.name])
      }
      socket.unsubscribe("weather")
      socket.unsubscribe("orders.eu")
      await until(() => a.publish("weather", 1).peers === 0)
      a.publish("orders.us", "still", { codec: "string" })
      assert.deepEqual(await texts(socket), ["orders.us", "still"])
      socket.close()
      await until(() => a.publish("orders.us", 1).peers === 0)
    })

    it("XSUB subscribes by messages", async () => {
      const [a, b] = await nodes(endpoint)
      const socket = client(new zmq.XSubscriber(), b)
      await socket.send(Buffer.from("\x01news."))
      await a.ready({ subject: "news.1" })
      a.publish("news.1", Buffer.from("one"))
      assert.deepEqual(await texts(socket), ["news.1", "one"])
      await socket.send(Buffer.from("\x00news."))
      await until(() => a.publish("news.1", 1).peers === 0)
    })

    it("SUB gets 10,000 messages of all sizes, in order", async () => {
      const [a, b] = await nodes(endpoint, { foreign: { highWaterMark: 20_000 } })
      const socket = client(new zmq.Subscriber({ receiveHighWaterMark: 0 }), b)
      socket.subscribe("load")
      await a.ready({ subject: "load" })
      const sizes = [0, 1, 64, 254, 255, 256, 1_000, 9_000]
      const sending = (async () => {
        for (let i = 0; i < 10_000; i++) {
          a.publish("load", payload(sizes[i % sizes.length]))
          if (i % 500 === 499) await a.flush()
        }
      })()
      for (let i = 0; i < 10_000; i++) {
        const [subject, body] = await socket.receive()
        assert.equal(`${subject}`, "load")
        assert.ok(body.equals(payload(sizes[i % sizes.length])), `message ${i}`)
      }
      await sending
      assert.equal(b.stats().dropped, 0)
    })

    for (const type of ["PUB", "XPUB", "PUSH"] as const) {
      it(`${type} publishes`, async () => {
        const [a, b] = await nodes(endpoint)
        const got: [string, string][] = []
        const here = b.subscribe("in.*", message => void got.push([message.subject, String(message.data)]))
        await here.ready
        const socket =
          type === "PUB"
            ? client(new zmq.Publisher(), a)
            : type === "XPUB"
              ? client(new zmq.XPublisher(), a)
              : client(new zmq.Push(), a)
        // A PUB drops what it sends before it has heard that it is followed.
        if (socket instanceof zmq.XPublisher) assert.deepEqual(await texts(socket), ["\x01"])
        else if (socket instanceof zmq.Publisher) {
          while (got.length === 0) {
            await socket.send(["in.hello", ""])
            await new Promise(resolve => setTimeout(resolve, 2))
          }
        }
        for (let i = 0; i < 100; i++) await socket.send([`in.${i}`, `${i}`])
        await socket.send(["in.bad", "x", "y"])
        await socket.send(["in..bad", "x"])
        await socket.send(["in.end", "end"])
        await until(() => got.some(([, data]) => data === "end"))
        const numbers = got.filter(([, data]) => /^\d+$/.test(data))
        assert.deepEqual(
          numbers,
          Array.from({ length: 100 }, (_, i) => [`in.${i}`, `${i}`]),
        )
        assert.equal(a.stats().clients[0].dropped, 2)
      })
    }

    it("PULL gets its share of a queue group", async () => {
      const [a, b] = await nodes(endpoint, { foreign: { pull: { subject: "jobs", queue: "workers" } } })
      const pulls = [client(new zmq.Pull(), a), client(new zmq.Pull(), b)]
      // A third node, from which both are equally far.
      const c = await join(a.fabric, { discovery: [seeds([a.endpoints[0]])], listen: [] })
      later(() => c.close())
      await c.ready({ subject: "jobs", subscribers: 2 })
      const got: number[] = []
      const shares = pulls.map(() => 0)
      const reading = pulls.map(async (pull, i) => {
        while (got.length < 1_000) {
          const [subject, number] = await pull.receive()
          assert.equal(`${subject}`, "jobs")
          got.push(Number(number))
          shares[i]++
        }
      })
      for (let i = 0; i < 1_000; i++) {
        c.publish("jobs", Buffer.from(`${i}`))
        if (i % 20 === 19) await c.flush()
      }
      await until(() => got.length === 1_000)
      assert.equal(new Set(got).size, 1_000)
      assert.ok(
        shares.every(share => share > 100),
        `${shares}`,
      )
      for (const pull of pulls) pull.close()
      await Promise.allSettled(reading)
    })

    it("REQ and DEALER ask services of any node", async () => {
      const [a, b] = await nodes(endpoint)
      a.serve("upper", message => String(message.data).toUpperCase())
      a.serve("raw", message => message.data)
      a.serve("fail", () => {
        throw new TypeError("no")
      })
      for (const subject of ["upper", "raw", "fail"]) await b.ready({ subject, servers: 1 })
      const request = client(new zmq.Request(), b)
      const correlated = client(new zmq.Request({ correlate: true, relaxed: true }), b)
      for (const socket of [request, correlated]) {
        for (const body of [Buffer.alloc(0), payload(300), payload(100_000)]) {
          await socket.send(["raw", body])
          const [reply, ...rest] = await socket.receive()
          assert.ok(reply.equals(body))
          assert.equal(rest.length, 0)
        }
        await socket.send(["fail", ""])
        const [code, text] = await texts(socket)
        assert.equal(code, "ERR_REMOTE")
        assert.match(text, /no/)
        await socket.send(["nobody", ""])
        assert.equal((await texts(socket))[0], "ERR_NO_RESPONDERS")
      }
      const dealer = client(new zmq.Dealer(), b)
      for (let i = 0; i < 500; i++) await dealer.send([`${i}`, "", "raw", `body ${i}`])
      const replies = new Set<string>()
      for (let i = 0; i < 500; i++) replies.add((await texts(dealer)).join("|"))
      assert.deepEqual(replies, new Set(Array.from({ length: 500 }, (_, i) => `${i}||body ${i}`)))
      await dealer.send(["upper", "plain"])
      // Strings are msgpack by default: one byte says how long it is.
      assert.equal((await dealer.receive())[0].toString("latin1"), "\xa5PLAIN")
    })

    it("a REQ of the npm package behind a ROUTER-DEALER proxy is answered, too", async () => {
      const [, b] = await nodes(endpoint)
      b.serve("echo", message => message.data)
      const front = theirs(new zmq.Router())
      await front.bind("tcp://127.0.0.1:*")
      const back = client(new zmq.Dealer(), b)
      const proxy = new zmq.Proxy(front, back)
      const running = proxy.run()
      const request = theirs(new zmq.Request())
      request.connect(front.lastEndpoint as string)
      await request.send(["echo", "through"])
      assert.deepEqual(await texts(request), ["through"])
      proxy.terminate()
      await running
    })

    it("what has no place is refused, and does not come back in a loop", async () => {
      const [a] = await nodes(endpoint)
      let refusals = 0
      a.events.on("warning", () => void refusals++)
      for (const socket of [new zmq.Pull(), new zmq.Router(), new zmq.Reply(), new zmq.Pair()]) client(socket, a)
      await until(() => refusals >= 4)
      // At the reconnect interval of 5 ms a loop would have come round many times.
      await new Promise(resolve => setTimeout(resolve, 100))
      assert.ok(refusals <= 8, `${refusals} refusals of four clients`)
    })

    it("a client finds a node again that has gone and come back", async () => {
      const [a, b] = await nodes(endpoint)
      const socket = client(new zmq.Subscriber(), b)
      socket.subscribe("")
      await a.ready({ subject: "x" })
      const address = b.endpoints[0]
      await b.close()
      const again = await join(a.fabric, { discovery: [seeds([a.endpoints[0]])], listen: address })
      later(() => again.close())
      // libzmq says its subscriptions again when its application calls it.
      const next = texts(socket)
      await a.ready({ subject: "x" })
      a.publish("x", Buffer.from("back"))
      assert.deepEqual(await next, ["x", "back"])
    })
  })
}
