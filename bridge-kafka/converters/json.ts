import { Buffer } from "node:buffer"
import type { ConfigKey, ConfigValue } from "../config/keys.ts"
import type { BridgeRecord } from "../record.ts"
import { type Converter, type ConverterClass, type Payload, TOMBSTONE } from "./converter.ts"
import { FabricPayloads } from "./fabric-payload.ts"
import { wrongSetting } from "./failures.ts"
import { jsonText, parseJson } from "./json-text.ts"

function envelopeRefused(value: ConfigValue): string | null {
  return value === true
    ? "must be false: the envelope of schema and payload is not made here; use json-schema or avro for data with a schema"
    : null
}

const KEYS = [
  {
    name: "schemas.enable",
    type: "boolean",
    default: false,
    doc: "Only `false`, which is not Connect's default. Connect's envelope of `schema` and `payload` describes Connect's own types, which a fabric has not; use `json-schema` or `avro` for data with a schema.",
    check: envelopeRefused,
  },
] as const satisfies readonly ConfigKey[]

/** JSON text (RFC 8259). Payloads that are JSON already are checked and passed on byte by byte. */
class JsonConverter implements Converter {
  readonly name = "json"
  readonly storedCodec = "json"
  readonly publishedCodec = "json"
  private readonly payloads: FabricPayloads

  constructor(payloads: FabricPayloads) {
    this.payloads = payloads
  }

  fromFabric(record: BridgeRecord, decoded?: unknown): Buffer | null {
    if (decoded !== undefined) return this.encode(record.topic, decoded)
    const bytes = this.payloads.bytesOf(record)
    if (bytes === null) return null
    if (this.payloads.codecOf(record) === "json") return parseJson(bytes) === null ? null : bytes
    return this.encode(record.topic, this.payloads.read(record))
  }

  fromKafka(_topic: string, bytes: Buffer | null): Payload {
    if (bytes === null) return TOMBSTONE
    parseJson(bytes)
    return { kind: "bytes", bytes, codec: "json" }
  }

  decode(_topic: string, bytes: Buffer | null): unknown {
    return bytes === null ? null : parseJson(bytes)
  }

  encode(_topic: string, value: unknown): Buffer | null {
    return value === null || value === undefined ? null : Buffer.from(jsonText(value))
  }

  close(): void {}
}

export const jsonConverter: ConverterClass = {
  name: "json",
  aliases: ["org.apache.kafka.connect.json.JsonConverter", "JsonConverter"],
  doc: "JSON without a schema. Bytes within become Base64; whole numbers beyond 2^53 are refused; `null` is a tombstone.",
  keys: KEYS,
  async create(settings, context) {
    const wrong = envelopeRefused(settings.schemasEnable)
    if (wrong !== null) throw wrongSetting(`schemas.enable ${wrong}`)
    return new JsonConverter(await FabricPayloads.for(context))
  },
}
