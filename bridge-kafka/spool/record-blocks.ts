/** Reading records of a segment's file, a block at a time. */
import { Buffer } from "node:buffer"
import type { FileHandle } from "node:fs/promises"
import { checksumHolds, HEAD_SIZE, isSyncPoint, sequenceAt, sizeAt } from "./record-format.ts"

/** 256 KiB: what a disk and the kernel's read-ahead give in one go. A longer record makes a block of its own. */
const BLOCK_SIZE = 256 * 1024

/**
 * The bytes of the file from `offset`, at most up to `end`, that hold the record at `offset` whole, if it is one. The length that it
 * announces is believed only as far as the file goes. `into` is used where it is big enough.
 */
export async function readBlock(file: FileHandle, offset: number, end: number, into?: Buffer): Promise<Buffer> {
  const block = await readExactly(file, offset, Math.min(end - offset, BLOCK_SIZE), into)
  const size = sizeAt(block, 0, block.length)
  if (size > block.length && size <= end - offset && block.length === BLOCK_SIZE) return readExactly(file, offset, size)
  return block
}

/** Shorter when the file is. */
async function readExactly(file: FileHandle, offset: number, length: number, into?: Buffer): Promise<Buffer> {
  const bytes = into !== undefined && into.length >= length ? into : Buffer.allocUnsafeSlow(length)
  let have = 0
  while (have < length) {
    const { bytesRead } = await file.read(bytes, have, length - have, offset + have)
    if (bytesRead === 0) break
    have += bytesRead
  }
  return have === bytes.length ? bytes : bytes.subarray(0, have)
}

export function blockBuffer(): Buffer {
  return Buffer.allocUnsafeSlow(BLOCK_SIZE)
}

/**
 * What is wrong with the record at `at`, which should be number `sequence` and end at or before `end`; null when it is good.
 */
export function fault(bytes: Buffer, at: number, end: number, sequence: number): string | null {
  const size = sizeAt(bytes, at, end)
  if (!(size >= HEAD_SIZE)) return `record ${sequence} has no length that can be`
  if (size > end - at) return `record ${sequence} goes beyond the end of the file`
  if (!checksumHolds(bytes, at, size)) return `the checksum of record ${sequence} is wrong`
  if (sequenceAt(bytes, at) !== sequence) return `record ${sequence} was expected, ${sequenceAt(bytes, at)} is there`
  return null
}

/**
 * Is there, anywhere from `offset`, a whole record that was begun after everything before it was synced? Then what lies before it was on the
 * disk, and is damaged; otherwise it is the tail of a write that a crash tore.
 */
export async function hasSyncPoint(file: FileHandle, offset: number, end: number, above: number): Promise<boolean> {
  const bytes = await readExactly(file, offset, end - offset)
  for (let at = 1; at + HEAD_SIZE <= bytes.length; at++) {
    const size = sizeAt(bytes, at, bytes.length)
    if (size < HEAD_SIZE || size > bytes.length - at || !isSyncPoint(bytes, at)) continue
    const sequence = sequenceAt(bytes, at)
    // No more records than bytes lie between.
    if (sequence > above && sequence <= above + at && checksumHolds(bytes, at, size)) return true
  }
  return false
}
