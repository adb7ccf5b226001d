import assert from "node:assert/strict"
import type { KafkaDriver, KafkaRecord } from "../../bridge-kafka/driver.ts"
import { platformatic } from "../../bridge-kafka/platformatic/index.ts"
import { overTcp, range } from "../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { kafkaOrSkip, type SharedKafka, uniqueName } from "../support/kafka.ts"
import { LONG_RUN, type Random, seeded } from "../support/random.ts"
import { until } from "../support/wait.ts"
import type { Point } from "./children/lives.ts"
import {
  acknowledgedBy,
  BridgeProcess,
  type Config,
  compare,
  countOf,
  PublisherProcess,
  placeOf,
  sinkFile,
} from "./fault-rig.ts"
import { readAll } from "./sink-rig.ts"

const SINK_POINTS = [
  "before-write",
  "after-write",
  "before-sync",
  "after-sync",
  "before-produce",
  "within-produce",
  "after-produce",
  "before-release",
  "before-reply",
] as const satisfies readonly Point[]

/** While it takes its shards over; a checkpoint is there when a life before has stored something. */
const TAKE_OVER_POINTS = ["after-fence", "within-checkpoint", "after-fence"] as const satisfies readonly Point[]

const SOURCE_POINTS = [
  "after-hand-over",
  "after-acknowledgement",
  "before-commit",
  "after-commit",
] as const satisfies readonly Point[]

const SHARDS = 3
/** A life comes by its point so often, at most, before it dies there. */
const MOST_TIMES = 6

/** Each of them, in the long run three times. */
function lives(points: readonly Point[]): readonly Point[] {
  return LONG_RUN ? [...points, ...points, ...points] : points
}

/** One life after the other; the next process is started already, because that takes longer than the life. */
async function dieAll(
  points: readonly Point[],
  start: (point: Point) => BridgeProcess,
  before: () => Promise<void> = async () => {},
): Promise<void> {
  let next: BridgeProcess | null = start(points[0])
  for (const [i, point] of points.entries()) {
    const { program } = next as BridgeProcess
    await before()
    program.tell("begin")
    next = i + 1 < points.length ? start(points[i + 1]) : null
    await program.exited
    assert.equal(program.child.signalCode, "SIGKILL", point)
  }
}

describe("faults: a bridge that is killed, with Kafka", function () {
  // The watchdog is for what hangs: a machine that others load takes four times as long.
  this.timeout(LONG_RUN ? 400_000 : 150_000)
  let kafka: SharedKafka
  let driver: KafkaDriver

  before(async function () {
    kafka = await kafkaOrSkip(this)
  })

  closesAfterEach()

  beforeEach(() => {
    driver = platformatic({ "bootstrap.servers": kafka.bootstrap })
    later(() => driver.close())
  })

  /** One life after the other, each killed at its point, while publishers of both kinds publish; then one that lives. */
  async function sink(random: Random, guarantee: string, points: readonly Point[]): Promise<void> {
    const [node] = await overTcp(1)
    const bridge = uniqueName("bridge")
    const topic = uniqueName("orders")
    const config = sinkFile({
      bridge,
      bootstrap: kafka.bootstrap,
      topic,
      out: { guarantee, shards: SHARDS, subjects: "stored.>,spooled.>" },
    })
    const place = placeOf(node)
    const publishers = (["stored", "spooled"] as const).map(ack =>
      PublisherProcess.start({ ...place, bridge, ack, prefix: ack }),
    )
    await Promise.all(publishers.map(one => one.ready()))
    await Promise.all(publishers.map(one => one.flow()))
    await dieAll(points, point => {
      // Not all shards may have a checkpoint: it may come by there once only.
      const times = point === "within-checkpoint" ? 1 : random.int(1, point === "after-fence" ? SHARDS : MOST_TIMES)
      return BridgeProcess.start({ ...place, config, point, times, held: true })
    })
    const last = await BridgeProcess.start({ ...place, config }).ready()
    await Promise.all(publishers.map(one => one.stop()))
    const reports = await Promise.all(publishers.map(one => one.settled()))
    await last.comesTo(({ waiting }) => waiting === 0)
    const least = reports.reduce((sum, report) => sum + countOf(report), 0)
    const records = await readAll(driver, topic, least)
    for (const [i, prefix] of ["stored", "spooled"].entries()) {
      const report = reports[i]
      const acknowledged = acknowledgedBy(report)
      assert.deepEqual(report.refused, {})
      assert.equal(acknowledged.length, report.published)
      const own = records.filter(({ key }) => key?.toString().startsWith(prefix))
      compare(own, acknowledged, { once: guarantee === "exactly-once", inOrder: true })
    }
  }

  it("at-least-once: loses nothing that was acknowledged, wherever it is killed, and keeps the order of each subject", () =>
    seeded(random => sink(random, "at-least-once", lives(SINK_POINTS))))

  it("exactly-once: the same, also when it is killed while it takes its shards over, and nothing is there twice (SINK-6, DUR-3)", () =>
    seeded(random => sink(random, "exactly-once", lives([...SINK_POINTS, ...TAKE_OVER_POINTS]))))

  it("a source loses nothing that was not handed over, and gives nothing again for ever that was acknowledged", () =>
    seeded(async random => {
      const [node] = await overTcp(1)
      const bridge = uniqueName("bridge")
      const topic = uniqueName("stored")
      await driver.createTopics([{ name: topic, partitions: 2, replicationFactor: 1 }])
      const feed = (delivery: string): Config => ({
        name: delivery,
        config: {
          "connector.class": "KafkaToFabric",
          topics: topic,
          subject: `${delivery}.\${key}`,
          delivery,
          start: "committed-or-earliest",
          "offset.flush.interval.ms": 20,
          "max.in.flight": 50,
          // The dead one must be forgotten soon.
          "consumer.override.group.protocol": "classic",
          "consumer.override.session.timeout.ms": 1_000,
        },
      })
      const config = {
        name: bridge,
        kafka: { "bootstrap.servers": kafka.bootstrap },
        connectors: [feed("published"), feed("acked")],
      }
      const times = { published: new Map<number, number>(), acked: new Map<number, number>() }
      const count = (of: Map<number, number>, number: number): void => void of.set(number, (of.get(number) ?? 0) + 1)
      await node.subscribe("published.>", message => count(times.published, Number(message.data))).ready
      await node.work("acked.>", message => count(times.acked, Number(message.data))).ready
      const producer = await driver.producer()
      later(() => producer.close())
      let produced = 0
      const produce = async (): Promise<void> => {
        const records = range(300, produced).map(
          (i): KafkaRecord => ({
            topic,
            partition: i % 2,
            key: Buffer.from(`k${i % 7}`),
            value: Buffer.from(String(i)),
            headers: [["hd.codec", Buffer.from("string")]],
            timestamp: Date.now(),
          }),
        )
        produced += records.length
        await producer.produce(records)
      }
      const committed = async (delivery: string): Promise<number> => {
        const offsets = await driver.groupOffsets(`hd.${bridge}.${delivery}`, [topic])
        return offsets.reduce((sum, { offset }) => sum + Math.max(0, offset), 0)
      }
      const points = lives(SOURCE_POINTS)
      await dieAll(
        points,
        point => BridgeProcess.start({ ...placeOf(node), config, point, times: random.int(1, 3), held: true }),
        produce,
      )
      await produce()
      const last = BridgeProcess.start({ ...placeOf(node), config })
      await until(() => times.published.size === produced && times.acked.size === produced)
      for (const delivery of ["published", "acked"]) while ((await committed(delivery)) < produced);
      await last.program.kill()
      const most = Math.max(...times.acked.values())
      assert.ok(most <= points.length + 1, `${most} times for ${points.length} crashes`)
      // What is committed stays so: the next life has only what is new.
      const before = [...times.acked.values()].reduce((sum, one) => sum + one, 0)
      await produce()
      BridgeProcess.start({ ...placeOf(node), config })
      await until(() => times.acked.size === produced && times.published.size === produced)
      const after = [...times.acked.values()].reduce((sum, one) => sum + one, 0)
      assert.equal(after - before, 300)
    }))
})
