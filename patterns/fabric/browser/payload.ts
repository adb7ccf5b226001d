/** Values to payloads and back: the codecs of core/codec.ts, with the same numbers, without Node's Buffer. */
import { undecodable, unserialisable } from "../../../core/codecs/failure.ts"
import { HeddleError } from "../../../core/errors.ts"
import type { Content } from "../edge/wire.ts"
import { decodeMsgpack } from "./msgpack-decoder.ts"
import { encodeMsgpack } from "./msgpack-encoder.ts"

const BYTES = 0
const STRING = 1
const JSON_TEXT = 2
const MSGPACK = 3
const NOTHING = 5
const OWN = 15

const NO_BYTES = new Uint8Array(0)

/** A codec of your own; the node has one of the same name, or passes the bytes on. */
export interface PageCodec {
  /** Letters, digits and . _ + / - ; at most 64. The same name must mean the same bytes everywhere. */
  readonly name: string
  /** Throws when `value` cannot be serialised. The bytes belong to the caller from then on. */
  encode(value: unknown): Uint8Array
  /** `bytes` come from the network: throw for what is malformed. */
  decode(bytes: Uint8Array): unknown
}

/** A payload as it travels: the number of its codec (core/codec.ts), the name of a codec of the user ("" unless it is 15), the bytes. */
export type Payload = Readonly<Pick<Content, "codec" | "codecName" | "payload">>

const NUMBERS: ReadonlyMap<string, number> = new Map([
  ["bytes", BYTES],
  ["string", STRING],
  ["json", JSON_TEXT],
  ["msgpack", MSGPACK],
])

const NAMES: Readonly<Record<number, string>> = {
  [BYTES]: "bytes",
  [STRING]: "string",
  [JSON_TEXT]: "json",
  [MSGPACK]: "msgpack",
  [NOTHING]: "none",
}

const encoder = new TextEncoder()
/** A byte order mark is a character like others: texts arrive as they were sent. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

/** The codecs that one client knows. */
export class PageCodecs {
  private readonly usual: string
  private readonly own = new Map<string, PageCodec>()

  /** Throws EINVAL: names that are taken, malformed or unknown. */
  constructor(usual: string, own: readonly PageCodec[]) {
    for (const codec of own) {
      if (
        !/^[\w.+/-]{1,64}$/.test(codec.name) ||
        NUMBERS.has(codec.name) ||
        this.own.has(codec.name) ||
        codec.name === "none"
      )
        throw invalid(`the codec name ${JSON.stringify(codec.name)} is malformed or taken`)
      this.own.set(codec.name, codec)
    }
    this.usual = usual
    this.check(usual)
  }

  /**
   * `undefined` is no bytes at all; bytes go as they are unless a codec is named; all else by the codec named, or the client's. Throws EINVAL
   * for what cannot be serialised and for codecs that are not known.
   */
  encode(value: unknown, name?: string): Payload {
    if (name !== undefined) this.check(name)
    if (value === undefined) return { codec: NOTHING, codecName: "", payload: NO_BYTES }
    const bytes = name === undefined || name === "bytes" ? asBytes(value) : null
    if (bytes !== null) return { codec: BYTES, codecName: "", payload: bytes }
    const codec = name ?? this.usual
    const own = this.own.get(codec)
    if (own !== undefined) return { codec: OWN, codecName: codec, payload: own.encode(value) }
    return { codec: NUMBERS.get(codec) as number, codecName: "", payload: encodeBy(codec, value) }
  }

  /** Throws ERR_CODEC. */
  decode({ codec, codecName, payload }: Payload): unknown {
    switch (codec) {
      case BYTES:
        return payload
      case STRING:
        return decoder.decode(payload)
      case JSON_TEXT:
        return decodeJson(payload)
      case MSGPACK:
        return decodeMsgpack(payload)
      case NOTHING:
        return undefined
      case OWN:
        return this.decodeOwn(codecName, payload)
      default:
        throw undecodable(String(codec), "this version knows no codec of this number")
    }
  }

  private decodeOwn(name: string, bytes: Uint8Array): unknown {
    const own = this.own.get(name)
    if (own === undefined) throw undecodable(name, "it is not among the option codecs of connect")
    try {
      return own.decode(bytes)
    } catch (error) {
      throw undecodable(name, error instanceof Error ? error.message : String(error), error)
    }
  }

  private check(name: string): void {
    if (NUMBERS.has(name) || this.own.has(name)) return
    const known = [...NUMBERS.keys(), ...this.own.keys()].join(", ")
    throw invalid(`there is no codec ${JSON.stringify(name)}; this client has ${known}`)
  }
}

/** "bytes", "string", "json", "msgpack", "none" (`undefined`), or the name of a codec of the user. */
export function encodingOf({ codec, codecName }: Payload): string {
  return NAMES[codec] ?? codecName
}

function encodeBy(codec: string, value: unknown): Uint8Array {
  if (codec === "msgpack") return encodeMsgpack(value)
  if (codec === "json") return encodeJson(value)
  if (codec === "bytes") throw unserialisable(codec, "it takes a Uint8Array, any other view or an ArrayBuffer", value)
  if (typeof value !== "string") throw unserialisable(codec, "it takes strings only", value)
  return encoder.encode(value)
}

function asBytes(value: unknown): Uint8Array | null {
  if (value instanceof Uint8Array) return value
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  return value instanceof ArrayBuffer ? new Uint8Array(value) : null
}

function encodeJson(value: unknown): Uint8Array {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (error) {
    throw unserialisable("json", error instanceof Error ? error.message : String(error), value, error)
  }
  if (text === undefined) throw unserialisable("json", "JSON has no form for it", value)
  return encoder.encode(text)
}

/** Members called `__proto__` are left out: copied by `Object.assign`, they would replace a prototype. */
function decodeJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes), (key, value: unknown) => (key === "__proto__" ? undefined : value))
  } catch (error) {
    throw undecodable("json", error instanceof Error ? error.message : String(error), error)
  }
}

function invalid(text: string): HeddleError {
  return new HeddleError("EINVAL", `Invalid argument: ${text}`)
}
