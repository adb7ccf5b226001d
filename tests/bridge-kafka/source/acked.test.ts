import assert from "node:assert/strict"
import type { TaskHandler } from "../../../index.ts"
import { another, overTcp, range } from "../../patterns/fabric/nodes.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { seeded } from "../../support/random.ts"
import { pass, turns, until } from "../../support/wait.ts"
import { records } from "./fake-kafka.ts"
import { SETTINGS, source } from "./rig.ts"

const P0 = { topic: "t", partition: 0 }
const P1 = { topic: "t", partition: 1 }
const ACKED = { delivery: "acked" } as const

/** A worker's handler that ends when it is told to. */
class Desk {
  readonly inside: { n: number; done(): void; fail(): void }[] = []

  readonly handler = (message: { data: unknown }): Promise<void> =>
    new Promise((resolve, reject) => {
      this.inside.push({ n: message.data as number, done: resolve, fail: () => reject(new Error("not this one")) })
    })

  /** Those that came, in their order. */
  get numbers(): number[] {
    return this.inside.map(({ n }) => n)
  }

  at(n: number): { done(): void; fail(): void } {
    return this.inside.findLast(one => one.n === n) ?? assert.fail(`${n} is not there`)
  }
}

describe("source, acked", () => {
  closesAfterEach()

  it("SRC-1 commits no further than all before is acknowledged", async () => {
    const [node, host] = await overTcp(2)
    const desk = new Desk()
    await host.work("t.>", desk.handler, { concurrency: 100 }).ready
    const { kafka, connector } = await source(node, ACKED)
    kafka.last.assign(P0)
    kafka.last.give(records("t", 0, 3, ["a", "b", "c", "d"]))
    await until(() => desk.inside.length === 4)
    desk.at(4).done()
    desk.at(6).done()
    await until(() => connector.counters.messages === 2)
    await pass(30)
    assert.equal(kafka.last.committed("t", 0), 3)
    desk.at(3).done()
    await until(() => kafka.last.committed("t", 0) === 5)
    desk.at(5).done()
    await until(() => kafka.last.committed("t", 0) === 7)
  })

  it("SRC-2 keeps the order of a key, one at a time, while other keys go on", async () => {
    const [node] = await overTcp(1)
    const desk = new Desk()
    node.work("t.>", desk.handler, { concurrency: 100 })
    const { kafka } = await source(node, ACKED)
    kafka.last.assign(P0, P1)
    kafka.last.give(records("t", 0, 0, ["a", "a", "b", "a", "b"]))
    await until(() => desk.inside.length === 2)
    await turns(30)
    assert.deepEqual(desk.numbers, [0, 2])
    desk.at(2).done()
    await until(() => desk.inside.length === 3)
    assert.deepEqual(desk.numbers, [0, 2, 4])
    for (const n of [0, 1]) {
      desk.at(n).done()
      await until(() => desk.numbers.includes(n === 0 ? 1 : 3))
    }
    assert.deepEqual(desk.numbers, [0, 2, 4, 1, 3])
  })

  for (const [what, settings, keys, together] of [
    ["order: partition", { order: "partition" }, ["a", "b", "c"], [0]],
    ["two of a key at a time", { maxInFlightPerKey: 2 }, ["a", "a", "a"], [0, 1]],
    ["so many in all", { maxInFlight: 2 }, ["a", "b", "c"], [0, 1]],
    ["no key, no order", {}, [null, null, null], [0, 1, 2]],
  ] as const) {
    it(`SRC-2 ${what}`, async () => {
      const [node] = await overTcp(1)
      const desk = new Desk()
      node.work("t.>", desk.handler, { concurrency: 100 })
      const { kafka } = await source(node, { ...ACKED, ...settings })
      kafka.last.assign(P0)
      kafka.last.give(records("t", 0, 0, keys))
      await until(() => desk.inside.length >= together.length)
      await turns(30)
      assert.deepEqual(desk.numbers, together)
      for (let n = 0; n < 3; n++) {
        await until(() => desk.numbers.includes(n))
        desk.at(n).done()
      }
      await until(() => kafka.last.committed("t", 0) === 3)
    })
  }

  it("gives a record again when a worker fails, says nothing in time, or dies", async () => {
    const [node, host] = await overTcp(2)
    const desk = new Desk()
    await host.work("t.>", desk.handler, { concurrency: 100 }).ready
    const { kafka, connector } = await source(node, { ...ACKED, ackTimeoutMs: 100 })
    kafka.last.assign(P0)
    kafka.last.give(records("t", 0, 0, ["a", "b", "c"]))
    await until(() => desk.inside.length === 3)
    desk.at(0).fail()
    desk.at(1).done()
    await until(() => desk.numbers.filter(n => n === 0).length === 2)
    desk.at(0).done()
    // Nothing is said about 2.
    await until(() => desk.numbers.filter(n => n === 2).length === 2)
    assert.ok(connector.counters.ackTimeouts >= 1)
    const other = await another(node)
    const second = new Desk()
    await other.work("t.>", second.handler, { concurrency: 100 }).ready
    await host.close()
    await until(() => second.numbers.includes(2))
    second.at(2).done()
    await until(() => kafka.last.committed("t", 0) === 3)
    assert.ok(connector.counters.redelivered >= 3)
  })

  it("the word that comes late counts", async () => {
    const [node] = await overTcp(1)
    const desk = new Desk()
    node.work("t.>", desk.handler, { concurrency: 100 })
    const { kafka } = await source(node, { ...ACKED, ackTimeoutMs: 50 })
    kafka.last.assign(P0)
    kafka.last.give(records("t", 0, 0, ["a"]))
    await until(() => desk.inside.length === 2)
    desk.inside[0].done()
    await until(() => kafka.last.committed("t", 0) === 1)
  })

  it("waits for a worker as long as it takes, and gives nothing away before there is one", async () => {
    const [node] = await overTcp(1)
    const { kafka, connector } = await source(node, { ...ACKED, ackTimeoutMs: 20, maxInFlight: 3 })
    kafka.last.assign(P0)
    kafka.last.give(records("t", 0, 0, Array(40).fill(null)))
    await until(() => kafka.last.paused.has("t/0"))
    await pass(60)
    assert.equal(node.stats().tasks.outstanding, 0)
    assert.equal(connector.counters.ackTimeouts, 0)
    await kafka.last.revoke(P0)
    assert.equal(kafka.last.committed("t", 0), 0)
    kafka.last.assign(P0)
    kafka.last.give(records("t", 0, 0, Array(40).fill(null)))
    const got: unknown[] = []
    node.work("t.>", message => void got.push(message.data))
    await until(() => got.length === 40)
    assert.deepEqual(
      [...got].sort((a, b) => Number(a) - Number(b)),
      range(40),
    )
    await until(() => kafka.last.committed("t", 0) === 40 && !kafka.last.paused.has("t/0"))
  })

  it("SRC-1 stops the partition before what no worker does, other keys before it are done", async () => {
    const [node] = await overTcp(1)
    const got: unknown[] = []
    node.work("t.>", message => {
      if (message.data === 2) throw new Error("it is two")
      got.push(message.data)
    })
    const { kafka, connector } = await source(node, ACKED)
    kafka.last.assign(P0)
    kafka.last.give(records("t", 0, 0, ["a", "b", "c", "c"]))
    await until(() => connector.status().partitions[0].stopped !== null)
    const { stopped } = connector.status().partitions[0]
    assert.equal(stopped?.offset, 2)
    assert.equal(stopped?.stage, "TASK_PUT")
    assert.match(stopped?.message ?? "", new RegExp(`${SETTINGS.maxDeliveries} times.*it is two`))
    await until(() => kafka.last.committed("t", 0) === 2)
    assert.deepEqual([...got].sort(), [0, 1])
    assert.equal(connector.counters.redelivered, SETTINGS.maxDeliveries - 1)
    assert.ok(kafka.last.paused.has("t/0"))
  })

  it("sets aside what no worker does where that is wanted", async () => {
    const [node] = await overTcp(1)
    const got: unknown[] = []
    node.work("t.>", message => {
      if (message.data === 1) throw new Error("it is one")
      got.push(message.data)
    })
    const { kafka } = await source(node, {
      ...ACKED,
      maxDeliveries: 2,
      errorsTolerance: "all",
      errorsDeadletterqueueTopicName: "dead",
    })
    kafka.last.assign(P0)
    kafka.last.give(records("t", 0, 0, ["a", "a", "a"]))
    await until(() => kafka.last.committed("t", 0) === 3)
    assert.deepEqual(got, [0, 2])
    assert.equal(kafka.produced.length, 1)
    assert.match(String(new Map(kafka.produced[0].headers).get("__connect.errors.exception.message")), /it is one/)
  })

  it("finishes what is with workers before a partition is given up, but not for ever", async () => {
    const [node] = await overTcp(1)
    const desk = new Desk()
    const withdrawn: AbortSignal[] = []
    const handler: TaskHandler<unknown> = (message, task) => {
      withdrawn.push(task.signal)
      return desk.handler(message)
    }
    node.work("t.>", handler, { concurrency: 100 })
    const { kafka, connector } = await source(node, { ...ACKED, revokeTimeoutMs: 100, maxInFlight: 2 })
    kafka.last.assign(P0)
    kafka.last.give(records("t", 0, 0, ["a", "b", "c"]))
    await until(() => desk.inside.length === 2)
    const revoked = kafka.last.revoke(P0)
    desk.at(0).done()
    await revoked
    assert.equal(kafka.last.committed("t", 0), 1)
    assert.deepEqual(desk.numbers, [0, 1])
    assert.deepEqual(connector.status().partitions, [])
    // Its next owner gives it to a worker again: this one need not go on.
    await until(() => withdrawn[1].aborted)
    assert.equal(withdrawn[0].aborted, false)
    // Told when it is not ours any more: no harm.
    desk.at(1).done()
    kafka.last.assign(P0)
    kafka.last.give(records("t", 0, 1, ["b", "c"]))
    await until(() => desk.inside.length === 4)
    for (const n of [1, 2]) desk.at(n).done()
    await until(() => kafka.last.committed("t", 0) === 3)
  })

  it("whatever happens: nothing is committed that no worker has done, and each key stays in order", async () => {
    await seeded(async random => {
      const [node] = await overTcp(1)
      const done = new Set<string>()
      const seen = new Map<string, number>()
      node.work(
        "t.>",
        async message => {
          await turns(random.int(0, 3))
          if (random.chance(0.1)) throw new Error("not now")
          const place = message.headers.get("hd.kafka")?.slice("fake/".length) ?? ""
          const n = message.data as number
          const lane = `${place.slice(0, 3)} ${message.subject}`
          assert.ok(!((seen.get(lane) ?? -1) > n), `${place} came after ${seen.get(lane)}`)
          seen.set(lane, n)
          done.add(place)
        },
        { concurrency: 20 },
      )
      const { kafka } = await source(node, { ...ACKED, maxDeliveries: 0, maxInFlight: 50, offsetFlushIntervalMs: 1 })
      kafka.last.assign(P0, P1)
      const next = [0, 0]
      for (let round = 0; round < 60; round++) {
        const partition = random.int(0, 1)
        const keys = Array.from({ length: random.int(1, 30) }, () => `k${random.int(0, 7)}`)
        kafka.last.give(records("t", partition, next[partition], keys))
        next[partition] += keys.length
        await turns(random.int(0, 5))
        for (const offsets of kafka.last.commits.slice(0, 3))
          for (const { partition, offset } of offsets)
            for (let n = 0; n < offset; n++)
              assert.ok(done.has(`t/${partition}/${n}`), `${n} of ${offset} was not done`)
      }
      await until(() => kafka.last.committed("t", 0) === next[0] && kafka.last.committed("t", 1) === next[1])
      assert.equal(done.size, next[0] + next[1])
    })
  })
})
