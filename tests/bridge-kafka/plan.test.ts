import assert from "node:assert/strict"
import { checkBridge } from "../../bridge-kafka/index.ts"
import { FakeKafka } from "./source/fake-kafka.ts"

class EmptyKafka extends FakeKafka {
  readonly there: ReadonlyMap<string, number>

  constructor(there: Readonly<Record<string, number>> = {}) {
    super()
    this.there = new Map(Object.entries(there))
  }

  override async partitions(topics: readonly string[]): Promise<Map<string, number>> {
    return new Map([...this.there].filter(([topic]) => topics.includes(topic)))
  }
}

const out = { "connector.class": "FabricToKafka", subjects: "orders.>", topic: "orders", shards: 4 }
const letters = { "errors.tolerance": "all", "errors.deadletterqueue.topic.name": "dead" }

function config(connectors: Readonly<Record<string, object>>, spool: object = {}): object {
  return {
    name: "b",
    kafka: { "bootstrap.servers": "k:9092" },
    spool: { dir: "/tmp/never-made", ...spool },
    connectors: Object.entries(connectors).map(([name, settings]) => ({ name, config: settings })),
  }
}

async function planned(connectors: Readonly<Record<string, object>>, there = {}): Promise<unknown[]> {
  const { topics } = await checkBridge(config(connectors), { driver: new EmptyKafka(there) })
  return topics.map(({ topic, partitions, action }) => [topic, partitions, action])
}

describe("what a bridge would make", () => {
  it("says with how many partitions", async () => {
    const sink = { ...out, ...letters, guarantee: "exactly-once", "topic.creation.default.partitions": 12 }
    const back = { "connector.class": "KafkaToFabric", topics: "prices", ...letters }
    const internal = [
      ["__hd.b.out.shards", 4, "create"],
      ["__hd.b.out.ckpt", 4, "create"],
    ]
    assert.deepEqual(await planned({ out: sink, in: back }), [
      ["orders", 12, "create"],
      ...internal,
      ["dead", 12, "create"],
      ["prices", 0, "wait"],
      ["dead", 1, "create"],
    ])
    assert.deepEqual(await planned({ out: sink }, { orders: 3, dead: 2 }), [
      ["orders", 3, "there"],
      ...internal,
      ["dead", 2, "there"],
    ])
    assert.deepEqual(await planned({ out: { ...out, coordination: "none" } }), [["orders", 0, "missing"]])
  })

  it("says that with Kafka nobody replays what the spool keeps", async () => {
    const warnings = async (spool: object): Promise<string> => {
      const plan = await checkBridge(config({ out }, spool), { driver: new EmptyKafka() })
      return plan.warnings.join()
    }
    assert.equal(await warnings({}), "")
    for (const spool of [{ "retain.bytes": "1MiB" }, { "retain.age": "1h" }])
      assert.match(await warnings(spool), /spool\.retain.*replays read Kafka/)
  })
})
