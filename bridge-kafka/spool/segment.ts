/**
 * A segment: one file, `<sequence of its first record, 16 digits>.log`, and beside it, once it is full, `.index`. The file begins with
 *
 *     8 bytes  "HDSPOOL" and the version of the format
 *     u48      sequence of the first record
 *     u48      time of creation, milliseconds since 1970
 *     u32      CRC-32C of the 20 bytes before
 *
 * and then has records without holes.
 */
import { Buffer } from "node:buffer"
import path from "node:path"
import { crc32c } from "./crc32c.ts"
import { readU32, writeU32, writeU48 } from "./record-format.ts"
import { SparseIndex } from "./sparse-index.ts"

export const SEGMENT_HEADER_SIZE = 24
const MAGIC = Buffer.from("HDSPOOL\x01", "latin1")
const NAME = /^(\d{16})\.log$/

export class Segment {
  readonly first: number
  /** Behind its last record, also of those that are only in memory. */
  end: number
  readonly file: string
  /** Of the file, the header and what is only in memory included. */
  bytes: number
  /** Milliseconds since 1970. */
  readonly created: number
  readonly index: SparseIndex

  constructor(folder: string, first: number, created: number, bytes = 0, end = first, index = new SparseIndex()) {
    this.first = first
    this.end = end
    this.file = path.join(folder, segmentName(first))
    this.bytes = bytes
    this.created = created
    this.index = index
  }

  get indexFile(): string {
    return indexFileOf(this.file)
  }
}

export function segmentName(first: number): string {
  return `${String(first).padStart(16, "0")}.log`
}

export function indexFileOf(file: string): string {
  return file.replace(/\.log$/, ".index")
}

/** The first sequence that a file's name says; null for other files. */
export function parseSegmentName(name: string): number | null {
  const match = NAME.exec(name)
  return match === null ? null : Number(match[1])
}

export function writeSegmentHeader(segment: Segment, into: Buffer): void {
  MAGIC.copy(into, 0)
  writeU48(segment.first, into, 8)
  writeU48(segment.created, into, 14)
  writeU32(crc32c(into, 0, 20), into, 20)
}

/** Null when it is not what `writeSegmentHeader` writes. */
export function readSegmentHeader(bytes: Buffer): { first: number; created: number } | null {
  if (bytes.length < SEGMENT_HEADER_SIZE || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return null
  if (crc32c(bytes, 0, 20) !== readU32(bytes, 20)) return null
  return { first: bytes.readUIntLE(8, 6), created: bytes.readUIntLE(14, 6) }
}
