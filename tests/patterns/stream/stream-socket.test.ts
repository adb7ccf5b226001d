import assert from "node:assert/strict"
import net from "node:net"
import { Stream, type StreamMessage } from "../../../patterns/stream/stream.ts"
import { closesAfterEach, later, using } from "../../support/cleanup.ts"
import { coded } from "../../support/pattern.ts"
import { netAddress } from "../../support/raw-peer.ts"
import { ENDPOINTS, QUICK, testContext } from "../../support/sockets.ts"
import { pass, until } from "../../support/wait.ts"

const context = testContext()
const stream = (options: ConstructorParameters<typeof Stream>[0] = {}) =>
  using(new Stream({ context, ...QUICK, ...options }))

/** A client that is no part of Heddle. */
function plainClient(endpoint: string): net.Socket {
  const socket = net.connect(netAddress(endpoint))
  later(() => socket.destroy())
  return socket
}

/** Everything that a plain socket hears until the other side says goodbye. */
async function everything(socket: net.Socket): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of socket) pieces.push(piece as Buffer)
  return Buffer.concat(pieces).toString("latin1")
}

/** Data of one connection until so many bytes are there. */
async function hear(socket: Stream, length: number): Promise<string> {
  let heard = ""
  while (heard.length < length) heard += (await socket.receive())[1].toString("latin1")
  return heard
}

/** A server that is no part of Heddle, on any free port. */
async function plainServer(serve: (socket: net.Socket) => void): Promise<{ endpoint: string }> {
  const server = net.createServer(serve)
  later(() => server.close())
  await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve))
  return { endpoint: `tcp://127.0.0.1:${(server.address() as net.AddressInfo).port}` }
}

describe("Stream", () => {
  closesAfterEach()

  it("STREAM-1: ids for connect: taken, or not allowed", () => {
    const a = stream()
    a.connect("tcp://127.0.0.1:9", { routingId: "mine" })
    assert.throws(() => a.connect("tcp://127.0.0.1:9", { routingId: "mine" }), coded("EINVAL", /choose another/))
    assert.throws(() => a.connect("tcp://127.0.0.1:9", { routingId: "\0mine" }), coded("EINVAL"))
    assert.throws(() => a.connect("tcp://127.0.0.1:9", { routingId: "x".repeat(256) }), coded("EINVAL"))
  })

  for (const endpoint of ENDPOINTS) {
    it(`STREAM-2, STREAM-3, STREAM-6: a plain client over ${endpoint}`, async () => {
      const a = stream()
      await a.bind(endpoint)
      const client = plainClient(a.lastEndpoint as string)
      const [id, nothing] = await a.receive()
      assert.deepEqual([id.length, id[0], nothing.length], [5, 0, 0])
      client.write("hello")
      assert.equal(await hear(a, 5), "hello")
      await a.send([id, "hello to you"])
      const reply = everything(client)
      await a.send([id, ""])
      assert.equal(await reply, "hello to you")
      const [again, end] = await a.receive()
      assert.deepEqual([again, end.length], [id, 0])
    })

    it(`STREAM-4: the end comes after everything that was sent, over ${endpoint}`, async () => {
      const a = stream({ notify: false })
      await a.bind(endpoint)
      const client = plainClient(a.lastEndpoint as string)
      client.write("GET / HTTP/1.0\r\n\r\n")
      const [id] = await a.receive()
      const body = "x".repeat(2_000_000)
      await a.send([id, "HTTP/1.0 200 OK\r\n\r\n"])
      await a.send([id, body])
      await a.send([id, ""])
      await assert.rejects(a.send([id, "more"]), coded("EHOSTUNREACH"))
      assert.equal(await everything(client), `HTTP/1.0 200 OK\r\n\r\n${body}`)
    })
  }

  it("STREAM-7: dials a plain server by an id of its own, and sends to it at once", async () => {
    const { endpoint } = await plainServer(socket => socket.end("welcome"))
    const a = stream({ notify: false })
    a.connect(endpoint, { routingId: "server" })
    await a.send(["server", "hello"])
    const [id, data] = await a.receive()
    assert.deepEqual([id.toString(), data.toString()], ["server", "welcome"])
  })

  it("STREAM-7: the id stays when the connection is lost and made again", async () => {
    let visits = 0
    const { endpoint } = await plainServer(socket => {
      socket.end(`visit ${++visits}`)
    })
    const a = stream()
    a.connect(endpoint, { routingId: "server" })
    const heard: string[] = []
    for await (const [id, data] of a) {
      assert.equal(id.toString(), "server")
      heard.push(data.toString())
      if (heard.length === 6) break
    }
    assert.deepEqual(heard, ["", "visit 1", "", "", "visit 2", ""])
  })

  it("STREAM-4: an endpoint that was ended is not dialled again", async () => {
    let visits = 0
    const { endpoint } = await plainServer(socket => {
      visits++
      socket.on("error", () => {})
      socket.resume()
    })
    const a = stream()
    a.connect(endpoint, { routingId: "server" })
    assert.equal((await a.receive())[1].length, 0)
    await a.send(["server", "bye"])
    await a.send(["server", ""])
    assert.equal((await a.receive())[1].length, 0)
    await until(() => a.stats().peers.length === 0)
    await assert.rejects(a.send(["server", "again"]), coded("EHOSTUNREACH"))
    // Longer than the interval at which it would be tried again.
    await pass(5 * QUICK.reconnectMaxInterval)
    assert.equal(visits, 1)
  })

  it("STREAM-2: megabytes each way, whole and in order, against a slow reader", async () => {
    const [a, b] = [stream({ notify: false, receiveHighWaterMark: 4 }), stream({ notify: false })]
    await a.bind("tcp://127.0.0.1:0")
    b.connect(a.lastEndpoint as string, { routingId: "a" })
    const text = Array.from({ length: 200_000 }, (_, i) => String(i)).join(" ")
    const sending = (async () => {
      for (let at = 0; at < text.length; at += 10_000) await b.send(["a", text.slice(at, at + 10_000)])
    })()
    let heard = ""
    let from: StreamMessage[0] | undefined
    while (heard.length < text.length) {
      const [id, data] = await a.receive()
      from = id
      heard += data.toString("latin1")
    }
    await sending
    assert.equal(heard, text)
    await a.send([from as Buffer, "thanks"])
    assert.equal(await hear(b, 6), "thanks")
  })
})
