/**
 * The grammar of subjects, which is that of NATS: tokens split by dots; in a pattern, `*` stands for one token and a final `>`
 * for one or more. Wildcards are whole tokens only: `foo*` is a literal. Letters count as they are: no case folding.
 *
 * The functions that match expect what `checkSubject` and `checkPattern` let through, and never throw for anything else.
 */
import { HeddleError } from "./errors.ts"

/**
 * Longest subject or pattern, in bytes of UTF-8. NATS advises 256 characters; four times that is room for long keys, and
 * still bounds what a peer can make us keep for each of its subscriptions.
 */
export const MAX_SUBJECT = 1024

/** Longest name of a queue group, in bytes of UTF-8: each subscription of its members repeats it to each peer. */
export const MAX_GROUP = 256

const DOT = 0x2e
const STAR = 0x2a
const REST = 0x3e
const SPACE = 0x20

/** As much of a bad name as an error quotes. */
const QUOTED = 80

/** Throws EINVAL unless messages can be published to `subject`: tokens that are not empty, and no wildcards. */
export function checkSubject(subject: string): void {
  checkTokens(subject, "subject", false)
}

/** Throws EINVAL unless `pattern` can be subscribed to: as a subject, but tokens may be `*` and the last one `>`. */
export function checkPattern(pattern: string): void {
  checkTokens(pattern, "pattern", true)
}

/** Throws EINVAL unless `name` can name a queue group: 1 to 256 bytes of UTF-8, no whitespace. Dots mean nothing in it. */
export function checkGroup(name: string): void {
  const what = "queue group"
  checkText(name, what, MAX_GROUP)
  let bytes = 0
  for (let at = 0; at < name.length; at++) bytes += utf8Length(name, at, what)
  if (bytes > MAX_GROUP) throw tooLong(what, name, MAX_GROUP)
}

/** Whether `checkSubject` would take what lies in `bytes`, and it is ASCII. Never reads beyond `end`. */
export function isAsciiSubject(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > MAX_SUBJECT) return false
  let token = start
  let code = 0
  for (let at = start; at < end; at++) {
    const before = code
    code = bytes[at]
    if (code > 0x7f) return false
    if (code > DOT) continue
    if (code <= SPACE) return false
    if (code !== DOT) continue
    if (at === token || (at === token + 1 && (before === STAR || before === REST))) return false
    token = at + 1
  }
  return end > token && (end > token + 1 || (code !== STAR && code !== REST))
}

/** False when a token of the pattern is a wildcard. */
export function isLiteral(pattern: string): boolean {
  for (let at = pattern.indexOf("*"); at !== -1; at = pattern.indexOf("*", at + 1))
    if (isStar(pattern, at)) return false
  return pattern.length === 0 || !isRest(pattern, pattern.length - 1)
}

/** Whether a subscription to `pattern` gets what is published to `subject`. Allocates nothing. */
export function matches(pattern: string, subject: string): boolean {
  let to = 0
  for (let at = 0; at < pattern.length; at++) {
    if (isStar(pattern, at)) {
      if (to >= subject.length) return false
      to = tokenEnd(subject, to)
    } else if (isRest(pattern, at)) {
      return to < subject.length
    } else {
      if (to >= subject.length || subject.charCodeAt(to) !== pattern.charCodeAt(at)) return false
      to++
    }
  }
  return to === subject.length
}

/** Whether one subject could match both patterns. */
export function overlaps(a: string, b: string): boolean {
  let i = 0
  let j = 0
  for (;;) {
    if (isRest(a, i) || isRest(b, j)) return true
    const iEnd = tokenEnd(a, i)
    const jEnd = tokenEnd(b, j)
    if (!isStar(a, i) && !isStar(b, j) && !sameToken(a, i, iEnd, b, j, jEnd)) return false
    if (iEnd === a.length || jEnd === b.length) return iEnd === a.length && jEnd === b.length
    i = iEnd + 1
    j = jEnd + 1
  }
}

/** Whether every subject that matches `narrow` also matches `wide`. */
export function covers(wide: string, narrow: string): boolean {
  let i = 0
  let j = 0
  for (;;) {
    if (isRest(wide, i)) return true
    if (isRest(narrow, j)) return false
    const iEnd = tokenEnd(wide, i)
    const jEnd = tokenEnd(narrow, j)
    // A `*` of the narrow pattern is no more than a token that only another `*` covers.
    if (!isStar(wide, i) && !sameToken(wide, i, iEnd, narrow, j, jEnd)) return false
    if (iEnd === wide.length || jEnd === narrow.length) return iEnd === wide.length && jEnd === narrow.length
    i = iEnd + 1
    j = jEnd + 1
  }
}

/** Where the token that holds `at` ends: the index of its dot, or the length. */
export function tokenEnd(text: string, at: number): number {
  const dot = text.indexOf(".", at)
  return dot === -1 ? text.length : dot
}

/** Whether the token that starts at `at` is `*`. */
export function isStar(pattern: string, at: number): boolean {
  return pattern.charCodeAt(at) === STAR && startsToken(pattern, at) && endsToken(pattern, at + 1)
}

/** Whether the token that starts at `at` is `>` and the last one. */
export function isRest(pattern: string, at: number): boolean {
  return pattern.charCodeAt(at) === REST && at + 1 === pattern.length && startsToken(pattern, at)
}

function startsToken(text: string, at: number): boolean {
  return at === 0 || text.charCodeAt(at - 1) === DOT
}

function endsToken(text: string, at: number): boolean {
  return at === text.length || text.charCodeAt(at) === DOT
}

function sameToken(a: string, i: number, iEnd: number, b: string, j: number, jEnd: number): boolean {
  if (iEnd - i !== jEnd - j) return false
  while (i < iEnd) if (a.charCodeAt(i++) !== b.charCodeAt(j++)) return false
  return true
}

/** One pass over the char codes. */
function checkTokens(text: string, what: string, wildcards: boolean): void {
  checkText(text, what, MAX_SUBJECT)
  let bytes = 0
  let start = 0
  for (let at = 0; at <= text.length; at++) {
    if (at < text.length) {
      bytes += utf8Length(text, at, what)
      if (text.charCodeAt(at) !== DOT) continue
    }
    if (at === start) throw invalid(what, text, `empty token at index ${at}`, "put a name on both sides of each dot")
    if (at === start + 1) {
      const token = text.charCodeAt(start)
      if (token === STAR || token === REST) {
        if (!wildcards)
          throw invalid(what, text, `wildcard at index ${start}`, "publish needs a literal subject; name every token")
        if (token === REST && at < text.length)
          throw invalid(
            what,
            text,
            `">" at index ${start} is not the last token`,
            'use "*" for one token in the middle',
          )
      }
    }
    start = at + 1
  }
  if (bytes > MAX_SUBJECT) throw tooLong(what, text, MAX_SUBJECT)
}

/** Before the pass, so that a huge text is refused without reading it: UTF-8 never has fewer bytes than there are char codes. */
function checkText(text: unknown, what: string, most: number): void {
  if (typeof text !== "string")
    throw new HeddleError("EINVAL", `Invalid ${what}: expected a string, got ${text === null ? "null" : typeof text}`)
  if (text.length === 0) throw invalid(what, text, "it is empty", "name at least one token")
  if (text.length > most) throw tooLong(what, text, most)
}

/** Bytes that the char code at `at` adds to the text in UTF-8. Throws for what no name may contain. */
function utf8Length(text: string, at: number, what: string): number {
  const code = text.charCodeAt(at)
  if (code < 0x80) {
    if (code <= SPACE && (code === SPACE || code === 9 || code === 10 || code === 12 || code === 13 || code === 0))
      throw invalid(
        what,
        text,
        code === 0 ? `NUL at index ${at}` : `whitespace at index ${at}`,
        'remove it, or write "_" or "-"',
      )
    return 1
  }
  if (code < 0x800) return 2
  if (code < 0xd800 || code > 0xdfff) return 3
  // Half of the four bytes of a pair for each half, once its other half is there.
  const paired = code < 0xdc00 ? isBetween(text, at + 1, 0xdc00, 0xdfff) : isBetween(text, at - 1, 0xd800, 0xdbff)
  if (!paired)
    throw invalid(what, text, `lone surrogate at index ${at}`, "UTF-8 cannot encode it; use well-formed text")
  return 2
}

function isBetween(text: string, at: number, low: number, high: number): boolean {
  if (at < 0 || at >= text.length) return false
  const code = text.charCodeAt(at)
  return code >= low && code <= high
}

function tooLong(what: string, text: string, most: number): HeddleError {
  return invalid(
    what,
    text,
    `it is longer than ${most} bytes of UTF-8`,
    "shorten it, or put the long part into the payload",
  )
}

function invalid(what: string, text: string, wrong: string, advice: string): HeddleError {
  const quoted = JSON.stringify(text.length > QUOTED ? `${text.slice(0, QUOTED)}…` : text)
  return new HeddleError("EINVAL", `Invalid ${what} ${quoted}: ${wrong}; ${advice}`)
}
