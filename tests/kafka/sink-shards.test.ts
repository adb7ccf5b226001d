import assert from "node:assert/strict"
import type { KafkaDriver } from "../../bridge-kafka/driver.ts"
import { durable } from "../../bridge-kafka/durable.ts"
import type { SinkSettings } from "../../bridge-kafka/sink/settings.ts"
import { temporaryFolder } from "../support/folders.ts"
import { until } from "../support/wait.ts"
import { onKafka } from "./on-kafka.ts"
import { header, readAll, startSink } from "./sink-rig.ts"

const SHARDS = 4

describe("several instances of a sink, with Kafka (SINK-2, SINK-3)", () => {
  const on = onKafka({ hosts: 2, drivers: 2 })

  const settings = (guarantee: SinkSettings["guarantee"]) =>
    ({
      bridge: on.bridge,
      guarantee,
      shards: SHARDS,
      coordination: "group",
      routes: [{ subjects: "orders.>", topic: on.topic }],
    }) as const

  for (const guarantee of ["at-least-once", "exactly-once"] as const) {
    it(`share the shards, and take over from one that leaves: ${guarantee}`, async () => {
      const one = await startSink({ fabric: on.hosts[0], driver: on.drivers[0], settings: settings(guarantee) })
      await until(() => one.sink.status().owned.length === SHARDS)
      const out = durable(on.user, on.bridge)
      let published = 0
      let going = true
      const results: Promise<unknown>[] = []
      const publishing = (async () => {
        while (going) {
          results.push(out.publish(`orders.s${published % 13}`, String(published++), { codec: "string" }))
          if (published % 3 === 0) await new Promise(resolve => setTimeout(resolve, 1))
        }
      })()
      const two = await startSink({ fabric: on.hosts[1], driver: on.drivers[1], settings: settings(guarantee) })
      const share = (): boolean =>
        one.sink.status().owned.length + two.sink.status().owned.length === SHARDS && two.sink.status().owned.length > 0
      await until(share)
      const then = two.sink.status().counters.stored
      await until(() => two.sink.status().counters.stored > then + 20)
      await one.close()
      await until(() => two.sink.status().owned.length === SHARDS)
      going = false
      await publishing
      await Promise.all(results)
      const records = await readAll(on.drivers[1], on.topic, published)
      const numbers = records.map(record => Number(record.value?.toString()))
      assert.equal(new Set(numbers).size, published)
      if (guarantee === "exactly-once") assert.equal(numbers.length, published)
      const last = new Map<string, number>()
      for (const record of records) {
        const subject = header(record, "hd.subject") as string
        const number = Number(record.value?.toString())
        if (guarantee === "exactly-once") assert.ok(number > (last.get(subject) ?? -1), `${subject} is in order`)
        last.set(subject, number)
      }
    })
  }

  it("a producer of the same shard fences the sink, which takes the shard again and goes on", async () => {
    const { sink } = await startSink({
      fabric: on.hosts[0],
      driver: on.drivers[0],
      settings: { ...settings("exactly-once"), shards: 1 },
    })
    await until(() => sink.status().owned.length === 1)
    const out = durable(on.user, on.bridge)
    await out.publish("orders.a", "1", { codec: "string" })
    const zombie = await on.drivers[1].producer({ transactionalId: `hd.${on.bridge}.out.0` })
    await zombie.close()
    await out.publish("orders.a", "2", { codec: "string" })
    assert.equal(sink.status().counters.fenced, 1)
    const values = (await readAll(on.drivers[1], on.topic, 2)).map(one => one.value?.toString())
    assert.deepEqual(values, ["1", "2"])
  })

  it("an instance that comes back sends what it has to the owner, with its ids (kafka.md 5.8)", async () => {
    const folder = temporaryFolder()
    // It owns the shards by itself, takes messages, and dies before Kafka has them.
    const alone = { ...settings("exactly-once"), coordination: "none", handOverMs: 1, retryMaxMs: 50 } as const
    const rig = await startSink({
      fabric: on.hosts[0],
      driver: on.drivers[0],
      folder,
      settings: alone,
      more: { driver: frozen(on.drivers[0]) },
    })
    const out = durable(on.user, on.bridge, { ack: "spooled" })
    for (let i = 0; i < 100; i++) await out.publish(`orders.s${i % 7}`, String(i), { codec: "string" })
    on.user.publish("orders.plain", "plain", { codec: "string" })
    await until(() => rig.sink.status().waiting === 101)
    await rig.close()
    // Another has taken over meanwhile.
    const owner = await startSink({ fabric: on.hosts[1], driver: on.drivers[1], settings: settings("exactly-once") })
    await until(() => owner.sink.status().owned.length === SHARDS)
    const back = await startSink({
      fabric: on.hosts[0],
      driver: on.drivers[0],
      folder,
      settings: settings("exactly-once"),
    })
    await until(() => back.sink.status().waiting === 0)
    const values = (await readAll(on.drivers[1], on.topic, 101)).map(one => one.value?.toString())
    assert.equal(values.length, 101)
    assert.equal(new Set(values).size, 101)
  })
})

/** Its producers fence as they should, and never answer. */
function frozen(driver: KafkaDriver): KafkaDriver {
  const never = () => new Promise<never>(() => {})
  return new Proxy(driver, {
    get: (target, name) => {
      if (name === "producer") {
        return async (options: Parameters<KafkaDriver["producer"]>[0]) => {
          const producer = await target.producer(options)
          return { produce: never, transact: never, close: () => producer.close() }
        }
      }
      const value = Reflect.get(target, name) as unknown
      return typeof value === "function" ? value.bind(target) : value
    },
  })
}
