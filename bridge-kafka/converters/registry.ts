import { KafkaError } from "../errors.ts"
import { BoundedMap } from "./bounded-map.ts"
import type { Maybe } from "./converter.ts"
import { poison, retriable } from "./failures.ts"
import { RegistryHttp, type RegistryHttpOptions } from "./registry-http.ts"

export type SchemaType = "AVRO" | "JSON" | "PROTOBUF"

/** A schema that another imports, by the name it uses for it. */
export interface SchemaReference {
  readonly name: string
  readonly text: string
}

export interface RegisteredSchema {
  readonly id: number
  readonly type: SchemaType
  readonly text: string
  /** All that it needs, those without needs first. */
  readonly references: readonly SchemaReference[]
}

/** A schema of the user's own, which may be in the registry or not. */
export interface OwnSchema {
  readonly type: SchemaType
  readonly text: string
}

export interface SchemaRegistryOptions extends RegistryHttpOptions {
  /** Entries of each cache. */
  readonly cacheSize: number
  /** Milliseconds after which the latest version of a subject is asked for again. */
  readonly latestTtl: number
}

/** Milliseconds for which "there is no such schema" is believed: it may be on its way to a follower of the registry. */
const MISSING_TTL = 10_000

/** Schemas that one schema may import, directly and through others. */
const MAX_REFERENCES = 100

/** Different questions that wait for an answer. Each id that hostile records make up is one. */
const MAX_ASKED = 1_000

interface Latest {
  schema: RegisteredSchema
  until: number
}

interface Missing {
  readonly error: KafkaError
  readonly until: number
}

/** A client of Confluent's Schema Registry and of those that speak its REST interface (Karapace, Apicurio, Redpanda). */
export class SchemaRegistry {
  private readonly http: RegistryHttp
  private readonly latestTtl: number
  /** What an id means never changes. */
  private readonly ids: BoundedMap<number, RegisteredSchema>
  private readonly latests: BoundedMap<string, Latest>
  private readonly missing: BoundedMap<string, Missing>
  /** One request for all who ask the same at a time. */
  private readonly asked = new Map<string, Promise<RegisteredSchema>>()

  /** Throws ERR_CONFIG. */
  constructor(options: SchemaRegistryOptions) {
    this.http = new RegistryHttp(options)
    this.latestTtl = options.latestTtl
    this.ids = new BoundedMap(options.cacheSize)
    this.latests = new BoundedMap(options.cacheSize)
    this.missing = new BoundedMap(options.cacheSize)
  }

  /** Poison when there is no such schema. */
  byId(id: number): Maybe<RegisteredSchema> {
    return (
      this.ids.get(id) ??
      this.once(`id ${id}`, async () => {
        const schema = await this.complete(id, await this.http.get(`/schemas/ids/${id}`))
        this.ids.set(id, schema)
        return schema
      })
    )
  }

  /** An old answer is given at once and asked for again behind the back of the caller. Poison when there is no such subject. */
  latest(subject: string): Maybe<RegisteredSchema> {
    const known = this.latests.get(subject)
    if (known === undefined) return this.askLatest(subject)
    if (performance.now() >= known.until) {
      // Also when it fails the next question has to wait: a registry that is away is not asked for each record.
      known.until = performance.now() + this.latestTtl
      this.askLatest(subject).catch(() => {})
    }
    return known.schema
  }

  /** The id of this schema under this subject. Poison when the registry does not have it. */
  lookUp(subject: string, schema: OwnSchema): Promise<RegisteredSchema> {
    return this.own(`/subjects/${encodeURIComponent(subject)}`, schema)
  }

  /** The same, and the schema is added when it is new. Poison when it is not compatible with those before. */
  register(subject: string, schema: OwnSchema): Promise<RegisteredSchema> {
    return this.own(`/subjects/${encodeURIComponent(subject)}/versions`, schema)
  }

  close(): void {
    this.http.close()
  }

  private askLatest(subject: string): Promise<RegisteredSchema> {
    return this.once(`latest ${subject}`, async () => {
      const answer = await this.http.get(`/subjects/${encodeURIComponent(subject)}/versions/latest`)
      const id = numberIn(answer, "id")
      const schema = this.ids.get(id) ?? (await this.complete(id, answer))
      this.ids.set(id, schema)
      this.latests.set(subject, { schema, until: performance.now() + this.latestTtl })
      return schema
    })
  }

  private own(path: string, schema: OwnSchema): Promise<RegisteredSchema> {
    return this.once(`${path} ${schema.text}`, async () => {
      // Avro is the default, and old registries know no other.
      const body = schema.type === "AVRO" ? { schema: schema.text } : { schema: schema.text, schemaType: schema.type }
      const id = numberIn(await this.http.post(path, body), "id")
      return { id, type: schema.type, text: schema.text, references: [] }
    })
  }

  private once(question: string, ask: () => Promise<RegisteredSchema>): Promise<RegisteredSchema> {
    const missing = this.missing.get(question)
    if (missing !== undefined) {
      if (performance.now() < missing.until) return Promise.reject(missing.error)
      this.missing.delete(question)
    }
    let answer = this.asked.get(question)
    if (answer === undefined) {
      if (this.asked.size >= MAX_ASKED)
        return Promise.reject(retriable(`${MAX_ASKED} questions to the schema registry wait for their answers`))
      answer = ask()
        .catch(error => {
          if (error instanceof KafkaError && error.kind === "poison")
            this.missing.set(question, { error, until: performance.now() + MISSING_TTL })
          throw error
        })
        .finally(() => this.asked.delete(question))
      this.asked.set(question, answer)
    }
    return answer
  }

  /** Reads an answer, and gets all that the schema imports. */
  private async complete(id: number, answer: unknown): Promise<RegisteredSchema> {
    const references: SchemaReference[] = []
    await this.collect(answer, references, new Set())
    return { id, type: typeIn(answer), text: textIn(answer, "schema"), references }
  }

  private async collect(answer: unknown, into: SchemaReference[], seen: Set<string>): Promise<void> {
    const list = (answer as { references?: unknown }).references ?? []
    if (!Array.isArray(list)) throw strange("references")
    for (const one of list) {
      const subject = textIn(one, "subject")
      const path = `/subjects/${encodeURIComponent(subject)}/versions/${numberIn(one, "version")}`
      if (seen.has(path)) continue
      seen.add(path)
      if (seen.size > MAX_REFERENCES) throw poison(`A schema imports more than ${MAX_REFERENCES} others`)
      const imported = await this.http.get(path)
      await this.collect(imported, into, seen)
      into.push({ name: textIn(one, "name"), text: textIn(imported, "schema") })
    }
  }
}

function typeIn(answer: unknown): SchemaType {
  const type = (answer as { schemaType?: unknown }).schemaType ?? "AVRO"
  if (type === "AVRO" || type === "JSON" || type === "PROTOBUF") return type
  throw strange("schemaType")
}

function textIn(answer: unknown, name: string): string {
  const value = (answer as Record<string, unknown> | null)?.[name]
  if (typeof value !== "string") throw strange(name)
  return value
}

function numberIn(answer: unknown, name: string): number {
  const value = (answer as Record<string, unknown> | null)?.[name]
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw strange(name)
  return value
}

function strange(name: string): KafkaError {
  return retriable(`The answer of the schema registry has no proper "${name}": is it a registry?`)
}
