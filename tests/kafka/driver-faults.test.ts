import assert from "node:assert/strict"
import type { KafkaDriver } from "../../bridge-kafka/driver.ts"
import type { KafkaError } from "../../bridge-kafka/errors.ts"
import { platformatic } from "../../bridge-kafka/platformatic/index.ts"
import { isError, newTopic, readAll, record, texts } from "../conformance/kafka-driver.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { KafkaBroker, kafkaOrSkip, uniqueName } from "../support/kafka.ts"
import { LONG_RUN } from "../support/random.ts"
import { until } from "../support/wait.ts"

/** A time that is over before the broker's own, so that ours is seen to count (milliseconds). */
const SOON = 700

describe("KafkaDriver: platformatic, when the broker stands still or dies", () => {
  let broker: KafkaBroker
  before(async function () {
    const { broker: shared } = await kafkaOrSkip(this)
    if (shared === null) return this.skip()
    broker = await KafkaBroker.start()
  })
  after(() => broker?.stop())
  closesAfterEach()
  afterEach(() => broker?.thaw())

  function open(): KafkaDriver {
    const driver = platformatic({ "bootstrap.servers": broker.bootstrap, "retry.backoff.ms": "50" })
    later(() => driver.close())
    return driver
  }

  it("a call has an end of its own; the same records sent again are stored once, in order", async () => {
    const driver = open()
    const topic = await newTopic(driver, 2)
    const producer = await driver.producer({ deadline: SOON })
    await producer.produce([record(topic, "0")])
    broker.freeze()
    const call = [record(topic, "1"), record(topic, "p", { partition: 1 }), record(topic, "2")]
    const error = await producer.produce(call).then(
      () => null,
      (found: unknown) => found,
    )
    isError("retriable")(error)
    assert.equal((error as KafkaError).outcome, "unknown")
    await assert.rejects(producer.produce(call), isError("retriable"))
    broker.thaw()
    assert.deepEqual((await producer.produce(call)).map(({ offset }) => offset), [1, 0, 2]) // biome-ignore format: short
    await producer.produce([record(topic, "3")])
    assert.deepEqual(texts(await readAll(driver, topic)), ["0", "1", "2", "3"])
    assert.deepEqual(texts(await readAll(driver, topic, {}, 1)), ["p"])
  })

  it("a transaction that gets no answer is broken, and the next producer of its id puts all right", async () => {
    const driver = open()
    const topic = await newTopic(driver)
    const id = uniqueName("id")
    const producer = await driver.producer({ transactionalId: id, deadline: SOON })
    await producer.transact([record(topic, "0")])
    broker.freeze()
    await assert.rejects(producer.transact([record(topic, "1")]), isError("retriable"))
    broker.thaw()
    await producer.close()
    const next = await driver.producer({ transactionalId: id })
    await next.transact([record(topic, "2")])
    const seen = texts(await readAll(driver, topic))
    assert.deepEqual(seen, ["0", "2"])
  })

  it("a member whose session is over while nobody answers loses its partitions by its own clock", async function () {
    // Hung once in three runs, its end too; the cause is not found yet.
    if (!LONG_RUN) this.skip()
    const driver = open()
    const topic = await newTopic(driver)
    for (const protocol of ["consumer", "classic"] as const) {
      const told: string[] = []
      const consumer = await driver.consumer({
        group: uniqueName("group"),
        topics: [topic],
        protocol,
        sessionTimeout: 2_000,
        assigned: () => told.push("assigned"),
        lost: () => told.push("lost"),
      })
      later(() => consumer.close())
      await until(() => told.length === 1)
      broker.freeze()
      await until(() => told.length === 2)
      assert.deepEqual(told, ["assigned", "lost"])
      assert.deepEqual(consumer.assignment, [])
      broker.thaw()
      await until(() => told.length === 3)
      assert.equal(told[2], "assigned")
    }
  })

  it("everything goes on when a broker that was killed is there again", async () => {
    const driver = open()
    const topic = await newTopic(driver)
    const producer = await driver.producer()
    const values: string[] = []
    const consumer = await driver.consumer({ group: uniqueName("group"), topics: [topic], start: "earliest" })
    later(() => consumer.close())
    const reading = (async () => {
      for await (const batch of consumer) values.push(...batch.records.map(({ value }) => `${value}`))
    })()
    await producer.produce([record(topic, "before")])
    await until(() => values.length === 1)
    await broker.kill()
    const stored = producer.produce([record(topic, "meanwhile")])
    await broker.restart()
    await stored
    await producer.produce([record(topic, "after")])
    await until(() => new Set(values).size === 3)
    assert.deepEqual([...new Set(values)], ["before", "meanwhile", "after"])
    assert.deepEqual(texts(await readAll(driver, topic)), ["before", "meanwhile", "after"])
    await consumer.close()
    await reading
  })

  it("nobody at home is retriable, and said so in time", async () => {
    const driver = platformatic({ "bootstrap.servers": "127.0.0.1:1", "socket.connection.setup.timeout.ms": "500" })
    later(() => driver.close())
    await assert.rejects(driver.connect(), isError("retriable"))
    await driver.close()
    await assert.rejects(driver.connect(), isError("fatal"))
  })
})
