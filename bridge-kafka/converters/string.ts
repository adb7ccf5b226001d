import { Buffer, isUtf8 } from "node:buffer"
import type { ConfigKey } from "../config/keys.ts"
import type { BridgeRecord } from "../record.ts"
import { type Converter, type ConverterClass, type Payload, TOMBSTONE } from "./converter.ts"
import { FabricPayloads } from "./fabric-payload.ts"
import { poison } from "./failures.ts"

const KEYS = [
  {
    name: "converter.encoding",
    type: "string",
    values: ["UTF-8", "utf-8", "UTF8", "utf8"],
    default: "UTF-8",
    doc: "Only UTF-8; named because Connect's StringConverter has it.",
  },
] as const satisfies readonly ConfigKey[]

/** Text in UTF-8; numbers and booleans as they are written. */
class StringConverter implements Converter {
  readonly name = "string"
  readonly storedCodec = "string"
  readonly publishedCodec = "string"
  private readonly payloads: FabricPayloads

  constructor(payloads: FabricPayloads) {
    this.payloads = payloads
  }

  fromFabric(record: BridgeRecord, decoded?: unknown): Buffer | null {
    if (decoded !== undefined) return this.encode(record.topic, decoded)
    const bytes = this.payloads.bytesOf(record)
    if (bytes === null) return null
    const codec = this.payloads.codecOf(record)
    if (codec === "string" || codec === "bytes") return checked(bytes)
    return this.encode(record.topic, this.payloads.read(record))
  }

  fromKafka(_topic: string, bytes: Buffer | null): Payload {
    return bytes === null ? TOMBSTONE : { kind: "bytes", bytes: checked(bytes), codec: "string" }
  }

  decode(_topic: string, bytes: Buffer | null): string | null {
    return bytes === null ? null : checked(bytes).toString()
  }

  encode(_topic: string, value: unknown): Buffer | null {
    switch (typeof value) {
      case "string":
        return Buffer.from(value)
      case "number":
      case "boolean":
      case "bigint":
        return Buffer.from(String(value))
      case "undefined":
        return null
    }
    if (value === null) return null
    if (Buffer.isBuffer(value)) return checked(value)
    throw poison(`The converter "string" takes text, numbers and booleans, not ${typeof value}; choose json`)
  }

  close(): void {}
}

function checked(bytes: Buffer): Buffer {
  if (isUtf8(bytes)) return bytes
  throw poison(`${bytes.length} bytes are no text in UTF-8, which the converter "string" takes; choose bytes`)
}

export const stringConverter: ConverterClass = {
  name: "string",
  aliases: ["org.apache.kafka.connect.storage.StringConverter", "StringConverter"],
  doc: "Text in UTF-8. Numbers and booleans become text; objects are refused.",
  keys: KEYS,
  create: async (_settings, context) => new StringConverter(await FabricPayloads.for(context)),
}
