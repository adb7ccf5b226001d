import assert from "node:assert/strict"
import { durable } from "../../bridge-kafka/durable.ts"
import { slotOf } from "../../bridge-kafka/mapping/partition.ts"
import { platformatic } from "../../bridge-kafka/platformatic/index.ts"
import { later } from "../support/cleanup.ts"
import { temporaryFolder } from "../support/folders.ts"
import { uniqueName } from "../support/kafka.ts"
import { until } from "../support/wait.ts"
import { onKafka } from "./on-kafka.ts"
import { header, readAll, startSink } from "./sink-rig.ts"

describe("a sink, with Kafka", () => {
  const on = onKafka()

  it("waits for brokers when there are fewer than replicas are wanted, as where a cluster comes up, and says so", async () => {
    const { sink } = await startSink({
      fabric: on.hosts[0],
      driver: on.driver,
      settings: { bridge: on.bridge, routes: [{ subjects: "orders.>", topic: on.topic }], topicReplicationFactor: 2 },
    })
    await on.user.ready({ subject: "orders.a", subscribers: 1 })
    on.user.publish("orders.a", "x", { codec: "string" })
    await until(() => sink.status().counters.retries > 1)
    const { state, trouble } = sink.status()
    assert.equal(state, "degraded")
    assert.match(trouble ?? "", /Kafka says INVALID_REPLICATION_FACTOR \(.*\); start more brokers, or ask for fewer/)
    // As good as a second broker.
    await on.driver.createTopics([{ name: on.topic, partitions: 3, replicationFactor: 1 }])
    await until(() => sink.status().counters.stored === 1)
    assert.equal(sink.status().state, "running")
    assert.equal((await readAll(on.driver, on.topic, 1)).length, 1)
  })

  for (const guarantee of ["at-least-once", "exactly-once"] as const) {
    describe(guarantee, () => {
      it("stores what is published, in the order of each subject (SINK-1)", async () => {
        const { sink } = await startSink({
          fabric: on.hosts[0],
          driver: on.driver,
          settings: { bridge: on.bridge, guarantee, routes: [{ subjects: "orders.>", topic: on.topic }] },
        })
        await on.user.ready({ subject: "orders.a", subscribers: 1 })
        const count = 2_000
        for (let i = 0; i < count; i++) on.user.publish(`orders.s${i % 7}`, { i }, { headers: { mine: `m${i}` } })
        await until(() => sink.status().counters.stored === count)
        const records = await readAll(on.driver, on.topic, count)
        assert.equal(records.length, count)
        const last = new Map<string, number>()
        for (const record of records) {
          const subject = header(record, "hd.subject") as string
          assert.equal(record.key?.toString(), subject)
          assert.equal(record.partition, slotOf(Buffer.from(subject), 3))
          const number = Number(header(record, "mine")?.slice(1))
          assert.equal(number % 7, Number(subject.slice(8)))
          assert.ok(number > (last.get(subject) ?? -1), "in order")
          last.set(subject, number)
          assert.equal(header(record, "hd.codec"), "msgpack")
          assert.match(header(record, "hd.pub") as string, /^spool:/)
        }
      })

      it("answers durablePublish with the place (DUR-2)", async () => {
        await startSink({
          fabric: on.hosts[0],
          driver: on.driver,
          settings: { bridge: on.bridge, guarantee, routes: [{ subjects: "orders.>", topic: on.topic }] },
        })
        const out = durable(on.user, on.bridge)
        const results = await Promise.all(
          Array.from({ length: 500 }, (_, i) => out.publish(`orders.s${i % 5}`, `v${i}`, { codec: "string" })),
        )
        const records = await readAll(on.driver, on.topic, 500)
        assert.equal(records.length, 500)
        const byPlace = new Map(records.map(one => [`${one.partition}/${one.offset}`, one]))
        results.forEach((result, i) => {
          assert.equal(result.topic, on.topic)
          assert.equal(result.duplicate, false)
          assert.equal(byPlace.get(`${result.partition}/${result.offset}`)?.value?.toString(), `v${i}`)
        })
        await out.close()
      })

      it("knows ids of the user's own, and those that it made, over a retry (DUR-3, DUR-4)", async () => {
        await startSink({
          fabric: on.hosts[0],
          driver: on.driver,
          settings: { bridge: on.bridge, guarantee, routes: [{ subjects: "orders.>", topic: on.topic }] },
        })
        const out = durable(on.user, on.bridge)
        const first = await out.publish("orders.a", "x", { id: "mine-1" })
        const again = await durable(on.user, on.bridge).publish("orders.a", "x", { id: "mine-1" })
        assert.deepEqual(again, { ...first, duplicate: true })
        const third = await out.publish("orders.a", "y")
        const retried = await durable(on.user, on.bridge).publish("orders.a", "y", { id: third.id })
        assert.deepEqual(retried, { ...third, duplicate: true })
        assert.equal((await readAll(on.driver, on.topic, 2)).length, 2)
      })
    })
  }

  it("answers spooled before Kafka has it, and stores it after a restart", async () => {
    const folder = temporaryFolder()
    const routes = [{ subjects: "orders.>", topic: on.topic }]
    const away = platformatic({ "bootstrap.servers": "127.0.0.1:1" })
    later(() => away.close())
    const rig = await startSink({
      fabric: on.hosts[0],
      driver: away,
      folder,
      settings: { bridge: on.bridge, routes, handOverMs: 1 },
    })
    const out = durable(on.user, on.bridge, { ack: "spooled" })
    for (let i = 0; i < 10; i++) {
      const result = await out.publish("orders.a", `v${i}`, { codec: "string" })
      assert.equal(result.topic, undefined)
    }
    assert.equal(rig.sink.status().waiting, 10)
    await rig.close()
    const { sink } = await startSink({
      fabric: on.hosts[0],
      driver: on.driver,
      folder,
      settings: { bridge: on.bridge, routes },
    })
    await until(() => sink.status().counters.stored === 10)
    const values = (await readAll(on.driver, on.topic)).map(one => one.value?.toString())
    assert.deepEqual(
      values,
      Array.from({ length: 10 }, (_, i) => `v${i}`),
    )
  })

  it("exactly-once stores nothing twice when the release mark is old (SINK-6)", async () => {
    const folder = temporaryFolder()
    const settings = {
      bridge: on.bridge,
      guarantee: "exactly-once" as const,
      routes: [{ subjects: "orders.>", topic: on.topic }],
    }
    const rig = await startSink({ fabric: on.hosts[0], driver: on.driver, folder, settings })
    await on.user.ready({ subject: "orders.a", subscribers: 1 })
    const release = rig.spool?.release.bind(rig.spool)
    assert.ok(release)
    // As if the process died after each commit and before the mark was written.
    Object.assign(rig.spool as object, { release: () => {} })
    for (let i = 0; i < 300; i++) on.user.publish(`orders.s${i % 9}`, i)
    await until(() => rig.sink.status().counters.stored === 300)
    await rig.close()
    const again = await startSink({ fabric: on.hosts[0], driver: on.driver, folder, settings })
    await until(() => again.sink.status().waiting === 0)
    assert.equal((await readAll(on.driver, on.topic, 300)).length, 300)
  })

  it("sets poison aside among the dead letters, and goes on (SINK-7)", async () => {
    const dead = uniqueName("dead")
    for (const guarantee of ["at-least-once", "exactly-once"] as const) {
      const name = `${on.bridge}-${guarantee}`
      const own = `${on.topic}-${guarantee}`
      await on.driver.createTopics([
        { name: own, partitions: 1, replicationFactor: 1, config: { "max.message.bytes": "20000" } },
      ])
      const { sink, close } = await startSink({
        fabric: on.hosts[0],
        driver: on.driver,
        settings: {
          bridge: name,
          guarantee,
          routes: [{ subjects: "orders.>", topic: own }],
          tolerance: "all",
          deadLetterTopic: `${dead}-${guarantee}`,
        },
      })
      await on.user.ready({ subject: "orders.a", subscribers: 1 })
      for (let i = 0; i < 40; i++) on.user.publish("orders.a", Buffer.alloc(i === 17 ? 50_000 : 10, i))
      await until(() => sink.status().counters.stored >= 40)
      const values = (await readAll(on.driver, own, 39)).map(one => one.value?.[0])
      const expected = Array.from({ length: 40 }, (_, i) => i).filter(i => i !== 17)
      if (guarantee === "exactly-once") assert.deepEqual(values, expected)
      else assert.deepEqual([...new Set(values)], expected)
      const [letter] = await readAll(on.driver, `${dead}-${guarantee}`, 1)
      assert.equal(letter.value?.length, 50_000)
      assert.equal(header(letter, "hd.subject"), "orders.a")
      assert.equal(header(letter, "__connect.errors.connector.name"), "out")
      assert.match(header(letter, "__connect.errors.exception.class.name") as string, /_TOO_LARGE$/)
      await close()
    }
  })

  it("stops before poison when nothing else was asked for, and says where", async () => {
    await on.driver.createTopics([
      { name: on.topic, partitions: 1, replicationFactor: 1, config: { "max.message.bytes": "20000" } },
    ])
    const { sink } = await startSink({
      fabric: on.hosts[0],
      driver: on.driver,
      settings: { bridge: on.bridge, routes: [{ subjects: "orders.>", topic: on.topic }] },
    })
    await on.user.ready({ subject: "orders.a", subscribers: 1 })
    for (let i = 0; i < 10; i++) on.user.publish("orders.a", Buffer.alloc(i === 5 ? 50_000 : 10, i))
    await until(() => sink.status().state === "failed")
    assert.match(sink.status().trouble ?? "", /orders\.a can never pass/)
    const values = (await readAll(on.driver, on.topic)).map(one => one.value?.[0])
    assert.ok(values.every(value => (value as number) < 5))
  })
})
