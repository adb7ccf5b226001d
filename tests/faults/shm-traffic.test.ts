import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import { Pair, Pull, Push } from "../../index.ts"
import { closesAfterEach, using } from "../support/cleanup.ts"
import { Program } from "../support/processes.ts"
import { LONG_RUN, Random, seeded } from "../support/random.ts"
import { describeNative } from "../transports/native/addon-fixtures.ts"
import { mappings } from "../transports/shm/memory-counts.ts"

const url = (name: string): string => new URL(name, import.meta.url).href
const QUICK = { reconnectInterval: 5, reconnectMaxInterval: 20, linger: 0 }

const MANY = LONG_RUN ? 300_000 : 100_000

/** The sizes of a stream of messages: mostly small, some of many records; `large` of them larger than any ring here. */
function* sizes(seed: number, count: number, large: number): Generator<number> {
  const random = new Random(seed)
  for (let i = 0; i < count; i++) {
    if (large > 0 && i % Math.floor(count / large) === 1) yield 10_000_000
    else yield random.chance(0.99) ? random.int(0, 200) : random.int(0, 9_000)
  }
}

/** Sends the stream and takes the other's, and compares sums of both. Also runs in the other process, as text. */
async function exchange(
  socket: Pair,
  mine: Iterable<number>,
  count: number,
  hashOf: () => ReturnType<typeof createHash>,
): Promise<string> {
  const sent = hashOf()
  const got = hashOf()
  let received = 0
  const done = new Promise<void>(resolve => {
    const consumer = socket.consume(([frame]) => {
      got.update(frame).update(";")
      if (++received < count) return
      consumer.stop()
      resolve()
    })
  })
  let i = 0
  for (const size of mine) {
    const body = Buffer.alloc(size, i++)
    sent.update(body).update(";")
    await socket.send(body)
  }
  await done
  return `${sent.digest("hex")} ${got.digest("hex")}`
}

interface Case {
  ring: number
  count: number
  large?: number
  /** What the other process does before it loads Heddle. */
  before?: string
  options?: string
  shared?: boolean
}

describeNative("Traffic between two processes", () => {
  closesAfterEach()

  async function carries({ ring, count, large = 0, before = "", options = "", shared = true }: Case): Promise<void> {
    await seeded(async random => {
      const [seed, other] = [random.int(0, 2 ** 31), random.int(0, 2 ** 31)]
      const mapped = mappings()
      const socket = using(new Pair({ ...QUICK, sharedMemory: ring }))
      await socket.bind("ipc://*")
      const program = Program.start(`
        ${before}
        import { createHash } from "node:crypto"
        const { Pair } = await import("${url("../../index.js")}")
        const { Random } = await import("${url("../support/random.js")}")
        ${sizes}
        ${exchange}
        const socket = new Pair({ sharedMemory: ${ring}, ${options} })
        socket.connect("${socket.lastEndpoint}")
        const sums = await exchange(socket, sizes(${other}, ${count}, ${large}), ${count}, () => createHash("sha1"))
        process.stdout.write("sums " + sums + "\\n")
        process.stdin.once("end", () => process.exit()).resume()
      `)
      const mine = await exchange(socket, sizes(seed, count, large), count, () => createHash("sha1"))
      const [, sent, got] = await program.says(/sums (\w+) (\w+)/)
      assert.equal(mine, `${got} ${sent}`)
      assert.equal(mappings() - mapped, shared ? 1 : 0)
    })
  }

  it("300,000 messages both ways are equal through 1 MiB", () => carries({ ring: 2 ** 20, count: 300_000 }))
  it(`${MANY} messages both ways are equal through 64 KiB`, () => carries({ ring: 65_536, count: MANY }))
  it("messages of 10 MB go both ways through 64 KiB", () => carries({ ring: 65_536, count: 100, large: 3 }))
  it("messages of 10 MB go both ways through 1 MiB", () => carries({ ring: 2 ** 20, count: 100, large: 3 }))
  it("goes both ways while both keep looking: busyPoll", () =>
    carries({ ring: 65_536, count: 10_000, options: "busyPoll: 200" }))
  it("goes over the socket when the other wants no memory: sharedMemory: 0", () =>
    carries({ ring: 65_536, count: 10_000, options: "sharedMemory: 0", shared: false }))
  it("goes over the socket when the other has no addon: HEDDLE_NATIVE=off", () =>
    carries({ ring: 65_536, count: 10_000, before: `process.env.HEDDLE_NATIVE = "off"`, shared: false }))

  it("goes on beside a peer of libzmq on the same endpoint", async () => {
    const count = 5_000
    const mapped = mappings()
    const pull = using(new Pull(QUICK))
    await pull.bind("ipc://*")
    const foreign = Program.start(`
      import { createRequire } from "node:module"
      const zmq = createRequire("${url("../../index.js")}")("zeromq")
      const push = new zmq.Push()
      push.connect("${pull.lastEndpoint}")
      for (let i = 0; i < ${count}; i++) await push.send(["zmq", String(i)])
      process.stdin.once("end", () => process.exit()).resume()
    `)
    const other = Program.start(`
      import { Push } from "${url("../../index.js")}"
      const push = new Push()
      push.connect("${pull.lastEndpoint}")
      for (let i = 0; i < ${count}; i++) await push.send(["heddle", String(i)])
      process.stdin.once("end", () => process.exit()).resume()
    `)
    const next = { zmq: 0, heddle: 0 }
    while (next.zmq + next.heddle < 2 * count) {
      const [who, i] = (await pull.receive()).map(String) as ["zmq" | "heddle", string]
      assert.equal(Number(i), next[who]++)
    }
    assert.deepEqual(next, { zmq: count, heddle: count })
    assert.equal(mappings() - mapped, 1)
    assert.ok(foreign.running && other.running)
  })

  it("answers go back and forth one by one, asleep and awake", async () => {
    const push = using(new Push(QUICK))
    const pull = using(new Pull(QUICK))
    await push.bind("ipc://*")
    await pull.bind("ipc://*")
    Program.start(`
      import { Pull, Push } from "${url("../../index.js")}"
      const [pull, push] = [new Pull(), new Push()]
      pull.connect("${push.lastEndpoint}")
      push.connect("${pull.lastEndpoint}")
      pull.consume(message => push.trySend(message))
      process.stdin.once("end", () => process.exit()).resume()
    `)
    await seeded(async random => {
      for (let i = 0; i < 3_000; i++) {
        await push.send(`${i}`)
        assert.equal(String(await pull.receive()), `${i}`)
        // Long enough to give up looking, and to fall asleep.
        if (random.chance(0.03)) await new Promise(resolve => setTimeout(resolve, random.int(0, 3)))
      }
    })
  })
})
