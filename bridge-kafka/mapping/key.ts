/**
 * Rules for keys: `subject` (default) | `token:n` | `header:h` | `json:/ptr` (RFC 6901) | `publisher-key` (header hd.key) |
 * `fixed:x` | `none`. With `|` between, the next is tried where one finds nothing: `header:customer|subject`; where none
 * finds anything the record is poison. `fixed:` takes all that follows.
 */
import { Buffer } from "node:buffer"
import { badMapping, unmappable } from "./failure.ts"
import { KEY } from "./headers.ts"
import { parsePointer, resolvePointer } from "./json-pointer.ts"
import { tokensOf } from "./variables.ts"

/** Where keys come from. */
export interface KeyScope {
  readonly subject: string
  readonly subjectBytes: Buffer
  headerBytes(name: string): Buffer | undefined
  /** The decoded payload. Throws ERR_CODEC. */
  payload(): unknown
}

/** Undefined = not found; null = no key. */
type Finder = (scope: KeyScope) => Buffer | null | undefined

interface Rule {
  readonly find: Finder
  readonly bySubject: boolean
  readonly last: boolean
}

export class KeyRule {
  readonly source: string
  /** The same for all messages of one subject. */
  readonly bySubject: boolean
  private readonly finders: readonly Finder[]

  /** Throws ERR_CONFIG. */
  constructor(source: string) {
    this.source = source
    const rules: Rule[] = []
    for (let at = 0; at <= source.length; ) {
      const bar = source.startsWith("fixed:", at) ? -1 : source.indexOf("|", at)
      const end = bar === -1 ? source.length : bar
      const before = rules.at(-1)
      if (before?.last === true)
        throw badMapping(
          `The key ${JSON.stringify(source)} is wrong: nothing comes after a rule that always finds a key`,
        )
      rules.push(parseRule(source.slice(at, end), source))
      at = end + 1
    }
    this.finders = rules.map(rule => rule.find)
    this.bySubject = rules.every(rule => rule.bySubject)
  }

  /** Null = the record has none. Throws poison when nothing is found. */
  keyOf(scope: KeyScope): Buffer | null {
    for (const find of this.finders) {
      const key = find(scope)
      if (key !== undefined) return key
    }
    throw unmappable(
      `The key ${JSON.stringify(this.source)} finds nothing in a message of ${scope.subject}; add another way: "${this.source}|subject"`,
    )
  }
}

function parseRule(text: string, source: string): Rule {
  const colon = text.indexOf(":")
  const name = colon === -1 ? text : text.slice(0, colon)
  const argument = colon === -1 ? null : text.slice(colon + 1)
  switch (name) {
    case "subject":
      return plain(argument, source, { find: scope => scope.subjectBytes, bySubject: true, last: true })
    case "none":
      return plain(argument, source, { find: () => null, bySubject: true, last: true })
    case "publisher-key":
      return plain(argument, source, { find: scope => scope.headerBytes(KEY), bySubject: false, last: false })
    case "fixed": {
      const fixed = Buffer.from(needed(argument, name, source))
      return { find: () => fixed, bySubject: true, last: true }
    }
    case "header": {
      const header = needed(argument, name, source)
      return { find: scope => scope.headerBytes(header), bySubject: false, last: false }
    }
    case "token": {
      const number = needed(argument, name, source)
      if (!/^\d{1,3}$/.test(number)) throw wrong(source, `token:${number} needs a number, counted from 0`)
      const index = Number(number)
      const find = ({ subject }: KeyScope): Buffer | undefined => {
        const token = tokensOf(subject, index, index)
        return token === undefined ? undefined : Buffer.from(token)
      }
      return { find, bySubject: true, last: false }
    }
    case "json": {
      const tokens = parsePointer(argument ?? "")
      return { find: scope => textOfValue(resolvePointer(jsonOf(scope), tokens)), bySubject: false, last: false }
    }
    default:
      throw wrong(
        source,
        `${JSON.stringify(name)} is unknown; there are subject, token:n, header:name, json:/pointer, publisher-key, fixed:text, none`,
      )
  }
}

function plain(argument: string | null, source: string, rule: Rule): Rule {
  if (argument !== null) throw wrong(source, `${JSON.stringify(source)} takes nothing after a colon`)
  return rule
}

function needed(argument: string | null, name: string, source: string): string {
  if (argument === null || argument === "") throw wrong(source, `${name}: needs a value`)
  return argument
}

function wrong(source: string, what: string): Error {
  return badMapping(`The key ${JSON.stringify(source)} is wrong: ${what}`)
}

/** The payload as data: text and bytes are read as JSON. */
function jsonOf(scope: KeyScope): unknown {
  try {
    const value = scope.payload()
    return typeof value === "string" || Buffer.isBuffer(value) ? JSON.parse(value.toString()) : value
  } catch (error) {
    throw unmappable(`The key of a message of ${scope.subject} lies in its payload, which cannot be read`, error)
  }
}

/** Text and numbers as they are written, so that the same key has the same bytes; all else as JSON. */
function textOfValue(value: unknown): Buffer | undefined {
  if (value === undefined || value === null) return undefined
  if (Buffer.isBuffer(value)) return value
  if (typeof value === "string") return Buffer.from(value)
  if (typeof value === "bigint") return Buffer.from(String(value))
  return Buffer.from(JSON.stringify(value) ?? "")
}
