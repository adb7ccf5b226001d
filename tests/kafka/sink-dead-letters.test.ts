import assert from "node:assert/strict"
import type { KafkaDriver } from "../../bridge-kafka/driver.ts"
import { durable } from "../../bridge-kafka/durable.ts"
import { platformatic } from "../../bridge-kafka/platformatic/index.ts"
import type { Fabric } from "../../index.ts"
import { overTcp } from "../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { kafkaOrSkip, type SharedKafka, uniqueName } from "../support/kafka.ts"
import { header, readAll, startSink } from "./sink-rig.ts"

describe("records that are too large, with Kafka (SINK-7)", () => {
  let kafka: SharedKafka
  let driver: KafkaDriver
  let publisher: Fabric
  let node: Fabric
  let topic: string
  let dead: string

  before(async function () {
    kafka = await kafkaOrSkip(this)
  })

  closesAfterEach()

  beforeEach(async () => {
    driver = platformatic({ "bootstrap.servers": kafka.bootstrap })
    later(() => driver.close())
    ;[publisher, node] = await overTcp(2)
    topic = uniqueName("orders")
    dead = uniqueName("dead")
  })

  for (const guarantee of ["at-least-once", "exactly-once"] as const) {
    it(`the dead letter has their beginning, and the others pass: ${guarantee}`, async () => {
      const bridge = uniqueName("bridge")
      const { sink } = await startSink({
        fabric: node,
        driver,
        settings: {
          bridge,
          guarantee,
          tolerance: "all",
          deadLetterTopic: dead,
          routes: [{ subjects: "orders.>", topic }],
        },
      })
      const out = durable(publisher, bridge)
      const large = Buffer.alloc(2 * 1024 * 1024, "x")
      const results = await Promise.allSettled([
        out.publish("orders.a", Buffer.from("1")),
        out.publish("orders.a", large),
        out.publish("orders.a", Buffer.from("2")),
      ])
      assert.deepEqual(
        results.map(one => one.status),
        ["fulfilled", "rejected", "fulfilled"],
      )
      assert.match(String((results[1] as PromiseRejectedResult).reason), /among the dead letters/)
      const values = (await readAll(driver, topic, 2)).map(one => one.value?.toString())
      assert.deepEqual(values, ["1", "2"])
      const [letter] = await readAll(driver, dead, 1)
      assert.equal(letter.value?.length, 16 * 1024)
      assert.equal(header(letter, "hd.cut"), String(large.length))
      assert.equal(header(letter, "hd.subject"), "orders.a")
      assert.equal(sink.status().counters.deadLetters, 1)
    })
  }
})
