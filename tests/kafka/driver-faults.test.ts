import assert from "node:assert/strict"
import type { ConsumerOptions, KafkaDriver } from "../../bridge-kafka/driver.ts"
import type { KafkaError } from "../../bridge-kafka/errors.ts"
import { platformatic } from "../../bridge-kafka/platformatic/index.ts"
import { committed, isError, newTopic, readAll, record, texts } from "../conformance/kafka-driver.ts"
import { range } from "../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { brokerToTorment, type KafkaBroker, uniqueName } from "../support/kafka.ts"
import { pass, until } from "../support/wait.ts"

/** A time that is over before the broker's own, so that ours is seen to count (milliseconds). */
const SOON = 700

describe("KafkaDriver: platformatic, when the broker stands still or dies", () => {
  let broker: KafkaBroker
  before(async function () {
    broker = await brokerToTorment(this)
  })
  // Before the others are closed: some of them wait for it.
  afterEach(() => broker?.mend())
  closesAfterEach()

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
    assert.deepEqual(await committed(driver, topic, 2), ["0", "2"])
  })

  for (const protocol of ["consumer", "classic"] as const) {
    it(`a ${protocol} member whose session is over while nobody answers loses its partitions by its own clock`, async () => {
      const driver = open()
      const topic = await newTopic(driver)
      let lost = 0
      const consumer = await driver.consumer({
        group: uniqueName("group"),
        topics: [topic],
        protocol,
        sessionTimeout: 1_500,
        lost: () => lost++,
      })
      later(() => consumer.close())
      // A host that is slow may lose them before: it gets them again.
      await until(() => consumer.assignment.length === 1)
      const before = lost
      broker.freeze()
      await until(() => consumer.assignment.length === 0)
      assert.equal(lost, before + 1)
      broker.thaw()
      await until(() => consumer.assignment.length === 1)
    })

    it(`a ${protocol} member that gets no answer says so in the time of a request, and asks again`, async () => {
      const soon = { "request.timeout.ms": String(SOON), "retry.backoff.ms": "50" }
      const driver = platformatic({ "bootstrap.servers": broker.bootstrap, ...soon })
      later(() => driver.close())
      const topic = await newTopic(driver)
      let answered: boolean | null = null
      const consumer = await driver.consumer({
        group: uniqueName("group"),
        topics: [topic],
        protocol,
        sessionTimeout: 1_500,
        heard: error => {
          answered = error === null
        },
      })
      later(() => consumer.close())
      await until(() => consumer.assignment.length === 1)
      broker.freeze()
      await until(() => answered === false)
      broker.thaw()
      await until(() => answered === true && consumer.assignment.length === 1)
    })

    it(`a ${protocol} member leaves although nobody answers`, async () => {
      const driver = open()
      const topic = await newTopic(driver)
      const told: string[] = []
      const options: ConsumerOptions = {
        group: uniqueName("group"),
        topics: [topic],
        protocol,
        lost: () => told.push("lost"),
      }
      const consumer = await driver.consumer(options)
      later(() => consumer.close())
      const reading = (async () => {
        for await (const _ of consumer) told.push("batch")
      })()
      await until(() => consumer.assignment.length === 1)
      broker.freeze()
      await consumer.close()
      await reading
      assert.deepEqual(told, [])
    })
  }

  it("a classic member that waits for another one leaves at once, and its group knows", async () => {
    const driver = open()
    const topic = await newTopic(driver, 3)
    const options = { group: uniqueName("group"), topics: [topic], protocol: "classic" } as const
    let release = (): void => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    later(() => release())
    let asked = false
    const revoked = (): Promise<void> => {
      asked = true
      return held
    }
    const slow = await driver.consumer({ ...options, sessionTimeout: 1_500, revoked })
    later(() => slow.close())
    await until(() => slow.assignment.length === 3)
    const second = await driver.consumer({ ...options, sessionTimeout: 1_500 })
    later(() => second.close())
    await until(() => asked)
    // The group waits for the slow one, which gives up partitions for the second; the third waits for the group.
    const third = await driver.consumer({ ...options, sessionTimeout: 300_000 })
    later(() => third.close())
    await pass(300)
    await third.close()
    release()
    await until(() => second.assignment.length > 0 && slow.assignment.length + second.assignment.length === 3)
  })

  it("a producer closes although nobody takes what it sends", async () => {
    const driver = open()
    const topic = await newTopic(driver)
    const producer = await driver.producer()
    await producer.produce([record(topic, "0")])
    broker.freeze()
    // More than the buffers of both sides take.
    const large = range(30).map(() => record(topic, "x".repeat(900_000)))
    const call = assert.rejects(producer.produce(large))
    await pass(SOON)
    await producer.close()
    await call
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
