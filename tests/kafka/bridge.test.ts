// biome-ignore-all lint/suspicious/noTemplateCurlyInString: templates of the bridge look like that

import assert from "node:assert/strict"
import { once } from "node:events"
import net from "node:net"
import type { Bridge } from "../../bridge-kafka/bridge.ts"
import type { KafkaDriver } from "../../bridge-kafka/driver.ts"
import {
  controlSubject,
  durable,
  type OffsetRow,
  type RedriveAnswer,
  replay,
  startBridge,
} from "../../bridge-kafka/index.ts"
import type { Fabric } from "../../index.ts"
import { another, collect } from "../patterns/fabric/nodes.ts"
import { later } from "../support/cleanup.ts"
import { temporaryFolder } from "../support/folders.ts"
import { uniqueName } from "../support/kafka.ts"
import { pass, until } from "../support/wait.ts"
import { onKafka } from "./on-kafka.ts"
import { header, readAll } from "./sink-rig.ts"

type Config = Readonly<Record<string, unknown>>

describe("a bridge, with Kafka", () => {
  const on = onKafka()
  let driver: KafkaDriver
  let user: Fabric
  let node: Fabric
  let name: string
  let topic: string

  beforeEach(() => {
    ;({ driver, user, bridge: name, topic } = on)
    node = on.hosts[0]
  })

  async function start(connectors: Readonly<Record<string, Config>>, more: Config = {}): Promise<Bridge> {
    const config = {
      name,
      kafka: { "bootstrap.servers": on.bootstrap },
      spool: { dir: temporaryFolder(), "max.bytes": "64MiB" },
      connectors: Object.entries(connectors).map(([one, settings]) => ({ name: one, config: settings })),
      ...more,
    }
    const bridge = await startBridge(config, { fabric: node })
    later(() => bridge.close())
    return bridge
  }

  const out = (more: Config = {}): Config => ({
    "connector.class": "FabricToKafka",
    subjects: "orders.>",
    topic,
    shards: 4,
    "topic.creation.default.partitions": 2,
    ...more,
  })

  const back = (more: Config = {}): Config => ({
    "connector.class": "KafkaToFabric",
    topics: topic,
    "subject.prefix": "stored",
    start: "committed-or-earliest",
    ...more,
  })

  it("mirrors subjects into a topic, and the topic into other subjects", async () => {
    const bridge = await start({ out: out(), in: back() })
    const got = collect<{ i: number }>(user, "stored.orders.>")
    await user.ready({ subject: "orders.a", subscribers: 1 })
    await got.subscription.ready
    await until(() => bridge.status().connectors.every(one => one.state === "running"))
    for (let i = 0; i < 100; i++) user.publish(`orders.s${i % 3}`, { i }, { headers: { mine: "yes" } })
    const values = await got.count(100)
    assert.deepEqual(
      values.map(one => one.i).sort((a, b) => a - b),
      Array.from({ length: 100 }, (_, i) => i),
    )
    const [message] = got.messages
    assert.equal(message.headers.get("mine"), "yes")
    assert.ok(message.headers.get("hd.kafka")?.includes(`/${topic}/`))
    assert.equal(bridge.status().kafka?.state, "connected")
    const { data } = await user.request(controlSubject(name, "stats"), null)
    const { metrics } = data as { metrics: { name: string; labels: Record<string, string>; value: number }[] }
    const sum = (metric: string, connector: string): number =>
      metrics
        .filter(one => one.name === `heddle_bridge_${metric}` && one.labels.connector === connector)
        .reduce((all, one) => all + one.value, 0)
    assert.equal(sum("received_records_total", "out"), 100)
    assert.equal(sum("sent_records_total", "out"), 100)
    assert.equal(sum("received_records_total", "in"), 100)
    assert.ok(sum("produce_seconds", "out") > 0)
    assert.equal(sum("batch_records", "out"), sum("produce_seconds", "out"))
    assert.equal(sum("shards_owned", "out"), 4)
    assert.equal(sum("outstanding_records", "out"), 0)
    assert.ok(metrics.some(one => one.name === "heddle_bridge_consumer_lag_records"))
    assert.equal(sum("connector_state", "out"), 1)
  })

  it("answers durable publishers, and replays what is stored", async () => {
    await start({ out: out() })
    const publisher = durable(user, name)
    const results = await Promise.all(Array.from({ length: 50 }, (_, i) => publisher.publish("orders.a", { i })))
    await publisher.close()
    assert.ok(results.every(one => one.topic === topic))
    const seen: number[] = []
    for await (const message of replay<{ i: number }>(user, name, { subject: "orders.>" })) seen.push(message.data.i)
    assert.deepEqual(
      seen,
      Array.from({ length: 50 }, (_, i) => i),
    )
    assert.equal((await readAll(driver, topic)).length, 50)
  })

  it("replays topics of a template that an earlier process wrote", async () => {
    const spool = { dir: temporaryFolder(), "max.bytes": "64MiB" }
    const settings = { out: out({ topic: `${topic}-\${token[1]}`, "topic.max": 10, coordination: "none" }) }
    const first = await start(settings, { spool })
    const publisher = durable(user, name)
    await Promise.all(["a", "b", "c"].map(token => publisher.publish(`orders.${token}`, token)))
    await publisher.close()
    await first.close()
    await start(settings, { spool })
    const seen: unknown[] = []
    for await (const { data } of replay(user, name, { from: { duration: 600_000 } })) seen.push(data)
    assert.deepEqual(seen.sort(), ["a", "b", "c"])
  })

  it("waits for Kafka, takes messages meanwhile, and stores them when it answers", async () => {
    const port = await freePort()
    const bridge = await start(
      { out: out({ coordination: "none" }) },
      { kafka: { "bootstrap.servers": `127.0.0.1:${port}` } },
    )
    const publisher = durable(user, name)
    const stored = publisher.publish("orders.a", "early", { codec: "string" })
    assert.equal(
      (await publisher.publish("orders.other", "spooled", { ack: "spooled", codec: "string" })).duplicate,
      false,
    )
    assert.equal(bridge.status().kafka?.state, "connecting")
    const way = await forward(port, on.bootstrap)
    later(() => way.close())
    assert.equal((await stored).topic, topic)
    await publisher.close()
  })

  it("transforms and converts, both ways", async () => {
    const transforms = {
      transforms: "mask",
      "transforms.mask.type": "MaskField$Value",
      "transforms.mask.fields": "card",
      "value.converter": "json",
    }
    const bridge = await start({ out: out(transforms), in: back({ "value.converter": "json" }) })
    const got = collect(user, "stored.orders.>")
    await user.ready({ subject: "orders.a", subscribers: 1 })
    await until(() => bridge.status().connectors.every(one => one.state === "running"))
    user.publish("orders.a", { card: "1234", amount: 7 })
    assert.deepEqual(await got.count(1), [{ card: "", amount: 7 }])
    const [record] = await readAll(driver, topic)
    assert.deepEqual(JSON.parse(String(record.value)), { card: "", amount: 7 })
    assert.equal(header(record, "hd.codec"), "json")
  })

  it("sends dead letters of a sink again, each once", async () => {
    const dead = uniqueName("dead")
    await driver.createTopics([
      { name: topic, partitions: 1, replicationFactor: 1, config: { "max.message.bytes": "20000" } },
    ])
    const letters = { "errors.tolerance": "all", "errors.deadletterqueue.topic.name": dead }
    const bridge = await start({ out: out({ coordination: "none", ...letters }) })
    await user.ready({ subject: "orders.a", subscribers: 1 })
    for (let i = 0; i < 12; i++)
      user.publish("orders.a", Buffer.alloc(i % 4 === 0 ? 50_000 : 10, i), { headers: { n: `${i}` } })
    await until(() => bridge.status().connectors[0].counters.stored >= 12)
    assert.equal((await readAll(driver, dead)).length, 3)
    const redrive = async (more: Config = {}): Promise<RedriveAnswer> =>
      (await user.request(controlSubject(name, "redrive"), { connector: "out", ...more }, { timeout: 30_000 }))
        .data as RedriveAnswer
    assert.deepEqual(pick(await redrive({ dry: true })), { read: 3, redriven: 3, skipped: 0, failed: 0, done: true })
    assert.deepEqual(pick(await redrive({ subject: "other.>" })), {
      read: 3,
      redriven: 0,
      skipped: 3,
      failed: 0,
      done: true,
    })
    // Mended: a person has raised the limit.
    await driver.deleteTopics([topic])
    while ((await driver.partitions([topic])).has(topic)) await pass(20)
    await driver.createTopics([{ name: topic, partitions: 1, replicationFactor: 1 }])
    assert.deepEqual(pick(await redrive({ limit: 2 })), { read: 2, redriven: 2, skipped: 0, failed: 0, done: false })
    assert.deepEqual(pick(await redrive()), { read: 1, redriven: 1, skipped: 0, failed: 0, done: true })
    assert.deepEqual(pick(await redrive()), { read: 0, redriven: 0, skipped: 0, failed: 0, done: true })
    // From the beginning again: the ids of the letters are known.
    assert.deepEqual(pick(await redrive({ from: {} })), { read: 3, redriven: 3, skipped: 0, failed: 0, done: true })
    const records = (await readAll(driver, topic)).filter(one => one.value?.length === 50_000)
    assert.deepEqual(
      records.map(one => header(one, "n")),
      ["0", "4", "8"],
    )
    assert.ok(records.every(one => one.headers.every(([key]) => !key.startsWith("__connect."))))
  })

  it("sends dead letters of a source again", async () => {
    const dead = uniqueName("dead")
    const letters = { "errors.tolerance": "all", "errors.deadletterqueue.topic.name": dead, "value.converter": "json" }
    await driver.createTopics([{ name: topic, partitions: 1, replicationFactor: 1 }])
    const bridge = await start({ in: back({ subject: "in.${key}", "subject.prefix": "", ...letters }) })
    const got = collect(user, "in.>")
    await node.ready({ subject: "in.a", subscribers: 1 })
    const producer = await driver.producer()
    const value = (text: string) => ({
      topic,
      partition: 0,
      key: Buffer.from("a"),
      value: Buffer.from(text),
      headers: [],
      timestamp: Date.now(),
    })
    await producer.produce([value('{"n":1}'), value("no json"), value('{"n":2}')])
    await producer.close()
    assert.deepEqual(await got.count(2), [{ n: 1 }, { n: 2 }])
    await until(() => bridge.status().connectors[0].counters.deadLetters === 1)
    const ask = async (more: Config = {}): Promise<RedriveAnswer> =>
      (await user.request(controlSubject(name, "redrive"), { connector: "in", ...more }, { timeout: 30_000 }))
        .data as RedriveAnswer
    // It can still not be read.
    const failed = await ask()
    assert.deepEqual(pick(failed), { read: 1, redriven: 0, skipped: 0, failed: 1, done: true })
    assert.match(failed.trouble ?? "", /JSON/)
    // Mended: a person has taken the converter out.
    await bridge.close()
    await start({ in: back({ subject: "in.${key}", "subject.prefix": "", ...letters, "value.converter": "string" }) })
    await node.ready({ subject: "in.a", subscribers: 1 })
    // What failed counts as read: it is asked for by name.
    assert.deepEqual(pick(await ask({ from: {} })), { read: 1, redriven: 1, skipped: 0, failed: 0, done: true })
    assert.equal((await got.count(3))[2], "no json")
    assert.deepEqual(pick(await ask()), { read: 0, redriven: 0, skipped: 0, failed: 0, done: true })
  })

  it("moves the offsets of a source", async () => {
    const control = { http: { port: 0 } }
    const bridge = await start({ out: out({ coordination: "none" }), in: back() }, { control })
    const publisher = durable(user, name)
    const got = collect(user, "stored.orders.>")
    await node.ready({ subject: "stored.orders.a", subscribers: 1 })
    for (let i = 0; i < 10; i++) await publisher.publish("orders.a", i)
    await got.count(10)
    await publisher.close()
    const rows = async (): Promise<OffsetRow[]> =>
      ((await user.request(controlSubject(name, "offsets.get"), { connector: "in" })).data as { offsets: OffsetRow[] })
        .offsets
    while ((await rows()).reduce((sum, one) => sum + Math.max(0, one.offset), 0) < 10) await pass(20)
    const [used] = (await rows()).filter(one => one.end > 0)
    const place = { topic, partition: used.partition, offset: 7 }
    await user.request(controlSubject(name, "offsets.set"), { connector: "in", offsets: [place] }, { timeout: 30_000 })
    await got.count(13)
    assert.deepEqual(got.values().slice(10), [7, 8, 9])
    await assert.rejects(
      user.request(controlSubject(name, "offsets.set"), { connector: "in", offsets: [{ ...place, topic: "x" }] }),
    )
    assert.equal(bridge.status().connectors[1].state, "running")
    // The same on Connect's paths.
    const http = async (method: string, body?: object): Promise<unknown> => {
      const answer = await fetch(`${bridge.httpAddress}/connectors/in/offsets`, { method, body: JSON.stringify(body) })
      assert.equal(answer.status, 200)
      return answer.json()
    }
    const partition = { kafka_topic: topic, kafka_partition: used.partition }
    await http("PATCH", { offsets: [{ partition, offset: { kafka_offset: 8 } }] })
    await got.count(15)
    assert.deepEqual(got.values().slice(13), [8, 9])
    const seen = async (): Promise<unknown> =>
      ((await http("GET")) as { offsets: { partition: object; offset: object }[] }).offsets.find(
        one => JSON.stringify(one.partition) === JSON.stringify(partition),
      )?.offset
    while (JSON.stringify(await seen()) !== '{"kafka_offset":10}') await pass(20)
    await http("PATCH", { to: "earliest" })
    await got.count(25)
  })

  it("shares its work with a second instance, which goes on when the first ends", async () => {
    const third = await another(node)
    const connectors = { out: out({ "producer.override.linger.ms": 1 }) }
    const first = await start(connectors)
    await until(() => first.status().connectors[0].tasks.length === 4)
    const second = await startBridge(
      {
        name,
        kafka: { "bootstrap.servers": on.bootstrap },
        spool: { dir: temporaryFolder(), "max.bytes": "64MiB" },
        connectors: Object.entries(connectors).map(([one, config]) => ({ name: one, config })),
      },
      { fabric: third },
    )
    later(() => second.close())
    const shares = (): number[] => [first, second].map(one => one.status().connectors[0].tasks.length)
    await until(() => shares().every(count => count === 2))
    const instances: string[] = []
    for await (const { data } of user.requestMany(controlSubject(name, "pause"), { connector: "out" }, { max: 2 }))
      instances.push((data as { node: string }).node)
    assert.deepEqual(instances.sort(), [first.fabric.id, second.fabric.id].sort())
    assert.ok([first, second].every(one => one.status().connectors[0].state === "paused"))
    await Promise.all([first, second].map(one => one.resume("out")))
    const publisher = durable(user, name)
    const answers: Promise<unknown>[] = []
    for (let i = 0; i < 400; i++) answers.push(publisher.publish(`orders.s${i % 8}`, i))
    const closing = first.close()
    for (let i = 400; i < 800; i++) answers.push(publisher.publish(`orders.s${i % 8}`, i))
    await Promise.all([...answers, closing])
    await publisher.close()
    assert.equal(second.status().connectors[0].tasks.length, 4)
    const records = await readAll(driver, topic)
    assert.ok(records.length >= 800)
    const all: unknown[] = []
    for await (const { data } of replay(user, name)) all.push(data)
    assert.equal(new Set(all).size, 800)
  })
})

/** Nobody listens there, for now. */
async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, "close")
  return port
}

/** A broker's door opens: the first bootstrap server answers, and names the others. */
async function forward(port: number, to: string): Promise<net.Server> {
  const [host, target] = to.split(",")[0].split(":")
  const server = net.createServer(socket => {
    const onwards = net.connect(Number(target), host)
    socket.pipe(onwards).pipe(socket)
    socket.on("error", () => onwards.destroy())
    onwards.on("error", () => socket.destroy())
  })
  server.listen(port, "127.0.0.1")
  await once(server, "listening")
  return server
}

function pick({ read, redriven, skipped, failed, done }: RedriveAnswer): object {
  return { read, redriven, skipped, failed, done }
}
