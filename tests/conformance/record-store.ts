import assert from "node:assert/strict"
import type { KafkaHeader } from "../../bridge-kafka/driver.ts"
import type { RecordStore, StoreRange, StoreRecord } from "../../bridge-kafka/replay/record-store.ts"
import { range } from "../patterns/fabric/nodes.ts"

/** What the suite puts into a store. */
export interface StoredInput {
  readonly subject: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly KafkaHeader[]
  readonly timestamp: number
}

export interface StoreUnderTest {
  readonly store: RecordStore
  /** Stores records in one partition; resolves when they can be read. */
  put(records: readonly StoredInput[]): Promise<void>
}

const SIGNAL = new AbortController().signal
const START = 1_700_000_000_000

function inputs(count: number): StoredInput[] {
  return range(count).map(i => ({
    subject: `orders.${i % 7}`,
    key: i % 5 === 0 ? null : Buffer.from(`key ${i}`),
    value: i % 11 === 3 ? null : Buffer.alloc(i % 100, i),
    headers: [
      ["hd.subject", Buffer.from(`orders.${i % 7}`)],
      ["a", Buffer.from([0, 255, i % 256])],
      ["a", Buffer.from("again")],
    ],
    timestamp: START + i * 10,
  }))
}

async function readAll(
  store: RecordStore,
  { topic, partition }: StoreRange,
  from: number,
  until: number,
  maxBytes = 1024 * 1024,
): Promise<StoreRecord[]> {
  const found: StoreRecord[] = []
  for await (const batch of store.read({ topic, partition, from, until, maxBytes, signal: SIGNAL })) {
    assert.ok(batch.length > 0)
    found.push(...batch)
  }
  return found
}

/** What every store of replays does. `open` gives an empty one. */
export function recordStoreSuite(open: () => Promise<StoreUnderTest>): void {
  it("gives back what was put in, in order, with its offsets", async () => {
    const { store, put } = await open()
    const wanted = inputs(500)
    await put(wanted)
    const [held] = await store.ranges()
    assert.equal(held.end - held.first, 500)
    const found = await readAll(store, held, held.first, held.end, 4_096)
    assert.deepEqual(
      found.map(({ subject, key, value, headers, timestamp }) => ({ subject, key, value, headers, timestamp })),
      wanted,
    )
    assert.deepEqual(
      found.map(({ offset }) => offset),
      range(500, held.first),
    )
    for (const { topic, partition } of found) assert.deepEqual([topic, partition], [held.topic, held.partition])
  })

  it("is empty before anything is put in, and knows its topics", async () => {
    const { store, put } = await open()
    const before = await store.ranges()
    for (const { first, end } of before) assert.equal(first, end)
    for (const one of before) assert.deepEqual(await readAll(store, one, one.first, one.end), [])
    await put(inputs(3))
    const [held] = await store.ranges()
    assert.deepEqual(await store.ranges(held.topic), await store.ranges())
    assert.deepEqual(await store.ranges("another"), [])
  })

  it("reads any part, and nothing that comes later", async () => {
    const { store, put } = await open()
    await put(inputs(100))
    const [held] = await store.ranges()
    const offsets = async (from: number, until: number): Promise<number[]> =>
      (await readAll(store, held, held.first + from, held.first + until)).map(({ offset }) => offset - held.first)
    assert.deepEqual(await offsets(10, 20), range(10, 10))
    assert.deepEqual(await offsets(99, 100), [99])
    assert.deepEqual(await offsets(50, 50), [])
    assert.deepEqual(await offsets(60, 50), [])
    await put(inputs(5))
    assert.deepEqual(await offsets(95, 100), range(5, 95))
  })

  it("finds records by time", async () => {
    const { store, put } = await open()
    await put(inputs(200))
    const ranges = await store.ranges()
    const [held] = ranges
    const at = async (time: number): Promise<number> => (await store.offsetsAt(ranges, time))[0] - held.first
    assert.equal(await at(0), 0)
    assert.equal(await at(START), 0)
    assert.equal(await at(START + 1), 1)
    assert.equal(await at(START + 1_000), 100)
    assert.equal(await at(START + 1_990), 199)
    assert.equal(await at(START + 1_991), 200)
  })

  it("ends when it is told to", async () => {
    const { store, put } = await open()
    await put(inputs(2_000))
    const [{ topic, partition, first, end }] = await store.ranges()
    const stop = new AbortController()
    let count = 0
    const read = async (): Promise<void> => {
      for await (const batch of store.read({
        topic,
        partition,
        from: first,
        until: end,
        maxBytes: 1_024,
        signal: stop.signal,
      })) {
        count += batch.length
        stop.abort()
      }
    }
    // It may end or throw; it does not go on.
    await read().catch(() => {})
    assert.ok(count > 0)
    for await (const _ of store.read({ topic, partition, from: first, until: end, maxBytes: 1_024, signal: SIGNAL }))
      break
  })
}
