import assert from "node:assert/strict"
import type { Converter } from "../../../bridge-kafka/converters/converter.ts"
import { findConverter } from "../../../bridge-kafka/converters/converters.ts"
import { KafkaError } from "../../../bridge-kafka/errors.ts"
import { TransformChain } from "../../../bridge-kafka/transforms/chain.ts"
import { collect, overTcp } from "../../patterns/fabric/nodes.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { until } from "../../support/wait.ts"
import { step } from "../transforms/run.ts"
import { records } from "./fake-kafka.ts"
import { source } from "./rig.ts"

const P0 = { topic: "t", partition: 0 }

async function converter(name: string, isKey = false): Promise<Converter> {
  return findConverter(name).create({ schemasEnable: false }, { isKey })
}

function transform(type: string, settings: Record<string, string | number | boolean | null>): Promise<TransformChain> {
  return TransformChain.create([{ alias: "one", type, settings, predicate: null }] as never, { folder: "." })
}

describe("source, transforms and converters", () => {
  closesAfterEach()

  it("a converter decodes what subscribers get", async () => {
    const [node] = await overTcp(1)
    const got = collect(node, ">")
    const { kafka } = await source(node, {}, { valueConverter: await converter("json") })
    kafka.last.assign(P0)
    const [one, two, three] = records("t", 0, 0, ["a", "b", "c"])
    const plain = { ...one, headers: [], value: Buffer.from('{"left":7}') }
    kafka.last.give([plain, { ...two, value: null }, three])
    assert.deepEqual(await got.count(3), [{ left: 7 }, undefined, 2])
    assert.deepEqual(
      got.messages.map(({ subject }) => subject),
      ["t.a", "t.b", "t.c"],
    )
  })

  it("transforms see the record with its subject, may change it, and may drop it", async () => {
    const [node] = await overTcp(1)
    const got = collect(node, ">")
    const { kafka } = await source(
      node,
      {},
      { transforms: await transform("InsertHeader", { header: "made", valueLiteral: "here" }) },
    )
    kafka.last.assign(P0)
    kafka.last.give(records("t", 0, 0, ["a"]))
    await got.count(1)
    assert.equal(got.messages[0].headers.get("made"), "here")

    const filtered = await source(node, { name: "other" }, { transforms: await transform("Filter", {}) })
    filtered.kafka.last.assign(P0)
    filtered.kafka.last.give(records("t", 0, 0, ["a", "b"]))
    await until(() => filtered.kafka.last.committed("t", 0) === 2)
    assert.equal(filtered.connector.counters.filtered, 2)
    assert.equal(got.messages.length, 1)
  })

  it("what cannot be read is poison at the stage where it was found", async () => {
    const [node] = await overTcp(1)
    const { kafka, connector } = await source(node, {}, { valueConverter: await converter("json") })
    kafka.last.assign(P0)
    const [one] = records("t", 0, 0, ["a"])
    kafka.last.give([{ ...one, headers: [], value: Buffer.from("{") }])
    await until(() => connector.status().partitions[0].stopped !== null)
    assert.equal(connector.status().partitions[0].stopped?.stage, "VALUE_CONVERTER")
  })

  it("transforms get the decoded key, and the codec of changed values is the converter's", async () => {
    const [node] = await overTcp(1)
    const got = collect(node, ">")
    const chain = await TransformChain.create(
      [step("ExtractField$Key", { field: "id" }), step("MaskField$Value", { fields: ["card"] })],
      { folder: "." },
    )
    const keyConverter = await converter("json", true)
    const valueConverter = await converter("json")
    const parts = { transforms: chain, keyConverter, valueConverter }
    const { kafka } = await source(node, { subject: "fixed" }, parts)
    kafka.last.assign(P0)
    const [one] = records("t", 0, 0, ["a"])
    const value = Buffer.from('{"card":"4711","n":1}')
    kafka.last.give([{ ...one, headers: [], key: Buffer.from('{"id":"k1"}'), value }])
    assert.deepEqual(await got.count(1), [{ card: "", n: 1 }])
    assert.equal(got.messages[0].headers.get("hd.key"), "k1")
    assert.equal(got.messages[0].encoding, "json")
  })

  it("a registry that is away is waited for", async () => {
    const [node] = await overTcp(1)
    const got = collect(node, ">")
    const json = await converter("json")
    let away = 3
    const flaky: Converter = {
      ...json,
      name: "flaky",
      storedCodec: null,
      fromFabric: () => null,
      decode: () => null,
      encode: () => null,
      close: () => {},
      fromKafka: async (topic, bytes, headers) => {
        if (away-- > 0) throw new KafkaError("retriable", "no registry")
        return json.fromKafka(topic, bytes, headers)
      },
    }
    const { kafka, connector } = await source(node, {}, { valueConverter: flaky })
    kafka.last.assign(P0)
    kafka.last.give(records("t", 0, 0, ["a", "b"]))
    assert.deepEqual(await got.count(2), [0, 1])
    assert.equal(connector.counters.retries, 3)
  })
})
