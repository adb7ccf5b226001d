/**
 * Codecs turn a value into the bytes of a payload and back. On the wire a payload names its codec by a number, so each
 * message may have another one.
 *
 * | number | codec | a value becomes |
 * |---|---|---|
 * | 0 | bytes | Buffer, Uint8Array, any view, ArrayBuffer as they are, without a copy; arrives as a Buffer |
 * | 1 | string | UTF-8 |
 * | 2 | json | JSON text (RFC 8259) |
 * | 3 | msgpack | plain MessagePack, which any language reads |
 * | 4 | msgpack | MessagePack with record structures that the link has announced (core/codecs/msgpack.ts) |
 * | 5 | (none) | `undefined`: no bytes at all, whatever the codec; arrives as `undefined` |
 * | 15 | own | what a codec of the user makes; its name goes along |
 *
 * Without a codec named in the call, bytes go as number 0, `undefined` as 5, and all else, strings too, by the codec of
 * the fabric: a subscriber gets a string for a string and a number for a number.
 */
import { Buffer } from "node:buffer"
import { isBuffer } from "./bytes.ts"
import { undecodable, unserialisable } from "./codecs/failure.ts"
import { jsonCodec } from "./codecs/json.ts"
import { MsgpackDecoder, MsgpackEncoder } from "./codecs/msgpack.ts"
import { HeddleError } from "./errors.ts"
import { viewOf } from "./view.ts"

export interface Codec {
  /**
   * Letters, digits and . _ + / - ; at most 64. Goes over the wire: the same name must mean the same bytes everywhere.
   */
  readonly name: string
  /**
   * The bytes belong to the caller from then on: they are queued, not copied. Throws when `value` cannot be serialised.
   */
  encode(value: unknown): Buffer
  /**
   * `bytes` come from the network: throw for what is malformed, and allocate nothing by a length that they announce.
   */
  decode(bytes: Buffer): unknown
}

export const CODEC_BYTES = 0
export const CODEC_STRING = 1
export const CODEC_JSON = 2
export const CODEC_MSGPACK = 3
export const CODEC_MSGPACK_SHARED = 4
export const CODEC_NOTHING = 5
export const CODEC_OWN = 15

const NOTHING = Buffer.alloc(0)

const CODEC_NAME = /^[\w.+/-]{1,64}$/

export const bytesCodec: Codec = {
  name: "bytes",
  encode(value) {
    const bytes = asBytes(value)
    if (bytes === null) throw unserialisable("bytes", "it takes a Buffer, a view or an ArrayBuffer", value)
    return bytes
  },
  decode: bytes => bytes,
}

/** What objects without a class are made of. */
const PLAIN = Object.prototype

export const stringCodec: Codec = {
  name: "string",
  encode(value) {
    if (typeof value !== "string") throw unserialisable("string", "it takes strings only", value)
    return Buffer.from(value)
  },
  decode: bytes => bytes.toString(),
}

const BUILT_IN: ReadonlyMap<string, number> = new Map([
  ["bytes", CODEC_BYTES],
  ["string", CODEC_STRING],
  ["json", CODEC_JSON],
  ["msgpack", CODEC_MSGPACK],
  ["none", CODEC_NOTHING],
])

/**
 * A payload that is encoded already: given to `publish`, `send` or `request` in the place of a value (without the option `codec`) it goes out
 * as it is, and subscribers decode it by the codec named. For whoever passes messages on that others made. Nobody checks
 * that the bytes are what the codec makes; schemas are checked by receivers only.
 */
export class EncodedPayload {
  readonly bytes: Buffer
  /** For the wire. */
  readonly number: number
  readonly name: string

  /**
   * `codec`: "bytes", "string", "json", "msgpack" (plain), "none" (`undefined`, no bytes), or the name of a user's codec, which this
   * process need not have. Throws EINVAL for what cannot be a name.
   */
  constructor(bytes: Buffer, codec: string) {
    const number = BUILT_IN.get(codec) ?? CODEC_OWN
    if (number === CODEC_OWN && !CODEC_NAME.test(codec)) throw badName(codec)
    if (number === CODEC_NOTHING && bytes.length > 0)
      throw invalid(`A payload of ${bytes.length} bytes cannot have the codec "none", which stands for no bytes`)
    this.bytes = bytes
    this.number = number
    this.name = number === CODEC_OWN ? codec : ""
  }
}

/** The codecs that one fabric knows. `loadMsgpack()` (core/codecs/msgpack.ts) must have resolved before. */
export class Codecs {
  /** Of the last `encode`: the number for the wire. */
  number = CODEC_NOTHING
  /** Of the last `encode`: the name for the wire when the number is 15, otherwise "". */
  name = ""
  /** Of the last `encodeAt`: where in its bytes the payload begins and ends. */
  start = 0
  end = 0
  /** One per publishing node: its structures are announced on every link before a payload that needs them. */
  readonly shared: MsgpackEncoder
  readonly defaultName: string
  private readonly byMsgpack: boolean
  private readonly plain: MsgpackEncoder
  private readonly plainDecoder: MsgpackDecoder
  private readonly byName = new Map<string, Codec>()
  private readonly numbers = new Map<string, number>()

  /** Throws EINVAL: names that are taken, malformed or unknown. */
  constructor(own: readonly Codec[] = [], defaultName = "msgpack") {
    this.shared = new MsgpackEncoder()
    this.plain = new MsgpackEncoder({ shared: false })
    this.plainDecoder = new MsgpackDecoder({ foreign: true })
    this.add(bytesCodec, CODEC_BYTES)
    this.add(stringCodec, CODEC_STRING)
    this.add(jsonCodec, CODEC_JSON)
    const { plain, plainDecoder } = this
    this.add(
      { name: "msgpack", encode: value => plain.encode(value), decode: bytes => plainDecoder.decode(bytes) },
      CODEC_MSGPACK,
    )
    for (const codec of own) {
      checkCodec(codec)
      if (this.byName.has(codec.name)) throw invalid(`There are two codecs named "${codec.name}"; rename one`)
      this.add(codec, CODEC_OWN)
    }
    this.find(defaultName)
    this.defaultName = defaultName
    this.byMsgpack = defaultName === "msgpack"
  }

  private add(codec: Codec, number: number): void {
    this.byName.set(codec.name, codec)
    this.numbers.set(codec.name, number)
  }

  private find(name: string): Codec {
    const codec = this.byName.get(name)
    if (codec !== undefined) return codec
    throw invalid(`No codec is named ${JSON.stringify(name)}; there are ${[...this.byName.keys()].join(", ")}`)
  }

  /** Throws EINVAL when the fabric has no codec of that name. */
  check(name: string): void {
    this.find(name)
  }

  /**
   * The payload for a peer of the fabric; `number` and `name` say how it was made. The bytes never change afterwards,
   * except those that the caller gave as bytes and changes itself. Throws EINVAL when `value` cannot be serialised.
   */
  encode(value: unknown, codec?: string): Buffer {
    const bytes = this.encodeAt(value, codec)
    const { start, end } = this
    return start === 0 && end === bytes.length ? bytes : viewOf(bytes, start, end)
  }

  /** As `encode`, but the payload is only what lies from `start` to `end`: most need no view of their own. */
  encodeAt(value: unknown, codec?: string): Buffer {
    if (codec === undefined && typeof value === "object" && value !== null) {
      // First: to ask for a prototype costs a call of the runtime.
      if (isBuffer(value)) {
        this.number = CODEC_BYTES
        this.name = ""
        this.start = 0
        this.end = value.length
        return value
      }
      const { shared } = this
      if (this.byMsgpack && Object.getPrototypeOf(value) === PLAIN && shared.encodeFlat(value)) {
        this.number = CODEC_MSGPACK_SHARED
        this.name = ""
        this.start = shared.flatStart
        this.end = shared.flatEnd
        return shared.flatBytes
      }
    }
    const bytes = this.encodeWhole(value, codec)
    this.start = 0
    this.end = bytes.length
    return bytes
  }

  private encodeWhole(value: unknown, codec: string | undefined): Buffer {
    if (codec === undefined || codec === "msgpack") {
      const bytes = this.simple(value, codec)
      if (bytes !== null) return bytes
      if (codec === "msgpack" || this.byMsgpack) {
        this.name = ""
        const bytes = this.shared.encode(value)
        this.number = this.shared.usedStructures ? CODEC_MSGPACK_SHARED : CODEC_MSGPACK
        return bytes
      }
    }
    return this.encodeBy(codec ?? this.defaultName, value)
  }

  /** The same for a client that is no Heddle node: never number 4, so that any MessagePack library reads it. */
  encodePlain(value: unknown, codec?: string): Buffer {
    return this.simple(value, codec) ?? this.encodeBy(codec ?? this.defaultName, value)
  }

  /** What needs no codec; null for all else. */
  private simple(value: unknown, codec: string | undefined): Buffer | null {
    if (value === undefined) {
      this.number = CODEC_NOTHING
      this.name = ""
      return NOTHING
    }
    if (codec !== undefined || typeof value !== "object") return null
    // Most values are plain: the questions of what else an object might be cost more than this one.
    if (value !== null && Object.getPrototypeOf(value) === PLAIN) return null
    const bytes = asBytes(value)
    if (bytes === null) return value instanceof EncodedPayload ? this.encoded(value) : null
    this.number = CODEC_BYTES
    this.name = ""
    return bytes
  }

  private encoded({ bytes, number, name }: EncodedPayload): Buffer {
    this.number = number
    this.name = name
    return bytes
  }

  private encodeBy(name: string, value: unknown): Buffer {
    if (value === undefined) return this.simple(value, undefined) as Buffer
    const codec = this.find(name)
    const number = this.numbers.get(name) as number
    let bytes: Buffer
    try {
      bytes = codec.encode(value)
    } catch (error) {
      if (error instanceof HeddleError) throw error
      throw unserialisable(name, error instanceof Error ? error.message : String(error), value, error)
    }
    if (!isBuffer(bytes)) throw invalid(`The codec "${name}" gave ${typeof bytes} instead of a Buffer`)
    this.number = number
    this.name = number === CODEC_OWN ? name : ""
    return bytes
  }

  /**
   * A payload from the network. `link` has the structures of the peer that made it (number 4). Throws ERR_CODEC when
   * the number or name is unknown or the bytes are malformed; `cause` says more.
   */
  decode(number: number, bytes: Buffer, name = "", link: MsgpackDecoder | null = null): unknown {
    switch (number) {
      case CODEC_BYTES:
        return bytes
      case CODEC_STRING:
        return bytes.toString()
      case CODEC_JSON:
        return jsonCodec.decode(bytes)
      case CODEC_MSGPACK:
        return (link ?? this.plainDecoder).decode(bytes)
      case CODEC_MSGPACK_SHARED:
        if (link === null) throw undecodable("msgpack", "it needs the structures of a link, and came without one")
        return link.decode(bytes, true)
      case CODEC_NOTHING:
        if (bytes.length > 0) throw undecodable("none", `${bytes.length} bytes where there are none`)
        return undefined
      case CODEC_OWN:
        return this.decodeOwn(name, bytes)
      default:
        throw new HeddleError("ERR_CODEC", `A payload came with the codec number ${number}, which this version lacks`)
    }
  }

  /** A payload that is readable alone, by the name of its codec as `FabricMessage.encoding` has it. Throws ERR_CODEC. */
  decodeNamed(name: string, bytes: Buffer): unknown {
    return this.decode(BUILT_IN.get(name) ?? CODEC_OWN, bytes, name)
  }

  /** As `decode`, for a payload that lies in `bytes` from `start` to `end`. */
  decodeAt(
    number: number,
    bytes: Buffer,
    start: number,
    end: number,
    name: string,
    link: MsgpackDecoder | null,
  ): unknown {
    // The usual ones need no view of their own.
    if (number === CODEC_MSGPACK_SHARED && link !== null) return link.decode(bytes, true, start, end)
    if (number === CODEC_MSGPACK) return (link ?? this.plainDecoder).decode(bytes, false, start, end)
    return this.decode(number, viewOf(bytes, start, end), name, link)
  }

  private decodeOwn(name: string, bytes: Buffer): unknown {
    const codec = this.numbers.get(name) === CODEC_OWN ? this.byName.get(name) : undefined
    if (codec === undefined)
      throw new HeddleError(
        "ERR_CODEC",
        `A payload came with the codec ${JSON.stringify(name.slice(0, 64))}, which this fabric was not given`,
      )
    try {
      return codec.decode(bytes)
    } catch (error) {
      if (error instanceof HeddleError && error.code === "ERR_CODEC") throw error
      throw undecodable(name, error instanceof Error ? error.message : String(error), error)
    }
  }
}

/** Null for what is no bytes. Views are taken by reference. */
function asBytes(value: unknown): Buffer | null {
  if (isBuffer(value)) return value
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return Buffer.from(value)
  return null
}

function checkCodec(codec: Codec): void {
  if (typeof codec?.name !== "string" || !CODEC_NAME.test(codec.name)) throw badName(codec?.name)
  if (typeof codec.encode !== "function" || typeof codec.decode !== "function")
    throw invalid(`The codec "${codec.name}" needs the methods encode and decode`)
}

function badName(name: unknown): HeddleError {
  return invalid(`A codec needs a name of 1 to 64 letters, digits and . _ + / -, not ${JSON.stringify(name)}`)
}

function invalid(text: string): HeddleError {
  return new HeddleError("EINVAL", text)
}
