import { Buffer } from "node:buffer"
import type { KafkaHeader } from "../driver.ts"
import { CODEC, textOf } from "../mapping/headers.ts"
import type { BridgeRecord } from "../record.ts"
import { type Converter, type ConverterClass, type Payload, TOMBSTONE } from "./converter.ts"
import { poison } from "./failures.ts"

/** What was sent, byte by byte, in both directions. */
class BytesConverter implements Converter {
  readonly name = "bytes"
  readonly storedCodec = null
  readonly publishedCodec = "bytes"
  private readonly isKey: boolean

  constructor(isKey: boolean) {
    this.isKey = isKey
  }

  fromFabric(record: BridgeRecord, decoded?: unknown): Buffer | null {
    if (decoded !== undefined) return this.encode(record.topic, decoded)
    return this.isKey ? record.key : record.value
  }

  fromKafka(_topic: string, bytes: Buffer | null, headers: readonly KafkaHeader[]): Payload {
    if (bytes === null) return TOMBSTONE
    // A record that a bridge stored says how its payload was made; any other is bytes.
    const codec = this.isKey ? "bytes" : (textOf(headers, CODEC) ?? "bytes")
    return { kind: "bytes", bytes, codec }
  }

  decode(_topic: string, bytes: Buffer | null): Buffer | null {
    return bytes
  }

  encode(_topic: string, value: unknown): Buffer | null {
    if (value === null || value === undefined) return null
    if (Buffer.isBuffer(value)) return value
    if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    throw poison(
      `The converter "bytes" takes bytes, not ${typeof value}; for values that transforms made choose json, string or a schema format`,
    )
  }

  close(): void {}
}

export const bytesConverter: ConverterClass = {
  name: "bytes",
  aliases: ["org.apache.kafka.connect.converters.ByteArrayConverter", "ByteArrayConverter"],
  doc: "Bytes as they are, unread: the payload of the publisher, and Confluent's framing of other producers.",
  keys: [],
  create: async (_settings, context) => new BytesConverter(context.isKey),
}
