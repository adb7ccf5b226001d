import assert from "node:assert/strict"
import type {
  Batch,
  KafkaRecord,
  Producer,
  ProducerOptions,
  StoredAt,
  TopicPartition,
} from "../../../bridge-kafka/driver.ts"
import { durable } from "../../../bridge-kafka/durable.ts"
import { KafkaError } from "../../../bridge-kafka/errors.ts"
import { serveInfo } from "../../../bridge-kafka/sink/info.ts"
import { SINK_DEFAULTS, type SinkSettings, shardsTopic } from "../../../bridge-kafka/sink/settings.ts"
import { SinkConnector } from "../../../bridge-kafka/sink/sink-connector.ts"
import { Spool } from "../../../bridge-kafka/spool/spool.ts"
import type { Fabric } from "../../../index.ts"
import { overTcp } from "../../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import { pass, until } from "../../support/wait.ts"
import { FakeKafka } from "../source/fake-kafka.ts"

/** What all instances write to, and who may: as many producers of one transactional id as there are, the newest only. */
class Log {
  readonly records: KafkaRecord[] = []
  readonly newest = new Map<string, object>()
}

/** One instance's way to it, which can be cut. */
class WayToKafka extends FakeKafka {
  cut = false
  private readonly log: Log

  constructor(log: Log) {
    super()
    this.log = log
  }

  override async producer({ transactionalId = "" }: ProducerOptions = {}): Promise<Producer> {
    const { log } = this
    this.mustReach()
    const self = {}
    log.newest.set(transactionalId, self)
    const store = async (records: readonly KafkaRecord[]): Promise<StoredAt[]> => {
      this.mustReach()
      if (transactionalId !== "" && log.newest.get(transactionalId) !== self) throw new KafkaError("fenced", "fenced")
      log.records.push(...records)
      return records.map(({ topic, partition }) => ({ topic, partition, offset: 0 }))
    }
    return { produce: store, transact: store, close: async () => {} }
  }

  override async *read({ topic, partition }: TopicPartition): AsyncGenerator<Batch> {
    this.mustReach()
    const found = this.log.records.filter(one => one.topic === topic && one.partition === partition)
    yield { topic, partition, records: found.map((one, offset) => ({ ...one, offset })) }
  }

  private mustReach(): void {
    if (this.cut) throw new KafkaError("retriable", "nobody answers")
  }
}

describe("an orphaned shard that the group gives to another instance (SINK-8)", () => {
  closesAfterEach()

  let publisher: Fabric
  let log: Log
  let ways: WayToKafka[]
  let sinks: SinkConnector[]
  let published: number
  const places = [0, 1].map(partition => ({ topic: shardsTopic("box", "out"), partition }))

  async function begin(guarantee: SinkSettings["guarantee"]): Promise<void> {
    const [first, ...nodes] = await overTcp(3)
    publisher = first
    log = new Log()
    ways = nodes.map(() => new WayToKafka(log))
    published = 0
    sinks = await Promise.all(
      nodes.map(async (fabric, i) => {
        const spool = await Spool.open({ folder: temporaryFolder(), maxBytes: 16 * 1024 * 1024 })
        later(() => spool.close())
        const settings: SinkSettings = {
          ...SINK_DEFAULTS,
          guarantee,
          bridge: "box",
          connector: "out",
          subjects: ["orders.>"],
          routes: [{ subjects: "orders.>", topic: "t" }],
          shards: places.length,
          handOverMs: 10,
          retryMinMs: 5,
          retryMaxMs: 20,
        }
        const sink = new SinkConnector({ fabric, driver: ways[i], settings, spool })
        later(() => sink.stop())
        const info = serveInfo(fabric, "box", () => [sink.info])
        later(() => info.close())
        await sink.start()
        return sink
      }),
    )
    await publisher.ready({ subject: "orders.a", subscribers: 2 })
    await until(() => ways.every(way => way.consumers.length > 0))
    for (const way of ways) way.last.options.heard?.(null)
  }

  async function publish(by: SinkConnector): Promise<void> {
    const { received } = by.counters
    for (let i = 0; i < 20; i++) publisher.publish(`orders.s${published % 7}`, String(published++), { codec: "string" })
    await until(() => by.counters.received === received + 20)
    const out = durable(publisher, "box", { ack: "spooled" })
    const answers: Promise<unknown>[] = []
    for (let i = 0; i < 20; i++)
      answers.push(out.publish(`orders.s${published % 7}`, String(published++), { codec: "string" }))
    await Promise.all(answers)
  }

  const stored = (): string[] => log.records.filter(one => one.topic === "t").map(one => one.value?.toString() ?? "")

  for (const guarantee of ["exactly-once", "at-least-once"] as const) {
    it(`what the one that stood in has taken reaches Kafka, through the owner: ${guarantee}`, async () => {
      await begin(guarantee)
      const [one, two] = sinks
      ways[0].last.assign(...places)
      await until(() => one.status().owned.length === 2)
      await publish(one)
      // The first cannot reach Kafka any more; the second can, and the group finds that out later.
      ways[0].cut = true
      ways[0].last.options.lost?.(places, true)
      assert.deepEqual(one.status().orphaned, [0, 1])
      await publish(one)
      const waiting = durable(publisher, "box").publish("orders.s0", String(published++), { codec: "string" })
      await until(() => one.status().waiting > 0)
      ways[1].last.assign(...places)
      await until(() => two.status().owned.length === 2)
      await waiting
      await until(() => one.status().orphaned.length === 0)
      await publish(two)
      await until(() => one.status().waiting + two.status().waiting === 0)
      const values = stored()
      assert.equal(new Set(values).size, published)
      if (guarantee === "exactly-once") assert.equal(values.length, published)
      assert.ok(one.counters.forwarded > 0)
      assert.deepEqual([one.status().owned, one.counters.orphanings], [[], 2])
    })
  }

  for (const guarantee of ["exactly-once", "at-least-once"] as const) {
    it(`nothing is sent before the group has said whose it is, though Kafka could be reached: ${guarantee}`, async () => {
      await begin(guarantee)
      const [one] = sinks
      ways[0].last.assign(...places)
      await until(() => one.status().owned.length === 2)
      await publish(one)
      await until(() => one.status().waiting === 0)
      const { length } = log.records
      ways[0].last.options.lost?.(places, true)
      await publish(one)
      await pass(100)
      assert.deepEqual([log.records.length, one.status().waiting], [length, 40])
      ways[0].last.assign(...places)
      await until(() => one.status().waiting === 0)
      assert.deepEqual([stored().length, new Set(stored()).size], [published, published])
    })
  }

  it("exactly-once: one that stood still, or whom the group has answered, takes nothing more", async () => {
    await begin("exactly-once")
    const [one] = sinks
    ways[0].last.assign(...places)
    await until(() => one.status().owned.length === 2)
    ways[0].last.options.lost?.(places, false)
    assert.deepEqual(one.status().orphaned, [])
    const { received, foreign } = one.counters
    publisher.publish("orders.a", 1)
    await until(() => one.counters.foreign === foreign + 1)
    assert.equal(one.counters.received, received)
  })
})
