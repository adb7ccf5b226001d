import assert from "node:assert/strict"
import type { Bridge } from "../../bridge-kafka/bridge.ts"
import type { KafkaDriver } from "../../bridge-kafka/driver.ts"
import { platformatic, startBridge } from "../../bridge-kafka/index.ts"
import type { Fabric } from "../../index.ts"
import { collect, overTcp } from "../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { temporaryFolder } from "../support/folders.ts"
import { kafkaOrSkip, type SharedKafka, uniqueName } from "../support/kafka.ts"
import { until } from "../support/wait.ts"
import { readAll } from "./sink-rig.ts"

type Config = Readonly<Record<string, unknown>>

/** A fabric, with a bridge's node and a user's. */
interface Site {
  readonly name: string
  readonly user: Fabric
  readonly node: Fabric
}

describe("loops through Kafka (MAP-4)", () => {
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

  async function site(): Promise<Site> {
    const [node, user] = await overTcp(2)
    return { name: node.fabric, node, user }
  }

  async function start(
    { node }: Site,
    connectors: Readonly<Record<string, Config>>,
    more: Config = {},
  ): Promise<Bridge> {
    const config = {
      name: uniqueName("bridge"),
      kafka: { "bootstrap.servers": kafka.bootstrap },
      spool: { dir: temporaryFolder(), "max.bytes": "64MiB" },
      connectors: Object.entries(connectors).map(([one, settings]) => ({ name: one, config: settings })),
      ...more,
    }
    const bridge = await startBridge(config, { fabric: node })
    later(() => bridge.close())
    return bridge
  }

  async function running(...bridges: Bridge[]): Promise<void> {
    await until(() => bridges.every(one => one.status().connectors.every(({ state }) => state === "running")))
    await until(() =>
      bridges.every(one =>
        one.status().connectors.every(({ class: kind, tasks }) => kind === "FabricToKafka" || tasks.length > 0),
      ),
    )
  }

  const out = (topic: string): Config => ({
    "connector.class": "FabricToKafka",
    subjects: "orders.>",
    topic,
    shards: 1,
    coordination: "none",
    "topic.creation.default.partitions": 1,
  })

  const back = (topic: string, more: Config = {}): Config => ({
    "connector.class": "KafkaToFabric",
    topics: topic,
    start: "committed-or-earliest",
    "offset.flush.interval.ms": 50,
    ...more,
  })

  function counter(bridge: Bridge, connector: string, name: string): number {
    return bridge.status().connectors.find(one => one.name === connector)?.counters[name] ?? 0
  }

  it("what came from a fabric and was in another does not come back, though each bridge sees it for the first time", async () => {
    const [east, west] = [await site(), await site()]
    const [there, home] = [uniqueName("there"), uniqueName("home")]
    const topics = [there, home].map(name => ({ name, partitions: 1, replicationFactor: 1 }))
    await driver.createTopics(topics)
    later(() => driver.deleteTopics([there, home]))
    // Three bridges, so that no connector meets what it has passed: only the fabric has been passed twice.
    const bridges = [
      await start(east, { out: out(there) }),
      await start(west, { in: back(there), out: out(home) }),
      await start(east, { in: back(home) }),
    ]
    await running(...bridges)
    const atWest = collect(west.user, "orders.>")
    const atEast = collect(east.user, "orders.>")
    await Promise.all([atWest.subscription.ready, atEast.subscription.ready])
    await east.user.ready({ subject: "orders.1", subscribers: 1 })
    await west.user.ready({ subject: "orders.1", subscribers: 1 })
    for (let i = 0; i < 10; i++) east.user.publish("orders.1", i)
    assert.deepEqual(await atWest.count(10), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    await until(() => counter(bridges[2], "in", "records") === 10)
    await until(() => counter(bridges[2], "in", "loops") === 10)
    const hops = atWest.messages[0].headers.get("hd.hops")
    assert.equal(hops, `${east.name}/${bridges[0].name}/out,${west.name}/${bridges[1].name}/in`)
    // What is of the other fabric comes, behind all that.
    west.user.publish("orders.2", "from west")
    await until(() => atEast.values().includes("from west"))
    assert.deepEqual(atEast.values(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, "from west"])
  })

  it("two fabrics of one topic: each message is stored once and is in each fabric once", async () => {
    const sites = [await site(), await site(), await site()]
    const topic = uniqueName("shared")
    await driver.createTopics([{ name: topic, partitions: 1, replicationFactor: 1 }])
    later(() => driver.deleteTopics([topic]))
    const bridges: Bridge[] = []
    for (const one of sites) {
      // The file feeds itself, as far as it knows.
      bridges.push(await start(one, { out: out(topic), in: back(topic) }, { "allow.cycle": true }))
    }
    await running(...bridges)
    const got = sites.map(one => collect<string>(one.user, "orders.>"))
    await Promise.all(got.map(one => one.subscription.ready))
    await Promise.all(sites.map(one => one.user.ready({ subject: "orders.1", subscribers: 1 })))
    for (let i = 0; i < 5; i++) for (const one of sites) one.user.publish("orders.1", `${i} of ${one.name}`)
    await Promise.all(got.map(one => one.count(15)))
    const wanted = sites.flatMap(one => Array.from({ length: 5 }, (_, i) => `${i} of ${one.name}`)).sort()
    // Each source reads all 15, and each sink has heard the 10 of the others come in.
    await until(() =>
      bridges.every(one => counter(one, "in", "records") === 15 && counter(one, "out", "received") === 15),
    )
    await until(() => bridges.every(one => counter(one, "out", "loops") === 10 && counter(one, "in", "loops") === 5))
    for (const one of got) assert.deepEqual([...one.values()].sort(), wanted)
    assert.equal((await readAll(driver, topic)).length, 15)
    const routed = bridges[0].metrics.samples().filter(one => one.name === "heddle_bridge_routed_records_total")
    assert.deepEqual(
      routed.map(({ labels }) => [labels.connector, labels.route, labels.topic]),
      [
        ["out", "orders.>", topic],
        ["in", topic, topic],
      ],
    )
    // A record that is mapped again, because its topic was not known yet, counts again.
    assert.ok(routed[0].value >= 5 && routed[0].value < 15, `${routed[0].value}`)
    assert.equal(routed[1].value, 15)
  })

  it("a way that renames itself ends at hops.max", async () => {
    const east = await site()
    // Each connector sees a message once, each time by another name: that is a loop to nobody.
    const chain = Array.from({ length: 3 }, (_, i) => uniqueName(`chain${i}`))
    await driver.createTopics(chain.map(name => ({ name, partitions: 1, replicationFactor: 1 })))
    later(() => driver.deleteTopics(chain))
    const connectors: Record<string, Config> = {}
    for (const [i, name] of chain.entries()) {
      connectors[`out${i}`] = { ...out(name), subjects: i === 0 ? "orders.>" : `s${i}.>` }
      connectors[`in${i}`] = back(name, { subject: `s${i + 1}.\${header.hd.subject}` })
    }
    const bridge = await start(east, connectors, { "hops.max": 4 })
    await running(bridge)
    const got = collect(east.user, ">")
    await got.subscription.ready
    await east.user.ready({ subject: "orders.1", subscribers: 2 })
    east.user.publish("orders.1", 1)
    await until(() => counter(bridge, "out2", "loops") === 1)
    assert.deepEqual(
      got.messages.map(one => one.subject).filter(one => !one.startsWith("$")),
      ["orders.1", "s1.orders.1", "s2.s1.orders.1"],
    )
  })
})
