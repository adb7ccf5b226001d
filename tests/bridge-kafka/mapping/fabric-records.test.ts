import assert from "node:assert/strict"
import * as v from "valibot"
import type { KafkaHeader } from "../../../bridge-kafka/driver.ts"
import { FromFabric } from "../../../bridge-kafka/mapping/from-fabric.ts"
import { textOf } from "../../../bridge-kafka/mapping/headers.ts"
import { type RouteOptions, Routes, type RoutesOptions } from "../../../bridge-kafka/mapping/routes.ts"
import { ToFabric } from "../../../bridge-kafka/mapping/to-fabric.ts"
import type { BridgeRecord } from "../../../bridge-kafka/record.ts"
import { Codecs, EncodedPayload } from "../../../core/codec.ts"
import { loadMsgpack } from "../../../core/codecs/msgpack.ts"
import type { Codec, Fabric, FabricMessage, PublishOptions } from "../../../index.ts"
import { overTcp } from "../../patterns/fabric/nodes.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { until } from "../../support/wait.ts"

const NOW = 1_700_000_000_000

const upper: Codec = {
  name: "upper",
  encode: value => Buffer.from(String(value).toUpperCase()),
  decode: bytes => bytes.toString().toLowerCase(),
}

function mapper(routes: RouteOptions[] = [{ subjects: ">", topic: "t" }], options?: RoutesOptions): FromFabric {
  return new FromFabric({ fabricId: "f", bridge: "b", connector: "out", routes: new Routes(routes, options) })
}

function map(message: FabricMessage, by = mapper()): BridgeRecord[] {
  const into: BridgeRecord[] = []
  assert.equal(by.map(message, { at: NOW }, into), into.length)
  return into
}

const back = new ToFabric({ fabricId: "g", bridge: "b", connector: "in", cluster: "c1" })

/** As the source does. */
function republish(fabric: Fabric, record: BridgeRecord): void {
  const subject = back.subjectOf(record)
  const message = back.message({ ...record, subject }, record.topic, 0, 7)
  assert.ok(message !== null)
  const { data, headers, codec } = message
  fabric.publish(subject, data, { headers, codec })
}

describe("bridge: messages as records and back", () => {
  closesAfterEach()
  let a: Fabric
  let b: Fabric
  let got: FabricMessage[]

  beforeEach(async () => {
    await loadMsgpack()
    ;[a, b] = await overTcp(2, { codecs: [upper] })
    got = []
    const subscription = b.subscribe(">", message => void got.push(message as FabricMessage))
    await subscription.ready
  })

  async function publish(subject: string, data: unknown, options?: PublishOptions): Promise<FabricMessage> {
    const before = got.length
    a.publish(subject, data, options)
    await until(() => got.length > before)
    return got[before]
  }

  it("REC-3 the payload is what was sent, readable alone, and comes back as it was", async () => {
    const values: [unknown, string | undefined, string][] = [
      [{ id: 1, nested: { deep: [1, { x: "y" }] } }, undefined, "msgpack"],
      [{ id: 2, nested: { deep: [] } }, undefined, "msgpack"],
      ["text", undefined, "msgpack"],
      [null, undefined, "msgpack"],
      [undefined, undefined, "none"],
      [Buffer.from([0, 255]), undefined, "bytes"],
      [{ json: true }, "json", "json"],
      ["text é", "string", "string"],
      ["own", "upper", "upper"],
    ]
    for (const [value, codec, encoding] of values) {
      const message = await publish("orders.eu", value, { codec })
      const [record] = map(message)
      assert.equal(textOf(record.headers, "hd.codec"), encoding)
      const alone = new Codecs([upper]).decodeNamed(encoding, record.value as Buffer)
      assert.deepEqual(alone, value)
      const before = got.length
      republish(a, record)
      await until(() => got.length > before)
      assert.deepEqual(got[before].data, value)
      assert.equal(got[before].encoding, encoding)
      assert.equal(got[before].subject, "orders.eu")
    }
  })

  it("REC-2 REC-4 headers: the bridge's own are made, the user's kept in order, others beginning with hd. dropped", async () => {
    const message = await publish("orders.eu", 1, {
      headers: [
        ["b", "2"],
        ["a", Buffer.from([0xff])],
        ["b", "3"],
        ["hd.ts", "1600000000000"],
        ["hd.id", "id-1"],
        ["hd.hops", "far/x/away"],
        ["hd.seq", "forged"],
        ["hd.subject", "forged"],
      ],
    })
    const [record] = map(message)
    const shown = record.headers.map(([name, value]) => [name, value.toString("latin1")])
    assert.deepEqual(shown, [
      ["b", "2"],
      ["a", "\xff"],
      ["b", "3"],
      ["hd.ts", "1600000000000"],
      ["hd.id", "id-1"],
      ["hd.subject", "orders.eu"],
      ["hd.pub", a.id],
      ["hd.hops", "far/x/away,f/b/out"],
      ["hd.bridge", "b"],
      ["hd.codec", "msgpack"],
    ])
    assert.equal(record.timestamp, 1_600_000_000_000)
    assert.deepEqual([record.topic, record.partition, String(record.key)], ["t", -1, "orders.eu"])
  })

  it("REC-2 durable publishers say who they are", async () => {
    const message = await publish("orders.eu", 1, { headers: { "hd.id": "theirs" } })
    const into: BridgeRecord[] = []
    mapper().map(message, { at: NOW, id: "own", publisher: { id: "p", epoch: "e", sequence: 12 } }, into)
    const of = (name: string): string | undefined => textOf(into[0].headers, name)
    assert.deepEqual([of("hd.id"), of("hd.pub"), of("hd.epoch"), of("hd.seq")], ["own", "p", "e", "12"])
    assert.equal(into[0].headers.filter(([name]) => name === "hd.id").length, 1)
    assert.equal(into[0].timestamp, NOW)
  })

  it("a tombstone is a header on nothing, and a record without a value", async () => {
    for (const [value, codec] of [
      [undefined, undefined],
      [Buffer.alloc(0), undefined],
      [null, undefined],
      [null, "json"],
    ] as const) {
      const message = await publish("k", value, { codec, headers: { tombstone: "1", x: "y" } })
      const [record] = map(message)
      assert.equal(record.value, null)
      assert.equal(textOf(record.headers, "tombstone"), undefined)
      const before = got.length
      republish(a, record)
      await until(() => got.length > before)
      assert.equal(got[before].size, 0)
      assert.equal(got[before].headers.get("tombstone"), "1")
      assert.equal(got[before].headers.get("x"), "y")
    }
    const message = await publish("k", "data", { headers: { tombstone: "1" } })
    assert.notEqual(map(message)[0].value, null)
    assert.equal(map(await publish("k", undefined))[0].value?.length, 0)
  })

  it("MAP routes decide topic, key, partition and headers, also by the message", async () => {
    const by = mapper(
      [
        {
          subjects: "orders.*",
          topic: "${header.region:-none}.$1",
          key: "json:/id|subject",
          partition: "${header.p:-4}",
          headers: { from: "$1", fixed: "x" },
          continue: true,
        },
        { subjects: ">", topic: "all", partition: 2, headers: { fixed: "y" } },
      ],
      { maxTopics: 5 },
    )
    const message = await publish("orders.eu", { id: 9 }, { headers: { region: "r/1" } })
    const [one, two] = map(message, by)
    assert.deepEqual([one.topic, one.partition, String(one.key)], ["r_2f1.eu", 4, "9"])
    assert.deepEqual([textOf(one.headers, "from"), textOf(one.headers, "fixed")], ["eu", "x"])
    assert.deepEqual([two.topic, two.partition, String(two.key)], ["all", 2, "orders.eu"])
    assert.deepEqual([textOf(two.headers, "from"), textOf(two.headers, "fixed")], [undefined, "y"])
    const wrong = await publish("orders.eu", { id: 9 }, { headers: { p: "x" } })
    const into: BridgeRecord[] = []
    assert.throws(() => by.map(wrong, { at: NOW }, into), { kind: "poison" })
    assert.deepEqual(into, [])
  })

  it("REC-3 a node that has schemas passes on what others have encoded, and leaves it to receivers", async () => {
    const schemas = { "s.>": v.object({ id: v.number() }) }
    const [checks] = await overTcp(1, { schemas })
    const local: FabricMessage[] = []
    checks.subscribe("s.x", message => void local.push(message as FabricMessage))
    assert.throws(() => checks.publish("s.x", { id: "text" }), { code: "ERR_VALIDATION" })
    checks.publish("s.x", new EncodedPayload(Buffer.from('{"id":7}'), "json"))
    await until(() => local.length > 0)
    assert.deepEqual(local[0].data, { id: 7 })
  })

  it("MAP-4 what has been here is dropped and counted, on both ways; what no route wants, too", async () => {
    const by = mapper([{ subjects: "a", topic: "t" }])
    const message = await publish("a", 1, { headers: { "hd.hops": "x,f/b/out" } })
    assert.deepEqual(map(message, by), [])
    assert.deepEqual(map(await publish("b", 1), by), [])
    assert.deepEqual([by.loops, by.unrouted], [1, 1])
    const to = new ToFabric({ fabricId: "f", bridge: "b", connector: "in", cluster: "c1" })
    const [record] = map(await publish("a", 1), by)
    const looped: KafkaHeader[] = [...record.headers, ["hd.hops", Buffer.from("f/b/out,f/b/in")]]
    assert.equal(to.message({ ...record, headers: looped }, "t", 0, 1), null)
    assert.equal(to.loops, 1)
    // A whole round ends where it began.
    const once = to.message({ ...record, subject: "stored.a" }, "t", 0, 1)
    assert.equal(once?.headers.get("hd.hops"), "f/b/out,f/b/in")
  })

  it("SRC-1 SRC-3 records of others: subject by template, hd.kafka, key and time as headers", () => {
    const record: BridgeRecord = {
      subject: "",
      topic: "prices",
      partition: 3,
      key: Buffer.from("eur"),
      value: Buffer.from("raw"),
      headers: [
        ["x", Buffer.from("é")],
        ["bad name", Buffer.from("1")],
        ["b", Buffer.from([0xff])],
        ["hd.kafka", Buffer.from("forged")],
      ],
      timestamp: 5,
    }
    const to = new ToFabric({
      fabricId: "f",
      bridge: "b",
      connector: "in",
      cluster: "c1",
      subject: "${header.hd.subject:-prices.${key}}",
      replay: true,
    })
    assert.equal(to.subjectOf(record), "prices.eur")
    const message = to.message({ ...record, subject: "prices.eur" }, "prices", 3, 42)
    assert.deepEqual(
      [...(message?.headers ?? [])],
      [
        ["hd.kafka", "c1/prices/3/42"],
        ["hd.hops", "f/b/in"],
        ["hd.replay", "1"],
        ["hd.key", "eur"],
        ["x", "é"],
        ["b", Buffer.from([0xff])],
        ["hd.ts", "5"],
      ],
    )
    assert.equal(to.headersDropped, 1)
    for (const key of ["a b", "$heddle.x"]) {
      const bad = { ...record, headers: [["hd.subject", Buffer.from(key)] as const] }
      assert.throws(() => to.subjectOf(bad), { kind: "poison" })
    }
    const codec = { ...record, subject: "s", headers: [["hd.codec", Buffer.from("no codec!")] as const] }
    assert.throws(() => to.message(codec, "t", 0, 0), { kind: "poison", message: /hd\.codec/ })
    const many = { ...record, subject: "s", headers: Array.from({ length: 200 }, () => record.headers[0]) }
    assert.equal(to.message(many, "t", 0, 0)?.headers.size, 64)
    const large = { ...record, subject: "s", headers: [["x", Buffer.alloc(70_000)] as const] }
    assert.ok((to.message(large, "t", 0, 0)?.headers.encodedSize() ?? 0) < 1_000)
  })
})
