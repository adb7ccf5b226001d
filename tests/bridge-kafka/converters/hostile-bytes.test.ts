import assert from "node:assert/strict"
import type { Converter } from "../../../bridge-kafka/converters/converter.ts"
import { KafkaError } from "../../../bridge-kafka/errors.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { LONG_RUN, type Random, seeded } from "../../support/random.ts"
import { converterFor, FakeRegistry, hex, recordOf } from "./fake-registry.ts"

const RUNS = LONG_RUN ? 200_000 : 5_000

const AVRO = {
  type: "record",
  name: "R",
  fields: [
    { name: "a", type: { type: "array", items: ["null", "long", "string", "R"] } },
    { name: "m", type: { type: "map", values: { type: "array", items: "null" } } },
    { name: "e", type: { type: "enum", name: "E", symbols: ["A", "B"] } },
    { name: "f", type: { type: "fixed", name: "F", size: 2 } },
    { name: "b", type: "bytes" },
    { name: "d", type: "double" },
  ],
}

const PROTOBUF = `
syntax = "proto3";
message R {
  repeated R children = 1;
  map<string, sint64> m = 2;
  repeated fixed64 f = 3;
  repeated uint32 p = 4;
  bytes b = 5;
  string s = 6;
  enum E { A = 0; B = 1; }
  repeated E e = 7;
  double d = 8;
}
`

/** Noise, or a good record with some bytes changed, cut or doubled. */
function hostile(random: Random, good: Buffer): Buffer {
  if (random.chance(0.2)) return random.bytes(random.int(0, 60))
  const frame = good.subarray(0, 5)
  if (random.chance(0.2)) return Buffer.concat([frame, random.bytes(random.int(0, 60))])
  const bytes = Buffer.from(good)
  for (let i = random.int(1, 4); i > 0; i--) bytes[random.int(5, bytes.length - 1)] = random.int(0, 255)
  return random.chance(0.3) ? bytes.subarray(0, random.int(0, bytes.length)) : bytes
}

describe("Hostile bytes", () => {
  closesAfterEach()

  /** Whatever comes, it is a value or poison. */
  async function judge(convert: () => unknown): Promise<boolean> {
    try {
      const value = convert()
      if (value instanceof Promise) await value
      return true
    } catch (error) {
      if (!(error instanceof KafkaError) || error.kind !== "poison") throw error
      return false
    }
  }

  for (const [name, type, schema, value] of [
    [
      "avro",
      "AVRO",
      AVRO,
      {
        a: [null, 5, "text", { a: [], m: {}, e: "B", f: hex("0102"), b: hex(""), d: 1 }],
        m: { x: [null, null], y: [] },
        e: "A",
        f: hex("0304"),
        b: hex("05060708"),
        d: 2.5,
      },
    ],
    [
      "protobuf",
      "PROTOBUF",
      PROTOBUF,
      {
        children: [{ s: "a" }, { children: [{ d: 1.5 }] }],
        m: { x: -5, y: 2n ** 60n },
        f: [1, 2],
        p: [1, 300],
        b: hex("0506"),
        s: "text",
        e: ["B"],
      },
    ],
    [
      "json-schema",
      "JSON",
      { type: "object", properties: { a: { type: "array" } } },
      { a: [1, "é", null], b: { c: 1.5 } },
    ],
  ] as const) {
    it(`from Kafka are a value or poison for ${name}`, async () => {
      const registry = await FakeRegistry.start()
      registry.add(1, "t-value", schema, type)
      const converter = await converterFor(name, { "schema.registry.url": registry.url })
      const good = (await converter.encode("t", value)) as Buffer
      assert.ok(await judge(() => converter.decode("t", good, [])))
      await seeded(async random => {
        let accepted = 0
        for (let run = 0; run < RUNS; run++) {
          const bytes = hostile(random, good)
          // Other ids would ask the registry each time: their turn is in its own tests.
          if (bytes.length >= 5 && bytes[0] === 0 && bytes.readUInt32BE(1) !== 1) continue
          if (await judge(() => converter.fromKafka("t", bytes, []))) accepted++
        }
        assert.ok(accepted < RUNS)
      })
      assert.ok(await judge(() => converter.decode("t", good, [])), "good ones still pass")
    })
  }

  it("from Kafka and from the fabric are a value or poison for the plain formats", async () => {
    const converters: Converter[] = []
    for (const name of ["bytes", "string", "json"]) converters.push(await converterFor(name))
    await seeded(async random => {
      for (let run = 0; run < RUNS; run++) {
        const bytes = random.bytes(random.int(0, 40))
        const codec = random.pick(["bytes", "string", "json", "msgpack", "constructor", "", "other"])
        const converter = random.pick(converters)
        await judge(() => converter.fromKafka("t", bytes, []))
        await judge(() => converter.decode("t", bytes, []))
        await judge(() => converter.fromFabric(recordOf(bytes, codec)))
      }
    })
  })
})
