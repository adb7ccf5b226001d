/**
 * Confluent's wire format: a byte 0, the id of the schema in four bytes, the highest first, then the data. Protobuf has
 * between them which message of the file it is: a path of indexes, as zigzag numbers of variable length, their count first;
 * the path [0] is the one byte 0. (docs.confluent.io, "Schema Registry: formats, serializers and deserializers", Wire format)
 */
import { Buffer } from "node:buffer"
import { poison } from "./failures.ts"

export const FRAME = 5

/** Messages within messages: protoc itself stops at 100 levels of data. */
const MAX_PATH = 32

/** Throws poison when the bytes are not framed. */
export function schemaIdOf(bytes: Buffer): number {
  if (bytes.length < FRAME || bytes[0] !== 0)
    throw poison(
      `${bytes.length} bytes do not begin with a byte 0 and the id of a schema; was this topic written without a schema registry? Then choose bytes, string or json`,
    )
  const id = bytes.readInt32BE(1)
  if (id < 0) throw poison(`${id} is no id of a schema`)
  return id
}

export function writeFrame(id: number, into: Buffer): void {
  into[0] = 0
  into.writeInt32BE(id, 1)
}

/** The path as bytes, and where the data begins after it. */
export interface MessagePath {
  readonly path: readonly number[]
  readonly end: number
}

const FIRST: readonly number[] = [0]

/** Throws poison. */
export function readMessagePath(bytes: Buffer): MessagePath {
  if (bytes[FRAME] === 0) return { path: FIRST, end: FRAME + 1 }
  let at = FRAME
  const next = (): number => {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      if (at >= bytes.length) throw poison("The path of a Protobuf message ends too soon")
      const byte = bytes[at++]
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
    throw poison("A number in the path of a Protobuf message is too long")
  }
  const count = next()
  if (count < 1 || count > MAX_PATH) throw poison(`The path of a Protobuf message has ${count} steps`)
  const path: number[] = []
  for (let i = 0; i < count; i++) path.push(next())
  return { path, end: at }
}

export function writeMessagePath(path: readonly number[]): Buffer {
  if (path.length === 1 && path[0] === 0) return Buffer.of(0)
  const bytes: number[] = []
  for (const number of [path.length, ...path]) {
    let rest = number * 2
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
    bytes.push(rest)
  }
  return Buffer.from(bytes)
}
