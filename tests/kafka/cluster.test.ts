import assert from "node:assert/strict"
import type { KafkaDriver } from "../../bridge-kafka/driver.ts"
import { type DurablePublisher, durable } from "../../bridge-kafka/durable.ts"
import { platformatic } from "../../bridge-kafka/platformatic/index.ts"
import type { SinkSettings } from "../../bridge-kafka/sink/settings.ts"
import type { Fabric } from "../../index.ts"
import { overTcp } from "../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { KafkaBroker, kafkaOrSkip, uniqueName } from "../support/kafka.ts"
import { LONG_RUN, type Random, seeded } from "../support/random.ts"
import { pass, until } from "../support/wait.ts"
import { tells } from "../support/where-it-stood.ts"
import { header, type Rig, readAll, startSink } from "./sink-rig.ts"

/** All that is kept is kept three times, and twice is enough for an answer: any one broker may be gone. */
const CLUSTER = {
  "default.replication.factor": "3",
  "min.insync.replicas": "2",
  "offsets.topic.replication.factor": "3",
  "offsets.topic.num.partitions": "3",
  "transaction.state.log.replication.factor": "3",
  "transaction.state.log.min.isr": "2",
  "transaction.state.log.num.partitions": "3",
  // A broker that dies is noticed soon, and leads again soon after it is back.
  "broker.session.timeout.ms": "2000",
  "broker.heartbeat.interval.ms": "300",
  "replica.lag.time.max.ms": "2000",
  "leader.imbalance.check.interval.seconds": "3",
}

/** Times that a broker is killed in a run. */
const KILLS = 4

describe("a sink and a cluster of three brokers", function () {
  this.timeout(280_000)
  let first: KafkaBroker
  let others: KafkaBroker[]
  let driver: KafkaDriver
  let publisher: Fabric
  let host: Fabric
  let topic: string
  let bridge: string

  const joining = (node: number): Promise<KafkaBroker> => KafkaBroker.start({ joins: first, node, properties: CLUSTER })

  before(async function () {
    // Three brokers on two processors: a minute.
    if (!LONG_RUN) this.skip()
    if ((await kafkaOrSkip(this)).broker === null) this.skip()
    first = await KafkaBroker.start({ properties: CLUSTER })
    others = []
  })

  afterEach(async () => {
    for (const broker of others ?? []) await broker.mend()
  })
  closesAfterEach()

  beforeEach(async () => {
    ;[publisher, host] = await overTcp(2)
    topic = uniqueName("orders")
    bridge = uniqueName("bridge")
  })

  function open(): void {
    const bootstrap = [first, ...others].map(broker => broker.bootstrap).join()
    driver = platformatic({ "bootstrap.servers": bootstrap, "request.timeout.ms": "5000" })
    later(() => driver.close())
  }

  const start = (guarantee: SinkSettings["guarantee"], more: Partial<SinkSettings> = {}): Promise<Rig> =>
    startSink({
      fabric: host,
      driver,
      settings: {
        bridge,
        guarantee,
        routes: [{ subjects: "orders.>", topic }],
        coordination: "group",
        topicPartitions: 6,
        topicReplicationFactor: 3,
        ...more,
      },
    })

  /** Publishes until it is told to stop; resolves with how many were acknowledged. */
  function publishing(out: DurablePublisher): { stop(): Promise<number> } {
    let goes = true
    let published = 0
    tells(() => ({ published }))
    const running = (async () => {
      while (goes) {
        const some = Array.from({ length: 50 }, (_, i) => {
          const number = published + i
          return out.publish(`orders.s${number % 13}`, String(number), { codec: "string", timeout: 120_000 })
        })
        published += some.length
        await Promise.all(some)
        await pass(5)
      }
      return published
    })()
    return {
      stop: () => {
        goes = false
        return running
      },
    }
  }

  async function check(published: number, once: boolean): Promise<void> {
    const records = await readAll(driver, topic, published)
    const numbers = records.map(record => Number(record.value?.toString()))
    assert.equal(new Set(numbers).size, published)
    if (!once) return
    assert.equal(numbers.length, published)
    const last = new Map<string, number>()
    for (const [i, record] of records.entries()) {
      const subject = header(record, "hd.subject") as string
      assert.ok(numbers[i] > (last.get(subject) ?? -1), `${subject} is in order: ${numbers[i]} came late`)
      last.set(subject, numbers[i])
    }
  }

  async function torment(random: Random): Promise<void> {
    for (let kill = 0; kill < KILLS; kill++) {
      const broker = random.pick(others)
      await pass(random.int(200, 3_000))
      await broker.kill()
      await pass(random.int(0, 4_000))
      await broker.mend()
    }
  }

  it("waits for brokers that have not come yet", async () => {
    open()
    const { sink } = await start("exactly-once")
    await until(() => sink.status().trouble?.includes("INVALID_REPLICATION_FACTOR") === true)
    assert.equal(sink.status().state, "degraded")
    const stored = durable(publisher, bridge).publish("orders.a", "0", { codec: "string", timeout: 60_000 })
    others = [await joining(2), await joining(3)]
    assert.equal((await stored).duplicate, false)
    await until(() => sink.status().state === "running")
    await check(1, true)
  })

  for (const guarantee of ["exactly-once", "at-least-once"] as const) {
    for (const ack of ["stored", "spooled"] as const)
      it(`loses nothing when leaders and coordinators are killed: ${guarantee}, acknowledged when ${ack}`, () =>
        seeded(async random => {
          open()
          const { sink } = await start(guarantee)
          const stream = publishing(durable(publisher, bridge, { ack }))
          await until(() => sink.status().counters.stored > 0)
          await torment(random)
          const published = await stream.stop()
          await until(() => sink.status().waiting === 0)
          await check(published, guarantee === "exactly-once")
        }))

    it(`waits while too few replicas are in sync: ${guarantee}`, async () => {
      open()
      const { sink } = await start(guarantee)
      const stream = publishing(durable(publisher, bridge, { ack: "spooled" }))
      await until(() => sink.status().counters.stored > 0)
      await Promise.all(others.map(broker => broker.kill()))
      await until(() => sink.status().state === "degraded")
      const published = await stream.stop()
      await until(() => sink.status().waiting > 0)
      for (const broker of others) await broker.mend()
      await until(() => sink.status().waiting === 0)
      assert.equal(sink.status().state, "running")
      await check(published, guarantee === "exactly-once")
    })
  }
})
