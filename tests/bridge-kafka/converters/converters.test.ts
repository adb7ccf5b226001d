import assert from "node:assert/strict"
import type { Registries } from "../../../bridge-kafka/config/classes.ts"
import { parseValue } from "../../../bridge-kafka/config/value.ts"
import { CONVERTERS, findConverter } from "../../../bridge-kafka/converters/converters.ts"
import { loadPackage } from "../../../bridge-kafka/converters/failures.ts"
import { strategyOf, subjectName } from "../../../bridge-kafka/converters/subject-name.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { converterFor, settingsOf } from "./fake-registry.ts"

describe("Converters", () => {
  closesAfterEach()

  it("are found by short names and by Connect's class names", () => {
    for (const [name, found] of [
      ["org.apache.kafka.connect.json.JsonConverter", "json"],
      ["org.apache.kafka.connect.storage.StringConverter", "string"],
      ["org.apache.kafka.connect.converters.ByteArrayConverter", "bytes"],
      ["io.confluent.connect.avro.AvroConverter", "avro"],
      ["io.confluent.connect.json.JsonSchemaConverter", "json-schema"],
      ["io.confluent.connect.protobuf.ProtobufConverter", "protobuf"],
    ])
      assert.equal(findConverter(name).name, found)
    for (const { name } of CONVERTERS) assert.equal(findConverter(name).name, name)
    assert.throws(() => findConverter("xml"), { code: "ERR_CONFIG", message: /"xml"; there are bytes, string/ })
  })

  it("are what configuration takes for converters", () => {
    const known: Registries["converters"] = CONVERTERS
    assert.equal(new Set(known.flatMap(one => [one.name, ...(one.aliases ?? [])])).size, 6 + 2 * 6)
  })

  it("have no two keys of one name, and defaults that fit their own definitions", () => {
    for (const { keys } of CONVERTERS) {
      assert.equal(new Set(keys.map(key => key.name)).size, keys.length)
      for (const key of keys)
        if (key.default !== undefined) assert.ok("value" in parseValue(key, key.default), key.name)
    }
  })

  it("refuse Connect's envelope and say why", async () => {
    const asked = findConverter("json").create({ schemasEnable: true }, { isKey: false })
    await assert.rejects(asked, { code: "ERR_CONFIG", message: /must be false: the envelope/ })
    assert.equal(settingsOf("json", {}).schemasEnable, false)
  })

  it("refuse settings that do not fit together", async () => {
    const url = { "schema.registry.url": "http://127.0.0.1:1" }
    for (const [given, text] of [
      [{ ...url, "schema.file": "a", "use.schema.id": 1 }, /choose one/],
      [{ ...url, "auto.register.schemas": true }, /needs schema.file/],
      [{ ...url, "subject.name.strategy": "RecordNameStrategy" }, /names no record/],
      [{ ...url, "schema.file": "/no/such/file" }, /cannot be read/],
      [{ ...url, "avro.reader.schema.file": "/no/such/file" }, /avro.reader.schema.file/],
      [{ "schema.registry.url": "ftp://x" }, /neither http nor https/],
      [{ "schema.registry.url": "user:secret@" }, /an entry is not|neither http/],
      [{ "schema.registry.url": "http://u:secret@h" }, /credentials.source=URL/],
      [{ ...url, "schema.registry.basic.auth.user.info": "a:b", "bearer.auth.token": "t" }, /both basic and bearer/],
      [{ ...url, "schema.registry.ssl.truststore.location": "/no/such" }, /truststore.location/],
    ] as const) {
      await assert.rejects(
        converterFor("avro", given),
        (error: { code: string; message: string }) =>
          error.code === "ERR_CONFIG" && text.test(error.message) && !error.message.includes("secret"),
        String(text),
      )
    }
  })

  it("name the command when their package is missing", async () => {
    const gone = (): Promise<never> => Promise.reject(new Error("Cannot find package 'avsc'"))
    await assert.rejects(loadPackage("avsc", gone), { code: "ERR_MISSING_PACKAGE", message: /npm install avsc$/ })
  })

  it("name subjects by three strategies", () => {
    const record = "shop.Order"
    assert.equal(subjectName("TopicNameStrategy", "t", false, ""), "t-value")
    assert.equal(subjectName("TopicNameStrategy", "t", true, ""), "t-key")
    assert.equal(subjectName("RecordNameStrategy", "t", true, record), "shop.Order")
    assert.equal(subjectName("TopicRecordNameStrategy", "t", false, record), "t-shop.Order")
    assert.throws(() => settingsOf("avro", { "subject.name.strategy": "Mine" }), /must be one of TopicNameStrategy/)
    assert.throws(() => strategyOf("Mine"), { code: "ERR_CONFIG", message: /"Mine"; there are TopicNameStrategy/ })
    assert.equal(strategyOf("io.confluent.kafka.serializers.subject.RecordNameStrategy"), "RecordNameStrategy")
  })
})
