import assert from "node:assert/strict"
import zlib from "node:zlib"
import type { Compression, KafkaDriver, KafkaRecord, ReadOptions, StoredRecord } from "../../bridge-kafka/driver.ts"
import { KafkaError } from "../../bridge-kafka/errors.ts"
import { later } from "../support/cleanup.ts"
import { uniqueName } from "../support/kafka.ts"
import { pass } from "../support/wait.ts"
import { conformsWithGroups } from "./kafka-driver-groups.ts"
import { conformsWithTransactions } from "./kafka-driver-transactions.ts"

/** A new driver for the broker of the tests. */
export type NewDriver = () => KafkaDriver

export function opened(make: NewDriver): KafkaDriver {
  const driver = make()
  later(() => driver.close())
  return driver
}

export function record(topic: string, value: string | Buffer | null, more: Partial<KafkaRecord> = {}): KafkaRecord {
  const bytes = typeof value === "string" ? Buffer.from(value) : value
  return { topic, partition: 0, key: null, value: bytes, headers: [], timestamp: Date.now(), ...more }
}

export async function newTopic(
  driver: KafkaDriver,
  partitions = 1,
  config: Record<string, string> = {},
): Promise<string> {
  const name = uniqueName("topic")
  await driver.createTopics([{ name, partitions, replicationFactor: -1, config }])
  return name
}

export async function readAll(driver: KafkaDriver, topic: string, more: Partial<ReadOptions> = {}, partition = 0) {
  const found: StoredRecord[] = []
  for await (const batch of driver.read({ topic, partition }, { from: 0, ...more })) found.push(...batch.records)
  return found
}

/**
 * Texts of what is committed, once so many are. A broker answers when it has noted that a transaction is to be committed; the marks that
 * readers wait for come a little later.
 */
export async function committed(
  driver: KafkaDriver,
  topic: string,
  count: number,
  more: Partial<ReadOptions> = {},
  partition = 0,
) {
  for (;;) {
    const found = texts(await readAll(driver, topic, more, partition))
    if (found.length >= count) return found
  }
}

export const texts = (records: readonly { value: Buffer | null }[]): (string | undefined)[] =>
  records.map(({ value }) => value?.toString())

export function isError(kind: KafkaError["kind"], protocolName?: string) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof KafkaError, String(error))
    assert.equal(error.kind, kind, error.message)
    if (protocolName !== undefined) assert.equal(error.protocolName, protocolName)
    return true
  }
}

async function refusal(call: Promise<unknown>): Promise<KafkaError> {
  const found = await call.then(
    () => null,
    (error: unknown) => error,
  )
  assert.ok(found instanceof KafkaError, String(found))
  return found
}

/** What the bridge relies on, for any implementation. Call it in a `describe` that closes after each test. */
export function conformsAsKafkaDriver(make: NewDriver): void {
  describe("topics", () => {
    it("says what the cluster is", async () => {
      const view = await opened(make).connect()
      assert.notEqual(view.clusterId, "")
      assert.ok(view.brokers.length > 0)
      assert.equal(typeof view.consumerProtocol, "boolean")
    })

    it("are created once, grown and deleted; asking creates none", async () => {
      const driver = opened(make)
      const topic = await newTopic(driver, 2)
      await driver.createTopics([{ name: topic, partitions: 5, replicationFactor: -1 }])
      const stranger = uniqueName("nobody")
      assert.deepEqual(await driver.partitions([topic, stranger]), new Map([[topic, 2]]))
      assert.deepEqual(await driver.partitions([stranger]), new Map())
      await driver.growTopic(topic, 4)
      assert.deepEqual(await driver.partitions([topic]), new Map([[topic, 4]]))
      await driver.deleteTopics([topic, stranger])
      // The answer comes before every broker knows it.
      while ((await driver.partitions([topic])).size > 0) await pass(10)
    })

    it("that cannot be are refused as poison", async () => {
      const spec = { name: "no/such", partitions: 1, replicationFactor: -1 }
      await assert.rejects(opened(make).createTopics([spec]), isError("poison", "INVALID_TOPIC_EXCEPTION"))
    })

    it("have offsets at both ends and at a time", async () => {
      const driver = opened(make)
      const topic = await newTopic(driver, 2)
      const producer = await driver.producer()
      const start = Date.now() - 10_000
      await producer.produce([0, 1, 2].map(index => record(topic, `${index}`, { timestamp: start + index * 1_000 })))
      assert.deepEqual(await driver.offsets(topic, "earliest"), new Map([[0, 0], [1, 0]])) // biome-ignore format: pairs
      assert.deepEqual(await driver.offsets(topic, "latest"), new Map([[0, 3], [1, 0]])) // biome-ignore format: pairs
      assert.equal((await driver.offsets(topic, start + 500)).get(0), 1)
      assert.equal((await driver.offsets(topic, start + 60_000)).get(0), 3)
    })
  })

  describe("records", () => {
    it("come back as they were: key, value, tombstone, headers in order with duplicates, time", async () => {
      const driver = opened(make)
      const topic = await newTopic(driver)
      const binary = Buffer.from([0, 255, 128, 10])
      const headers = [["a", binary], ["b", Buffer.from("ü")], ["a", Buffer.alloc(0)], ["ключ", binary]] as const // biome-ignore format: pairs
      const sent = [
        record(topic, binary, { key: binary, headers, timestamp: 1_600_000_000_123 }),
        record(topic, null, { key: Buffer.from("k"), timestamp: 1_500_000_000_000 }),
        record(topic, Buffer.alloc(0), { key: Buffer.alloc(0), timestamp: Date.now() }),
        record(topic, Buffer.alloc(100_000, 7)),
      ]
      const places = await (await driver.producer()).produce(sent)
      assert.deepEqual(places.map(({ offset }) => offset), [0, 1, 2, 3]) // biome-ignore format: short
      const got = await readAll(driver, topic)
      assert.deepEqual(got, sent.map((one, offset) => ({ ...one, offset }))) // biome-ignore format: short
    })

    it("that are written down one by one are stored in one go, where a producer can do that", async () => {
      const driver = opened(make)
      const topic = await newTopic(driver, 2)
      const producer = await driver.producer()
      for (let call = 0; call < 3; call++) {
        const packing = producer.pack?.()
        if (packing === undefined) return
        for (let index = 0; index < 2_000; index++)
          packing.add(record(topic, `${call}/${index}/${"x".repeat(600)}`, { partition: index % 2 }))
        assert.equal(packing.length, 2_000)
        const places = await packing.send()
        assert.deepEqual(places.at(1_001), { topic, partition: 1, offset: call * 1_000 + 500 })
        await producer.produce([])
      }
      const got = await readAll(driver, topic, {}, 1)
      const wanted = Array.from({ length: 3_000 }, (_, n) => `${Math.floor(n / 1_000)}/${(n % 1_000) * 2 + 1}`)
      assert.deepEqual(got.map(({ value }) => value?.toString().slice(0, -601)), wanted) // biome-ignore format: short
    })

    it("keep their order in each of many partitions, in batches and over many calls", async () => {
      const driver = opened(make)
      const topic = await newTopic(driver, 4)
      const producer = await driver.producer()
      for (let call = 0; call < 5; call++) {
        const sent = Array.from({ length: 3_000 }, (_, index) =>
          record(topic, `${call}/${index}/${"x".repeat(300)}`, { partition: index % 4 }),
        )
        const places = await producer.produce(sent)
        places.forEach((place, index) => {
          const wanted = { topic, partition: index % 4, offset: call * 750 + Math.floor(index / 4) }
          assert.deepEqual(place, wanted)
        })
      }
      for (const partition of [0, 1, 2, 3]) {
        const got = await readAll(driver, topic, { maxBytes: 100_000 }, partition)
        const wanted = Array.from({ length: 3_750 }, (_, n) => `${Math.floor(n / 750)}/${(n % 750) * 4 + partition}`)
        assert.deepEqual(got.map(({ value }) => value?.toString().slice(0, -301)), wanted) // biome-ignore format: short
      }
    })

    it("are read in a range", async () => {
      const driver = opened(make)
      const topic = await newTopic(driver)
      await (await driver.producer()).produce(Array.from({ length: 10 }, (_, index) => record(topic, `${index}`)))
      assert.deepEqual(texts(await readAll(driver, topic, { from: 3, until: 6 })), ["3", "4", "5"])
      assert.deepEqual(texts(await readAll(driver, topic, { from: 10 })), [])
      const signal = AbortSignal.abort()
      assert.deepEqual(texts(await readAll(driver, topic, { signal })), [])
    })

    for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"] satisfies Compression[]) {
      it(`are compressed by ${compression}`, async function () {
        if (compression === "zstd" && !("zstdCompressSync" in zlib)) {
          process.stdout.write(`\nzstd is skipped: Node ${process.versions.node} has none (22.15 has)\n`)
          this.skip()
        }
        const driver = opened(make)
        const topic = await newTopic(driver)
        const producer = await driver.producer({ compression })
        const sent = Array.from({ length: 500 }, (_, index) => record(topic, `${index} ${"again and ".repeat(20)}`))
        await producer.produce(sent)
        assert.deepEqual(texts(await readAll(driver, topic)), texts(sent))
      })
    }

    it("are stored without waiting by acks 1 and 0, where nobody knows the place", async () => {
      const driver = opened(make)
      const topic = await newTopic(driver)
      const one = await driver.producer({ acks: 1, idempotent: false })
      assert.deepEqual(await one.produce([record(topic, "1")]), [{ topic, partition: 0, offset: 0 }])
      const none = await driver.producer({ acks: 0, idempotent: false })
      assert.deepEqual(await none.produce([record(topic, "2")]), [{ topic, partition: 0, offset: -1 }])
      while ((await driver.offsets(topic, "latest")).get(0) !== 2);
      await assert.rejects(driver.producer({ acks: 1, idempotent: true }), isError("fatal"))
    })

    it("that are too large are poison, named by their place; the rest of the call is stored, and said to be", async () => {
      const driver = opened(make)
      const topic = await newTopic(driver, 2, { "max.message.bytes": "2000" })
      const producer = await driver.producer()
      const small = Array.from({ length: 60 }, (_, index) => record(topic, `${index}${"x".repeat(100)}`))
      const other = record(topic, "other", { partition: 1 })
      const call = [...small.slice(0, 30), record(topic, "y".repeat(3_000)), other, ...small.slice(30)]
      const error = await refusal(producer.produce(call))
      isError("poison", "MESSAGE_TOO_LARGE")(error)
      assert.equal(error.record, 30)
      assert.deepEqual(error.stored?.[31], { topic, partition: 1, offset: 0 })
      assert.equal(error.stored?.[30], null)
      assert.equal(error.stored?.[61], null)
      const stored = texts(await readAll(driver, topic))
      assert.deepEqual(stored, texts(small.slice(0, stored.length)))
      assert.equal(error.stored?.filter(place => place?.partition === 0).length, stored.length)
      // The producer goes on, and its numbers are right.
      const [place] = await producer.produce([record(topic, "after")])
      assert.equal(place.offset, stored.length)
    })

    it("of the far future are poison", async () => {
      const driver = opened(make)
      const topic = await newTopic(driver)
      const producer = await driver.producer()
      const call = [record(topic, "now"), record(topic, "then", { timestamp: Date.now() + 2 * 3_600_000 })]
      const error = await refusal(producer.produce(call))
      isError("poison", "INVALID_TIMESTAMP")(error)
      assert.equal(error.record, 1)
      assert.equal((await producer.produce([record(topic, "on")]))[0].offset, 0)
    })

    it("for a topic or partition that is not there are tried until the time is over, and create nothing", async () => {
      const driver = opened(make)
      const producer = await driver.producer({ deadline: 500 })
      const nowhere = uniqueName("nowhere")
      const lost = producer.produce([record(nowhere, "x")])
      await assert.rejects(lost, isError("retriable", "UNKNOWN_TOPIC_OR_PARTITION"))
      assert.equal((await driver.partitions([nowhere])).size, 0)
      const topic = await newTopic(driver)
      await assert.rejects(producer.produce([record(topic, "x", { partition: 7 })]), isError("retriable"))
      assert.equal((await producer.produce([record(topic, "x")]))[0].offset, 0)
    })
  })

  conformsWithTransactions(make)
  conformsWithGroups(make)
}
