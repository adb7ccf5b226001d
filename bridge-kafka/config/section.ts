import { type ConfigKey, type ConfigValue, camelCase, type Settings } from "./keys.ts"
import type { Problems } from "./problems.ts"
import { hushed, looksSecret, MASK } from "./secrets.ts"
import { didYouMean } from "./suggestion.ts"
import { parseValue, quote } from "./value.ts"
import type { Variables } from "./variables.ts"

export interface Context {
  readonly problems: Problems
  readonly variables: Variables
}

/**
 * One object of the file. Its parts are taken out by definitions, group after group; what nobody took is unknown and
 * reported by `finish`. Values null count as not given.
 */
export class Section {
  readonly path: string
  readonly context: Context
  private readonly entries: Map<string, unknown>
  private readonly taken = new Set<string>()
  private readonly known = new Set<string>()

  constructor(input: unknown, path: string, context: Context) {
    this.path = path
    this.context = context
    const isObject = typeof input === "object" && input !== null && !Array.isArray(input)
    if (!isObject && input !== undefined) context.problems.add(path, "must be an object")
    this.entries = new Map(Object.entries(isObject ? input : {}))
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  private get(name: string): unknown {
    return this.entries.get(name) ?? undefined
  }

  /** Names given that begin with `prefix`, without it. */
  names(prefix = ""): string[] {
    return [...this.entries.keys()].filter(name => name.startsWith(prefix)).map(name => name.slice(prefix.length))
  }

  complain(name: string, text: string): void {
    this.context.problems.add(this.path === "" ? name : `${this.path}.${name}`, text)
  }

  /** A part that is no setting: an object or an array. */
  take(name: string): unknown {
    this.known.add(name)
    this.taken.add(name)
    return this.get(name)
  }

  /** Settings under camelCase names, frozen. Of one that is wrong the value is null: look at the problems before you use them. */
  settings<const Keys extends readonly ConfigKey[]>(keys: Keys, prefix = ""): Settings<Keys> {
    return this.values(keys, prefix) as Settings<Keys>
  }

  /** As `settings`, for definitions that are known at run time only: those of transforms and converters. */
  values(keys: readonly ConfigKey[], prefix = ""): Readonly<Record<string, ConfigValue>> {
    const found: Record<string, ConfigValue> = {}
    const shown = new Map<string, string>()
    for (const key of keys) {
      const name = prefix + key.name
      found[camelCase(key.name)] = this.one(key, name)
      const written = this.get(name)
      if (key.type === "password" && written !== undefined) shown.set(camelCase(key.name), MASK)
      else if (this.hasVariable(written)) shown.set(camelCase(key.name), String(written))
    }
    return hushed(found, shown)
  }

  private one(key: ConfigKey, name: string): ConfigValue {
    this.known.add(name)
    this.taken.add(name)
    const written = this.get(name)
    if (written === undefined) {
      if (key.required === true) this.complain(name, `is missing: ${firstSentence(key.doc)}`)
      return key.default === undefined ? null : defaultOf(key)
    }
    const before = this.context.problems.count
    const raw = this.resolve(written, name)
    // A variable that is not set says more than what is wrong with the empty text in its place.
    if (this.context.problems.count > before) return null
    const result = parseValue(key, raw)
    if ("value" in result) return result.value
    this.complain(
      name,
      `is ${quote(key, written)}, but ${(QUOTES.has(key.type) ? this.untold(name) : null) ?? result.wrong}`,
    )
    return null
  }

  /** All that begins with `prefix`, as text under the names without it: settings of others that are checked elsewhere. */
  properties(prefix = ""): Readonly<Record<string, string>> {
    const found: [string, string][] = []
    const shown = new Map<string, string>()
    for (const name of this.names(prefix)) {
      if (this.taken.has(prefix + name)) continue
      const written = this.take(prefix + name)
      if (written === undefined) continue
      if (typeof written === "object") {
        this.complain(prefix + name, "must be text, a number, true or false")
        continue
      }
      found.push([name, String(this.resolve(written, prefix + name))])
      if (looksSecret(name)) shown.set(name, MASK)
      else if (this.hasVariable(written)) shown.set(name, String(written))
    }
    return hushed(Object.fromEntries(found), shown)
  }

  /** What to say of a wrong value that a variable brought in, in place of words that would quote it; null = none did. */
  untold(...names: readonly string[]): string | null {
    const secret = names.some(name => this.hasVariable(this.get(name)))
    return secret ? "what the variables stand for is not allowed here (it is not shown)" : null
  }

  /** What the user wrote, before variables were put in. */
  written(name: string): string {
    return String(this.get(name))
  }

  /** Makes names that others know better unknown here with a reason. */
  refuse(reasons: Readonly<Record<string, string>>, prefix = ""): void {
    for (const [name, reason] of Object.entries(reasons)) {
      if (!this.has(prefix + name)) continue
      this.taken.add(prefix + name)
      this.complain(prefix + name, `is not offered: ${reason}`)
    }
  }

  /** Reports what nobody took. */
  finish(): void {
    for (const [name, value] of this.entries) {
      if (this.taken.has(name)) continue
      const nested = typeof value === "object" && [...this.known].some(known => known.startsWith(`${name}.`))
      const hint = nested ? `; write "${name}.…": settings are one level deep` : didYouMean(name, this.known)
      this.complain(name, `is not known${hint}`)
    }
  }

  private resolve(written: unknown, name: string): unknown {
    const complain = (text: string): void => this.complain(name, text)
    if (Array.isArray(written)) return written.map(entry => this.resolve(entry, name))
    return typeof written === "string" ? this.context.variables.resolve(written, complain) : written
  }

  private hasVariable(written: unknown): boolean {
    if (typeof written === "object" && written !== null)
      return Object.values(written).some(entry => this.hasVariable(entry))
    return typeof written === "string" && this.context.variables.resolve(written, () => {}) !== written
  }
}

/** Types whose checks may repeat the text. */
const QUOTES: ReadonlySet<string> = new Set(["string", "class", "list", "password"])

function firstSentence(doc: string): string {
  return doc.split(/(?<=\.)\s/, 1)[0]
}

function defaultOf(key: ConfigKey): ConfigValue {
  const result = parseValue(key, key.default)
  // A definition that contradicts itself is a mistake of ours, and found by the test that reads all defaults.
  if ("wrong" in result) throw new Error(`Default of ${key.name} ${result.wrong}`)
  return result.value
}
