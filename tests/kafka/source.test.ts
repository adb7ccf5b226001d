import assert from "node:assert/strict"
import type { KafkaDriver, KafkaRecord } from "../../bridge-kafka/driver.ts"
import { platformatic } from "../../bridge-kafka/platformatic/index.ts"
import { SourceConnector } from "../../bridge-kafka/source/connector.ts"
import type { SourceSettings } from "../../bridge-kafka/source/settings.ts"
import type { Fabric, FabricMessage } from "../../index.ts"
import { SETTINGS } from "../bridge-kafka/source/rig.ts"
import { another, collect, overTcp, range } from "../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { brokerToTorment, kafkaOrSkip, type SharedKafka, uniqueName } from "../support/kafka.ts"
import { Program } from "../support/processes.ts"
import { LONG_RUN } from "../support/random.ts"
import { pass, until } from "../support/wait.ts"

const IN_KEY = "in.${key}"

describe("source from Kafka", () => {
  closesAfterEach()
  let kafka: SharedKafka
  let driver: KafkaDriver

  before(async function () {
    kafka = await kafkaOrSkip(this)
    driver = platformatic({ "bootstrap.servers": kafka.bootstrap })
  })

  after(() => driver?.close())

  async function topicOf(partitions: number): Promise<string> {
    const topic = uniqueName("source")
    await driver.createTopics([{ name: topic, partitions, replicationFactor: 1 }])
    later(() => driver.deleteTopics([topic]))
    return topic
  }

  async function produce(topic: string, from: number, count: number, partitions: number, keys = 7): Promise<void> {
    const producer = await driver.producer()
    const records = range(count, from).map(
      (i): KafkaRecord => ({
        topic,
        partition: (i % keys) % partitions,
        key: Buffer.from(`k${i % keys}`),
        value: Buffer.from(`${i}`),
        headers: [["hd.codec", Buffer.from("json")]],
        timestamp: Date.now(),
      }),
    )
    for (let at = 0; at < records.length; at += 2_000) await producer.produce(records.slice(at, at + 2_000))
    await producer.close()
  }

  /** An instance of a source, in a process of its own as far as Kafka can tell. */
  async function source(
    fabric: Fabric,
    topic: string,
    group: string,
    more: Partial<SourceSettings> = {},
  ): Promise<SourceConnector> {
    const own = platformatic({ "bootstrap.servers": kafka.bootstrap })
    const { clusterId } = await own.connect()
    const settings = {
      ...SETTINGS,
      topics: [topic],
      groupId: group,
      start: "committed-or-earliest" as const,
      subject: IN_KEY,
      errorsRetryDelayMinMs: 10,
      errorsRetryDelayMaxMs: 200,
      offsetFlushIntervalMs: 50,
      ...more,
    }
    const connector = new SourceConnector(settings, { fabric, driver: own, fabricId: "here", bridge: "box", clusterId })
    later(async () => {
      await connector.stop()
      await own.close()
    })
    connector.start()
    return connector
  }

  async function committed(group: string, topic: string): Promise<number> {
    const offsets = await driver.groupOffsets(group, [topic])
    return offsets.reduce((sum, { offset }) => sum + Math.max(0, offset), 0)
  }

  async function committedAll(group: string, topic: string, count: number): Promise<void> {
    while ((await committed(group, topic)) < count) await new Promise(resolve => setTimeout(resolve, 20))
  }

  for (const groupProtocol of ["consumer", "classic"] as const) {
    it(`SRC-1 SRC-2 publishes what is stored and what comes, in the order of each key (${groupProtocol})`, async () => {
      const topic = await topicOf(3)
      const group = uniqueName("group")
      await produce(topic, 0, 3_000, 3)
      const [subscriber, node] = await overTcp(2)
      const got = collect<number>(subscriber, "in.>")
      await got.subscription.ready
      const connector = await source(node, topic, group, { consumer: { ...SETTINGS.consumer, groupProtocol } })
      await got.count(3_000)
      await produce(topic, 3_000, 500, 3)
      await got.count(3_500)
      const last = new Map<string, number>()
      for (const { subject, data } of got.messages) {
        assert.ok((last.get(subject) ?? -1) < (data as number), `${subject}: ${data} after ${last.get(subject)}`)
        last.set(subject, data as number)
      }
      assert.deepEqual(
        [...got.values()].sort((a, b) => a - b),
        range(3_500),
      )
      assert.equal(new Set(got.messages.map(message => message.headers.get("hd.kafka"))).size, 3_500)
      await committedAll(group, topic, 3_500)
      for (const { lag } of await connector.lag()) assert.equal(lag, 0)
      // Another instance after it has nothing to do.
      await connector.stop()
      await source(node, topic, group)
      await produce(topic, 3_500, 7, 3)
      await got.count(3_507)
      assert.equal(got.messages.length, 3_507)
    })
  }

  it("SRC-1 nothing is skipped that comes between the first start and the first record delivered", async () => {
    const topic = await topicOf(2)
    const group = uniqueName("group")
    await produce(topic, 0, 10, 2)
    const [subscriber, node] = await overTcp(2)
    const got = collect<number>(subscriber, "in.>")
    await got.subscription.ready
    const start = "committed-or-latest" as const
    const first = await source(node, topic, group, { start, offsetFlushIntervalMs: 3_600_000 })
    await committedAll(group, topic, 10)
    await first.stop()
    assert.equal(got.messages.length, 0)
    // While nobody is there: a partition without a committed place would begin behind these.
    await produce(topic, 10, 10, 2)
    await source(node, topic, group, { start })
    assert.deepEqual((await got.count(10)).sort(), range(10, 10))
  })

  it("a batch that would fill the memory is set aside, and what is behind it comes", async () => {
    const topic = await topicOf(1)
    const producer = await driver.producer({ compression: "gzip" })
    const one = { topic, partition: 0, key: Buffer.from("k"), headers: [["hd.codec", Buffer.from("json")]] as const }
    const values = [Buffer.from("0"), Buffer.from(`"${"x".repeat(3_000_000)}"`), Buffer.from("2")]
    // Three batches, of which the second is a hundredth of what it becomes.
    for (const value of values) await producer.produce([{ ...one, value, timestamp: Date.now() }])
    await producer.close()
    const [subscriber, node] = await overTcp(2)
    const got = collect<number>(subscriber, "in.>")
    await got.subscription.ready
    const consumer = { ...SETTINGS.consumer, fetchMaxUnpackedBytes: 1024 * 1024 }
    const group = uniqueName("group")
    const connector = await source(node, topic, group, { consumer, errorsTolerance: "all" })
    assert.deepEqual(await got.count(2), [0, 2])
    await committedAll(group, topic, 3)
    assert.equal(connector.counters.dropped, 1)
    // A reader without tolerance is told.
    const read = driver.read({ topic, partition: 0 }, { from: 0, limits: { batchBytes: 1024 * 1024 } })
    await assert.rejects(
      async () => {
        for await (const _ of read);
      },
      { kind: "poison", protocolName: "RECORD_LIST_TOO_LARGE" },
    )
    // One that takes marks goes on behind it.
    const marked: [offset: number, last: number][] = []
    const limits = { batchBytes: 1024 * 1024 }
    for await (const { records } of driver.read({ topic, partition: 0 }, { from: 0, limits, marks: true }))
      for (const { offset, unreadable } of records) marked.push([offset, unreadable?.last ?? -1])
    assert.deepEqual(marked, [[0, -1], [1, 1], [2, -1]]) // biome-ignore format: short
  })

  /** A worker that takes its time until it is told to hurry, and refuses some at first. */
  async function slowWorker(worker: Fabric): Promise<{ done: Set<number>; hurry(): void; disorder(): number }> {
    const done = new Set<number>()
    const refused = new Set<number>()
    const last = new Map<string, number>()
    let wrong = 0
    let pause = 30
    const handler = async (message: FabricMessage): Promise<void> => {
      const n = message.data as number
      if (pause > 0) await pass(pause)
      if (n % 97 === 5 && !refused.has(n)) {
        refused.add(n)
        throw new Error("once more, please")
      }
      // A record may come again, but not after a later one of the same instance.
      const from = `${message.from} ${message.subject}`
      if ((last.get(from) ?? -1) > n) wrong++
      last.set(from, n)
      done.add(n)
    }
    await worker.work("in.>", handler, { concurrency: 8 }).ready
    return {
      done,
      hurry: () => {
        pause = 0
      },
      disorder: () => wrong,
    }
  }

  const ACKED = {
    delivery: "acked",
    maxInFlight: 16,
    consumer: { ...SETTINGS.consumer, groupProtocol: "classic", sessionTimeoutMs: 2_000 },
  } as const

  it("SRC-1 acked: what an instance has, whose fabric is closed, others take over", async () => {
    const topic = await topicOf(4)
    const group = uniqueName("group")
    const count = 1_200
    await produce(topic, 0, count, 4, 40)
    const [node, worker] = await overTcp(2)
    const { done, hurry, disorder } = await slowWorker(worker)
    const first = await source(node, topic, group, ACKED)
    await until(() => done.size >= 50)
    const second = await another(node)
    await second.ready({ subject: "in.k1", workers: 1 })
    const other = await source(second, topic, group, ACKED)
    await until(() => other.status().partitions.length === 2 && first.status().partitions.length === 2)
    await node.close()
    hurry()
    await until(() => done.size === count)
    await committedAll(group, topic, count)
    assert.equal(first.state, "failed")
    assert.equal(other.status().partitions.length, 4)
    assert.equal(disorder(), 0)
  })

  it("SRC-1 acked: what an instance had that was killed, others do", async () => {
    const topic = await topicOf(4)
    const group = uniqueName("group")
    const count = 600
    await produce(topic, 0, count, 4, 40)
    const [worker, node] = await overTcp(2)
    const { done, hurry } = await slowWorker(worker)
    const settings = {
      ...SETTINGS,
      topics: [topic],
      groupId: group,
      start: "committed-or-earliest",
      subject: IN_KEY,
      ...ACKED,
    }
    const program = Program.start(`
      import { join, seeds } from ${JSON.stringify(new URL("../../index.js", import.meta.url))}
      import { platformatic } from ${JSON.stringify(new URL("../../bridge-kafka/platformatic/index.js", import.meta.url))}
      import { SourceConnector } from ${JSON.stringify(new URL("../../bridge-kafka/source/connector.js", import.meta.url))}
      const fabric = await join(${JSON.stringify(worker.fabric)}, {
        discovery: [seeds([${JSON.stringify(worker.endpoints[0])}])], listen: "tcp://127.0.0.1:0",
      })
      await fabric.ready({ subject: "in.k1", workers: 1 })
      const driver = platformatic({ "bootstrap.servers": ${JSON.stringify(kafka.bootstrap)} })
      const { clusterId } = await driver.connect()
      new SourceConnector(${JSON.stringify(settings)}, { fabric, driver, fabricId: "here", bridge: "box", clusterId }).start()
      setInterval(() => {}, 1_000)
    `)
    await until(() => done.size >= 100)
    await program.kill()
    hurry()
    const before = done.size
    assert.ok(before < count)
    assert.ok((await committed(group, topic)) <= before + 16)
    await source(node, topic, group, ACKED)
    await until(() => done.size === count)
    await committedAll(group, topic, count)
  })

  it("goes on when the broker was killed and has come back: nothing is missing", async function () {
    // faults-outage.test.ts does the like in every run.
    if (!LONG_RUN) this.skip()
    const broker = await brokerToTorment(this)
    later(() => broker.mend())
    const own = platformatic({ "bootstrap.servers": broker.bootstrap })
    later(() => own.close())
    const topic = uniqueName("topic")
    const put = async (from: number, count: number): Promise<void> => {
      const producer = await own.producer()
      const make = (n: number): KafkaRecord => {
        const [key, value] = [Buffer.from("k"), Buffer.from(`${n}`)]
        return {
          topic,
          partition: n % 2,
          key,
          value,
          headers: [["hd.codec", Buffer.from("json")]],
          timestamp: Date.now(),
        }
      }
      await producer.produce(range(count, from).map(make))
      await producer.close()
    }
    await own.createTopics([{ name: topic, partitions: 2, replicationFactor: 1 }])
    const [node] = await overTcp(1)
    const got = new Map<number, number>()
    node.subscribe<string>("in.>", message => {
      const n = message.data as number
      got.set(n, (got.get(n) ?? 0) + 1)
    })
    const { clusterId } = await own.connect()
    const settings = { ...SETTINGS, topics: [topic], start: "committed-or-earliest" as const, subject: IN_KEY }
    const retry = { errorsRetryDelayMinMs: 50, errorsRetryDelayMaxMs: 500 }
    const connector = new SourceConnector(
      { ...settings, ...retry },
      { fabric: node, driver: own, fabricId: "here", bridge: "box", clusterId },
    )
    later(() => connector.stop())
    connector.start()
    await put(0, 500)
    await until(() => got.size === 500)
    await broker.restart("SIGKILL")
    await put(500, 500)
    await until(() => got.size === 1_000)
  })

  it("sets aside what cannot pass, in Kafka", async () => {
    const topic = await topicOf(1)
    const dead = uniqueName("dead")
    later(() => driver.deleteTopics([dead]))
    const [node] = await overTcp(1)
    const got = collect<number>(node, "in.>")
    await produce(topic, 0, 1, 1)
    const producer = await driver.producer()
    const bad = {
      topic,
      partition: 0,
      key: Buffer.from("not..valid"),
      value: Buffer.from("original"),
      headers: [],
      timestamp: 0,
    }
    await producer.produce([{ ...bad, timestamp: Date.now() }])
    await producer.close()
    await produce(topic, 1, 1, 1)
    const group = uniqueName("group")
    await source(node, topic, group, { errorsTolerance: "all", errorsDeadletterqueueTopicName: dead })
    assert.deepEqual(await got.count(2), [0, 1])
    await committedAll(group, topic, 3)
    for await (const { records } of driver.read({ topic: dead, partition: 0 }, { from: 0 })) {
      assert.equal(records.length, 1)
      assert.equal(records[0].value?.toString(), "original")
      const headers = new Map(records[0].headers.map(([name, value]) => [name, value.toString()]))
      assert.equal(headers.get("__connect.errors.topic"), topic)
      assert.equal(headers.get("__connect.errors.offset"), "1")
    }
  })
})
