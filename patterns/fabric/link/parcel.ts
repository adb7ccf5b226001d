import { copyInto } from "../../../core/bytes.ts"
import { CODEC_JSON, CODEC_NOTHING } from "../../../core/codec.ts"
import { viewOf } from "../../../core/view.ts"

/** Bytes that are copied one by one: a view of them would cost more (25 ns, and work for the collector). */
const SHORT = 32

/** A payload with what must be said of it, encoded once for everybody who gets it. */
export class Parcel {
  /** Number of the codec, and its name when the number says "own". */
  readonly codec: number
  readonly codecName: string
  readonly headers: Buffer | null
  /** Records of msgpack structures that the receiver must have; 0 = none. */
  readonly structures: number
  /** Bytes of the payload. */
  readonly size: number
  private readonly source: Buffer
  private readonly start: number
  private view: Buffer | null

  /** The payload lies in `source` from `start` to `end`, and never changes there. */
  constructor(
    source: Buffer,
    start: number,
    end: number,
    codec: number,
    codecName = "",
    headers: Buffer | null = null,
    structures = 0,
  ) {
    this.source = source
    this.start = start
    this.size = end - start
    this.view = this.size === source.length ? source : null
    this.codec = codec
    this.codecName = codecName
    this.headers = headers
    this.structures = structures
  }

  static of(payload: Buffer, codec: number, codecName = "", headers: Buffer | null = null): Parcel {
    return new Parcel(payload, 0, payload.length, codec, codecName, headers)
  }

  /** What a server or worker answers when it has failed: JSON. */
  static failure(payload: Buffer): Parcel {
    return Parcel.of(payload, CODEC_JSON)
  }

  /** The same with other bytes. */
  with(payload: Buffer): Parcel {
    const { codec, codecName, headers, structures } = this
    return new Parcel(payload, 0, payload.length, codec, codecName, headers, structures)
  }

  get payload(): Buffer {
    this.view ??= viewOf(this.source, this.start, this.start + this.size)
    return this.view
  }

  /** Writes the payload at `at`, where there must be room. */
  copyTo(into: Buffer, at: number): void {
    const { size, source, start, view } = this
    if (view !== null) copyInto(into, view, at)
    else if (size > SHORT) copyInto(into, this.payload, at)
    else copyBytes(source, start, size, into, at)
  }
}

/** Copies `size` bytes that lie in `source` from `start` on to `at`, where there must be room. */
export function copyPart(source: Buffer, start: number, size: number, into: Buffer, at: number): void {
  if (size === source.length) copyInto(into, source, at)
  else if (size > SHORT) copyInto(into, viewOf(source, start, start + size), at)
  else copyBytes(source, start, size, into, at)
}

function copyBytes(source: Buffer, start: number, size: number, into: Buffer, at: number): void {
  for (let i = 0; i < size; i++) into[at + i] = source[start + i]
}

/** `undefined`, and answers that say nothing. */
export const NOTHING = Parcel.of(Buffer.alloc(0), CODEC_NOTHING)
