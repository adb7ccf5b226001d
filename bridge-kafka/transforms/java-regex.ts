/**
 * Regular expressions as Connect's configurations have them, which are Java's (java.util.regex), by those of JavaScript. What both write
 * the same way works the same way. Understood besides: flags at the beginning (`(?i)`, `(?s)`, `(?m)`), `\Q...\E`, `\A`, `\z`, `\h`
 * and any punctuation after a backslash. Refused, since JavaScript has nothing like them: possessive quantifiers
 * (`a*+`), atomic groups, flags in the middle, intersections of classes (`[a-z&&[^b]]`), POSIX classes (`\p{Alpha}`), `\Z`, `\G`, `\R`, `\X`.
 * Different: `\s` and, with `(?i)`, letters beyond ASCII are Unicode's here.
 *
 * Backtracking is the user's affair: an expression such as `(a+)+b` takes time that doubles with each sign. The text is bounded, which bounds
 * it for most expressions, but not for such.
 */
import { MAX_SUBJECT } from "../../core/subject.ts"
import { badMapping } from "../mapping/failure.ts"
import { poison } from "./transform.ts"

/** Topics are shorter. */
export const MAX_TEXT = MAX_SUBJECT

/** A line of configuration, not a program. */
const MAX_PATTERN = 1_000

/** Backslash and letter mean something else in Java, or in JavaScript nothing. */
const REFUSED =
  /\\[ZGRXHvVeaN]|\\p\{(?:Alpha|Lower|Upper|ASCII|Digit|Alnum|Punct|Graph|Print|Blank|Cntrl|XDigit|Space|java\w+|Is\w+|In\w+)\}/

/** An expression that must match the whole of a text, as `Matcher.matches()`. */
export class JavaRegex {
  readonly source: string
  /** Groups in brackets. */
  readonly groups: number
  private readonly expression: RegExp

  /** Throws ERR_CONFIG. */
  constructor(source: string) {
    if (source.length > MAX_PATTERN)
      throw badMapping(`A regular expression of ${source.length} characters; at most ${MAX_PATTERN} are allowed`)
    this.source = source
    const flags = /^\(\?([ims]+)\)/.exec(source)
    const body = translate(flags === null ? source : source.slice(flags[0].length), source)
    try {
      // `^` and `$` would mean lines with the flag m.
      this.expression = new RegExp(`(?<![^])(?:${body})(?![^])`, `u${[...new Set(flags?.[1] ?? "")].join("")}`)
      this.groups = (new RegExp(`(?:${body})|`, "u").exec("")?.length ?? 1) - 1
    } catch (error) {
      throw badMapping(
        `${JSON.stringify(source)} is no regular expression that JavaScript understands: ${(error as Error).message}`,
      )
    }
  }

  /** The match of the whole text, or null. Throws poison for a text of more than 1,024 characters. */
  match(text: string): RegExpExecArray | null {
    if (text.length > MAX_TEXT)
      throw poison(`A text of ${text.length} characters for a regular expression; at most ${MAX_TEXT} are allowed`)
    return this.expression.exec(text)
  }
}

/** What JavaScript's flag "u" takes after a backslash, besides letters and digits. */
const SYNTAX = "^$\\.*+?()[]{}|/"

function translate(text: string, source: string): string {
  const refused = REFUSED.exec(text)
  if (refused !== null) throw unknown(source, refused[0])
  let made = ""
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const sign = text[at]
    const next = text[at + 1] ?? ""
    if (sign === "\\") {
      if (next === "Q") {
        const end = text.indexOf("\\E", at + 2)
        const quoted = text.slice(at + 2, end === -1 ? text.length : end)
        made += quoted.replace(/[\^$\\.*+?()[\]{}|/]/g, "\\$&")
        at = end === -1 ? text.length : end + 1
        continue
      }
      at++
      if (next === "A") made += "(?<![^])"
      else if (next === "z") made += "(?![^])"
      else if (next === "h") made += depth > 0 ? " \\t\\xa0" : "[ \\t\\xa0]"
      else if (/[A-Za-z0-9]/.test(next) || SYNTAX.includes(next) || (next === "-" && depth > 0)) made += sign + next
      else made += next
    } else if (depth > 0) {
      if (sign === "]") depth--
      if (sign === "[" || (sign === "&" && next === "&")) throw unknown(source, sign === "[" ? "[ within [ ]" : "&&")
      made += sign
    } else if (sign === "[") {
      depth++
      made += sign
    } else if ("*+?}".includes(sign) && next === "+") throw unknown(source, `${sign}+`)
    else if (sign === "(" && /^\(\?(?:>|[a-zA-Z-]+[):])/.test(text.slice(at, at + 12)))
      throw unknown(source, text.slice(at, at + 3))
    else made += sign
  }
  return made
}

function unknown(source: string, part: string): Error {
  return badMapping(
    `The regular expression ${JSON.stringify(source)} has ${part}, which Java knows but JavaScript does not`,
  )
}

type Piece = string | number

/** Java's replacement text: `$1`, `${name}`, a backslash before a sign that is meant literally. */
export class JavaReplacement {
  private readonly pieces: readonly (Piece | { readonly name: string })[]

  /** Throws ERR_CONFIG, also for a group that the expression does not have. */
  constructor(text: string, regex: JavaRegex) {
    const pieces: (Piece | { name: string })[] = []
    for (let at = 0; at < text.length; ) {
      const sign = text[at]
      if (sign === "\\") {
        if (at + 1 === text.length) throw badMapping(`The replacement ${JSON.stringify(text)} ends with a backslash`)
        pieces.push(text[at + 1])
        at += 2
      } else if (sign !== "$") {
        pieces.push(sign)
        at++
      } else {
        const named = /^\$\{([A-Za-z][A-Za-z0-9]*)\}/.exec(text.slice(at))
        if (named !== null && regex.source.includes(`(?<${named[1]}>`)) {
          pieces.push({ name: named[1] })
          at += named[0].length
          continue
        }
        let group = Number.parseInt(text[at + 1] ?? "", 10)
        if (Number.isNaN(group) || group > regex.groups)
          throw badMapping(
            `The replacement ${JSON.stringify(text)} names a group at index ${at} that ${JSON.stringify(regex.source)} does not have; write \\$ for a dollar sign`,
          )
        at += 2
        // More digits as long as there is such a group.
        for (; /\d/.test(text[at] ?? ""); at++) {
          const longer = group * 10 + Number(text[at])
          if (longer > regex.groups) break
          group = longer
        }
        pieces.push(group)
      }
    }
    this.pieces = pieces
  }

  /** A group that took no part is "", as in Java. */
  fill(match: RegExpExecArray): string {
    let text = ""
    for (const piece of this.pieces) {
      if (typeof piece === "string") text += piece
      else text += (typeof piece === "number" ? match[piece] : match.groups?.[piece.name]) ?? ""
    }
    return text
  }
}
