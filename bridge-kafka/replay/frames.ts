import { HeddleError } from "../../core/errors.ts"
import { Reader, writeVarint } from "../../core/varint.ts"
import { viewOf } from "../../core/view.ts"
import type { KafkaHeader } from "../driver.ts"

/**
 * The answers of a replay. Each is bytes: one that says what follows, then
 *
 * | first byte | what follows |
 * |---|---|
 * | 0 start | JSON: `ReplayStart` |
 * | 1 records | records, one behind the other |
 * | 2 part | the beginning of a frame of records that is too large for one answer; the next answers have the rest |
 * | 3 progress | JSON: `ReplayProgress` |
 * | 4 end | JSON: `ReplayEnd` |
 *
 * A record: flags; then, unless the flags say that it is as in the record before (of the same frame): number of the partition in the start's list,
 * subject, codec; the offset, unless it follows that before; the time as the zigzag difference to that before; key, headers, value. Numbers are
 * varints (core/varint.ts), texts and bytes have their length before them.
 */
export const START = 0
export const RECORDS = 1
export const PART = 2
export const PROGRESS = 3
export const END = 4

const SAME_PARTITION = 1
const SAME_SUBJECT = 2
const NEXT_OFFSET = 4
const TOMBSTONE = 8
const HEADERS = 16
const KEY = 32
const KEY_IS_SUBJECT = 64
const SAME_CODEC = 128

/** Numbers and flags of one record, at most. */
const OVERHEAD = 64
/** Copying so few bytes in JavaScript is faster than the call that copies many. */
const FEW = 48

/** What a frame of records carries of each. */
export interface FrameRecord {
  readonly subject: string
  readonly offset: number
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly KafkaHeader[]
}

/** Packs records into answers of at most `size` bytes. */
export class FrameWriter {
  /** Records in the open frame. */
  count = 0
  private readonly size: number
  private frame: Buffer = EMPTY
  private at = 0
  private partition = -1
  private offset = 0
  private subject = ""
  private codec = ""
  private timestamp = 0

  constructor(size: number) {
    this.size = size
  }

  /** False = there is no room in the open frame: `take` first. */
  add(record: FrameRecord, partition: number, codec: string): boolean {
    const { subject, key, value, headers, offset, timestamp } = record
    let most = OVERHEAD + subject.length * 3 + codec.length * 3
    if (key !== null) most += key.length
    if (value !== null) most += value.length
    for (let i = 0; i < headers.length; i++) most += 16 + headers[i][0].length * 3 + headers[i][1].length
    if (this.count === 0) {
      this.frame = Buffer.allocUnsafeSlow(Math.max(this.size, most + 1))
      this.frame[0] = RECORDS
      this.at = 1
    } else if (this.at + most > this.size) return false
    const { frame } = this
    const flagsAt = this.at++
    let flags = 0
    if (partition === this.partition) {
      flags |= SAME_PARTITION
      if (offset === this.offset + 1) flags |= NEXT_OFFSET
    } else {
      this.partition = partition
      this.number(partition)
    }
    if (subject === this.subject && this.count > 0) flags |= SAME_SUBJECT
    else {
      this.subject = subject
      this.text(subject)
    }
    if (codec === this.codec && this.count > 0) flags |= SAME_CODEC
    else {
      this.codec = codec
      this.text(codec)
    }
    if ((flags & NEXT_OFFSET) === 0) this.number(offset)
    this.offset = offset
    const difference = timestamp - this.timestamp
    this.number(difference < 0 ? -difference * 2 - 1 : difference * 2)
    this.timestamp = timestamp
    if (key !== null) {
      if (isText(key, subject)) flags |= KEY_IS_SUBJECT
      else {
        flags |= KEY
        this.bytes(key)
      }
    }
    if (headers.length > 0) {
      flags |= HEADERS
      this.number(headers.length)
      for (let i = 0; i < headers.length; i++) {
        this.text(headers[i][0])
        this.bytes(headers[i][1])
      }
    }
    if (value === null) flags |= TOMBSTONE
    else this.bytes(value)
    frame[flagsAt] = flags
    this.count++
    return true
  }

  /** The open frame as answers, none when it is empty; the next `add` begins another. */
  take(): Buffer[] {
    if (this.count === 0) return []
    const { frame, at, size } = this
    this.frame = EMPTY
    this.count = 0
    this.partition = -1
    this.timestamp = 0
    if (at <= size) return [viewOf(frame, 0, at)]
    const answers: Buffer[] = []
    for (let from = 1; from < at; from += size - 1) {
      const to = Math.min(at, from + size - 1)
      // What stands before the slice has been copied out already, by what the slice before it was.
      const answer = from === 1 ? viewOf(frame, 0, to) : Buffer.concat([ONE, viewOf(frame, from, to)])
      answer[0] = to === at ? RECORDS : PART
      answers.push(answer)
    }
    return answers
  }

  private number(n: number): void {
    this.at = writeVarint(n, this.frame, this.at)
  }

  private text(text: string): void {
    const { frame, at } = this
    // The length comes first: where it is one byte, as it nearly always is, the text is written once and measured then.
    if (text.length < 42) {
      const length = frame.write(text, at + 1)
      frame[at] = length
      this.at = at + 1 + length
      return
    }
    this.number(Buffer.byteLength(text))
    this.at += frame.write(text, this.at)
  }

  private bytes(bytes: Buffer): void {
    const { length } = bytes
    this.number(length)
    const { frame, at } = this
    if (length <= FEW) for (let i = 0; i < length; i++) frame[at + i] = bytes[i]
    else frame.set(bytes, at)
    this.at = at + length
  }
}

const EMPTY = Buffer.alloc(0)
const ONE = Buffer.alloc(1)

/** Whether bytes are a text of ASCII. */
function isText(bytes: Buffer, text: string): boolean {
  if (bytes.length !== text.length) return false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]
    if (byte > 127 || byte !== text.charCodeAt(i)) return false
  }
  return true
}

/** An answer that is JSON. */
export function jsonFrame(kind: number, value: object): Buffer {
  const text = JSON.stringify(value)
  const frame = Buffer.allocUnsafe(1 + Buffer.byteLength(text))
  frame[0] = kind
  frame.write(text, 1)
  return frame
}

/** Throws EPROTO. */
export function readJsonFrame(frame: Buffer): unknown {
  try {
    return JSON.parse(frame.toString("utf8", 1))
  } catch (error) {
    throw new HeddleError("EPROTO", "A bridge sent an answer to a replay that cannot be read", { cause: error })
  }
}

/** A record of a frame, as it was written. */
export interface ReadRecord extends FrameRecord {
  readonly partition: number
  readonly codec: string
}

const NO_HEADERS: readonly KafkaHeader[] = []

/** Reads one frame of records, after another. Values are views on it. Throws EPROTO. */
export class FrameReader {
  private readonly reader = new Reader(EMPTY)
  private parts: Buffer[] = []
  private partsSize = 0
  private readonly most: number
  private partition = -1
  private offset = 0
  private subject = ""
  private codec = ""
  private timestamp = 0

  /** `most`: bytes of the largest frame that comes in parts. */
  constructor(most: number) {
    this.most = most
  }

  part(frame: Buffer): void {
    this.partsSize += frame.length
    if (this.partsSize > this.most)
      throw new HeddleError("EPROTO", `A bridge sent a record of more than ${this.most} bytes (maxRecordBytes)`)
    this.parts.push(frame.subarray(1))
  }

  /** A whole frame, or the last part of one. */
  open(frame: Buffer): void {
    if (this.parts.length > 0) {
      const whole = Buffer.concat([...this.parts, frame.subarray(1)])
      this.parts = []
      this.partsSize = 0
      this.reader.reset(whole)
    } else this.reader.reset(frame, 1)
    this.partition = -1
    this.subject = ""
    this.codec = ""
    this.timestamp = 0
  }

  /** Null at the end of the frame. */
  next(): ReadRecord | null {
    const { reader } = this
    if (reader.left === 0) return null
    const flags = reader.byte()
    if ((flags & SAME_PARTITION) === 0) this.partition = reader.varint()
    if ((flags & SAME_SUBJECT) === 0) this.subject = reader.utf8(reader.varint())
    if ((flags & SAME_CODEC) === 0) this.codec = reader.utf8(reader.varint())
    if ((flags & NEXT_OFFSET) !== 0) this.offset++
    else this.offset = reader.varint()
    const difference = reader.varint()
    this.timestamp += difference % 2 === 1 ? -(difference + 1) / 2 : difference / 2
    let key: Buffer | null = null
    if ((flags & KEY_IS_SUBJECT) !== 0) key = Buffer.from(this.subject)
    else if ((flags & KEY) !== 0) key = reader.view(reader.varint())
    const headers = (flags & HEADERS) === 0 ? NO_HEADERS : this.headers()
    const value = (flags & TOMBSTONE) !== 0 ? null : reader.view(reader.varint())
    const { partition, subject, codec, offset, timestamp } = this
    return { partition, subject, codec, offset, timestamp, key, headers, value }
  }

  private headers(): KafkaHeader[] {
    const { reader } = this
    const headers: KafkaHeader[] = []
    for (let left = reader.varint(); left > 0; left--) {
      const name = reader.utf8(reader.varint())
      headers.push([name, reader.view(reader.varint())])
    }
    return headers
  }
}
