import assert from "node:assert/strict"
import type { Converter } from "../../bridge-kafka/converters/converter.ts"
import type { KafkaDriver } from "../../bridge-kafka/driver.ts"
import { platformatic } from "../../bridge-kafka/platformatic/index.ts"
import { createRecordStage } from "../../bridge-kafka/sink/record-stage.ts"
import type { SinkEvent } from "../../bridge-kafka/sink/sink-connector.ts"
import { SourceConnector } from "../../bridge-kafka/source/connector.ts"
import type { SourceParts } from "../../bridge-kafka/source/settings.ts"
import { TransformChain } from "../../bridge-kafka/transforms/chain.ts"
import type { Fabric } from "../../index.ts"
import { converterFor, FakeRegistry } from "../bridge-kafka/converters/fake-registry.ts"
import { SETTINGS } from "../bridge-kafka/source/rig.ts"
import { step } from "../bridge-kafka/transforms/run.ts"
import { collect, overTcp } from "../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { kafkaOrSkip, type SharedKafka, uniqueName } from "../support/kafka.ts"
import { until } from "../support/wait.ts"
import { header, readAll, startSink } from "./sink-rig.ts"

const ORDER = {
  type: "record",
  name: "Order",
  fields: [
    { name: "id", type: "long" },
    { name: "card", type: "string" },
  ],
}

describe("transforms and converters, with Kafka", () => {
  let kafka: SharedKafka
  let driver: KafkaDriver
  let registry: FakeRegistry
  let avro: Converter
  let publisher: Fabric
  let node: Fabric
  let bridge: string
  let topic: string

  before(async function () {
    kafka = await kafkaOrSkip(this)
  })

  closesAfterEach()

  beforeEach(async () => {
    driver = platformatic({ "bootstrap.servers": kafka.bootstrap })
    later(() => driver.close())
    ;[node, publisher] = await overTcp(2)
    bridge = uniqueName("bridge")
    topic = uniqueName("orders")
    registry = await FakeRegistry.start()
    registry.add(7, `${topic}-value`, ORDER)
    avro = await converterFor("avro", { "schema.registry.url": [registry.url] })
  })

  async function source(parts: Partial<SourceParts>, subject = "back"): Promise<SourceConnector> {
    const own = platformatic({ "bootstrap.servers": kafka.bootstrap })
    const { clusterId } = await own.connect()
    const settings = { ...SETTINGS, topics: [topic], groupId: uniqueName("g"), start: "committed-or-earliest" as const }
    const all = { fabric: node, driver: own, fabricId: "here", bridge: "other", clusterId, ...parts }
    const connector = new SourceConnector({ ...settings, subject }, all)
    later(async () => {
      await connector.stop()
      await own.close()
    })
    connector.start()
    return connector
  }

  it("Avro both ways, in order although the registry is slow at first, with a transform on each side", async () => {
    let open = (): void => {}
    registry.gate = new Promise(resolve => {
      open = resolve
    })
    const transforms = await TransformChain.create([step("MaskField$Value", { fields: ["card"] })], { folder: "." })
    const stage = await createRecordStage({ transforms, keyConverter: null, valueConverter: avro })
    assert.ok(stage !== null)
    const { sink } = await startSink({
      fabric: node,
      driver,
      settings: { bridge, routes: [{ subjects: "orders.>", topic }], topicPartitions: 1 },
      more: { stages: [stage] },
    })
    await publisher.ready({ subject: "orders.a", subscribers: 1 })
    const count = 500
    for (let id = 0; id < count; id++) publisher.publish("orders.a", { id, card: "4711" })
    await until(() => registry.requests.length > 0 && sink.counters.received === count)
    open()
    await until(() => sink.counters.stored === count)
    assert.equal(registry.requests.length, 1)
    const records = await readAll(driver, topic)
    assert.deepEqual(records[3].value, Buffer.from([0, 0, 0, 0, 7, 6, 0]))
    assert.equal(header(records[3], "hd.codec"), "bytes")

    const got = collect<{ id: number; card: string }>(publisher, "back")
    await got.subscription.ready
    const filled = await TransformChain.create([step("MaskField$Value", { fields: ["card"], replacement: "x" })], {
      folder: ".",
    })
    await source({ transforms: filled, valueConverter: avro })
    await got.count(count)
    assert.deepEqual(
      got.values(),
      Array.from({ length: count }, (_, id) => ({ id, card: "x" })),
    )
    assert.equal(got.messages[0].encoding, "msgpack")
  })

  it("poison of a converter goes to the dead letters with its stage, in its place; the others pass (SINK-7)", async () => {
    const letters = uniqueName("letters")
    const events: SinkEvent[] = []
    const transforms = await TransformChain.create([step("MaskField$Value", { fields: ["card"] })], { folder: "." })
    const stage = await createRecordStage({ transforms, keyConverter: null, valueConverter: avro })
    assert.ok(stage !== null)
    const { sink } = await startSink({
      fabric: node,
      driver,
      settings: {
        bridge,
        routes: [{ subjects: "orders.>", topic }],
        topicPartitions: 1,
        tolerance: "all",
        deadLetterTopic: letters,
      },
      more: { stages: [stage], onEvent: event => events.push(event) },
    })
    await publisher.ready({ subject: "orders.a", subscribers: 1 })
    const wrong = { id: "no number", card: "1" }
    for (const value of [{ id: 1, card: "1" }, wrong, "no object", { id: 2, card: "2" }])
      publisher.publish("orders.a", value, { codec: "json", headers: { mine: "yes" } })
    await until(() => sink.counters.stored === 4)
    const ids = (await readAll(driver, topic)).map(({ value }) => value?.[5])
    assert.deepEqual(ids, [2, 4])
    const [first, second] = await readAll(driver, letters)
    assert.equal(String(first.value), JSON.stringify(wrong))
    assert.equal(header(first, "mine"), "yes")
    assert.equal(header(first, "hd.subject"), "orders.a")
    assert.equal(header(first, "hd.codec"), "json")
    assert.equal(header(first, "__connect.errors.stage"), "VALUE_CONVERTER")
    assert.equal(header(first, "__connect.errors.class.name"), "avro")
    assert.equal(header(first, "__connect.errors.connector.name"), "out")
    assert.match(header(first, "__connect.errors.exception.message") as string, /schema/)
    assert.equal(header(second, "__connect.errors.stage"), "TRANSFORMATION")
    assert.equal(header(second, "__connect.errors.class.name"), "MaskField$Value")
    assert.equal(events.filter(({ type }) => type === "set-aside").length, 2)
    assert.equal(sink.counters.deadLetters, 2)
  })

  it("a registry that is away is waited for (SINK-7)", async () => {
    registry.fault = "500"
    const transforms = await TransformChain.create([], { folder: "." })
    const stage = await createRecordStage({ transforms, keyConverter: null, valueConverter: avro })
    assert.ok(stage !== null)
    const { sink } = await startSink({
      fabric: node,
      driver,
      settings: { bridge, routes: [{ subjects: "orders.>", topic }], topicPartitions: 1 },
      more: { stages: [stage] },
    })
    await publisher.ready({ subject: "orders.a", subscribers: 1 })
    publisher.publish("orders.a", { id: 1, card: "" })
    await until(() => sink.status().state === "degraded")
    registry.fault = null
    await until(() => sink.counters.stored === 1)
    await until(() => sink.status().state === "running")
    assert.equal((await readAll(driver, topic)).length, 1)
  })
})
