import { Buffer } from "node:buffer"
import type { Ajv, ValidateFunction } from "ajv"
import type { ConfigKey, Settings } from "../config/keys.ts"
import type { ConverterClass, Payload } from "./converter.ts"
import { loadPackage, poison, wrongSetting } from "./failures.ts"
import { FRAME, writeFrame } from "./framing.ts"
import { jsonText, parseJson } from "./json-text.ts"
import type { RegisteredSchema } from "./registry.ts"
import { REGISTRY_KEYS } from "./registry-keys.ts"
import { type CompiledSchema, SchemaConverter, type SchemaFormat } from "./schema-converter.ts"

type AjvClass = new (options: object) => Ajv

/** The drafts that differ for a validator. */
interface Library {
  readonly draft7: AjvClass
  readonly draft2019: AjvClass
  readonly draft2020: AjvClass
}

const KEYS = [
  ...REGISTRY_KEYS,
  {
    name: "json.fail.invalid.schema",
    type: "boolean",
    default: true,
    doc: "Sets aside records that are not what their schema says, in both directions. `false` trusts them.",
  },
] as const satisfies readonly ConfigKey[]

class JsonSchemaCompiled implements CompiledSchema {
  private readonly id: number
  private readonly title: unknown
  private readonly validate: ValidateFunction | null

  constructor(id: number, title: unknown, validate: ValidateFunction | null) {
    this.id = id
    this.title = title
    this.validate = validate
  }

  recordName(): string {
    if (typeof this.title !== "string" || this.title === "")
      throw wrongSetting("The JSON Schema has no title, which is its record name; use TopicNameStrategy")
    return this.title
  }

  decode(bytes: Buffer): unknown {
    const value = parseJson(bytes.subarray(FRAME))
    this.check(value)
    return value
  }

  /** What is behind the frame is JSON already. */
  payload(bytes: Buffer): Payload {
    this.decode(bytes)
    return { kind: "bytes", bytes: bytes.subarray(FRAME), codec: "json" }
  }

  encode(value: unknown): Buffer {
    const text = jsonText(value)
    // What is checked is what will be read: Date is text by now, and undefined is gone.
    if (this.validate !== null) this.check(isPlain(value) ? value : JSON.parse(text))
    const bytes = Buffer.allocUnsafe(FRAME + Buffer.byteLength(text))
    writeFrame(this.id, bytes)
    bytes.write(text, FRAME)
    return bytes
  }

  private check(value: unknown): void {
    const { validate } = this
    if (validate === null || validate(value)) return
    const words = (validate.errors ?? [])
      .slice(0, 3)
      .map(one => `${one.instancePath || "(all)"} ${one.message ?? one.keyword}`)
    throw new Error(`JSON does not fit its schema: ${words.join("; ")}`)
  }
}

/** Values that JSON does not change need not be parsed again to be checked. */
function isPlain(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return typeof value !== "bigint"
  if (Array.isArray(value)) return value.every(one => one !== undefined && isPlain(one))
  if (Object.getPrototypeOf(value) !== Object.prototype) return false
  for (const key in value) {
    const one = (value as Record<string, unknown>)[key]
    if (one === undefined || typeof one === "function" || !isPlain(one)) return false
  }
  return true
}

class JsonSchemaFormat implements SchemaFormat {
  readonly publishedCodec = "json"
  readonly name = "json-schema"
  readonly type = "JSON"
  private readonly library: Library
  private readonly checks: boolean

  constructor(library: Library, checks: boolean) {
    this.library = library
    this.checks = checks
  }

  compile({ id, text, references }: RegisteredSchema): CompiledSchema {
    const schema = JSON.parse(text) as { $schema?: unknown; title?: unknown } | boolean
    const { $schema, title } = typeof schema === "object" && schema !== null ? schema : {}
    if (!this.checks) return new JsonSchemaCompiled(id, title, null)
    const draft = typeof $schema === "string" ? $schema : ""
    if (/draft-0[34]/.test(draft))
      throw poison(`JSON Schema ${draft} is older than what is checked here (draft-06 and later)`)
    const { draft7, draft2019, draft2020 } = this.library
    const Validator = draft.includes("2020-12") ? draft2020 : draft.includes("2019-09") ? draft2019 : draft7
    // One for each schema: it keeps what it compiled, and must be forgotten with it. Formats are notes, as the specification has it.
    const ajv = new Validator({ strict: false, validateFormats: false, validateSchema: false, logger: false })
    for (const one of references) ajv.addSchema(withoutDraft(JSON.parse(one.text)), one.name)
    return new JsonSchemaCompiled(id, title, ajv.compile(withoutDraft(schema)))
  }
}

/** The draft has been chosen; its name would be looked for as a schema. */
function withoutDraft(schema: unknown): object | boolean {
  if (typeof schema === "boolean") return schema
  if (typeof schema !== "object" || schema === null) throw new Error("a JSON Schema is an object or a boolean")
  const { $schema: _, ...rest } = schema as Record<string, unknown>
  return rest
}

export const jsonSchemaConverter: ConverterClass = {
  name: "json-schema",
  aliases: ["io.confluent.connect.json.JsonSchemaConverter", "JsonSchemaConverter"],
  doc: "JSON in Confluent's framing, checked by the package `ajv` (draft-06, draft-07, 2019-09, 2020-12; `format` is not checked). Subscribers get JSON.",
  keys: KEYS,
  async create(settings, context) {
    const library = await loadPackage("ajv", async () => {
      const [draft7, draft2019, draft2020] = await Promise.all([
        import("ajv"),
        import("ajv/dist/2019.js"),
        import("ajv/dist/2020.js"),
      ])
      return { draft7: draft7.Ajv, draft2019: draft2019.Ajv2019, draft2020: draft2020.Ajv2020 } as Library
    })
    const own = settings as Settings<typeof KEYS>
    return SchemaConverter.create(new JsonSchemaFormat(library, own.jsonFailInvalidSchema), own, context)
  },
}
