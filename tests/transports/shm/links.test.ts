import assert from "node:assert/strict"
import fs from "node:fs"
import { Worker } from "node:worker_threads"
import * as zmq from "zeromq"
import { Context } from "../../../core/context.ts"
import { Dealer, Pull, Push } from "../../../index.ts"
import { IpcTransport } from "../../../transports/ipc.ts"
import type { Addon } from "../../../transports/native/addon.ts"
import { DATA_WANTED, RING_HEADER, TAIL } from "../../../transports/shm/ring-layout.ts"
import { sharedSize } from "../../../transports/shm/ring-stream.ts"
import { closesAfterEach, later, using } from "../../support/cleanup.ts"
import { event, pass, turns, until } from "../../support/wait.ts"
import { describeNative } from "../native/addon-fixtures.ts"
import { countingNative, Leaks, mappings } from "./memory-counts.ts"

/** Heartbeats would be traffic of their own. */
const QUIET = { reconnectInterval: 5, reconnectMaxInterval: 20, heartbeatInterval: 0 }

describeNative("ipc in shared memory", real => {
  closesAfterEach()

  const context = (native: Addon | null = real): Context => new Context([new IpcTransport(() => native)])

  interface Links {
    binder: Pull
    pushes: Push[]
  }

  const link = async (count: number, ours = context(), theirs = ours, options = {}): Promise<Links> => {
    const binder = using(new Pull({ ...QUIET, context: ours }))
    await binder.bind("ipc://*")
    const pushes = Array.from({ length: count }, () => using(new Push({ ...QUIET, context: theirs, ...options })))
    for (const push of pushes) push.connect(binder.lastEndpoint as string)
    for (const push of pushes) await push.ready()
    await until(() => binder.stats().peers.filter(one => one.connected).length === count)
    return { binder, pushes }
  }

  it("maps one memory in each process for a link, and keeps no descriptor", async () => {
    const leaks = new Leaks()
    const before = mappings()
    const { native, counts } = countingNative(real)
    const { binder, pushes } = await link(3, context(native))
    assert.deepEqual([counts.created, counts.opened, counts.closed, counts.released], [3, 3, 3, 0])
    assert.equal(mappings() - before, 6)
    for (const push of pushes) await push.send("a")
    for (let left = pushes.length; left > 0; left--) assert.equal(String(await binder.receive()), "a")
    for (const push of pushes) await push.close()
    await until(() => counts.released === 6)
    await binder.close()
    await leaks.gone()
  })

  const MATRIX: [what: string, ours: Addon | null, theirs: Addon | null, options: object, shared: boolean][] = [
    ["both have the addon", real, real, {}, true],
    ["who binds has no addon", null, real, {}, false],
    ["who connects has no addon", real, null, {}, false],
    ["who connects wants none: sharedMemory: 0", real, real, { sharedMemory: 0 }, false],
    ["who connects wants a ring of a byte", real, real, { sharedMemory: 1 }, true],
    ["who connects wants the largest ring", real, real, { sharedMemory: 64 * 1024 * 1024 }, true],
  ]
  for (const [what, ours, theirs, options, shared] of MATRIX) {
    it(`is ${shared ? "" : "not "}used when ${what}`, async () => {
      const before = mappings()
      const { binder, pushes } = await link(1, context(ours), context(theirs), options)
      assert.equal(mappings() - before, shared ? 2 : 0)
      const large = Buffer.alloc(3_000_000, "abcdefg")
      await pushes[0].send(["small", large])
      const [small, got] = (await binder.receive()) as Buffer[]
      assert.equal(String(small), "small")
      assert.ok(got.equals(large))
    })
  }

  it("is not used when who binds wants none: sharedMemory: 0", async () => {
    const before = mappings()
    const binder = using(new Pull({ ...QUIET, context: context(), sharedMemory: 0 }))
    await binder.bind("ipc://*")
    const push = using(new Push({ ...QUIET, context: context() }))
    push.connect(binder.lastEndpoint as string)
    await push.send("over the socket")
    assert.equal(String(await binder.receive()), "over the socket")
    assert.equal(mappings(), before)
  })

  it("is used beside peers of libzmq on one endpoint", async () => {
    const before = mappings()
    const { binder, pushes } = await link(1)
    const foreign = new zmq.Push({ linger: 0 })
    later(() => foreign.close())
    foreign.connect(binder.lastEndpoint as string)
    const count = 1_000
    const seen = { ours: 0, theirs: 0 }
    const send = async (): Promise<void> => {
      for (let i = 0; i < count; i++) await Promise.all([pushes[0].send(`ours ${i}`), foreign.send(`theirs ${i}`)])
    }
    const sending = send()
    for (let left = 2 * count; left > 0; left--) {
      const [who, i] = String(await binder.receive()).split(" ") as ["ours" | "theirs", string]
      assert.equal(Number(i), seen[who]++)
    }
    await sending
    assert.deepEqual(seen, { ours: count, theirs: count })
    assert.equal(mappings() - before, 2)
  })

  it("leaves nothing behind after 200 rounds of connect, send and close", async () => {
    const options = { ...QUIET, context: context() }
    const binder = using(new Pull(options))
    await binder.bind("ipc://*")
    const leaks = new Leaks()
    for (let round = 0; round < 200; round++) {
      const push = new Push({ ...options, sharedMemory: 65_536 })
      push.connect(binder.lastEndpoint as string)
      await push.send(`${round}`)
      // Closing gets out what was sent; now and then it is cut off instead.
      if (round % 10 === 9) {
        await until(() => push.stats().peers.some(one => one.connected))
        await push.close({ linger: 0 })
        binder.tryReceive()
        continue
      }
      await push.close()
      assert.match(String(await binder.receive()), /^\d+$/)
    }
    await leaks.gone()
  })

  it("is closed in order: what was sent before `close` arrives, however much it is", async () => {
    const { binder, pushes } = await link(1, context(), context(), { sharedMemory: 65_536 })
    const count = 300
    for (let i = 0; i < count; i++) await pushes[0].send([`${i}`, Buffer.alloc(20_000, i)])
    const closing = pushes[0].close({ linger: -1 })
    for (let i = 0; i < count; i++) {
      const [head, body] = (await binder.receive()) as Buffer[]
      assert.equal(String(head), `${i}`)
      assert.ok(body.equals(Buffer.alloc(20_000, i)))
    }
    await closing
  })

  it("says goodbye only when the other side has read it all", async () => {
    // The reader stops after its mark: what is left stays in the ring.
    const binder = using(new Pull({ ...QUIET, context: context(), receiveHighWaterMark: 1 }))
    await binder.bind("ipc://*")
    const push = using(new Push({ ...QUIET, context: context() }))
    push.connect(binder.lastEndpoint as string)
    await push.ready()
    for (let i = 0; i < 500; i++) await push.send([`${i}`, Buffer.alloc(500)])
    let closed = false
    const closing = push.close({ linger: -1 }).then(() => {
      closed = true
    })
    await pass(50)
    assert.equal(closed, false)
    for (let i = 0; i < 500; i++) assert.equal(String((await binder.receive())[0]), `${i}`)
    await closing
  })

  it("tells of a disconnect with EPROTO when the memory is not what it should be, and comes back", async () => {
    const memories: ArrayBuffer[] = []
    const spying: Addon = {
      ...real,
      createMemory: size => {
        const made = real.createMemory(size)
        memories.push(made.memory)
        return made
      },
      ring: descriptor => {
        if (memories.length === 1) Atomics.store(new Int32Array(memories[0]), TAIL, 123_456)
        return real.ring(descriptor)
      },
    }
    const { binder, pushes } = await link(1, context(), context(spying))
    const gone = event(binder.events, "disconnect")
    const back = event(binder.events, "handshake")
    // Who sleeps is woken by a bell, before which the harm is done.
    const words = new Int32Array(memories[0], 0, RING_HEADER / 4)
    await until(() => Atomics.load(words, DATA_WANTED) === 1)
    await pushes[0].send("x")
    const { error } = await gone
    assert.equal(error?.code, "EPROTO")
    await back
    await pushes[0].ready()
    await pushes[0].send("again")
    let text = ""
    while (text !== "again") text = String(await binder.receive())
    assert.equal(memories.length, 2)
  })

  it("costs nothing while nobody speaks: no looks, no bells, no turns", async () => {
    const { native, counts } = countingNative(real)
    const { binder, pushes } = await link(20, context(native))
    for (const push of pushes) await push.send("hello")
    for (const _ of pushes) await binder.receive()
    const { load } = Atomics
    let looks = 0
    Atomics.load = ((words: Int32Array, index: number) => {
      looks++
      return load(words, index)
    }) as typeof load
    later(() => {
      Atomics.load = load
    })
    // Whoever still looks gives up in a moment.
    await until(() => {
      const quiet = looks === 0
      looks = 0
      return quiet
    })
    await turns(10)
    const bells = counts.bells
    looks = 0
    await pass(300)
    assert.equal(looks, 0)
    assert.equal(counts.bells, bells)
    for (const push of pushes) await push.send("still there")
    for (const _ of pushes) await binder.receive()
  })

  it("of 100 links stays under 250 MB when each has carried 4 MB both ways", async () => {
    const options = { ...QUIET, context: context() }
    const binder = using(new Dealer(options))
    await binder.bind("ipc://*")
    const dealers = Array.from({ length: 100 }, () => using(new Dealer(options)))
    for (const dealer of dealers) dealer.connect(binder.lastEndpoint as string)
    await binder.ready({ peers: 100 })
    let there = 0
    let back = 0
    binder.consume(() => void there++)
    for (const dealer of dealers) {
      await dealer.ready()
      dealer.consume(() => void back++)
    }
    const body = Buffer.alloc(65_536, 1)
    for (const dealer of dealers) for (let i = 0; i < 64; i++) await Promise.all([dealer.send(body), binder.send(body)])
    await until(() => there === 6_400 && back === 6_400)
    const used = resident()
    assert.ok(used < 250_000_000, `${used} bytes`)
    // All pages of all rings were written to, or this would say nothing.
    assert.ok(used > 100 * sharedSize(1024 * 1024) * 0.9, `${used} bytes`)
  })

  it("is used between threads of one process, and goes with the thread", async () => {
    const before = mappings()
    const pull = using(new Pull({ ...QUIET, context: context() }))
    await pull.bind("ipc://*")
    const worker = new Worker(
      `import("${new URL("../../../index.js", import.meta.url)}").then(async ({ Push }) => {
        const push = new Push()
        push.connect("${pull.lastEndpoint}")
        for (let i = 0; ; i++) await push.send([String(i), Buffer.alloc(5_000, i)])
      })`,
      { eval: true },
    )
    later(() => worker.terminate())
    for (let i = 0; i < 3_000; i++) {
      const [number, body] = (await pull.receive()) as Buffer[]
      assert.equal(String(number), `${i}`)
      assert.ok(body.equals(Buffer.alloc(5_000, i)))
    }
    assert.equal(mappings() - before, 2)
    const consumer = pull.consume(() => {})
    later(() => consumer.stop())
    const gone = event(pull.events, "disconnect")
    await worker.terminate()
    await gone
    await until(() => mappings() === before)
  })
})

/** Bytes of the rings that are in memory; a page that is mapped twice counts once. */
function resident(): number {
  let bytes = 0
  let ours = false
  for (const line of fs.readFileSync("/proc/self/smaps", "utf8").split("\n")) {
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) ours = line.includes("/memfd:heddle ")
    const found = ours ? /^Pss: +(\d+) kB/.exec(line) : null
    if (found !== null) bytes += Number(found[1]) * 1024
  }
  return bytes
}
