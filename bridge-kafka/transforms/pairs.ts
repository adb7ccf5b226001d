import type { ConfigValue } from "../config/keys.ts"

/** What is wrong with a list of `from:to`; `single` = an entry may also be one word. For `check`. */
export function pairsProblem(value: NonNullable<ConfigValue>, single = false): string | null {
  for (const entry of value as readonly string[]) {
    const parts = entry.split(":")
    if (parts.length === 2 ? parts[0] === "" || parts[1] === "" : !(single && parts.length === 1 && entry !== ""))
      return `has ${JSON.stringify(entry)} where two names with a colon between must be: from:to`
  }
  return null
}

/** Of a later entry for the same name the later counts. */
export function pairsOf(value: ConfigValue): ReadonlyMap<string, string> {
  return new Map((value as readonly string[]).map(entry => entry.split(":") as [string, string]))
}
