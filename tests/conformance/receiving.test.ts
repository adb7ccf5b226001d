import assert from "node:assert/strict"
import { once } from "node:events"
import { Worker } from "node:worker_threads"
import { Bus, Channel, Dish, Gather, Pair, Publisher, Pull, Push, Scatter, Server, Subscriber } from "../../index.ts"
import { closesAfterEach, later, using } from "../support/cleanup.ts"
import { coded } from "../support/pattern.ts"
import { type Random, seeded } from "../support/random.ts"
import { turns, until } from "../support/wait.ts"
import { Expected, WAYS } from "./receiving.ts"
import { messagesOf, sendAll } from "./receiving-messages.ts"

const COUNT = 3_000

let names = 0

/** Where sockets meet, and whether the sender is a thread of its own. */
const PLACES: [name: string, endpoint: () => string, options: object, thread: boolean][] = [
  ["inproc", () => `inproc://receiving ${names++}`, {}, false],
  ["inproc between threads", () => `inproc://receiving ${names++}`, {}, true],
  ["tcp", () => "tcp://127.0.0.1:*", {}, false],
  ["ipc", () => "ipc://*", {}, false],
  ["ipc without shared memory", () => "ipc://*", { sharedMemory: 0 }, false],
  ["ws", () => "ws://127.0.0.1:*", {}, false],
]

for (const [name, endpoint, options, thread] of PLACES) {
  describe(`Receiving over ${name}`, () => {
    closesAfterEach()

    /** Has `COUNT` messages sent to a new socket, and compares what comes. */
    const begin = async (random: Random): Promise<{ pull: Pull; expected: Expected; sent: Promise<unknown> }> => {
      const pull = using(new Pull(options))
      await pull.bind(endpoint())
      const address = pull.lastEndpoint as string
      const seed = random.int(0, 2 ** 31)
      const messages = messagesOf(seed, COUNT)
      const expected = new Expected(messages)
      if (thread) {
        const worker = new Worker(new URL("./receiving-worker.js", import.meta.url), {
          workerData: { endpoint: address, seed, count: COUNT },
        })
        later(() => worker.terminate())
        return { pull, expected, sent: once(worker, "exit") }
      }
      const push = using(new Push(options))
      push.connect(address)
      await push.ready()
      return { pull, expected, sent: sendAll(push, messages) }
    }

    for (const way of Object.keys(WAYS)) {
      it(`by ${way} gives every message once, whole and in order`, () =>
        seeded(async random => {
          const { pull, expected, sent } = await begin(random)
          await WAYS[way](pull, expected.got, () => expected.left === 0)
          await sent
          assert.equal(pull.tryReceive(), null)
          assert.equal(pull.stats().messagesReceived, COUNT)
        }))
    }

    it("by borrow, and another way, and borrow again, loses and doubles nothing", () =>
      seeded(async random => {
        const { pull, expected, sent } = await begin(random)
        let turn = 0
        while (expected.left > 0) {
          const way = turn++ % 2 === 0 ? "borrow" : random.pick(Object.keys(WAYS))
          const until = Math.max(0, expected.left - random.int(1, 400))
          await WAYS[way](pull, expected.got, () => expected.left <= until)
          if (random.chance(0.3)) await turns(3)
        }
        await sent
        assert.equal(pull.stats().messagesReceived, COUNT)
      }))

    if (!thread) {
      it("by borrow gives a Subscriber what it has subscribed to, and a Pair and a Bus what they are sent", async () => {
        const subscriber = using(new Subscriber(options))
        subscriber.subscribe("yes", "")
        subscriber.unsubscribe("")
        const publisher = using(new Publisher(options))
        await publisher.bind(endpoint())
        subscriber.connect(publisher.lastEndpoint as string)
        await publisher.ready()
        const got: string[] = []
        subscriber.borrow((bytes, start, end, more) =>
          got.push(bytes.toString("latin1", start, end) + (more ? "+" : "")),
        )
        // Until the wish has arrived.
        for (let i = 0; got.length === 0; i++) {
          await publisher.send(["yes?", `${i}`])
          await turns(1)
        }
        got.length = 0
        for (const text of ["no", "yes", "ye", "yes sir", "y"]) await publisher.send(text)
        await publisher.send(["yes!", "", "last"])
        await until(() => got.includes("last"))
        assert.deepEqual(
          got.filter(text => !/^(yes\?\+|\d+)$/.test(text)),
          ["yes", "yes sir", "yes!+", "+", "last"],
        )

        for (const [here, there] of [
          [using(new Pair(options)), using(new Pair(options))],
          [using(new Bus(options)), using(new Bus(options))],
        ] as const) {
          const heard: string[] = []
          here.borrow((bytes, start, end) => heard.push(bytes.toString("latin1", start, end)))
          await here.bind(endpoint())
          there.connect(here.lastEndpoint as string)
          await Promise.all([there.ready(), here.ready()])
          await there.send("one")
          await there.send(["two", "three"])
          await until(() => heard.length === 3)
          assert.deepEqual(heard, ["one", "two", "three"])
        }
      })

      it("holds back a sender while a borrower has stopped", async () => {
        const pull = using(new Pull({ ...options, receiveHighWaterMark: 10 }))
        await pull.bind(endpoint())
        const push = using(new Push({ ...options, sendHighWaterMark: 10, sendTimeout: 50 }))
        push.connect(pull.lastEndpoint as string)
        const payload = Buffer.alloc(50_000, "x")
        let got = 0
        const consumer = pull.borrow((_bytes, start, end) => {
          assert.equal(end - start, payload.length)
          got++
        })
        for (let i = 0; i < 20; i++) await push.send(payload)
        await until(() => got === 20)
        consumer.stop()
        let taken = 0
        const fill = async (): Promise<void> => {
          for (;;) {
            await push.send(payload)
            taken++
          }
        }
        await assert.rejects(fill(), coded("EAGAIN"))
        assert.equal(got, 20)
        pull.borrow(() => got++)
        await until(() => got === 20 + taken)
      })
    }
  })
}

describe("Borrowing", () => {
  closesAfterEach()

  it("is refused by sockets that receive more than frames", () => {
    for (const socket of [using(new Server()), using(new Dish())]) {
      const borrow = socket.borrow.bind(socket) as unknown as (handler: () => void) => void
      assert.throws(() => borrow(() => {}), coded("ENOTSUP"))
    }
  })

  it("by sockets of one frame drops and counts what has several", async () => {
    for (const [receiver, address] of [
      [using(new Gather()), "tcp://127.0.0.1:*"],
      [using(new Channel()), "ipc://*"],
    ] as const) {
      let got = 0
      receiver.borrow(() => got++)
      await receiver.bind(address)
      const sender = receiver instanceof Gather ? using(new Scatter()) : using(new Channel())
      sender.connect(receiver.lastEndpoint as string)
      // The socket itself sends no such thing.
      const { pattern } = sender as unknown as { pattern: { balancer?: Line; current?: Line } }
      await sender.ready()
      const line = (pattern.balancer ?? pattern.current) as Line
      line.send([Buffer.from("a"), Buffer.from("b")])
      await sender.send("whole")
      await until(() => got === 1)
      assert.equal(receiver.stats().dropped.malformed, 1)
      await sender.close()
    }
  })
})

interface Line {
  send(message: Buffer[]): unknown
}
