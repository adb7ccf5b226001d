import { Buffer } from "node:buffer"
import type { IConversionOptions, Type } from "protobufjs"
import type { ConfigKey, Settings } from "../config/keys.ts"
import { BoundedMap } from "./bounded-map.ts"
import type { ConverterClass } from "./converter.ts"
import { loadPackage, poison } from "./failures.ts"
import { FRAME, readMessagePath, writeFrame, writeMessagePath } from "./framing.ts"
import { hasKey, hasLongs, toMessage, withoutLongs } from "./protobuf-values.ts"
import type { RegisteredSchema } from "./registry.ts"
import { REGISTRY_KEYS } from "./registry-keys.ts"
import { type CompiledSchema, SchemaConverter, type SchemaFormat } from "./schema-converter.ts"
import { UNKNOWN_FIELDS_KEY } from "./unknown-fields.ts"

type Library = typeof import("protobufjs")

const KEYS = [
  ...REGISTRY_KEYS,
  UNKNOWN_FIELDS_KEY,
  {
    name: "message.name",
    type: "string",
    doc: "Writes values as this message of the schema (`Order`, or `shop.Order.Line`). Without it, as the first one.",
  },
] as const satisfies readonly ConfigKey[]

/** The schema itself among those it imports, whose names come from the registry. */
const MAIN = "\0main"

/** Paths that one schema's messages were found by. */
const MAX_PATHS = 256

/** As JSON would show it: all fields, enums by name, bytes as they are. */
const PLAIN: IConversionOptions = { defaults: true, enums: String }

interface ReadableType {
  readonly type: Type
  readonly longs: boolean
}

class ProtobufSchemaCompiled implements CompiledSchema {
  private readonly library: Library
  /** Messages that stand on the top level of the file, in its order. */
  private readonly top: readonly Type[]
  private readonly written: Type
  private readonly frame: Buffer
  private readonly strict: boolean
  private readonly byPath = new BoundedMap<string, ReadableType>(MAX_PATHS)
  private readonly first: ReadableType

  constructor(library: Library, id: number, top: readonly Type[], messageName: string | null, strict: boolean) {
    this.library = library
    this.top = top
    this.strict = strict
    const path = messageName === null ? [0] : pathOf(library, top, messageName)
    this.written = typeAt(library, top, path)
    const suffix = writeMessagePath(path)
    this.frame = Buffer.alloc(FRAME + suffix.length)
    writeFrame(id, this.frame)
    suffix.copy(this.frame, FRAME)
    this.first = { type: top[0], longs: hasLongs(top[0]) }
  }

  recordName(): string {
    return fullName(this.written)
  }

  decode(bytes: Buffer): unknown {
    const { path, end } = readMessagePath(bytes)
    const { type, longs } = path.length === 1 && path[0] === 0 ? this.first : this.typeOf(path)
    const value = type.toObject(type.decode(bytes.subarray(end)), PLAIN)
    // Of a map: whoever assigns by it replaces a prototype.
    if (bytes.includes("__proto__") && hasKey(value, "__proto__")) throw poison('A map has the key "__proto__"')
    return longs ? withoutLongs(value) : value
  }

  encode(value: unknown): Buffer {
    const writer = this.library.Writer.create()
    writer.raw(this.frame)
    return asBuffer(this.written.encode(toMessage(this.written, value, this.strict), writer).finish())
  }

  private typeOf(path: readonly number[]): ReadableType {
    const key = path.join()
    let found = this.byPath.get(key)
    if (found === undefined) {
      const type = typeAt(this.library, this.top, path)
      found = { type, longs: hasLongs(type) }
      this.byPath.set(key, found)
    }
    return found
  }
}

class ProtobufFormat implements SchemaFormat {
  readonly name = "protobuf"
  readonly type = "PROTOBUF"
  private readonly library: Library
  private readonly messageName: string | null
  private readonly strict: boolean

  constructor(library: Library, messageName: string | null, strict: boolean) {
    this.library = library
    this.messageName = messageName
    this.strict = strict
  }

  compile({ id, text, references }: RegisteredSchema): CompiledSchema {
    const { library } = this
    const root = new library.Root()
    const files = new Map(references.map(one => [one.name, one.text]))
    const done = new Set<string>()
    const add = (source: string, name: string): string | undefined => {
      if (source.includes("__proto__"))
        throw poison('A Protobuf schema with the name "__proto__" is refused')
        // The library notes in each message the file that it came from: how else would we know which are the schema's own?
      ;(library.parse as { filename?: string }).filename = name
      const parsed = library.parse(source, root, { keepCase: true })
      for (const needed of [...(parsed.imports ?? []), ...(parsed.weakImports ?? [])]) {
        if (done.has(needed)) continue
        done.add(needed)
        const imported = files.get(needed)
        const common = imported === undefined ? library.common.get(needed) : null
        if (imported !== undefined) add(imported, needed)
        else if (common?.nested != null) root.addJSON(common.nested)
        else if (!needed.startsWith("google/protobuf/"))
          throw new Error(`it imports ${needed}, which is not among its references`)
      }
      return parsed.package
    }
    const name = add(text, MAIN)
    root.resolveAll()
    const home = name === undefined ? root : root.lookup(name)
    const nested = home !== null && "nestedArray" in home ? (home as typeof root).nestedArray : []
    const top = nested.filter((one): one is Type => one instanceof library.Type && one.filename === MAIN)
    if (top.length === 0) throw new Error("it has no message")
    return new ProtobufSchemaCompiled(library, id, top, this.messageName, this.strict)
  }
}

function messagesIn(library: Library, type: Type): readonly Type[] {
  return type.nestedArray.filter((one): one is Type => one instanceof library.Type)
}

function typeAt(library: Library, top: readonly Type[], path: readonly number[]): Type {
  let types = top
  let type: Type | undefined
  for (const index of path) {
    type = types[index]
    if (type === undefined) throw poison(`The schema has no message at the path ${path.join(", ")}`)
    types = messagesIn(library, type)
  }
  return type as Type
}

/** By the full name, or by the name behind the package. */
function pathOf(library: Library, top: readonly Type[], name: string): readonly number[] {
  const search = (types: readonly Type[], path: readonly number[]): readonly number[] | null => {
    for (const [i, type] of types.entries()) {
      const here = [...path, i]
      const full = fullName(type)
      if (full === name || full.endsWith(`.${name}`)) return here
      const within = search(messagesIn(library, type), here)
      if (within !== null) return within
    }
    return null
  }
  const found = search(top, [])
  if (found === null) throw poison(`The schema has no message named ${name} (message.name)`)
  return found
}

function fullName(type: Type): string {
  return type.fullName.replace(/^\./, "")
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

export const protobufConverter: ConverterClass = {
  name: "protobuf",
  aliases: ["io.confluent.connect.protobuf.ProtobufConverter", "ProtobufConverter"],
  doc: "Protobuf in Confluent's framing, by the package `protobufjs`. Fields keep the names of the schema, enums are names, numbers of 64 bits beyond 2^53 are bigint, absent fields have their defaults.",
  keys: KEYS,
  async create(settings, context) {
    const library = await loadPackage("protobufjs", async () => {
      const loaded = await import("protobufjs")
      // Of a CommonJS module: the names may lie in `default`.
      return (loaded as unknown as { default?: Library }).default ?? loaded
    })
    const own = settings as Settings<typeof KEYS>
    const format = new ProtobufFormat(library, own.messageName, own.unknownFields === "fail")
    return SchemaConverter.create(format, own, context)
  },
}
