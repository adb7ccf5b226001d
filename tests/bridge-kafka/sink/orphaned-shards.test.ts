import assert from "node:assert/strict"
import { SINK_DEFAULTS, shardsTopic } from "../../../bridge-kafka/sink/settings.ts"
import { ShardFinder } from "../../../bridge-kafka/sink/shard-finder.ts"
import { SinkConnector } from "../../../bridge-kafka/sink/sink-connector.ts"
import type { Fabric } from "../../../index.ts"
import { overTcp } from "../../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { turns, until } from "../../support/wait.ts"
import { type FakeConsumer, FakeKafka } from "../source/fake-kafka.ts"

const SHARDS = 2

/** A subject of each shard. */
const subjectOf = (shard: number): string => {
  const finder = new ShardFinder(SHARDS)
  for (let i = 0; ; i++) if (finder.of(`orders.s${i}`) === shard) return `orders.s${i}`
}

describe("Shards that nobody owns for the moment (SINK-3)", () => {
  closesAfterEach()

  let fabric: Fabric
  let kafka: FakeKafka
  let sink: SinkConnector
  const places = [0, 1].map(partition => ({ topic: shardsTopic("box", "out"), partition }))

  beforeEach(async () => {
    ;[fabric] = await overTcp(1)
    kafka = new FakeKafka()
    const settings = {
      ...SINK_DEFAULTS,
      bridge: "box",
      connector: "out",
      subjects: ["orders.>"],
      routes: [{ subjects: "orders.>", topic: "t" }],
      shards: SHARDS,
      spoolMode: "off" as const,
      handOverMs: 10,
    }
    sink = new SinkConnector({ fabric, driver: kafka, settings, spool: null })
    later(() => sink.stop())
    await sink.start()
    await until(() => kafka.consumers.length > 0)
  })

  async function publish(): Promise<{ received: number; foreign: number }> {
    const { received, foreign } = sink.counters
    for (let shard = 0; shard < SHARDS; shard++) fabric.publish(subjectOf(shard), shard)
    await until(() => sink.counters.received + sink.counters.foreign === received + foreign + SHARDS)
    return { received: sink.counters.received - received, foreign: sink.counters.foreign - foreign }
  }

  async function owns(consumer: FakeConsumer, count: number): Promise<void> {
    consumer.assign(...places.slice(0, count))
    await until(() => sink.status().owned.length === count)
  }

  it("are taken by who had them, while Kafka is away", async () => {
    assert.deepEqual(await publish(), { received: 0, foreign: 2 })
    await owns(kafka.last, 2)
    assert.deepEqual(await publish(), { received: 2, foreign: 0 })
    kafka.last.options.lost?.(places)
    await until(() => sink.status().owned.length === 0)
    assert.deepEqual(await publish(), { received: 2, foreign: 0 })
    await owns(kafka.last, 2)
    await until(() => sink.counters.stored === 4 + sink.counters.adopted)
  })

  it("are another's as soon as the group has said so", async () => {
    await owns(kafka.last, 2)
    kafka.last.options.lost?.(places)
    await until(() => sink.status().owned.length === 0)
    await owns(kafka.last, 1)
    assert.deepEqual(await publish(), { received: 1, foreign: 1 })
  })

  it("are not taken any more when they were given up", async () => {
    await owns(kafka.last, 2)
    await kafka.last.revoke(...places)
    await turns(2)
    assert.deepEqual(await publish(), { received: 0, foreign: 2 })
  })
})
