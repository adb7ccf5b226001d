/** What the variables of a template stand for, in a record and in a configuration. */
import { type Buffer, isUtf8 } from "node:buffer"
import { tokenEnd } from "../../core/subject.ts"
import { SUBJECT } from "./headers.ts"
import { ANY, type Hole, joinDots, type Shape, shapeOfPattern, TOKEN, tokensOfPattern, UNKNOWN } from "./shape.ts"
import { unescapeTopic } from "./topic-name.ts"

/** Where a template takes its values from. */
export interface TemplateScope {
  readonly subject: string
  readonly topic: string
  readonly partition: number
  readonly key: Buffer | null
  /** What the wildcards of the route's pattern stood for, in order. */
  readonly captures: readonly string[]
  /** The last value of that name. */
  header(name: string): string | undefined
}

export type Variable =
  | { readonly kind: "subject" | "key" | "topic" | "topic.unescaped" | "partition" }
  /** From one token to another, both included; `to` may be Infinity. */
  | { readonly kind: "token"; readonly from: number; readonly to: number }
  /** Counted from 0. */
  | { readonly kind: "capture"; readonly index: number }
  | { readonly kind: "header"; readonly name: string }

export type VariableKind = Variable["kind"]

const TOKENS = /^token\[(\d{1,3})(?:(\.\.)(\d{1,3})?)?\]$/

/** Null for a name that means nothing. */
export function parseVariable(name: string): Variable | null {
  if (name === "subject" || name === "key" || name === "topic" || name === "topic.unescaped" || name === "partition")
    return { kind: name }
  if (name.startsWith("header.") && name.length > 7) return { kind: "header", name: name.slice(7) }
  if (/^[1-9]\d{0,2}$/.test(name)) return { kind: "capture", index: Number(name) - 1 }
  const token = TOKENS.exec(name)
  if (token === null) return null
  const from = Number(token[1])
  const to = token[2] === undefined ? from : token[3] === undefined ? Number.POSITIVE_INFINITY : Number(token[3])
  return to < from ? null : { kind: "token", from, to }
}

/** Undefined where the record has none. */
export function valueIn(variable: Variable, scope: TemplateScope): string | undefined {
  switch (variable.kind) {
    case "subject":
      return scope.subject === "" ? undefined : scope.subject
    case "topic":
      return scope.topic === "" ? undefined : scope.topic
    case "topic.unescaped":
      return unescapeTopic(scope.topic) ?? undefined
    case "partition":
      return scope.partition < 0 ? undefined : String(scope.partition)
    case "key":
      // Bytes that are no text would become the same text as others.
      return scope.key !== null && isUtf8(scope.key) ? scope.key.toString() : undefined
    case "token":
      return tokensOf(scope.subject, variable.from, variable.to)
    case "capture":
      return scope.captures[variable.index]
    case "header":
      return scope.header(variable.name)
  }
}

/** Tokens of a subject by their numbers, with the dots between; undefined when one is missing. */
export function tokensOf(subject: string, from: number, to: number): string | undefined {
  let start = 0
  for (let skipped = 0; skipped < from; skipped++) {
    start = tokenEnd(subject, start) + 1
    if (start > subject.length) return undefined
  }
  if (to === Number.POSITIVE_INFINITY) return subject.slice(start)
  let end = tokenEnd(subject, start)
  for (let more = from; more < to; more++) {
    if (end === subject.length) return undefined
    end = tokenEnd(subject, end + 1)
  }
  return subject.slice(start, end)
}

/** The parts of a subject that the wildcards of a pattern stand for; the subject must match. */
export function capturesOf(pattern: string, subject: string): string[] {
  const captures: string[] = []
  const tokens = tokensOfPattern(pattern)
  let at = 0
  for (const token of tokens) {
    const end = token === ANY ? subject.length : tokenEnd(subject, at)
    if (typeof token !== "string") captures.push(subject.slice(at, end))
    at = end + 1
  }
  return captures
}

/** What is known of the records that a template will see. */
export interface Known {
  /** Pattern of the subjects; absent = any. */
  readonly pattern?: string
  readonly topic?: Shape
  /** What hd.subject holds; absent = any. */
  readonly original?: Shape
}

/** The values that a variable may have. */
export function shapeOf(variable: Variable, known: Known): Shape {
  const { pattern } = known
  switch (variable.kind) {
    case "subject":
      return pattern === undefined ? UNKNOWN : shapeOfPattern(pattern)
    case "topic":
      return known.topic ?? UNKNOWN
    case "token":
      return pattern === undefined ? UNKNOWN : tokenShape(tokensOfPattern(pattern), variable.from, variable.to)
    case "capture": {
      const holes = pattern === undefined ? [] : tokensOfPattern(pattern).filter(token => typeof token !== "string")
      return [holes[variable.index] ?? ANY]
    }
    case "partition":
      return [TOKEN]
    case "header":
      return variable.name === SUBJECT ? (known.original ?? UNKNOWN) : UNKNOWN
    default:
      return UNKNOWN
  }
}

function tokenShape(tokens: readonly (string | Hole)[], from: number, to: number): Shape {
  const rest = tokens.at(-1) === ANY ? tokens.length - 1 : Number.POSITIVE_INFINITY
  if (from >= rest) return to === from ? [TOKEN] : UNKNOWN
  // A range that reaches into the rest: as many tokens as it asks for, which ANY includes.
  return joinDots(tokens.slice(from, Math.min(to, tokens.length - 1) + 1))
}
