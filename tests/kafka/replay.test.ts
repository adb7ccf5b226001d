import assert from "node:assert/strict"
import { Producer } from "@platformatic/kafka"
import type { KafkaDriver, KafkaRecord } from "../../bridge-kafka/driver.ts"
import { platformatic } from "../../bridge-kafka/platformatic/index.ts"
import { replay } from "../../bridge-kafka/replay/client.ts"
import { KafkaStore } from "../../bridge-kafka/replay/kafka-store.ts"
import { subjectIn } from "../../bridge-kafka/replay/record-headers.ts"
import { ReplayService } from "../../bridge-kafka/replay/service.ts"
import type { Fabric } from "../../index.ts"
import { recordStoreSuite } from "../conformance/record-store.ts"
import { another, overTcp, range } from "../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { kafkaOrSkip, type SharedKafka, uniqueName } from "../support/kafka.ts"
import { pass } from "../support/wait.ts"

/** Times of the tests lie in the past. */
const KEPT = { "retention.ms": "-1" }

describe("replay from Kafka", () => {
  closesAfterEach()
  let kafka: SharedKafka

  before(async function () {
    kafka = await kafkaOrSkip(this)
  })

  async function topicOf(partitions: number): Promise<{ driver: KafkaDriver; topic: string; store: KafkaStore }> {
    const driver = platformatic({ "bootstrap.servers": kafka.bootstrap })
    later(() => driver.close())
    const topic = uniqueName("replay")
    await driver.createTopics([{ name: topic, partitions, replicationFactor: 1, config: KEPT }])
    later(() => driver.deleteTopics([topic]))
    const { clusterId } = await driver.connect()
    const store = new KafkaStore({ driver, clusterId, topics: [topic], subjectOf: ({ headers }) => subjectIn(headers) })
    return { driver, topic, store }
  }

  async function produce(driver: KafkaDriver, records: readonly KafkaRecord[]): Promise<void> {
    const producer = await driver.producer()
    for (let at = 0; at < records.length; at += 2_000) await producer.produce(records.slice(at, at + 2_000))
    await producer.close()
  }

  async function serve(fabric: Fabric, store: KafkaStore): Promise<ReplayService> {
    const service = new ReplayService({ fabric, bridge: "box", stores: new Map([["out", store]]), maxSubjects: 50 })
    await service.start()
    later(() => service.close())
    return service
  }

  /** Record i has subject s.(i mod subjects), and lies in a partition with all others of it. */
  function orders(topic: string, count: number, partitions: number, subjects: number): KafkaRecord[] {
    return range(count).map(i => {
      const subject = `s.${i % subjects}`
      return {
        topic,
        partition: (i % subjects) % partitions,
        key: Buffer.from(subject),
        value: Buffer.from(`${i}`),
        headers: [
          ["hd.subject", Buffer.from(subject)],
          ["hd.codec", Buffer.from("json")],
        ],
        timestamp: 1_700_000_000_000 + i,
      }
    })
  }

  recordStoreSuite(async () => {
    const { driver, topic, store } = await topicOf(1)
    return {
      store,
      put: records =>
        produce(
          driver,
          records.map(({ key, value, headers, timestamp }) => ({
            topic,
            partition: 0,
            key,
            value,
            headers,
            timestamp,
          })),
        ),
    }
  })

  it("leaves out what was aborted, and records without a subject", async () => {
    const { driver, topic, store } = await topicOf(1)
    const [one, two, three] = orders(topic, 3, 1, 3)
    await produce(driver, [one, { ...two, headers: [] }])
    const transactional = await driver.producer({ transactionalId: uniqueName("tx") })
    await transactional.transact([three])
    await transactional.close()
    // Kafka answers a commit before its marker is written.
    while ((await driver.offsets(topic, "latest")).get(0) !== 4) await pass(5)
    const [client, server] = await overTcp(2)
    await serve(server, store)
    await client.ready({ subject: "$BRIDGE.box.replay", servers: 1 })
    const messages = replay(client, "box")
    const found: unknown[] = []
    for await (const { data } of messages) found.push(data)
    assert.deepEqual(found, [0, 2])
    // The end of the transaction is an offset, too.
    assert.equal(messages.started?.records, 4)
  })

  it("ends before a transaction that somebody has open, and does not wait for it", async () => {
    const { driver, topic, store } = await topicOf(1)
    const [one, two, three] = orders(topic, 3, 1, 3)
    await produce(driver, [one])
    const open = new Producer({
      clientId: "open",
      bootstrapBrokers: [kafka.bootstrap],
      transactionalId: uniqueName("tx"),
      idempotent: true,
      producerId: -1n,
      producerEpoch: -1,
      timeout: 60_000,
    })
    later(() => open.close())
    const transaction = await open.beginTransaction()
    let ended = false
    later(async () => ended || (await transaction.abort()))
    await transaction.send({
      messages: [{ topic, partition: 0, key: two.key ?? undefined, value: two.value ?? undefined }],
    })
    await produce(driver, [three])
    assert.equal((await driver.offsets(topic, "latest")).get(0), 3)
    assert.equal((await driver.offsets(topic, "latest", "read_committed")).get(0), 1)
    const [client, server] = await overTcp(2)
    await serve(server, store)
    await client.ready({ subject: "$BRIDGE.box.replay", servers: 1 })
    const read = async (): Promise<unknown[]> => {
      const found: unknown[] = []
      for await (const { data } of replay(client, "box")) found.push(data)
      return found
    }
    assert.deepEqual(await read(), [0])
    await transaction.abort()
    ended = true
    // Kafka answers before its marker is written.
    while ((await driver.offsets(topic, "latest", "read_committed")).get(0) !== 4) await pass(5)
    assert.deepEqual(await read(), [0, 2])
  })

  it("over several partitions: in order of time, from a time, and the last of each subject", async () => {
    const { driver, topic, store } = await topicOf(3)
    await produce(driver, orders(topic, 3_000, 3, 120))
    const [client, server] = await overTcp(2)
    await serve(server, store)
    await client.ready({ subject: "$BRIDGE.box.replay", servers: 1 })
    const data = async (options: Parameters<typeof replay>[2]): Promise<unknown[]> => {
      const found: unknown[] = []
      for await (const messages of replay(client, "box", options).batches())
        for (const message of messages) found.push(message.data)
      return found
    }
    assert.deepEqual(await data({}), range(3_000))
    assert.deepEqual(await data({ from: { timestamp: 1_700_000_002_500 } }), range(500, 2_500))
    assert.deepEqual(await data({ mode: "last-per-subject" }), range(120, 2_880))
    assert.deepEqual(await data({ subject: "s.7", limit: 3 }), [7, 127, 247])
  })

  it("goes on at another instance when the one that answers dies", async () => {
    const { driver, topic, store } = await topicOf(2)
    const count = 20_000
    await produce(driver, orders(topic, count, 2, 10))
    const [client, server] = await overTcp(2)
    const other = await another(server)
    const services = new Map<Fabric, ReplayService>([
      [server, await serve(server, store)],
      [other, await serve(other, store)],
    ])
    await client.ready({ subject: "$BRIDGE.box.replay", servers: 2 })
    const messages = replay(client, "box", { credit: 64 * 1024 })
    const found: unknown[] = []
    for await (const message of messages) {
      found.push(message.data)
      if (found.length !== 3_000) continue
      const [node] = [...services].find(([, { stats }]) => stats.active > 0) ?? assert.fail("nobody answers")
      await node.close()
    }
    assert.deepEqual(found, range(count))
    assert.equal(messages.resumed, 1)
  })
})
