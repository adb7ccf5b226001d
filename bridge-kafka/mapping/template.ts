/**
 * Names with variables, compiled once: `orders-${token[1]}`, `${header.hd.subject:-prices.${key}}`, `mirror.$1`.
 *
 * | written | stands for |
 * |---|---|
 * | `${subject}` | the subject |
 * | `${token[1]}`, `${token[0..1]}`, `${token[2..]}` | tokens of it, counted from 0, with the dots between |
 * | `$1`, `${1}` | what the first wildcard of the route's pattern stood for |
 * | `${header.x}` | the last header of that name, as text |
 * | `${key}` | the key, where it is UTF-8 |
 * | `${topic}`, `${partition}` | of the record |
 * | `${topic.unescaped}` | the text whose escaped form the topic is (MAP-3) |
 * | `${x:-default}` | the default, a template itself, where x is absent |
 * | `$$` | a dollar sign |
 *
 * In topics, values are escaped (MAP-3). In subjects they stand as they are: a value with a dot makes several tokens, and one that
 * makes an invalid subject makes the record poison.
 */
import { checkSubject } from "../../core/subject.ts"
import { badMapping, unmappable } from "./failure.ts"
import { concatenated, onlyText, type Shape } from "./shape.ts"
import { avoidDots, checkTopic, escapeTopicPart, isTopic } from "./topic-name.ts"
import {
  type Known,
  parseVariable,
  shapeOf,
  type TemplateScope,
  type Variable,
  type VariableKind,
  valueIn,
} from "./variables.ts"

/** What a template makes. */
export type TemplateUse = "topic" | "subject" | "text"

interface Hole {
  readonly written: string
  readonly variable: Variable
  readonly fallback: readonly Part[] | null
}

type Part = string | Hole

export interface TemplateOptions {
  readonly use: TemplateUse
  /** Variables that there are; default: all. */
  readonly variables?: readonly VariableKind[]
  /** Wildcards in the pattern of the route. Default 0. */
  readonly captures?: number
}

/** Templates are a line of configuration, not a program. */
const LONGEST = 1_024
const DEEPEST = 8

/** The use of these makes no name differ for the same subject. */
const OF_SUBJECT: ReadonlySet<VariableKind> = new Set(["subject", "token", "capture"])

export class Template {
  readonly source: string
  /** The text when it is always the same; otherwise null. */
  readonly constant: string | null
  /** It depends on nothing but the subject. */
  readonly bySubject: boolean
  private readonly use: TemplateUse
  private readonly parts: readonly Part[]

  /** Throws ERR_CONFIG. */
  constructor(source: string, options: TemplateOptions) {
    if (source.length > LONGEST)
      throw badMapping(`A template of ${source.length} characters; at most ${LONGEST} are allowed`)
    this.source = source
    this.use = options.use
    this.parts = new Parser(source, options).parse()
    this.bySubject = dependsOnSubject(this.parts)
    this.constant = this.parts.every(part => typeof part === "string")
      ? this.checkedConstant(this.parts.join(""))
      : null
  }

  /** Throws poison when a value is absent that has no default, or the result is no valid name. */
  render(scope: TemplateScope): string {
    if (this.constant !== null) return this.constant
    const text = this.join(this.parts, scope)
    if (this.use === "topic") return checkTopic(avoidDots(text))
    if (this.use === "subject") this.checkMadeSubject(text)
    return text
  }

  /** All that it can make, as far as is known; more than that where in doubt. */
  shapes(known: Known): readonly Shape[] {
    return this.shapesOf(this.parts, known)
  }

  /** Whether it makes a number of names that configuration alone decides. */
  isBounded(known: Known): boolean {
    return this.shapes(known).every(shape => onlyText(shape) !== null)
  }

  private shapesOf(parts: readonly Part[], known: Known): readonly Shape[] {
    let shapes: readonly Shape[] = [[]]
    for (const part of parts) {
      if (typeof part === "string") shapes = concatenated(shapes, [[part]])
      else {
        const found = shapeOf(part.variable, known)
        const escaped =
          this.use === "topic" ? found.map(one => (typeof one === "string" ? escapeTopicPart(one) : one)) : found
        // What is known of hd.subject is known because it is there.
        const sure = part.variable.kind === "header" && known.original !== undefined && found === known.original
        const other = part.fallback === null || sure ? [] : this.shapesOf(part.fallback, known)
        shapes = concatenated(shapes, [escaped, ...other])
      }
    }
    return shapes
  }

  private join(parts: readonly Part[], scope: TemplateScope): string {
    let text = ""
    for (const part of parts) text += typeof part === "string" ? part : this.fill(part, scope)
    return text
  }

  private fill({ written, variable, fallback }: Hole, scope: TemplateScope): string {
    const value = valueIn(variable, scope)
    if (value !== undefined && value !== "") return this.use === "topic" ? escapeTopicPart(value) : value
    if (fallback !== null) return this.join(fallback, scope)
    throw unmappable(
      `The template ${JSON.stringify(this.source)} needs \${${written}}, which the record with the ${scope.subject === "" ? `topic ${scope.topic}` : `subject ${scope.subject}`} does not have; give a default: \${${written}:-…}`,
    )
  }

  private checkMadeSubject(text: string): void {
    try {
      checkSubject(text)
    } catch (error) {
      const shown = JSON.stringify(text.slice(0, 80))
      throw unmappable(`The template ${JSON.stringify(this.source)} made ${shown}, which is no valid subject`, error)
    }
  }

  private checkedConstant(text: string): string {
    if (this.use === "topic" && !isTopic(text))
      throw badMapping(
        `${JSON.stringify(text.slice(0, 260))} is no name of a topic: 1 to 249 letters, digits, ".", "_" and "-", not "." nor ".."`,
      )
    if (this.use === "subject") {
      try {
        checkSubject(text)
      } catch (error) {
        throw badMapping((error as Error).message)
      }
    }
    return text
  }
}

function dependsOnSubject(parts: readonly Part[]): boolean {
  return parts.every(
    part =>
      typeof part === "string" ||
      (OF_SUBJECT.has(part.variable.kind) && (part.fallback === null || dependsOnSubject(part.fallback))),
  )
}

/** By recursive descent; a default ends at its brace. */
class Parser {
  private readonly text: string
  private readonly options: TemplateOptions
  private at = 0

  constructor(text: string, options: TemplateOptions) {
    this.text = text
    this.options = options
  }

  parse(): readonly Part[] {
    if (this.text === "") throw this.wrong("it is empty")
    return this.parts(0)
  }

  private parts(depth: number): readonly Part[] {
    if (depth > DEEPEST) throw this.wrong(`defaults within defaults, more than ${DEEPEST} deep`)
    const parts: Part[] = []
    let literal = ""
    const flush = (): void => {
      if (literal !== "") parts.push(this.checkedLiteral(literal))
      literal = ""
    }
    while (this.at < this.text.length) {
      const sign = this.text[this.at]
      if (sign === "}" && depth > 0) break
      if (sign !== "$") {
        literal += sign
        this.at++
      } else if (this.text[this.at + 1] === "$") {
        literal += "$"
        this.at += 2
      } else {
        flush()
        parts.push(this.hole(depth))
      }
    }
    flush()
    return parts
  }

  private hole(depth: number): Hole {
    const digits = /^\$(\d{1,3})/.exec(this.text.slice(this.at, this.at + 4))
    if (digits !== null) {
      this.at += digits[0].length
      return { written: digits[1], variable: this.variable(digits[1]), fallback: null }
    }
    if (this.text[this.at + 1] !== "{")
      throw this.wrong(`"$" at index ${this.at} begins no variable; write "$$" for a dollar sign`)
    const start = this.at + 2
    let end = start
    while (end < this.text.length && this.text[end] !== "}" && !this.text.startsWith(":-", end)) end++
    const written = this.text.slice(start, end)
    const variable = this.variable(written)
    let fallback: readonly Part[] | null = null
    this.at = end
    if (this.text.startsWith(":-", end)) {
      this.at += 2
      fallback = this.parts(depth + 1)
    }
    if (this.text[this.at] !== "}") throw this.wrong(`the brace of \${${written} is not closed`)
    this.at++
    return { written, variable, fallback }
  }

  private variable(written: string): Variable {
    const variable = parseVariable(written)
    const { variables, captures = 0 } = this.options
    if (variable === null)
      throw this.wrong(
        `\${${written}} is unknown; there are subject, token[n], token[n..m], header.name, key, topic, topic.unescaped, partition, and $1 for wildcards`,
      )
    if (variable.kind === "capture" && variables?.includes("capture") !== false && variable.index >= captures)
      throw this.wrong(`$${written} is missing: the pattern has ${captures} wildcards`)
    if (variables !== undefined && !variables.includes(variable.kind))
      throw this.wrong(`\${${written}} is not known at this point; there are ${variables.join(", ")}`)
    return variable
  }

  private checkedLiteral(literal: string): string {
    if (this.options.use === "topic" && !/^[a-zA-Z0-9._-]*$/.test(literal))
      throw this.wrong(`topics have letters, digits, ".", "_" and "-" only, not ${JSON.stringify(literal)}`)
    return literal
  }

  private wrong(what: string): Error {
    return badMapping(`The template ${JSON.stringify(this.text)} is wrong: ${what}`)
  }
}
