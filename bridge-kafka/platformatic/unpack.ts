import zlib from "node:zlib"
import { KafkaError, PoisonError } from "../errors.ts"
import type { Library } from "./load.ts"

const GZIP = 1
const SNAPPY = 2
const LZ4 = 3
const ZSTD = 4

/** Neither of the codecs below makes more of a byte: LZ4 lengths grow by 255 a byte. */
const MOST_LZ4 = 255

/** Of Node 22.15 and later. */
interface Zstd {
  zstdDecompressSync(bytes: Buffer, options: { readonly maxOutputLength: number }): Buffer
}

/** What of a batch does not fit. A place is put before it. */
export class TooLarge extends Error {}

/** A batch that was compressed; never more than `most` bytes, whatever it announces. Throws `TooLarge`, and as the codec does for damage. */
export function unpack(library: Library, bytes: Buffer, codec: number, most: number): Buffer {
  const algorithm = library.compressionsAlgorithmsByBitmask[codec]
  if (algorithm === undefined) throw new KafkaError("fatal", `Compression ${codec} is not known`)
  if (codec === GZIP) return bounded(most, () => zlib.gunzipSync(bytes, { maxOutputLength: most }))
  if (codec === ZSTD && algorithm.available)
    return bounded(most, () => (zlib as unknown as Zstd).zstdDecompressSync(bytes, { maxOutputLength: most }))
  if (codec === SNAPPY) refuseAbove(most, snappySize(bytes))
  // A walk through the sequences is for those few that could be too large.
  else if (codec === LZ4 && bytes.length > most / MOST_LZ4) refuseAbove(most, lz4Size(bytes, most))
  const unpacked = algorithm.decompressSync(bytes)
  refuseAbove(most, unpacked.length)
  return unpacked
}

/** The error for whoever reads. `name`: of Kafka's protocol, for what is too large there. */
export function tooLarge(text: string, name: "RECORD_TOO_LARGE" | "RECORD_LIST_TOO_LARGE"): PoisonError {
  return new PoisonError("KAFKA_CONSUME", text, { protocolName: name })
}

function refuseAbove(most: number, size: number): void {
  if (size > most) throw new TooLarge(`it would be more than ${most} bytes when it is decompressed`)
}

function bounded(most: number, decompress: () => Buffer): Buffer {
  try {
    return decompress()
  } catch (error) {
    if ((error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE") refuseAbove(most, most + 1)
    throw error
  }
}

/** "\x82SNAPPY\0", versions: chunks with their lengths before them, as Java's client writes them (xerial snappy-java). */
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const XERIAL_HEADER = 16

/** As it is announced: the codec makes no more of it, and allocates that much. */
function snappySize(bytes: Buffer): number {
  if (!bytes.subarray(0, XERIAL.length).equals(XERIAL)) return snappyAnnounced(bytes, 0)
  let size = 0
  for (let at = XERIAL_HEADER; at + 4 <= bytes.length; at += 4 + bytes.readUInt32BE(at))
    size += snappyAnnounced(bytes, at + 4)
  return size
}

/** A varint of 32 bits (snappy's format_description.txt). */
function snappyAnnounced(bytes: Buffer, at: number): number {
  let size = 0
  for (let i = 0; i < 5 && at + i < bytes.length; i++) {
    size += (bytes[at + i] & 0x7f) * 2 ** (7 * i)
    if (bytes[at + i] < 0x80) break
  }
  return size
}

const LZ4_MAGIC = 0x184d2204
const LZ4_UNCOMPRESSED = 0x80000000

/** Of all blocks (lz4_Frame_format.md, lz4_Block_format.md), or more than `most` as soon as it is that. Damage is left to the codec. */
function lz4Size(bytes: Buffer, most: number): number {
  let size = 0
  let at = 0
  while (at + 7 <= bytes.length && bytes.readUInt32LE(at) === LZ4_MAGIC) {
    const flags = bytes[at + 4]
    at += 7 + (flags & 8 ? 8 : 0) + (flags & 1 ? 4 : 0)
    while (at + 4 <= bytes.length) {
      const head = bytes.readUInt32LE(at)
      at += 4
      if (head === 0) break
      const length = head & ~LZ4_UNCOMPRESSED & 0x7fffffff
      const end = Math.min(bytes.length, at + length)
      size += head >= LZ4_UNCOMPRESSED ? length : lz4BlockSize(bytes, at, end)
      if (size > most) return size
      at = end + (flags & 16 ? 4 : 0)
    }
    at += flags & 4 ? 4 : 0
  }
  return size
}

function lz4BlockSize(bytes: Buffer, from: number, end: number): number {
  let size = 0
  let at = from
  while (at < end) {
    const token = bytes[at++]
    let literals = token >>> 4
    if (literals === 15) {
      let more = 255
      while (more === 255 && at < end) {
        more = bytes[at++]
        literals += more
      }
    }
    at += literals
    size += literals
    // The last sequence ends with its literals.
    if (at >= end) break
    at += 2
    let match = (token & 15) + 4
    if (match === 19) {
      let more = 255
      while (more === 255 && at < end) {
        more = bytes[at++]
        match += more
      }
    }
    size += match
  }
  return size
}
