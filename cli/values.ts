import { InvalidArgumentError } from "commander"

/** Parsers for values of options. What they refuse, commander reports with the name of the option. */

/** A whole number. */
export function wholeFrom(least: number, most = 2 ** 31 - 1): (text: string) => number {
  return text => {
    const value = Number(text)
    if (text.trim() !== "" && Number.isInteger(value) && value >= least && value <= most) return value
    throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`)
  }
}

/** A number above zero. */
export function positive(text: string): number {
  const value = Number(text)
  if (value > 0 && Number.isFinite(value)) return value
  throw new InvalidArgumentError("Expected a number above 0.")
}

/** Whole numbers separated by commas. */
export function wholesFrom(least: number, most: number): (text: string) => number[] {
  const parse = wholeFrom(least, most)
  return text => text.split(",").map(parse)
}

/** An option that may be given again and again. */
export function collect(text: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, text]
}

const ESCAPES: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", "0": "\0", "\\": "\\" }

/** Text in which \t, \n, \r, \0, \\ and \xHH may stand for bytes that are hard to type. */
export function escaped(text: string): Buffer {
  const parts = text.split(/(\\(?:x[0-9a-fA-F]{2}|.|$))/s).map(part => {
    if (!part.startsWith("\\")) return Buffer.from(part)
    if (part.length === 4) return Buffer.from([Number.parseInt(part.slice(2), 16)])
    if (part[1] in ESCAPES) return Buffer.from(ESCAPES[part[1]])
    throw new InvalidArgumentError(`"${part}" is no escape; there are \\t \\n \\r \\0 \\\\ and \\xHH.`)
  })
  const bytes = Buffer.concat(parts)
  if (bytes.length === 0) throw new InvalidArgumentError("It must not be empty.")
  return bytes
}
