import assert from "node:assert/strict"
import type { Bridge } from "../../bridge-kafka/bridge.ts"
import { controlSubject, durable, replay, startBridge } from "../../bridge-kafka/index.ts"
import type { ReplayMessage } from "../../bridge-kafka/replay/message.ts"
import { type Fabric, HeddleError } from "../../index.ts"
import { collect, overTcp } from "../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { temporaryFolder } from "../support/folders.ts"
import { until } from "../support/wait.ts"

type Config = Readonly<Record<string, unknown>>

/** A configuration without Kafka: one connector "rec" for `orders.>`. */
function recorder(dir: string, more: Config = {}, connectors: readonly object[] = []): Config {
  const first = { name: "rec", config: { "connector.class": "FabricToKafka", subjects: "orders.>", shards: 4 } }
  return { name: "box", spool: { dir, "max.bytes": "8MiB" }, connectors: [first, ...connectors], ...more }
}

describe("a bridge without Kafka", () => {
  closesAfterEach()

  let node: Fabric
  let user: Fabric

  beforeEach(async () => {
    ;[node, user] = await overTcp(2)
  })

  async function start(config: Config, fabric = node): Promise<Bridge> {
    const bridge = await startBridge(config, { fabric })
    later(() => bridge.close())
    return bridge
  }

  async function replayed(from?: "earliest"): Promise<unknown[]> {
    const seen: unknown[] = []
    for await (const message of replay(user, "box", { from })) seen.push(message.data)
    return seen
  }

  it("records subjects, and replays them", async () => {
    const bridge = await start(recorder(temporaryFolder()))
    await user.ready({ subject: "orders.a", subscribers: 1 })
    for (let i = 0; i < 200; i++) user.publish(`orders.s${i % 3}`, { i }, { headers: { mine: `${i}` } })
    user.publish("other.a", "not recorded")
    await until(() => bridge.status().connectors[0].counters.stored === 200)
    const seen: number[] = []
    for await (const message of replay<{ i: number }>(user, "box", { subject: "orders.s1" })) {
      assert.equal(message.headers.find(([name]) => name === "mine")?.[1].toString(), String(message.data.i))
      seen.push(message.data.i)
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 67 }, (_, i) => i * 3 + 1).filter(i => i < 200),
    )
  })

  it("answers durablePublish when it is on the disk, and says that it has no Kafka", async () => {
    await start(recorder(temporaryFolder()))
    const out = durable(user, "box", { ack: "spooled" })
    const results = await Promise.all(Array.from({ length: 300 }, (_, i) => out.publish(`orders.s${i % 5}`, i)))
    assert.ok(results.every(one => !one.duplicate && one.topic === undefined))
    await assert.rejects(
      out.publish("orders.a", 1, { ack: "stored" }),
      (error: HeddleError) => error.code === "ENOTSUP" && /no Kafka/.test(error.message),
    )
    await assert.rejects(out.publish("other.a", 1), { code: "EINVAL" })
    await out.close()
    assert.equal((await replayed()).length, 300)
  })

  it("has all that it answered after a restart, and knows retries from before", async () => {
    const dir = temporaryFolder()
    const first = await start(recorder(dir))
    const out = durable(user, "box", { ack: "spooled" })
    const own = await out.publish("orders.a", "mine", { id: "mine-1" })
    const other = await out.publish("orders.a", "numbered")
    await first.close()
    await start(recorder(dir))
    // The number of a publisher, and an id of the user's own, through another publisher.
    const again = durable(user, "box", { ack: "spooled" })
    assert.equal((await again.publish("orders.a", "mine", { id: own.id })).duplicate, true)
    assert.equal((await again.publish("orders.a", "numbered", { id: other.id })).duplicate, true)
    assert.equal((await again.publish("orders.a", "new")).duplicate, false)
    await Promise.all([out.close(), again.close()])
    assert.deepEqual(await replayed(), ["mine", "numbered", "new"])
  })

  it("forgets the oldest when retention says so", async () => {
    const spool = { dir: temporaryFolder(), "max.bytes": "1MiB", "segment.bytes": "64KiB", "retain.bytes": "256KiB" }
    await start(recorder("", { spool }))
    const out = durable(user, "box", { ack: "spooled" })
    for (let i = 0; i < 40; i++)
      await Promise.all(Array.from({ length: 20 }, () => out.publish("orders.a", Buffer.alloc(2_000, i))))
    await out.close()
    const left = (await replayed()) as Buffer[]
    assert.ok(left.length > 50 && left.length < 250, `${left.length} are left`)
    assert.equal(left.at(-1)?.[0], 39)
  })

  it("is told on its subjects what to do, and tells what becomes of it", async () => {
    const bridge = await start(recorder(temporaryFolder()))
    const notices = collect<{ connector: string; state: string; node: string }>(user, "$BRIDGE.box.state")
    await notices.subscription.ready
    await node.ready({ subject: "$BRIDGE.box.state", subscribers: 1 })
    const ask = async (operation: string, request: unknown = null): Promise<Record<string, unknown>> =>
      (await user.request(controlSubject("box", operation), request)).data as Record<string, unknown>
    const status = await ask("status")
    assert.deepEqual(status, JSON.parse(JSON.stringify({ ...bridge.status(), uptime: status.uptime })))
    await ask("pause", { connector: "rec" })
    assert.equal(bridge.status().connectors[0].state, "paused")
    await ask("resume", { connector: "rec" })
    await ask("stop", { connector: "rec" })
    await ask("restart", { connector: "rec" })
    await notices.count(5)
    assert.deepEqual(
      notices.values().map(one => `${one.connector} ${one.state}`),
      ["paused", "running", "stopped", "starting", "running"].map(state => `rec ${state}`),
    )
    const { metrics } = (await ask("stats")) as { metrics: { name: string; value: number }[] }
    assert.ok(metrics.some(one => one.name === "heddle_bridge_spool_bytes"))
    const { connectors } = (await ask("info")) as { connectors: { name: string; stored: boolean }[] }
    assert.deepEqual(
      connectors.map(one => [one.name, one.stored]),
      [["rec", false]],
    )
    const refused = async (operation: string, request: unknown, code: string): Promise<void> => {
      await assert.rejects(ask(operation, request), (error: HeddleError & { remoteCode?: string }) => {
        assert.ok(error instanceof HeddleError)
        assert.equal(error.remoteCode, code)
        return true
      })
    }
    await refused("pause", { connector: "no" }, "ENOENT")
    await refused("pause", 3, "EINVAL")
    await refused("pause", null, "EINVAL")
    await refused("offsets.get", { connector: "rec" }, "ENOTSUP")
    await refused("redrive", { connector: "rec" }, "ENOTSUP")
  })

  it("gives records with the headers that they would have in Kafka", async () => {
    const bridge = await start(recorder(temporaryFolder()))
    await user.ready({ subject: "orders.a", subscribers: 1 })
    user.publish("orders.a", "plain", { headers: { mine: "1", "hd.seq": "forged", "hd.hops": "far/b/in" } })
    await until(() => bridge.status().connectors[0].counters.stored === 1)
    const out = durable(user, "box", { ack: "spooled", publisher: "till" })
    await out.publish("orders.b", "durable", { id: "own-1" })
    await out.close()
    const seen: ReplayMessage[] = []
    for await (const message of replay(user, "box")) seen.push(message)
    const [plain, kept] = seen.map(one => Object.fromEntries(one.headers.map(([name, value]) => [name, String(value)])))
    const here = `${node.fabric}/box/rec`
    const store = seen[0].id.split("/")[0]
    assert.deepEqual(plain, {
      mine: "1",
      "hd.pub": `spool:${store}`,
      "hd.seq": "0",
      "hd.hops": `far/b/in,${here}`,
      "hd.bridge": "box",
    })
    const { "hd.epoch": epoch, ...rest } = kept
    assert.match(epoch, /^\d+\.\d+$/)
    const wanted = { "hd.id": "own-1", "hd.pub": "till", "hd.seq": "1", "hd.hops": here, "hd.bridge": "box" }
    assert.deepEqual(rest, wanted)
  })

  it("MAP-4 does not record again what it has published anew", async () => {
    const bridge = await start(recorder(temporaryFolder()))
    const got = collect(user, "orders.>")
    await got.subscription.ready
    const out = durable(user, "box", { ack: "spooled" })
    for (let i = 0; i < 5; i++) await out.publish("orders.a", i)
    await out.close()
    const again = replay(user, "box", { to: "subjects" })
    for await (const _ of again) assert.fail("nothing comes to the asker")
    assert.deepEqual(await got.count(5), [0, 1, 2, 3, 4])
    const counters = (): Readonly<Record<string, number>> => bridge.status().connectors[0].counters
    await until(() => counters().loops === 5)
    assert.deepEqual(await replayed(), [0, 1, 2, 3, 4])
  })

  it("DUR-4 two that publish one id at the same time store it once", async () => {
    await start(
      recorder(temporaryFolder(), { spool: { dir: temporaryFolder(), "max.bytes": "8MiB", fsync: "interval:100ms" } }),
    )
    const publishers = Array.from({ length: 4 }, () => durable(user, "box", { ack: "spooled" }))
    for (let round = 0; round < 5; round++) {
      await Promise.all(publishers.map(one => one.publish("orders.a", round, { id: `id-${round}` })))
      // Another shard: another id, as after it was stored.
      await publishers[0].publish("orders.other.b", round)
    }
    await Promise.all(publishers.map(one => one.close()))
    const seen = (await replayed()) as number[]
    assert.deepEqual(seen.sort(), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
  })

  it("takes over another configuration while it runs", async () => {
    const dir = temporaryFolder()
    const bridge = await start(recorder(dir))
    const prices = { name: "prices", config: { "connector.class": "FabricToKafka", subjects: "prices.>" } }
    const read = async (config: Config): ReturnType<Bridge["reload"]> => {
      const { bridgeConfig } = await import("../../bridge-kafka/index.ts")
      return bridge.reload(bridgeConfig(config))
    }
    const diff = await read(recorder(dir, {}, [prices]))
    assert.deepEqual([diff.added.map(one => one.name), diff.removed, diff.changed], [["prices"], [], []])
    const out = durable(user, "box", { ack: "spooled" })
    await out.publish("prices.a", 1)
    await out.publish("orders.a", 2)
    await out.close()
    const seen: unknown[] = []
    for await (const { data } of replay(user, "box", { connector: "prices" })) seen.push(data)
    assert.deepEqual(seen, [1])
    await read(recorder(dir))
    assert.deepEqual(
      bridge.status().connectors.map(one => one.name),
      ["rec"],
    )
    await assert.rejects(read(recorder(dir, { "hops.max": 3 })), { code: "ERR_CONFIG" })
  })

  it("refuses what it cannot do, before it touches anything", async () => {
    await assert.rejects(startBridge({ name: "x" }, { fabric: node }), { code: "ERR_CONFIG" })
    const second = { name: "in", config: { "connector.class": "KafkaToFabric", topics: "t" } }
    await assert.rejects(startBridge(recorder("/nowhere", {}, [second]), { fabric: node }), { code: "ERR_CONFIG" })
  })
})
