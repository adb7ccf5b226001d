import assert from "node:assert/strict"
import { once } from "node:events"
import net from "node:net"
import * as zmq from "zeromq"
import * as draft from "zeromq/draft.js"
import { Dish, Radio, Stream } from "../../index.ts"
import { closesAfterEach, using } from "../support/cleanup.ts"
import { carriesEverything } from "./matrix.ts"
import { eventually, everyWay, ours, payload, QUICK, theirs, WAYS } from "./support.ts"

const GROUP = { group: "g" }
const NO_LIMIT = { sendHighWaterMark: 0 }

describe("interop: RADIO and DISH", () => {
  closesAfterEach()

  carriesEverything({
    name: "our Radio, their Dish",
    multipart: false,
    open: async meet => {
      const [radio, dish] = [ours(new Radio({ ...QUICK, ...NO_LIMIT })), theirs(new draft.Dish())]
      dish.join("g")
      await meet(radio, dish)
      // Its `receive` waits meanwhile: libzmq says what it joined only when its thread is called.
      const first = dish.receive()
      let heard = false
      first.then(
        () => {
          heard = true
        },
        () => {},
      )
      await eventually(async () => {
        await radio.send("hello", GROUP)
        return heard ? true : null
      })
      await radio.send("begin", GROUP)
      while (`${(await dish.receive())[0]}` !== "begin") {}
      return {
        send: ([frame]) => radio.send(frame, GROUP),
        async receive() {
          const [frame, options] = (await dish.receive()) as unknown as [Buffer, { group: Buffer }]
          assert.equal(`${options.group}`, "g")
          return [frame]
        },
      }
    },
  })

  carriesEverything({
    name: "their Radio, our Dish",
    multipart: false,
    open: async meet => {
      const [radio, dish] = [theirs(new draft.Radio(NO_LIMIT)), ours(new Dish(QUICK))]
      dish.join("g")
      await meet(dish, radio)
      await eventually(async () => {
        await radio.send("hello", GROUP)
        return dish.tryReceive()
      })
      await radio.send("begin", GROUP)
      while (`${(await dish.receive())[0]}` !== "begin") {}
      return {
        send: ([frame]) => radio.send(frame, GROUP),
        async receive() {
          const [frame, { group }] = await dish.receive()
          assert.equal(`${group}`, "g")
          return [frame]
        },
      }
    },
  })

  everyWay("our Dish joins and leaves late", async meet => {
    const [radio, dish] = [theirs(new draft.Radio()), ours(new Dish(QUICK))]
    dish.join("a")
    await meet(dish, radio)
    const hear = (group: string): Promise<string> =>
      eventually(async () => {
        await radio.send("a", { group: "a" })
        await radio.send("b", { group: "b" })
        for (let got = dish.tryReceive(); got !== null; got = dish.tryReceive()) {
          if (`${got[1].group}` === group) return `${got[0]}`
        }
        return null
      })
    assert.equal(await hear("a"), "a")
    dish.join("b")
    assert.equal(await hear("b"), "b")
    dish.leave("a")
    // Their Radio drops what nobody joined; after a "b" that follows the leaving no "a" can come.
    await eventually(async () => {
      while (dish.tryReceive() !== null) {}
      await radio.send("a", { group: "a" })
      await radio.send("b", { group: "b" })
      const [frame] = await dish.receive()
      return `${frame}` === "b" ? true : null
    })
  })
})

const TCP = WAYS.filter(way => way.endpoint.startsWith("tcp"))

/** Receives `[id, data]` until so many bytes have come; notices are skipped. */
async function collect(socket: { receive(): Promise<[Buffer, Buffer]> }, length: number): Promise<[Buffer, Buffer]> {
  const found: Buffer[] = []
  let id = Buffer.alloc(0)
  for (let left = length; left > 0; ) {
    const [from, data] = await socket.receive()
    id = Buffer.from(from)
    found.push(data)
    left -= data.length
  }
  return [id, Buffer.concat(found)]
}

describe("interop: STREAM", () => {
  closesAfterEach()

  everyWay(
    "our Stream and theirs",
    async meet => {
      const [our, other] = [ours(new Stream(QUICK)), theirs(new zmq.Stream())]
      await meet(our, other)
      const [[ourId], [theirId]] = await Promise.all([our.receive(), other.receive()])
      const bytes = payload(300_000)
      await our.send([Buffer.from(ourId), bytes])
      assert.ok((await collect(other, bytes.length))[1].equals(bytes))
      await other.send([theirId, bytes])
      assert.ok((await collect(our, bytes.length))[1].equals(bytes))
    },
    TCP,
  )

  it("our bound Stream and a plain socket", async () => {
    const stream = ours(new Stream(QUICK))
    await stream.bind("tcp://127.0.0.1:0")
    const socket = using(net.connect(Number(new URL(stream.lastEndpoint as string).port), "127.0.0.1"))
    socket.write("GET /")
    const [id, data] = await collect(stream, 5)
    assert.equal(`${data}`, "GET /")
    await stream.send([id, "200 OK"])
    const [answer] = await once(socket, "data")
    assert.equal(`${answer}`, "200 OK")
    const ended = once(socket.resume(), "end")
    await stream.send([id, ""])
    await ended
  })

  it("our connecting Stream and a plain server", async () => {
    const server = net.createServer(socket => socket.pipe(socket)).listen(0, "127.0.0.1")
    await once(server, "listening")
    using({ destroy: () => server.close() })
    const stream = ours(new Stream(QUICK))
    stream.connect(`tcp://127.0.0.1:${(server.address() as net.AddressInfo).port}`, { routingId: "echo" })
    const bytes = payload(200_000)
    await stream.send(["echo", bytes])
    const [id, echoed] = await collect(stream, bytes.length)
    assert.equal(`${id}`, "echo")
    assert.ok(echoed.equals(bytes))
  })
})
