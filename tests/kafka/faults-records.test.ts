import assert from "node:assert/strict"
import type { KafkaDriver } from "../../bridge-kafka/driver.ts"
import { durable, platformatic } from "../../bridge-kafka/index.ts"
import type { Fabric } from "../../index.ts"
import { overTcp, range } from "../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { kafkaOrSkip, type SharedKafka, uniqueName } from "../support/kafka.ts"
import { LONG_RUN } from "../support/random.ts"
import { until } from "../support/wait.ts"
import {
  acknowledgedBy,
  BridgeProcess,
  type Config,
  compare,
  numberOf,
  PublisherProcess,
  placeOf,
  sinkFile,
} from "./fault-rig.ts"
import { header, readAll } from "./sink-rig.ts"

const HOUR = 3_600_000

describe("faults: records that Kafka does not want, and topics that change", function () {
  this.timeout(LONG_RUN ? 400_000 : 60_000)
  let kafka: SharedKafka
  let driver: KafkaDriver
  let node: Fabric
  let bridge: string
  let topic: string

  before(async function () {
    kafka = await kafkaOrSkip(this)
    driver = platformatic({ "bootstrap.servers": kafka.bootstrap })
  })

  after(() => driver?.close())

  closesAfterEach()

  beforeEach(async () => {
    ;[node] = await overTcp(1)
    bridge = uniqueName("bridge")
    topic = uniqueName("orders")
  })

  function start(out: Config, more: Config = {}): Promise<BridgeProcess> {
    const config = sinkFile({ bridge, bootstrap: kafka.bootstrap, topic, out, ...more })
    return BridgeProcess.start({ ...placeOf(node), config }).ready()
  }

  for (const guarantee of ["at-least-once", "exactly-once"] as const) {
    it(`too large, tolerance all, ${guarantee}: it becomes a dead letter, the others go on in order`, async () => {
      const dead = uniqueName("dead")
      later(() => driver.deleteTopics([dead]))
      // Its limit is the broker's, 1 MiB; that of the topic is less.
      await driver.createTopics([{ name: dead, partitions: 1, replicationFactor: 1 }])
      const out = await start({
        guarantee,
        "topic.creation.default.max.message.bytes": 10_000,
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": dead,
      })
      const publisher = durable(node, bridge)
      const answers = range(60).map(i =>
        publisher.publish(`orders.s${i % 3}`, String(i).padEnd(i % 20 === 7 ? 20_000 : 100), { codec: "string" }),
      )
      const results = await Promise.allSettled(answers)
      const refused = range(60).filter(i => i % 20 === 7)
      const others = range(60).filter(i => i % 20 !== 7)
      const records = await readAll(driver, topic)
      compare(records, others, { once: true, inOrder: true })
      assert.equal(records.length, others.length)
      const letters = await readAll(driver, dead)
      assert.deepEqual(
        letters.map(numberOf).sort((a, b) => a - b),
        refused,
      )
      for (const letter of letters) {
        assert.equal(letter.value?.length, 20_000)
        assert.match(header(letter, "__connect.errors.exception.message") ?? "", /large/i)
      }
      const { counters, state } = await out.connector()
      assert.equal(state, "running")
      assert.equal(counters.deadLetters, refused.length)
      // Whoever published it is told that it went another way.
      assert.deepEqual(
        results.map(({ status }) => status),
        range(60).map(i => (i % 20 === 7 ? "rejected" : "fulfilled")),
      )
      await publisher.close()
    })
  }

  it("too large, tolerance none: the connector stops before it and says why; what was before it is stored", async () => {
    const out = await start({ "topic.creation.default.max.message.bytes": 10_000 })
    const publisher = durable(node, bridge)
    for (let i = 0; i < 10; i++) await publisher.publish("orders.a", String(i), { codec: "string" })
    const large = publisher.publish("orders.a", "10".padEnd(20_000), { codec: "string", timeout: 500 })
    await assert.rejects(large, { code: "ETIMEDOUT" })
    const { trouble } = await out.comesTo(one => one.state === "failed")
    assert.match(trouble ?? "", /of orders\.a can never pass.*errors\.tolerance/)
    assert.deepEqual((await readAll(driver, topic)).map(numberOf), range(10))
  })

  it("timestamps in the future are clamped, so that brokers take them, and the original is kept (REC-4)", async () => {
    const out = await start({})
    const ahead = 3 * HOUR
    const publisher = await PublisherProcess.start({ ...placeOf(node), bridge, ahead }).ready()
    const started = Date.now()
    await publisher.publish(50)
    const acknowledged = acknowledgedBy(await publisher.settled())
    assert.equal(acknowledged.length, 50)
    await node.ready({ subject: "orders.plain", subscribers: 1 })
    const said = [started + 2 * HOUR, started + HOUR / 2, started - 24 * HOUR]
    for (const [i, time] of said.entries())
      node.publish("orders.plain", String(100 + i), { codec: "string", headers: { "hd.ts": String(time) } })
    await out.comesTo(one => one.counters.stored === 53)
    const records = await readAll(driver, topic)
    compare(records, acknowledged, { once: true, inOrder: true })
    const now = Date.now()
    for (const record of records.filter(one => numberOf(one) < 100)) {
      assert.ok(record.timestamp >= started && record.timestamp <= now, "the time of receipt")
      const original = Number(header(record, "hd.ts"))
      assert.ok(original >= started + ahead && original <= now + ahead, `${original}: the publisher's time`)
    }
    const plain = records.filter(one => numberOf(one) >= 100)
    assert.ok(plain[0].timestamp >= started && plain[0].timestamp <= now)
    assert.deepEqual(
      plain.slice(1).map(one => one.timestamp),
      said.slice(1),
    )
    assert.deepEqual(
      plain.map(one => Number(header(one, "hd.ts"))),
      said,
    )
  })

  for (const [changed, what] of [
    ["warn", "says so and goes on, with the new number"],
    ["fail", "stops and says why; a restart accepts it"],
  ] as const) {
    it(`partitions added, partitions.changed ${changed}: ${what}`, async () => {
      const out = await start({ "partitions.changed": changed, "producer.override.metadata.max.age.ms": 200 })
      const publisher = await PublisherProcess.start({ ...placeOf(node), bridge, subjects: 50 }).ready()
      await publisher.flow()
      await publisher.comesTo(({ acknowledged }) => acknowledged.length > 0 && acknowledged[0][1] > 300)
      await driver.growTopic(topic, 8)
      if (changed === "fail") {
        const { trouble } = await out.comesTo(one => one.state === "failed")
        assert.match(trouble ?? "", new RegExp(`${topic} has 8 partitions now, and had 2.*restart the connector`))
        await out.restart()
      } else {
        while (!(await out.report()).log.some(line => line.includes(`${topic} has 8 partitions now, and had 2`)));
      }
      const before = await publisher.report()
      const last = before.published
      await publisher.comesTo(({ acknowledged }) => acknowledged[0][1] > last + 300)
      await publisher.stop()
      const report = await publisher.settled()
      const records = await readAll(driver, topic)
      compare(records, acknowledgedBy(report), { once: true, inOrder: false })
      assert.equal(new Set(records.filter(one => numberOf(one) > last).map(one => one.partition)).size, 8)
      assert.ok(records.filter(one => numberOf(one) < 300).every(one => one.partition < 2))
    })
  }

  it("a loop of two bridges of one fabric: each record passes once, and what came back is counted (MAP-4)", async () => {
    const out = await start({})
    const second = uniqueName("bridge")
    const feed = {
      name: "in",
      config: { "connector.class": "KafkaToFabric", topics: topic, start: "committed-or-earliest" },
    }
    const back = await BridgeProcess.start({
      ...placeOf(node),
      config: { name: second, kafka: { "bootstrap.servers": kafka.bootstrap }, connectors: [feed] },
    }).ready()
    const got: number[] = []
    await node.subscribe("orders.>", message => void got.push(Number(message.data))).ready
    const publisher = await PublisherProcess.start({ ...placeOf(node), bridge }).ready()
    await publisher.publish(200)
    const acknowledged = acknowledgedBy(await publisher.settled())
    assert.equal(acknowledged.length, 200)
    await out.comesTo(one => one.counters.loops === 200)
    await until(() => got.length >= 200)
    const records = await readAll(driver, topic)
    compare(records, acknowledged, { once: true, inOrder: true })
    assert.equal(records.length, 200)
    assert.equal((await back.connector("in")).counters.messages, 200)
    assert.deepEqual(
      got.sort((a, b) => a - b),
      range(200),
    )
  })

  it("a loop of two bridges between two fabrics: each record is once in each topic, and what came back is counted", async () => {
    const [far] = await overTcp(1)
    const other = uniqueName("orders")
    const feed = (from: string): Config => ({
      name: "in",
      config: { "connector.class": "KafkaToFabric", topics: from, start: "committed-or-earliest" },
    })
    const names = [bridge, uniqueName("bridge")]
    const side = (at: Fabric, name: string, to: string, from: string): Promise<BridgeProcess> => {
      const config = sinkFile({ bridge: name, bootstrap: kafka.bootstrap, topic: to, more: [feed(from)] })
      return BridgeProcess.start({ ...placeOf(at), config }).ready()
    }
    const [near, beyond] = await Promise.all([side(node, names[0], topic, other), side(far, names[1], other, topic)])
    const publisher = await PublisherProcess.start({ ...placeOf(node), bridge }).ready()
    await publisher.publish(200)
    assert.equal(acknowledgedBy(await publisher.settled()).length, 200)
    // They were here and in another fabric since: the source drops them.
    const { counters } = await near.comesTo(one => one.counters.loops >= 200, "in")
    assert.equal(counters.loops, 200)
    assert.equal((await beyond.connector()).counters.stored, 200)
    for (const one of [topic, other]) {
      const records = await readAll(driver, one)
      assert.equal(records.length, 200)
      compare(records, range(200), { once: true, inOrder: true })
    }
  })
})
