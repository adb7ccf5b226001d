import type { Buffer } from "node:buffer"
import fs from "node:fs"
import type { KafkaHeader } from "../driver.ts"
import type { BridgeRecord } from "../record.ts"
import { BoundedMap } from "./bounded-map.ts"
import { type Converter, type ConverterContext, type Maybe, type Payload, TOMBSTONE } from "./converter.ts"
import { FabricPayloads } from "./fabric-payload.ts"
import { asPoison, poison, wordsOf, wrongSetting } from "./failures.ts"
import { schemaIdOf } from "./framing.ts"
import { type RegisteredSchema, SchemaRegistry, type SchemaType } from "./registry.ts"
import type { RegistrySettings } from "./registry-keys.ts"
import { type SubjectNameStrategy, strategyOf, subjectName } from "./subject-name.ts"

/** A schema made ready. What its methods throw is the record's fault. */
export interface CompiledSchema {
  /** For the strategies that name subjects by records. Throws ERR_CONFIG when the schema has no name. */
  recordName(): string
  /** `bytes` = with the frame. */
  decode(bytes: Buffer): unknown
  /** What subscribers get, where that needs no decoded value. */
  payload?(bytes: Buffer): Payload
  /** With the frame. */
  encode(value: unknown): Buffer
}

/** What differs between Avro, JSON Schema and Protobuf. */
export interface SchemaFormat {
  readonly name: string
  readonly type: SchemaType
  /** Where `fabric.codec` has no say. */
  readonly publishedCodec?: string
  /** Throws when the schema is malformed. */
  compile(schema: RegisteredSchema): CompiledSchema
}

interface Target {
  readonly subject: string
  schema: RegisteredSchema
  compiled: CompiledSchema
}

/** Values in Confluent's framing, by schemas of a registry. Synchronous once a schema is known. */
export class SchemaConverter implements Converter {
  readonly name: string
  readonly storedCodec = "bytes"
  readonly publishedCodec: string
  private readonly format: SchemaFormat
  private readonly payloads: FabricPayloads
  private readonly registry: SchemaRegistry
  private readonly isKey: boolean
  private readonly settings: RegistrySettings
  private readonly strategy: SubjectNameStrategy
  /** The schema of `schema.file`. */
  private readonly ownText: string | null
  /** Its name, where the strategy needs it. */
  private readonly recordName: string
  private readonly compiled: BoundedMap<number, CompiledSchema>
  private readonly targets: BoundedMap<string, Target>

  private constructor(
    format: SchemaFormat,
    settings: RegistrySettings,
    payloads: FabricPayloads,
    isKey: boolean,
    strategy: SubjectNameStrategy,
    ownText: string | null,
    recordName: string,
  ) {
    this.format = format
    this.name = format.name
    this.publishedCodec = format.publishedCodec ?? settings.fabricCodec
    this.settings = settings
    this.payloads = payloads
    this.isKey = isKey
    this.strategy = strategy
    this.ownText = ownText
    this.recordName = recordName
    this.registry = new SchemaRegistry({
      urls: settings.schemaRegistryUrl,
      basic: settings.schemaRegistryBasicAuthUserInfo,
      bearer: settings.bearerAuthToken,
      basicInUrls: settings.basicAuthCredentialsSource === "URL",
      authorities: settings.schemaRegistrySslTruststoreLocation,
      timeout: settings.schemaRegistryRequestTimeoutMs,
      maxBytes: settings.schemaRegistryResponseMaxBytes,
      cacheSize: settings.schemaRegistryCacheSize,
      latestTtl: settings.latestCacheTtlSec * 1000,
    })
    this.compiled = new BoundedMap(settings.schemaRegistryCacheSize)
    this.targets = new BoundedMap(settings.schemaRegistryCacheSize)
  }

  /** Rejects with ERR_CONFIG. */
  static async create(
    format: SchemaFormat,
    settings: RegistrySettings,
    context: ConverterContext,
  ): Promise<SchemaConverter> {
    const strategy = strategyOf(settings.subjectNameStrategy)
    const { schemaFile, useSchemaId, autoRegisterSchemas } = settings
    if (schemaFile !== null && useSchemaId !== null)
      throw wrongSetting("schema.file and use.schema.id both name the schema to write by; choose one")
    if (autoRegisterSchemas && schemaFile === null)
      throw wrongSetting("auto.register.schemas needs schema.file: a message of the fabric brings no schema along")
    if (strategy !== "TopicNameStrategy" && schemaFile === null && useSchemaId === null)
      throw wrongSetting(
        `subject.name.strategy=${strategy} needs schema.file or use.schema.id: a message names no record`,
      )
    const ownText = schemaFile === null ? null : readSchema(schemaFile)
    const payloads = await FabricPayloads.for(context)
    const recordName = ownText === null ? "" : recordNameOf(format, ownText, strategy)
    return new SchemaConverter(format, settings, payloads, context.isKey, strategy, ownText, recordName)
  }

  fromFabric(record: BridgeRecord, decoded?: unknown): Maybe<Buffer | null> {
    return this.encode(record.topic, decoded === undefined ? this.payloads.read(record) : decoded)
  }

  fromKafka(_topic: string, bytes: Buffer | null, _headers: readonly KafkaHeader[]): Maybe<Payload> {
    if (bytes === null) return TOMBSTONE
    const schema = this.schemaOf(bytes)
    if (schema instanceof Promise) return schema.then(known => this.payloadBy(known, bytes))
    return this.payloadBy(schema, bytes)
  }

  decode(_topic: string, bytes: Buffer | null): Maybe<unknown> {
    if (bytes === null) return null
    const schema = this.schemaOf(bytes)
    if (schema instanceof Promise) return schema.then(known => this.decodeBy(known, bytes))
    return this.decodeBy(schema, bytes)
  }

  encode(topic: string, value: unknown): Maybe<Buffer | null> {
    if (value === null || value === undefined) return null
    const target = this.targets.get(topic)
    if (target !== undefined && this.isCurrent(target)) return this.encodeBy(target.compiled, value)
    return this.findTarget(topic).then(found => this.encodeBy(found.compiled, value))
  }

  close(): void {
    this.registry.close()
  }

  private schemaOf(bytes: Buffer): Maybe<CompiledSchema> {
    const id = schemaIdOf(bytes)
    const known = this.compiled.get(id)
    if (known !== undefined) return known
    const registered = this.registry.byId(id)
    return registered instanceof Promise ? registered.then(one => this.compile(one)) : this.compile(registered)
  }

  private payloadBy(schema: CompiledSchema, bytes: Buffer): Payload {
    if (schema.payload === undefined)
      return { kind: "data", data: this.decodeBy(schema, bytes), codec: this.settings.fabricCodec }
    try {
      return schema.payload(bytes)
    } catch (error) {
      throw asPoison(`${bytes.length} bytes are not what their ${this.name} schema says`, error)
    }
  }

  private decodeBy(schema: CompiledSchema, bytes: Buffer): unknown {
    try {
      return schema.decode(bytes)
    } catch (error) {
      throw asPoison(`${bytes.length} bytes are not what their ${this.name} schema says`, error)
    }
  }

  private encodeBy(schema: CompiledSchema, value: unknown): Buffer {
    try {
      return schema.encode(value)
    } catch (error) {
      throw asPoison(`A value does not fit its ${this.name} schema`, error)
    }
  }

  /** Asks for the latest version in the background when it is time to; a version that has come since makes it false. */
  private isCurrent(target: Target): boolean {
    if (this.ownText !== null || this.settings.useSchemaId !== null) return true
    const latest = this.registry.latest(target.subject)
    if (latest instanceof Promise) {
      // Forgotten in favour of other subjects: what we have is as good until the answer comes.
      latest.catch(() => {})
      return true
    }
    return latest === target.schema
  }

  private async findTarget(topic: string): Promise<Target> {
    const { schema, subject } = await this.schemaFor(topic)
    const target: Target = { subject, schema, compiled: this.compile(schema) }
    this.targets.set(topic, target)
    return target
  }

  private async schemaFor(topic: string): Promise<{ schema: RegisteredSchema; subject: string }> {
    const { useSchemaId, autoRegisterSchemas } = this.settings
    if (useSchemaId !== null) return { schema: await this.registry.byId(useSchemaId), subject: "" }
    if (this.ownText === null) {
      const subject = subjectName(this.strategy, topic, this.isKey, this.recordName)
      return { schema: await this.registry.latest(subject), subject }
    }
    const own = { type: this.format.type, text: this.ownText }
    const subject = subjectName(this.strategy, topic, this.isKey, this.recordName)
    const found = autoRegisterSchemas ? this.registry.register(subject, own) : this.registry.lookUp(subject, own)
    return { schema: await found, subject }
  }

  /** Never throws: what is made of a schema that cannot be used says so for each record, without another try. */
  private compile(schema: RegisteredSchema): CompiledSchema {
    const known = this.compiled.get(schema.id)
    if (known !== undefined) return known
    let compiled: CompiledSchema
    try {
      if (schema.type !== this.format.type)
        throw poison(`The schema ${schema.id} is ${schema.type}, which the converter "${this.name}" does not read`)
      compiled = this.format.compile(schema)
    } catch (error) {
      compiled = new UnusableSchema(asPoison(`The schema ${schema.id} cannot be used`, error))
    }
    this.compiled.set(schema.id, compiled)
    return compiled
  }
}

class UnusableSchema implements CompiledSchema {
  private readonly error: Error

  constructor(error: Error) {
    this.error = error
  }

  recordName(): string {
    throw this.error
  }

  decode(): unknown {
    throw this.error
  }

  encode(): Buffer {
    throw this.error
  }
}

/** Compiles it, so that what is wrong with it is known at the start. Throws ERR_CONFIG. */
function recordNameOf(format: SchemaFormat, text: string, strategy: SubjectNameStrategy): string {
  try {
    const compiled = format.compile({ id: 0, type: format.type, text, references: [] })
    return strategy === "TopicNameStrategy" ? "" : compiled.recordName()
  } catch (error) {
    throw wrongSetting(`schema.file: ${wordsOf(error)}`)
  }
}

function readSchema(file: string): string {
  try {
    return fs.readFileSync(file, "utf8")
  } catch (error) {
    throw wrongSetting(`schema.file: ${file} cannot be read: ${wordsOf(error)}`)
  }
}
