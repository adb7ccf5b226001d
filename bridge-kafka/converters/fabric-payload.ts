import { type Buffer, isUtf8 } from "node:buffer"
import { Codecs } from "../../core/codec.ts"
import { loadMsgpack } from "../../core/codecs/msgpack.ts"
import { CODEC, textOf } from "../mapping/headers.ts"
import type { BridgeRecord } from "../record.ts"
import type { ConverterContext } from "./converter.ts"
import { asPoison } from "./failures.ts"

/** Reads keys and values of the fabric, each by its own codec. */
export class FabricPayloads {
  private readonly isKey: boolean
  private readonly codecs: Codecs

  private constructor(isKey: boolean, codecs: Codecs) {
    this.isKey = isKey
    this.codecs = codecs
  }

  static async for(context: ConverterContext): Promise<FabricPayloads> {
    await loadMsgpack()
    return new FabricPayloads(context.isKey, context.codecs ?? new Codecs())
  }

  bytesOf(record: BridgeRecord): Buffer | null {
    return this.isKey ? record.key : record.value
  }

  /** Name of the codec of the record's bytes. */
  codecOf(record: BridgeRecord): string {
    if (this.isKey) return record.key !== null && isUtf8(record.key) ? "string" : "bytes"
    return textOf(record.headers, CODEC) ?? "bytes"
  }

  /** The value that the bytes stand for; null = tombstone. Throws poison. */
  read(record: BridgeRecord): unknown {
    const bytes = this.bytesOf(record)
    if (bytes === null) return null
    const codec = this.codecOf(record)
    try {
      return this.codecs.decodeNamed(codec, bytes)
    } catch (error) {
      throw asPoison(`A message of ${record.subject} cannot be read`, error)
    }
  }
}
