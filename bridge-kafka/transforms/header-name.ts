import type { ConfigValue } from "../config/keys.ts"
import { isOwn } from "../mapping/headers.ts"

/** Headers of the bridge are not for users to write: loops and duplicates are known by them. */
export function ownHeader(value: NonNullable<ConfigValue>): string | null {
  for (const name of Array.isArray(value) ? (value as readonly string[]) : [String(value)]) {
    if (name === "") return "must not be empty"
    if (isOwn(name)) return `must not begin with "hd.": those headers are the bridge's own`
  }
  return null
}
