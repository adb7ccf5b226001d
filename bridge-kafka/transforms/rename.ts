import type { ConfigKey, ConfigValue } from "../config/keys.ts"
import type { Reshape } from "../mapping/loops.ts"
import { onlyText, UNKNOWN } from "../mapping/shape.ts"
import { JavaRegex, JavaReplacement } from "./java-regex.ts"
import type { TransformSettings } from "./transform.ts"

/** The settings of Connect's RegexRouter. */
export const RENAME_KEYS = [
  {
    name: "regex",
    type: "string",
    required: true,
    doc: "Regular expression that must match the whole name (Java's syntax, as far as JavaScript has it). Others stay as they are. It is run on names from the network, of 1,024 characters at most: one that backtracks much, such as `(a+)+b`, stops the bridge.",
    check: regexProblem,
  },
  {
    name: "replacement",
    type: "string",
    required: true,
    doc: "The new name: `$1` is the first group, `${name}` a named one, `\\\\$` a dollar sign.",
  },
] as const satisfies readonly ConfigKey[]

/** For `check`. */
export function regexProblem(value: NonNullable<ConfigValue>): string | null {
  try {
    new JavaRegex(String(value))
    return null
  } catch (error) {
    return `cannot be: ${(error as Error).message}`
  }
}

/** Gives names that match another one. */
export class Rename {
  private readonly regex: JavaRegex
  private readonly replacement: JavaReplacement

  /** Throws ERR_CONFIG. */
  constructor({ regex, replacement }: TransformSettings) {
    this.regex = new JavaRegex(String(regex))
    this.replacement = new JavaReplacement(String(replacement), this.regex)
  }

  of(name: string): string {
    const match = this.regex.match(name)
    return match === null ? name : this.replacement.fill(match)
  }

  /** For the check of loops: names that are known are renamed, others may become anything. */
  readonly reshape: Reshape = shapes =>
    shapes.map(shape => {
      const name = onlyText(shape)
      return name === null ? UNKNOWN : [this.of(name)]
    })
}
