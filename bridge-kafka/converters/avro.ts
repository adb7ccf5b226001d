import { Buffer } from "node:buffer"
import fs from "node:fs"
import type { types as AvroTypes, Type } from "avsc"
import type { ConfigKey, Settings } from "../config/keys.ts"
import { AvroCheck } from "./avro-check.ts"
import type { ConverterClass } from "./converter.ts"
import { loadPackage, poison, wordsOf, wrongSetting } from "./failures.ts"
import { FRAME, writeFrame } from "./framing.ts"
import type { RegisteredSchema } from "./registry.ts"
import { REGISTRY_KEYS } from "./registry-keys.ts"
import { type CompiledSchema, SchemaConverter, type SchemaFormat } from "./schema-converter.ts"
import { UNKNOWN_FIELDS_KEY } from "./unknown-fields.ts"

type Library = typeof import("avsc")
type AvroSchema = Parameters<Library["Type"]["forSchema"]>[0]
type Resolver = ReturnType<Type["createResolver"]>

const KEYS = [
  ...REGISTRY_KEYS,
  UNKNOWN_FIELDS_KEY,
  {
    name: "avro.reader.schema.file",
    type: "string",
    doc: "Reads records of every schema as this one (Avro's schema resolution: defaults, aliases, promotions). Without it, as they were written.",
  },
] as const satisfies readonly ConfigKey[]

/** Most records fit: a larger one is made in a buffer of its own. */
const SCRATCH = 64 * 1024

const MIN_LONG = -(2n ** 63n)
const MAX_LONG = 2n ** 63n - 1n

class AvroSchemaCompiled implements CompiledSchema {
  private readonly id: number
  private readonly type: Type
  private readonly check: AvroCheck
  private readonly resolver: Resolver | undefined
  private readonly reader: Type
  private readonly strict: { noUndeclaredFields: boolean }
  private readonly scratch: Buffer

  constructor(id: number, type: Type, reader: Type | null, strict: boolean, scratch: Buffer) {
    this.id = id
    this.type = type
    this.check = new AvroCheck(type)
    this.reader = reader ?? type
    this.resolver = reader === null || reader.equals(type) ? undefined : reader.createResolver(type)
    this.strict = { noUndeclaredFields: strict }
    this.scratch = scratch
  }

  recordName(): string {
    const { name } = this.type
    if (name === undefined || this.type.typeName !== "record")
      throw wrongSetting(`The Avro type ${this.type.typeName} has no record name; use TopicNameStrategy`)
    return name
  }

  decode(bytes: Buffer): unknown {
    this.check.check(bytes, FRAME)
    return this.reader.decode(bytes, FRAME, this.resolver).value
  }

  encode(value: unknown): Buffer {
    const { type, scratch } = this
    if (!type.isValid(value, this.strict)) throw this.misfit(value)
    writeFrame(this.id, scratch)
    const end = type.encode(value, scratch, FRAME)
    // Negative: so many bytes were missing.
    if (end >= 0) return Buffer.from(scratch.subarray(0, end))
    const bytes = Buffer.allocUnsafe(scratch.length - end)
    writeFrame(this.id, bytes)
    type.encode(value, bytes, FRAME)
    return bytes
  }

  private misfit(value: unknown): Error {
    const wrong: string[] = []
    const errorHook = (path: string[], one: unknown, type: Type): void => {
      if (wrong.length < 3) wrong.push(`${path.join(".") || "(all)"} is ${kindOf(one)}, not ${nameOf(type)}`)
    }
    this.type.isValid(value, { ...this.strict, errorHook })
    return new Error(wrong.join("; ") || "it has fields that the schema does not know")
  }
}

class AvroFormat implements SchemaFormat {
  readonly name = "avro"
  readonly type = "AVRO"
  private readonly library: Library
  private readonly long: AvroTypes.LongType
  private readonly reader: Type | null
  private readonly strict: boolean
  /** One for all: each record is copied out of it at once. */
  private readonly scratch = Buffer.allocUnsafeSlow(SCRATCH)

  constructor(library: Library, readerText: string | null, strict: boolean) {
    this.library = library
    this.long = longType(library)
    this.strict = strict
    this.reader = readerText === null ? null : this.typeOf(readerText, [])
  }

  compile({ id, text, references }: RegisteredSchema): CompiledSchema {
    const type = this.typeOf(
      text,
      references.map(one => one.text),
    )
    return new AvroSchemaCompiled(id, type, this.reader, this.strict, this.scratch)
  }

  private typeOf(text: string, references: readonly string[]): Type {
    const registry: Record<string, Type> = { long: this.long }
    let type: Type | undefined
    for (const one of [...references, text]) {
      if (one.includes("__proto__")) throw poison('An Avro schema with the name "__proto__" is refused')
      type = this.library.Type.forSchema(parseSchema(one), { registry, omitRecordMethods: true })
    }
    return plainRecords(type as Type)
  }
}

/** The schema text of a primitive may come without quotes from old registries: `string` for `"string"`. */
function parseSchema(text: string): AvroSchema {
  return /^[a-z]+$/.test(text) ? (text as AvroSchema) : JSON.parse(text)
}

/** Makes the library's records plain objects: what transforms, codecs and comparisons expect of a value. */
function plainRecords(type: Type, seen = new Set<Type>()): Type {
  if (seen.has(type)) return type
  seen.add(type)
  const parts = type as Partial<AvroTypes.RecordType & AvroTypes.ArrayType & AvroTypes.MapType> & {
    types?: readonly Type[]
    recordConstructor?: { prototype: object }
  }
  if (parts.recordConstructor !== undefined) parts.recordConstructor.prototype = Object.prototype
  for (const field of parts.fields ?? []) plainRecords(field.type, seen)
  for (const one of [...(parts.types ?? []), parts.itemsType, parts.valuesType])
    if (one !== undefined) plainRecords(one, seen)
  return type
}

/** Numbers while they are exact, bigint beyond 2^53. The library itself fails there. */
function longType(library: Library): AvroTypes.LongType {
  return library.types.LongType.__with({
    fromBuffer: (bytes: Buffer) => {
      const value = bytes.readBigInt64LE()
      const number = Number(value)
      return Number.isSafeInteger(number) ? number : value
    },
    toBuffer: (value: number | bigint) => {
      const bytes = Buffer.allocUnsafe(8)
      bytes.writeBigInt64LE(BigInt(value))
      return bytes
    },
    fromJSON: (value: number | bigint) => value,
    toJSON: (value: number | bigint) => value,
    isValid: (value: unknown) =>
      typeof value === "bigint" ? value >= MIN_LONG && value <= MAX_LONG : Number.isSafeInteger(value),
    compare: (one: number | bigint, other: number | bigint) => (one === other ? 0 : one < other ? -1 : 1),
  })
}

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "array" : Buffer.isBuffer(value) ? "bytes" : typeof value
}

function nameOf(type: Type): string {
  return type.name ?? type.typeName.replace("abstract:", "")
}

export const avroConverter: ConverterClass = {
  name: "avro",
  aliases: ["io.confluent.connect.avro.AvroConverter", "AvroConverter"],
  doc: "Avro in Confluent's framing, by the package `avsc`. Logical types are their underlying values (a timestamp-millis is a number); longs beyond 2^53 are bigint; unions are plain values where the kinds of their branches differ, otherwise `{ branch: value }`.",
  keys: KEYS,
  async create(settings, context) {
    const library = await loadPackage("avsc", async () => {
      const loaded = await import("avsc")
      // Of a CommonJS module: the names may lie in `default`.
      return (loaded as unknown as { default?: Library }).default ?? loaded
    })
    const own = settings as Settings<typeof KEYS>
    let format: AvroFormat
    try {
      const file = own.avroReaderSchemaFile
      format = new AvroFormat(
        library,
        file === null ? null : fs.readFileSync(file, "utf8"),
        own.unknownFields === "fail",
      )
    } catch (error) {
      throw wrongSetting(`avro.reader.schema.file: ${wordsOf(error)}`)
    }
    return SchemaConverter.create(format, own, context)
  },
}
