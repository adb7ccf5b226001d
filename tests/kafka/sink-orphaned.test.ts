import assert from "node:assert/strict"
import type { KafkaDriver } from "../../bridge-kafka/driver.ts"
import { durable } from "../../bridge-kafka/durable.ts"
import { platformatic } from "../../bridge-kafka/platformatic/index.ts"
import type { SinkSettings } from "../../bridge-kafka/sink/settings.ts"
import type { Fabric } from "../../index.ts"
import { overTcp } from "../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { brokerToTorment, type KafkaBroker, uniqueName } from "../support/kafka.ts"
import { LONG_RUN } from "../support/random.ts"
import { until } from "../support/wait.ts"
import { header, type Rig, readAll, startSink } from "./sink-rig.ts"

const SHARDS = 4

/** Milliseconds of silence after which a member believes that it is none any more; the broker thinks so after 1.5 s. */
const SESSION = 1_600

const BOTH = ["at-least-once", "exactly-once"] as const

describe("a sink that cannot reach the group of its shards, with Kafka (SINK-8)", function () {
  this.timeout(90_000)
  let broker: KafkaBroker
  let drivers: KafkaDriver[]
  let publisher: Fabric
  let nodes: Fabric[]
  let bridge: string
  let topic: string
  let published: number

  before(async function () {
    broker = await brokerToTorment(this)
  })

  // Before the others are closed: some of them wait for it.
  afterEach(() => broker?.mend())
  closesAfterEach()

  beforeEach(async () => {
    drivers = [0, 1, 2].map(() =>
      platformatic({
        "bootstrap.servers": broker.bootstrap,
        "request.timeout.ms": "1000",
        "retry.backoff.max.ms": "200",
      }),
    )
    for (const one of drivers) later(() => one.close())
    const [first, ...others] = await overTcp(3)
    publisher = first
    nodes = others
    bridge = uniqueName("bridge")
    topic = uniqueName("orders")
    published = 0
  })

  const start = (index: number, more: Partial<SinkSettings>): Promise<Rig> =>
    startSink({
      fabric: nodes[index],
      driver: drivers[index],
      settings: {
        bridge,
        shards: SHARDS,
        coordination: "group",
        routes: [{ subjects: "orders.>", topic }],
        sessionMs: SESSION,
        producer: { deadline: 1_000, transactionTimeout: 1_000 },
        handOverMs: 500,
        ...more,
      },
    })

  const owned = ({ sink }: Rig): number => sink.status().owned.length
  const orphaned = ({ sink }: Rig): readonly number[] => sink.status().orphaned

  async function plain(count: number): Promise<void> {
    for (const end = published + count; published < end; published++)
      publisher.publish(`orders.s${published % 13}`, String(published), { codec: "string" })
    await publisher.flush()
  }

  async function spooled(count: number): Promise<void> {
    const out = durable(publisher, bridge, { ack: "spooled" })
    const answers: Promise<unknown>[] = []
    for (const end = published + count; published < end; published++)
      answers.push(out.publish(`orders.s${published % 13}`, String(published), { codec: "string" }))
    await Promise.all(answers)
  }

  const received = (...rigs: Rig[]): number => rigs.reduce((sum, { sink }) => sum + sink.counters.received, 0)

  /** All that was published is there, in the order of each subject; and once, where that is promised. */
  async function arrived(once: boolean, ordered = true): Promise<void> {
    const records = await readAll(drivers[2], topic, published)
    const numbers = records.map(record => Number(record.value?.toString()))
    assert.equal(new Set(numbers).size, published)
    if (!once) return
    assert.equal(numbers.length, published)
    if (!ordered) return
    const last = new Map<string, number>()
    for (const [i, record] of records.entries()) {
      const subject = header(record, "hd.subject") as string
      assert.ok(numbers[i] > (last.get(subject) ?? -1), `${subject} is in order`)
      last.set(subject, numbers[i])
    }
  }

  for (const guarantee of BOTH) {
    it(`goes on with its shards, says so, and sends all when Kafka is back: ${guarantee}`, async () => {
      const one = await start(0, { guarantee })
      await until(() => owned(one) === SHARDS)
      await plain(50)
      await spooled(50)
      await until(() => one.sink.status().waiting === 0)
      broker.freeze()
      await plain(50)
      await until(() => orphaned(one).length === SHARDS)
      const { state, trouble, orphanedSince } = one.sink.status()
      assert.equal(state, "degraded")
      assert.match(trouble ?? "", /^4 shards are orphaned since .*Z: their messages wait in the spool until the group/)
      assert.ok(orphanedSince !== null && Math.abs(Date.now() - orphanedSince) < 60_000)
      await plain(50)
      await spooled(50)
      await until(() => received(one) === 150)
      const out = durable(publisher, bridge)
      const stored = out.publish("orders.s0", String(published++), { codec: "string" })
      // It does not wait for the one before it, and does not overtake it either.
      await out.publish("orders.s0", String(published++), { codec: "string", ack: "spooled" })
      broker.thaw()
      assert.equal((await stored).duplicate, false)
      await until(() => owned(one) === SHARDS && one.sink.status().waiting === 0)
      assert.deepEqual([one.sink.status().state, one.sink.status().orphanedSince], ["running", null])
      const { takeOverMissed, takeOverUncertain, full } = one.sink.counters
      assert.deepEqual([takeOverMissed, takeOverUncertain, full], [0, 0, 0])
      await arrived(guarantee === "exactly-once")
    })

    // Ten seconds each, of claims that take some: one guarantee is enough for every day.
    if (guarantee === "exactly-once" || LONG_RUN)
      it(`takes all shards that nobody has when it starts while Kafka is away: ${guarantee}`, async () => {
        broker.freeze()
        const one = await start(0, { guarantee })
        await until(() => orphaned(one).length === SHARDS)
        await plain(50)
        await spooled(50)
        await until(() => received(one) === 50)
        // It comes while there is one already: that one has them all.
        const two = await start(1, { guarantee })
        await plain(50)
        await spooled(50)
        await until(() => received(one) === 100)
        assert.deepEqual([received(two), orphaned(two).length], [0, 0])
        // It dies, and the other stands in for it too.
        const gone = one.close()
        await until(() => orphaned(two).length === SHARDS)
        await spooled(50)
        broker.thaw()
        await gone
        await until(() => owned(two) === SHARDS && two.sink.status().waiting === 0)
        assert.equal(two.sink.status().state, "running")
      })
  }

  it("two that both cannot: each goes on with its own, and the group divides anew", async () => {
    const guarantee = "exactly-once"
    const one = await start(0, { guarantee })
    const two = await start(1, { guarantee })
    const half = SHARDS / 2
    await until(() => owned(one) === half && owned(two) === half)
    await spooled(50)
    broker.freeze()
    await until(() => orphaned(one).length === half && orphaned(two).length === half)
    assert.deepEqual([...orphaned(one), ...orphaned(two)].sort(), [0, 1, 2, 3])
    await plain(100)
    await spooled(100)
    await until(() => received(one, two) === 100)
    broker.thaw()
    await until(() => owned(one) + owned(two) === SHARDS)
    await spooled(50)
    await until(() => one.sink.status().waiting + two.sink.status().waiting === 0)
    // What one of them had of a shard that the other got comes later than what that one took.
    await arrived(true, false)
  })
})
