import assert from "node:assert/strict"
import { durable } from "../../bridge-kafka/durable.ts"
import { uniqueName } from "../support/kafka.ts"
import { onKafka } from "./on-kafka.ts"
import { header, readAll, startSink } from "./sink-rig.ts"

describe("records that are too large, with Kafka (SINK-7)", () => {
  const on = onKafka()

  for (const guarantee of ["at-least-once", "exactly-once"] as const) {
    it(`the dead letter has their beginning, and the others pass: ${guarantee}`, async () => {
      const { bridge } = on
      const dead = uniqueName("dead")
      const { sink } = await startSink({
        fabric: on.hosts[0],
        driver: on.driver,
        settings: {
          bridge,
          guarantee,
          tolerance: "all",
          deadLetterTopic: dead,
          routes: [{ subjects: "orders.>", topic: on.topic }],
        },
      })
      const out = durable(on.user, bridge)
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
      const values = (await readAll(on.driver, on.topic, 2)).map(one => one.value?.toString())
      assert.deepEqual(values, ["1", "2"])
      const [letter] = await readAll(on.driver, dead, 1)
      assert.equal(letter.value?.length, 16 * 1024)
      assert.equal(header(letter, "hd.cut"), String(large.length))
      assert.equal(header(letter, "hd.subject"), "orders.a")
      assert.equal(sink.status().counters.deadLetters, 1)
    })
  }
})
