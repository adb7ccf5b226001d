/**
 * Sets of subjects or topics, as far as configuration says before any record has come: literal text with holes. A hole of kind
 * TOKEN is one or more characters without a dot, ANY is one or more of any kind.
 */
import { isRest, isStar, tokenEnd } from "../../core/subject.ts"

export const TOKEN = 1
export const ANY = 2
export type Hole = typeof TOKEN | typeof ANY
export type Shape = readonly (string | Hole)[]

/** Nothing is known. */
export const UNKNOWN: Shape = [ANY]

const MOST_SHAPES = 64

/** The subjects that match a pattern. */
export function shapeOfPattern(pattern: string): Shape {
  return joinDots(tokensOfPattern(pattern))
}

/** By token: its text, or what hole it is. */
export function tokensOfPattern(pattern: string): (string | Hole)[] {
  const tokens: (string | Hole)[] = []
  for (let at = 0; at <= pattern.length; ) {
    const end = tokenEnd(pattern, at)
    tokens.push(isStar(pattern, at) ? TOKEN : isRest(pattern, at) ? ANY : pattern.slice(at, end))
    at = end + 1
  }
  return tokens
}

export function joinDots(tokens: readonly (string | Hole)[]): Shape {
  return tokens.flatMap((token, index) => (index === 0 ? [token] : [".", token]))
}

/** The only text of the set, or null when there may be several. */
export function onlyText(shape: Shape): string | null {
  return shape.every(part => typeof part === "string") ? shape.join("") : null
}

/** Every first part with every second one; UNKNOWN when they would be too many. */
export function concatenated(heads: readonly Shape[], tails: readonly Shape[]): readonly Shape[] {
  if (heads.length * tails.length > MOST_SHAPES) return [UNKNOWN]
  return heads.flatMap(head => tails.map(tail => [...head, ...tail]))
}

/** For people: holes as `*` and `>`. */
export function describe(shape: Shape): string {
  return shape.map(part => (part === TOKEN ? "*" : part === ANY ? ">" : part)).join("")
}

/** One sign of a text: a code, TOKEN or ANY; and whether it may come again. */
interface Sign {
  readonly code: number
  readonly kind: 0 | Hole
  readonly again: boolean
}

/** Whether a text could lie in both sets. */
export function shapesOverlap(a: Shape, b: Shape): boolean {
  const left = signsOf(a)
  const right = signsOf(b)
  const width = right.length + 1
  const seen = new Uint8Array((left.length + 1) * width)
  const open = [0]
  seen[0] = 1
  const visit = (i: number, j: number): void => {
    const at = i * width + j
    if (seen[at] === 1) return
    seen[at] = 1
    open.push(at)
  }
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const i = Math.floor(at / width)
    const j = at % width
    if (i === left.length && j === right.length) return true
    // A sign that may come again may also not come.
    if (left[i]?.again) visit(i + 1, j)
    if (right[j]?.again) visit(i, j + 1)
    if (i < left.length && j < right.length && meet(left[i], right[j]))
      visit(left[i].again ? i : i + 1, right[j].again ? j : j + 1)
  }
  return false
}

function signsOf(shape: Shape): Sign[] {
  const signs: Sign[] = []
  for (const part of shape) {
    if (typeof part === "string")
      for (let at = 0; at < part.length; at++) signs.push({ code: part.charCodeAt(at), kind: 0, again: false })
    else signs.push({ code: 0, kind: part, again: false }, { code: 0, kind: part, again: true })
  }
  return signs
}

const DOT = 0x2e

function meet(a: Sign, b: Sign): boolean {
  if (a.kind === 0 && b.kind === 0) return a.code === b.code
  if (a.kind === 0) return b.kind === ANY || a.code !== DOT
  return b.kind !== 0 || a.kind === ANY || b.code !== DOT
}
