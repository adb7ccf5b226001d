import assert from "node:assert/strict"
import { replay } from "../../../bridge-kafka/replay/client.ts"
import { Budget, markLast, OffsetSet } from "../../../bridge-kafka/replay/last-per-subject.ts"
import { ReplayService } from "../../../bridge-kafka/replay/service.ts"
import { overTcp } from "../../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { coded } from "../../support/pattern.ts"
import { seeded } from "../../support/random.ts"
import { MemoryStore } from "./memory-store.ts"

const SIGNAL = new AbortController().signal

async function marks(
  store: MemoryStore,
  maxSubjects: number,
  wants: (subject: string) => boolean = () => true,
): Promise<{ set: OffsetSet; passes: number }> {
  const set = new OffsetSet(new Budget(2 ** 20))
  const [range] = await store.ranges()
  const passes = await markLast(store, range, set, { wants, maxSubjects, maxBytes: 2 ** 20, signal: SIGNAL })
  return { set, passes }
}

describe("last-per-subject", () => {
  closesAfterEach()

  it("marks the last of each subject, whatever the number of subjects and the bound", async () => {
    await seeded(async random => {
      for (let round = 0; round < 20; round++) {
        const store = new MemoryStore()
        store.batch = random.int(1, 50)
        const subjects = random.int(1, 200)
        const last = new Map<string, number>()
        let offset = random.int(0, 100_000)
        for (let i = random.int(1, 1_000); i > 0; i--) {
          const subject = `s.${random.int(1, subjects)}`
          offset += random.chance(0.1) ? random.int(1, 100_000) : 1
          store.add(subject, i, { offset })
          if (subject !== "s.1") last.set(subject, offset)
        }
        const most = random.int(1, 50)
        const { set, passes } = await marks(store, most, subject => subject !== "s.1")
        const [{ end }] = await store.ranges()
        const expected = new Set(last.values())
        let marked = 0
        for (let at = 0; at < end; at++) {
          if (set.has(at)) marked++
          if (set.has(at) !== expected.has(at)) assert.fail(`offset ${at} is ${expected.has(at) ? "not " : ""}marked`)
        }
        assert.equal(marked, last.size)
        assert.ok(passes >= last.size / most, `${last.size} subjects in ${passes} passes of ${most}`)
        assert.equal(store.reads, store.closed)
      }
    })
  })

  it("reads once where the bound is enough", async () => {
    const store = new MemoryStore()
    for (let i = 0; i < 100; i++) store.add(`s.${i % 10}`, i)
    assert.equal((await marks(store, 10)).passes, 1)
    assert.ok((await marks(store, 9)).passes > 1)
  })

  it("refuses a range for which there is no room", async () => {
    const store = new MemoryStore()
    for (let i = 0; i < 5; i++) store.add(`s.${i}`, i, { offset: i * 100_000 })
    const [range] = await store.ranges()
    const set = new OffsetSet(new Budget(4 * 8_192))
    const options = { wants: () => true, maxSubjects: 10, maxBytes: 1, signal: SIGNAL }
    await assert.rejects(markLast(store, range, set, options), coded("EMSGSIZE", /maxMarkBytes/))
  })

  it("is replayed in order, with tombstones, and goes on from a cursor", async () => {
    const [client, server] = await overTcp(2)
    const store = new MemoryStore()
    for (let i = 0; i < 900; i++)
      store.add(`s.${i % 30}`, i % 30 === 7 ? null : i, { partition: (i % 30) % 2, timestamp: i })
    const service = new ReplayService({
      fabric: server,
      bridge: "box",
      stores: new Map([["out", store]]),
      maxSubjects: 4,
    })
    await service.start()
    later(() => service.close())
    const wanted = Array.from({ length: 30 }, (_, i) => (i === 7 ? undefined : 870 + i))
    const options = { mode: "last-per-subject", until: { offsets: { "orders/0": 450, "orders/1": 450 } } } as const
    const whole = replay(client, "box", options)
    const found: unknown[] = []
    for await (const { data } of whole) found.push(data)
    assert.deepEqual(found, wanted)
    assert.ok((whole.ended?.passes ?? 0) >= 4)

    const first = replay(client, "box", { ...options, limit: 11 })
    const parts: unknown[] = []
    for await (const { data } of first) parts.push(data)
    store.add("s.29", "later", { partition: 1, timestamp: 1_000 })
    for await (const { data } of replay(client, "box", { ...options, from: { cursor: first.cursor as string } }))
      parts.push(data)
    assert.deepEqual(parts, wanted)

    const some: unknown[] = []
    for await (const { data } of replay(client, "box", { ...options, subject: "s.29" })) some.push(data)
    assert.deepEqual(some, [899])
  })
})
