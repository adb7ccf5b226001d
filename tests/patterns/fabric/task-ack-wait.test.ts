import assert from "node:assert/strict"
import type { Fabric, TaskContext, WorkOptions } from "../../../index.ts"
import { closesAfterEach, using } from "../../support/cleanup.ts"
import { coded } from "../../support/pattern.ts"
import { until } from "../../support/wait.ts"
import { interest, record, sized, varint, WirePeer } from "../../support/wire-peer.ts"
import { events, overTcp } from "./nodes.ts"
import { type SimulatedPair, simulatedPair } from "./simulated-pair.ts"

const WAIT = 1_000
const NOTICE = 13
const TASK = 4
const TASK_RESULT = 5
const WITHDRAW = 8
const WORKING = 9

/** A worker whose handlers end when they are told to. */
class Bench {
  readonly given: { data: unknown; task: TaskContext; finish(): void }[] = []

  constructor(node: Fabric, options: WorkOptions) {
    node.work(
      "jobs",
      ({ data }, task) => new Promise<void>(resolve => this.given.push({ data, task, finish: resolve })),
      options,
    )
  }

  get deliveries(): number[] {
    return this.given.map(({ task }) => task.deliveries)
  }
}

describe("fabric: tasks with a deadline for their acknowledgement, in virtual time", () => {
  closesAfterEach()

  /** Two workers: at the pusher's peer, and at the pusher itself. */
  const two = async (options: WorkOptions = { ackWait: WAIT, prefetch: 0 }) => {
    const pair = await simulatedPair(30_000)
    const benches = [new Bench(pair.far, options), new Bench(pair.near, options)]
    await pair.net.until(pair.near.ready({ subject: "jobs", workers: 2 }))
    return { ...pair, benches }
  }

  const push = (pair: SimulatedPair, data: unknown, options = {}) =>
    pair.net.until(pair.near.push("jobs", data, options))

  for (const [where, first] of [
    ["another node", 0],
    ["the same node", 1],
  ] as const) {
    it(`FAB-TSK-16 a task that is not answered in time goes to another worker, and the late answer is counted: ${where}`, async () => {
      const pair = await two()
      const { net, near, benches } = pair
      const rounds = events(near, "task")
      // The first goes to either; until it is where it is wanted, it is finished.
      const [slow, quick] = [benches[first], benches[1 - first]]
      let task = await push(pair, 0)
      await net.run(50)
      while (slow.given.length === 0) {
        quick.given.at(-1)?.finish()
        await net.run(50)
        task = await push(pair, 0)
        await net.run(50)
      }
      const before = quick.given.length
      const { acknowledged } = near.stats().tasks
      await net.run(WAIT - 100)
      assert.equal(quick.given.length, before)
      assert.equal(slow.given[0].task.signal.aborted, false)
      await net.run(100)
      assert.equal(quick.given.length, before + 1)
      assert.deepEqual(quick.given[before].task.deliveries, 2)
      assert.equal(slow.given[0].task.signal.aborted, true)
      assert.deepEqual(
        rounds.map(({ again, error }) => [again, error.code]),
        [[true, "ETIMEDOUT"]],
      )
      slow.given[0].finish()
      await net.run(50)
      assert.equal(task.finished, false)
      assert.equal(near.stats().tasks.late, 1)
      quick.given[before].finish()
      await net.until(task.done())
      const { tasks } = near.stats()
      assert.deepEqual([tasks.acknowledged - acknowledged, tasks.late, tasks.outstanding, tasks.failed], [1, 1, 0, 0])
      assert.equal(task.deliveries, 2)
    })
  }

  for (const at of ["far", "near"] as const) {
    it(`FAB-TSK-16 task.working() gives it as much time again, however often it is said: ${at}`, async () => {
      const pair = await simulatedPair(30_000)
      const { net, near } = pair
      const bench = new Bench(pair[at], { ackWait: WAIT })
      await net.until(near.ready({ subject: "jobs", workers: 1 }))
      const task = await push(pair, 0)
      await net.run(50)
      for (let i = 0; i < 50; i++) {
        await net.run(WAIT / 10)
        for (let j = 0; j < 10; j++) bench.given[0].task.working()
      }
      await net.run(WAIT / 2)
      bench.given[0].finish()
      await net.until(task.done())
      assert.deepEqual([task.deliveries, near.stats().tasks.late], [1, 0])
    })
  }

  it("FAB-TSK-16 what waits behind a handler that hangs goes to another worker untouched by it", async () => {
    const pair = await simulatedPair(30_000)
    const { net, near, far } = pair
    const hangs = new Bench(far, { ackWait: WAIT, prefetch: 3 })
    await net.until(near.ready({ subject: "jobs", workers: 1 }))
    const tasks = [await push(pair, 0), await push(pair, 1), await push(pair, 2)]
    await net.run(100)
    const done: unknown[] = []
    near.work("jobs", ({ data }) => void done.push(data))
    await net.until(Promise.all(tasks.map(task => task.done())))
    await net.run(100)
    assert.deepEqual(done.sort(), [0, 1, 2])
    assert.equal(hangs.given.length, 1)
    assert.equal(near.stats().tasks.late, 0)
  })

  it("FAB-TSK-16 an only worker gets it again, never more than its capacity at a time, until maxDeliveries", async () => {
    const pair = await simulatedPair(30_000)
    const { net, near, far } = pair
    const bench = new Bench(far, { ackWait: WAIT, concurrency: 2, prefetch: 0 })
    await net.until(near.ready({ subject: "jobs", workers: 1 }))
    const task = await push(pair, 0, { maxDeliveries: 3 })
    await net.run(5 * WAIT)
    // Both of its handlers hang: there is no room for a third delivery.
    assert.deepEqual(bench.deliveries, [1, 2])
    assert.equal(task.finished, false)
    bench.given[0].finish()
    await net.run(50)
    assert.deepEqual(bench.deliveries, [1, 2, 3])
    const failed = assert.rejects(task.done(), { code: "ETIMEDOUT" })
    await net.run(WAIT)
    await net.until(failed)
    assert.equal(near.stats().tasks.failed, 1)
  })

  it("FAB-TSK-16 a task that is done twice by one worker is done once", async () => {
    const pair = await simulatedPair(30_000)
    const { net, near, far } = pair
    const bench = new Bench(far, { ackWait: WAIT, concurrency: 2 })
    await net.until(near.ready({ subject: "jobs", workers: 1 }))
    const task = await push(pair, 0)
    await net.run(WAIT + 100)
    assert.deepEqual(bench.deliveries, [1, 2])
    for (const { finish } of bench.given) finish()
    await net.until(task.done())
    await net.run(50)
    const { acknowledged, late, outstanding } = near.stats().tasks
    assert.deepEqual([acknowledged, late, outstanding], [1, 1, 0])
    // Its room is its own again.
    const more = [await push(pair, 1), await push(pair, 2), await push(pair, 3)]
    await net.run(50)
    for (let i = 2; i < 5; i++) {
      bench.given[i].finish()
      await net.run(50)
    }
    await net.until(Promise.all(more.map(one => one.done())))
  })

  it("FAB-TSK-16 a withdrawn task whose worker does not answer is forgotten in time", async () => {
    const pair = await simulatedPair(30_000)
    const { net, near, far } = pair
    const bench = new Bench(far, { ackWait: WAIT })
    await net.until(near.ready({ subject: "jobs", workers: 1 }))
    const task = await push(pair, 0)
    await net.run(50)
    task.cancel()
    await assert.rejects(task.done(), { code: "ECANCELED" })
    assert.equal(near.stats().tasks.outstanding, 1)
    await net.run(WAIT)
    assert.deepEqual([near.stats().tasks.outstanding, bench.given.length], [0, 1])
  })

  it("FAB-TSK-16 without it a handler may take as long as it likes", async () => {
    const pair = await simulatedPair(30_000)
    const { net, near, far } = pair
    const bench = new Bench(far, {})
    await net.until(near.ready({ subject: "jobs", workers: 1 }))
    const task = await push(pair, 0)
    await net.run(3_600_000)
    bench.given[0].task.working()
    bench.given[0].finish()
    await net.until(task.done())
    assert.deepEqual(bench.deliveries, [1])
  })
})

describe("fabric: tasks with a deadline on the wire", () => {
  closesAfterEach()

  const HUGE = 2 ** 50

  /** A node with tasks, and a worker made by hand. `more`: what stands behind its INTEREST. */
  const scene = async (more: Buffer) => {
    const [node] = await overTcp(1)
    const peer = await WirePeer.connect(node.endpoints[0], { fabric: node.fabric })
    using(peer.raw)
    const numbers = [1, 1_000, 1, 0, 0, 2].map(varint)
    await peer.send([record(11, 0, 3, 0, ...numbers, sized("jobs"), sized(""), more)])
    await node.ready({ subject: "jobs", workers: 1 })
    const task = await node.push("jobs", "x", { codec: "string" })
    const { body } = await peer.next(TASK)
    body.byte()
    return { node, peer, task, id: body.varint() }
  }

  it("FAB-TSK-16 the time stands behind the wish, WITHDRAW says that it is over, and the task comes again", async () => {
    const { node, peer, task, id } = await scene(varint(50))
    const notice = await peer.next(NOTICE)
    assert.deepEqual([notice.body.varint(), notice.body.varint(), notice.body.varint()], [WITHDRAW, 1, id])
    const { body } = await peer.next(TASK)
    body.byte()
    assert.deepEqual([body.varint(), body.varint(), body.varint()], [id, 1, 2])
    const result = record(TASK_RESULT, 0, 0, varint(id), varint(0))
    await peer.send([result, result])
    await task.done()
    await until(() => node.stats().tasks.late === 1)
    assert.equal(node.peers.length, 1)
  })

  it("FAB-TSK-16 word of tasks that nobody has, and times of no timer, do no harm", async () => {
    const { node, peer, task, id } = await scene(varint(HUGE))
    await peer.send([record(NOTICE, 0, varint(WORKING), varint(77)), record(NOTICE, 0, varint(WORKING), varint(id))])
    await peer.send([record(TASK_RESULT, 0, 0, varint(id), varint(0)), record(NOTICE, 0, varint(WORKING), varint(id))])
    await task.done()
    assert.deepEqual([node.stats().tasks.late, node.peers.length], [0, 1])
  })

  it("FAB-TSK-16 a worker of an earlier build has any time", async () => {
    const { node } = await scene(Buffer.alloc(0))
    assert.equal(node.stats().tasks.outstanding, 1)
    const peer = await WirePeer.connect(node.endpoints[0], { fabric: node.fabric })
    using(peer.raw)
    await peer.send([interest(1, 3, "others")])
    await node.ready({ subject: "others", workers: 1 })
    node.work("mine", () => {}, { ackWait: 50 })
    // An INTEREST as before, and a number behind it.
    for (;;) {
      const { body } = await peer.next(11)
      const kind = body.byte() & 15
      body.byte()
      for (let i = 0; i < 6; i++) body.varint()
      const pattern = body.text()
      body.text()
      if (kind !== 3) continue
      assert.deepEqual([pattern, body.varint(), body.rest().length], ["mine", 50, 0])
      break
    }
  })

  it("FAB-SUB-18 a time that cannot be is an error", async () => {
    const [node] = await overTcp(1)
    for (const ackWait of [-1, 1.5, 2 ** 31, "1"])
      assert.throws(() => node.work("jobs", () => {}, { ackWait: ackWait as number }), coded("EINVAL", /ackWait/))
  })
})
