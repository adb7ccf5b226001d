/**
 * Records of the edge protocol (PROTOCOL.md) to and from bytes, for both halves. Nothing of Node is used here: Uint8Array, TextEncoder
 * and TextDecoder only.
 */
import { HeddleError } from "../../../core/errors.ts"
import { MAX_VARINT_SIZE, varintSize, writeVarint } from "../../../core/varint.ts"
import { CONTENT_CODEC, CONTENT_HEADERS, CONTENT_KEPT, CONTENT_SAME } from "./protocol.ts"

/** Number of the codec whose name goes along, and of the one without bytes (core/codec.ts). */
const OWN = 15

const encoder = new TextEncoder()
/** Malformed text becomes U+FFFD: a subject with it is refused like any other that does not fit. Nothing is left out. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
const NOTHING = new Uint8Array(0)

/** Short texts are mostly ASCII: character by character is faster than a call of the decoder. */
const SHORT = 48

/** A message as it travels. Views are valid as long as the bytes that they were read from. */
export interface Content {
  /** "" in records that have none. */
  subject: string
  codec: number
  /** Of codec 15. */
  codecName: string
  /** As core/headers.ts encodes them; null = none. */
  headers: Uint8Array | null
  kept: boolean
  payload: Uint8Array
}

/**
 * Writes records one behind the other into memory that grows; `begin` and `end` frame one, the rest fills its body. Used again and
 * again by `clear`.
 */
export class RecordWriter {
  bytes: Uint8Array<ArrayBuffer>
  at = 0
  private body = 0

  constructor(size = 1024) {
    this.bytes = new Uint8Array(size)
  }

  clear(): void {
    this.at = 0
  }

  /** What was written, as a view that is valid until the next `clear`. */
  get written(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.at)
  }

  begin(type: number): this {
    this.reserve(2)
    this.bytes[this.at] = type
    // One byte for the length: most records are short. `end` makes room for more.
    this.at += 2
    this.body = this.at
    return this
  }

  end(): void {
    const size = this.at - this.body
    const more = varintSize(size) - 1
    if (more > 0) {
      this.reserve(more)
      this.bytes.copyWithin(this.body + more, this.body, this.at)
      this.at += more
    }
    writeVarint(size, this.bytes, this.body - 1)
  }

  /** Forgets the record that was begun and not ended. */
  abandon(): void {
    this.at = this.body - 2
  }

  byte(value: number): this {
    this.reserve(1)
    this.bytes[this.at++] = value
    return this
  }

  varint(value: number): this {
    this.reserve(MAX_VARINT_SIZE)
    this.at = writeVarint(value, this.bytes, this.at)
    return this
  }

  text(value: string): this {
    const { length } = value
    this.reserve(length * 3 + MAX_VARINT_SIZE)
    const { bytes } = this
    if (length < 128) {
      // As long as it is ASCII its length is known.
      let at = this.at + 1
      let i = 0
      for (; i < length; i++) {
        const code = value.charCodeAt(i)
        if (code > 127) break
        bytes[at++] = code
      }
      if (i === length) {
        bytes[this.at] = length
        this.at = at
        return this
      }
    }
    const encoded = encoder.encode(value)
    return this.data(encoded)
  }

  /** Length and bytes. */
  data(value: Uint8Array): this {
    this.reserve(value.length + MAX_VARINT_SIZE)
    this.at = writeVarint(value.length, this.bytes, this.at)
    this.bytes.set(value, this.at)
    this.at += value.length
    return this
  }

  /** Bytes as they are, whole records for instance. */
  raw(value: Uint8Array): this {
    this.reserve(value.length)
    this.bytes.set(value, this.at)
    this.at += value.length
    return this
  }

  /** `subject`: null in records that have none, undefined = that of the message before. */
  content(
    subject: string | null | undefined,
    codec: number,
    codecName: string,
    headers: Uint8Array | null,
    payload: Uint8Array,
    kept = false,
  ): this {
    const same = subject === undefined
    this.byte(codec | (headers === null ? 0 : CONTENT_HEADERS) | (kept ? CONTENT_KEPT : 0) | (same ? CONTENT_SAME : 0))
    if (typeof subject === "string") this.text(subject)
    if (codec === OWN) this.text(codecName)
    if (headers !== null) this.data(headers)
    return this.data(payload)
  }

  private reserve(size: number): void {
    if (this.at + size <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.at + size))
    grown.set(this.bytes.subarray(0, this.at))
    this.bytes = grown
  }
}

/**
 * Reads records: `next` goes to each one in turn, the rest reads its body and never goes beyond it. Nothing is allocated by a length
 * that is announced. All methods throw HeddleError EPROTO for what is malformed.
 */
export class RecordReader {
  private bytes: Uint8Array = NOTHING
  private at = 0
  private end = 0
  private whole = 0

  reset(bytes: Uint8Array): this {
    this.bytes = bytes
    this.at = 0
    this.end = 0
    this.whole = bytes.length
    return this
  }

  /** Passes over what is left of the record; the type of the next one, or -1 behind the last. */
  next(): number {
    this.at = this.end
    this.end = this.whole
    if (this.at >= this.whole) return -1
    const type = this.byte()
    const size = this.varint()
    if (size > this.whole - this.at) throw malformed(`a record of ${size} bytes, of which ${this.whole - this.at} came`)
    this.end = this.at + size
    return type
  }

  /** What follows the record: whole records, if nothing is malformed. */
  get rest(): Uint8Array {
    return this.bytes.subarray(this.end, this.whole)
  }

  /** Bytes of this record that are not read. */
  get left(): number {
    return this.end - this.at
  }

  byte(): number {
    if (this.at >= this.end) throw malformed("a record that ends too soon")
    return this.bytes[this.at++]
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (let size = 0; size < MAX_VARINT_SIZE; size++) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break
        return value
      }
      scale *= 0x80
    }
    throw malformed("a number above 2**53 - 1")
  }

  text(): string {
    const bytes = this.data()
    const { length } = bytes
    if (length <= SHORT) {
      let text = ""
      let i = 0
      for (; i < length; i++) {
        const code = bytes[i]
        if (code > 127) break
        text += String.fromCharCode(code)
      }
      if (i === length) return text
    }
    return decoder.decode(bytes)
  }

  /** Length and bytes: a view. */
  data(): Uint8Array {
    const size = this.varint()
    if (size > this.end - this.at) throw malformed(`a field of ${size} bytes, of which ${this.end - this.at} came`)
    const start = this.at
    this.at += size
    return this.bytes.subarray(start, this.at)
  }

  /** `before`: the subject of the message before it in this record, null for the first; undefined in records without subjects. */
  content(before?: string | null): Content {
    const head = this.byte()
    const codec = head & CONTENT_CODEC
    if (codec === 4 || (codec > 5 && codec !== OWN)) throw malformed(`a payload of the unknown codec ${codec}`)
    let subject = ""
    if (before !== undefined) {
      if ((head & CONTENT_SAME) === 0) subject = this.text()
      else if (before === null) throw malformed("a message without a subject")
      else subject = before
    }
    return {
      subject,
      codec,
      codecName: codec === OWN ? this.text() : "",
      headers: (head & CONTENT_HEADERS) === 0 ? null : this.data(),
      kept: (head & CONTENT_KEPT) !== 0,
      payload: this.data(),
    }
  }
}

function malformed(what: string): HeddleError {
  return new HeddleError("EPROTO", `The other side of the edge sent ${what}: it does not speak this protocol`)
}
