/**
 * MessagePack by the package `msgpackr`, which is loaded when it is first needed.
 *
 * What arrives for what was published: null, booleans, numbers, strings, arrays and objects as they were; Buffer,
 * Uint8Array, every other typed array, DataView and ArrayBuffer as a Buffer (a view of the payload) of their bytes;
 * Date as Date (milliseconds); undefined as undefined; BigInt of 64 bits as BigInt (larger ones are refused); Map as an
 * object; Set as an array; Error as `{ name, message }`; objects of classes as plain objects, by `toJSON` when they
 * have it. Functions, symbols, RegExp, cycles and more than 512 levels cannot be serialised. A key `__proto__` arrives
 * as `__proto_`, -0 as 0, and a string above 64 bytes without the byte order mark (U+FEFF) that it may begin with. For
 * foreign clients `undefined` is nil, and whole numbers of 64 bits from them become numbers when they are safe.
 */
import { Buffer } from "node:buffer"
import { HeddleError } from "../errors.ts"
import { undecodable, unserialisable } from "./failure.ts"
import { FlatDecoder, NOT_FLAT } from "./flat-decoder.ts"
import { FlatEncoder } from "./flat-encoder.ts"
import { checkMsgpack, MAX_DEPTH } from "./msgpack-check.ts"
import { type PlainStructure, plainMsgpack, plainStructure } from "./msgpack-plain.ts"
import { decodeStructures, encodeStructures, MAX_STRUCTURES, MAX_STRUCTURES_SIZE, structureSize } from "./structures.ts"

type Library = typeof import("msgpackr/pack")
type Packer = InstanceType<Library["Packr"]>
type Unpacker = InstanceType<Library["Unpackr"]>

let library: Library | null = null

/**
 * Must have resolved before an encoder or decoder is made. This entry of the package leaves out its native reader of
 * strings: no C++ reads what the network sends.
 */
export async function loadMsgpack(): Promise<void> {
  library ??= await import("msgpackr/pack")
}

function loaded(): Library {
  if (library === null) throw new HeddleError("EINVAL", "MessagePack is not loaded: await loadMsgpack() first")
  return library
}

/** Structures a publisher makes by default: the first 32 take one byte in a payload, the next 32 two. */
const DEFAULT_STRUCTURES = 64

/** Bytes of the buffer that payloads are cut from. A payload that somebody keeps holds all of it in memory. */
const CHUNK = 16 * 1024

/** Longer payloads are hardly flat (flat-encoder.ts). */
const FLAT = 1024

/** The library leaves a trace of every set of keys it meets; after so many bytes of payload the traces are swept. */
const SWEEP = 256 * 1024

export interface MsgpackEncoderOptions {
  /** False = plain MessagePack, for clients of other kinds. Default true. */
  shared?: boolean
  /** Structures made at most, 1 to 256 (default 64). Objects with other keys than these are encoded as maps. */
  maxSharedStructures?: number
}

/**
 * One per publishing node. Structures are only ever added, so a number (`version`) says which of them a peer knows.
 *
 * Payloads are views of a buffer that is filled from front to back and then left alone: they never change, as long as
 * no other code in the process turns back the position of an encoder of the same copy of `msgpackr` (its `position` and
 * `RESET_BUFFER_MODE`).
 */
export class MsgpackEncoder {
  /** Of the last `encode`: the payload may need structures up to `version` (codec number 4 instead of 3). */
  usedStructures = false
  private readonly structures: (string[] & { transitions?: object | null })[] & { transitions?: object | null } = []
  private readonly keys: number[] = []
  private readonly packer: Packer
  private readonly shared: boolean
  private readonly flat = new FlatEncoder()
  private structuresSize = 0
  private unswept = 0
  /** The library met a value whose form depends on its option `moreTypes`. */
  private exotic = false

  constructor(options: MsgpackEncoderOptions = {}) {
    this.shared = options.shared ?? true
    const most = options.maxSharedStructures ?? DEFAULT_STRUCTURES
    if (!Number.isInteger(most) || most < 1 || most > MAX_STRUCTURES)
      throw new HeddleError("EINVAL", `maxSharedStructures is a whole number from 1 to ${MAX_STRUCTURES}, not ${most}`)
    const { Packr } = loaded()
    this.packer = this.shared
      ? new Packr({
          structures: this.structures,
          maxSharedStructures: most,
          maxOwnStructures: 0,
          variableMapSize: true,
          shouldShareStructure: (keys: string[]) => this.admit(keys),
          // Among its traces of keys the library keeps notes under this name, which an object must not walk into.
          useRecords: (object: object) => !("__keys__" in object),
          writeFunction: refuseFunction,
        })
      : new Packr({
          useRecords: false,
          variableMapSize: true,
          encodeUndefinedAsNil: true,
          writeFunction: refuseFunction,
        })
    // The library asks for this exactly when it meets a Set, an Error, a RegExp, an ArrayBuffer or a view other than a
    // Buffer. Without `moreTypes` it would write some of them wrongly (a Float32Array as its values cut to bytes and
    // then whatever the memory held); with it, as extensions that no other language knows.
    Object.defineProperty(this.packer, "moreTypes", {
      get: () => {
        this.exotic = true
        return false
      },
    })
  }

  /** How many structures there are. */
  get version(): number {
    return this.structures.length
  }

  /** What a peer has to `learn` that knows the first `version` structures. */
  structuresSince(version: number): Buffer {
    return encodeStructures(this.structures, version)
  }

  /**
   * For an object with the prototype of plain ones: true = the payload is written and lies at `flatBytes` from `flatStart` to
   * `flatEnd`, without a view of its own. False: `encode` must do it.
   */
  encodeFlat(value: object): boolean {
    if (!this.flat.encode(value)) return false
    this.usedStructures = true
    return true
  }

  get flatBytes(): Buffer {
    return this.flat.bytes
  }

  get flatStart(): number {
    return this.flat.start
  }

  get flatEnd(): number {
    return this.flat.end
  }

  /** Throws EINVAL when `value` cannot be serialised. */
  encode(value: unknown): Buffer {
    const before = this.exotic // toJSON of a value may get here again
    this.exotic = false
    let bytes: Buffer
    try {
      bytes = this.packer.pack(value)
      if (this.exotic) bytes = this.packer.pack(plain(value))
      if (bytes.length > MAX_DEPTH) this.check(bytes)
    } catch (error) {
      this.packer.useBuffer(Buffer.allocUnsafeSlow(CHUNK)) // half a value is in the old one, however long
      throw unserialisable("msgpack", reason(error), value, error)
    } finally {
      this.exotic = before
    }
    this.usedStructures = this.structures.length > 0 && typeof value === "object" && value !== null
    // It has grown, which takes a payload of a quarter of it: small payloads must not hold it. To ask is slow (core/bytes.ts).
    if (bytes.length > CHUNK >> 3 && bytes.buffer.byteLength > CHUNK)
      this.packer.useBuffer(Buffer.allocUnsafeSlow(CHUNK))
    if (this.shared) {
      if (this.usedStructures && bytes.length <= FLAT) this.teachFlat(bytes)
      this.unswept += bytes.length
      if (this.unswept > SWEEP) this.sweep()
    }
    return bytes
  }

  private teachFlat(bytes: Buffer): void {
    const token = bytes[0]
    if (token < 0x40 || token > 0x7f) return
    const index = token < 0x60 ? token - 0x40 : token - 0x40 + bytes[1] * 32
    this.flat.learn(index, this.structures[index])
  }

  /** The caller shall hear of what no peer would take; shorter payloads cannot be nested too deeply. */
  private check(bytes: Buffer): void {
    while (this.keys.length < this.structures.length) this.keys.push(this.structures[this.keys.length].length)
    checkMsgpack(bytes, this.shared ? this.keys : null)
  }

  /** Whether a new set of keys becomes a structure. */
  private admit(keys: string[]): boolean {
    const size = structureSize(keys)
    if (size === 0 || this.structuresSize + size > MAX_STRUCTURES_SIZE) return false
    this.structuresSize += size
    return true
  }

  private sweep(): void {
    this.unswept = 0
    this.structures.transitions = null // made anew from the structures, some 10 microseconds
  }
}

/**
 * Where the payload lies: the library keeps a view for each Buffer that it reads, so that many payloads of one Buffer cost
 * half as much to decode as views of it.
 */
const region = { start: 0, end: 0 }

export interface MsgpackDecoderOptions {
  /** For clients of other kinds: whole numbers of 64 bits become numbers when they are safe. Default false. */
  foreign?: boolean
}

/** One per link: it knows the structures that the peer has announced, at most 256 in 64 KiB. */
export class MsgpackDecoder {
  private readonly structures: (string[] & { isShared?: boolean; highByte?: number })[] & { sharedLength?: number } = []
  private readonly keys: number[] = []
  /** Made when somebody first asks for plain MessagePack. */
  private readonly plain: PlainStructure[] = []
  private readonly flat = new FlatDecoder()
  private readonly withStructures: Unpacker
  private readonly withoutStructures: Unpacker
  private structuresSize = 0

  constructor(options: MsgpackDecoderOptions = {}) {
    const { Unpackr } = loaded()
    // "auto" is missing in the types of the package, not in the package.
    const int64AsType = (options.foreign ? "auto" : "bigint") as "bigint"
    this.withStructures = new Unpackr({ structures: this.structures, mapsAsObjects: true, int64AsType })
    this.withoutStructures = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType })
  }

  /** How many structures are known. */
  get version(): number {
    return this.structures.length
  }

  /** Takes what `structuresSince` gave, from the network. Throws EPROTO; the link is of no use any more then. */
  learn(bytes: Buffer): void {
    const { fresh, size } = decodeStructures(bytes, this.structures, this.structuresSize)
    this.structuresSize = size
    for (const keys of fresh) {
      const index = this.structures.length
      this.structures.push(Object.assign(keys, { isShared: true, highByte: index < 32 ? -1 : (index - 32) >> 5 }))
      this.structures.sharedLength = this.structures.length
      this.keys.push(keys.length)
      this.flat.learn(keys)
    }
  }

  /**
   * A payload with the codec number 4 (`shared`) or 3. Throws ERR_CODEC. Objects and arrays take more memory than their
   * bytes did, up to some 60 times (a list of empty objects).
   */
  decode(bytes: Buffer, shared = false, start = 0, end: number = bytes.length): unknown {
    if (shared) {
      const value = this.flat.decode(bytes, start, end)
      if (value !== NOT_FLAT) return value
    }
    try {
      checkMsgpack(bytes, shared ? this.keys : null, start, end)
      region.start = start
      region.end = end
      return (shared ? this.withStructures : this.withoutStructures).unpack(bytes, region)
    } catch (error) {
      throw undecodable("msgpack", error instanceof Error ? error.message : String(error), error)
    }
  }

  /**
   * The same payload as plain MessagePack, which needs no structures: `undefined` is nil there. A view of `bytes` where nothing
   * had to change. Throws ERR_CODEC, also when it would exceed 64 MiB.
   */
  toPlain(bytes: Buffer, start = 0, end: number = bytes.length): Buffer {
    try {
      checkMsgpack(bytes, this.keys, start, end)
      while (this.plain.length < this.structures.length)
        this.plain.push(plainStructure(this.structures[this.plain.length]))
      return plainMsgpack(bytes, this.plain, start, end)
    } catch (error) {
      throw undecodable("msgpack", error instanceof Error ? error.message : String(error), error)
    }
  }
}

function refuseFunction(): never {
  throw new TypeError("functions have no form")
}

function reason(error: unknown): string {
  if (error instanceof RangeError && error.message.includes("call stack"))
    return "it refers to itself, or is nested too deeply"
  return error instanceof Error ? error.message : String(error)
}

/** A copy of `value` in which everything that the library writes wrongly or not at all has become plain data. */
function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value) || value instanceof Date) return value
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (value instanceof ArrayBuffer) return Buffer.from(value)
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Map) return new Map([...value].map(([key, one]) => [plain(key), plain(one)]))
  const json = value.constructor === Object ? undefined : (value as { toJSON?: () => unknown }).toJSON
  if (typeof json === "function") return plain(json.call(value))
  if (value instanceof Set) return [...value].map(plain)
  if (value instanceof Error) return { name: value.name, message: value.message }
  if (value instanceof RegExp) throw new TypeError("a RegExp has no form; send its source")
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]))
}
