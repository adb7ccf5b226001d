import { copyInto } from "../../../core/bytes.ts"
import { clock } from "../../../core/clock.ts"
import { varintSize, writeVarint } from "../../../core/varint.ts"
import { APART_FROM } from "../link/records.ts"
import { OWN_CODEC, type Parcel, writeBytes } from "../link/write.ts"
import type { Topic } from "../topics.ts"
import { HEAD_SIZE, MESSAGES, RECORD_APART, RECORD_HEADERS, RECORD_SUBJECT, writeHead } from "./batch.ts"
import type { CarriedBatch } from "./window.ts"

/** Batches end here: a few large datagrams, and what one loss costs by link. */
const CHUNK = 32 * 1024
/** Where a chunk has less left, the next batch begins in a new one. */
const SCRAPS = 256

const NOTHING = Buffer.alloc(0)

/** Unlike any that a topic bears: subjects have their numbers for one batch only. */
let batches = 0

/** Messages to batches. */
export class BatchWriter {
  /** Number of the last message that was written. */
  last = 0
  private readonly token: Buffer
  private buffer: Buffer = NOTHING
  /** Where the batch begins, and ends so far; equal = none is open. */
  private start = 0
  private end = 0
  private first = 0
  private mark = 0
  private subjects = 0
  private structures = 0

  constructor(token: Buffer) {
    this.token = token
  }

  get isOpen(): boolean {
    return this.end > this.start
  }

  /** Structures that the open batch needs. */
  get needs(): number {
    return this.structures
  }

  /** Whether the open batch has room. A large payload goes apart, and ends the batch. */
  fits(topic: Topic, parcel: Parcel): boolean {
    return this.end + sizeOf(topic, parcel) <= this.buffer.length
  }

  /** The batch must fit; a new one begins where none is open. True = it is complete, `seal` with this payload. */
  write(topic: Topic, parcel: Parcel): boolean {
    if (!this.isOpen) this.begin(sizeOf(topic, parcel))
    const { payload, codec, codecName, headers, structures } = parcel
    const apart = payload.length > APART_FROM
    const fresh = topic.carryBatch !== this.mark
    if (fresh) {
      topic.carryBatch = this.mark
      topic.carryNumber = this.subjects++
    }
    const number = topic.carryNumber
    const own = codec === OWN_CODEC ? Buffer.from(codecName) : null
    let size = 1 + (apart ? 0 : payload.length)
    size += fresh ? sizedSize(topic.bytes) : varintSize(number)
    if (own !== null) size += sizedSize(own)
    if (headers !== null) size += sizedSize(headers)
    const { buffer } = this
    let at = writeVarint(size, buffer, this.end)
    buffer[at++] =
      (codec << 4) | (headers === null ? 0 : RECORD_HEADERS) | (fresh ? RECORD_SUBJECT : 0) | (apart ? RECORD_APART : 0)
    at = fresh ? writeBytes(topic.bytes, buffer, at) : writeVarint(number, buffer, at)
    if (own !== null) at = writeBytes(own, buffer, at)
    if (headers !== null) at = writeBytes(headers, buffer, at)
    if (!apart) {
      copyInto(buffer, payload, at)
      at += payload.length
    }
    this.end = at
    this.last++
    if (structures > this.structures) this.structures = structures
    return apart
  }

  /** Ends the open batch. */
  seal(payload: Buffer | null): CarriedBatch {
    const { buffer, start, end, first } = this
    const count = this.last - first + 1
    const head = { kind: MESSAGES, token: "", number: first, count, structures: this.structures }
    writeHead(head, this.token, buffer, start)
    const size = end - start + (payload === null ? 0 : payload.length)
    this.start = end
    if (buffer.length - end < SCRAPS + HEAD_SIZE) this.letGo()
    return { first, count, bytes: buffer.subarray(start, end), payload, size, at: clock.now() }
  }

  private begin(need: number): void {
    if (this.end + HEAD_SIZE + need > this.buffer.length) {
      this.buffer = Buffer.allocUnsafeSlow(Math.max(CHUNK, HEAD_SIZE + need))
      this.start = 0
      this.end = 0
    }
    this.end += HEAD_SIZE
    this.first = this.last + 1
    this.mark = ++batches
    this.subjects = 0
    this.structures = 0
  }

  private letGo(): void {
    this.buffer = NOTHING
    this.start = 0
    this.end = 0
  }
}

/** At most. */
function sizeOf({ bytes }: Topic, { payload, codecName, headers }: Parcel): number {
  const inline = payload.length > APART_FROM ? 0 : payload.length
  return 16 + bytes.length + inline + codecName.length + (headers === null ? 0 : 4 + headers.length)
}

function sizedSize(bytes: Buffer): number {
  return varintSize(bytes.length) + bytes.length
}
