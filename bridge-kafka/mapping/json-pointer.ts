import { badMapping } from "./failure.ts"

/** The reference tokens of a JSON pointer (RFC 6901). Throws ERR_CONFIG. */
export function parsePointer(pointer: string): readonly string[] {
  if (pointer === "") return []
  if (!pointer.startsWith("/") || /~(?![01])/.test(pointer))
    throw badMapping(
      `${JSON.stringify(pointer)} is no JSON pointer: it begins with "/", and "~" is written "~0", "/" within a name "~1" (RFC 6901)`,
    )
  return pointer
    .slice(1)
    .split("/")
    .map(token => token.replaceAll("~1", "/").replaceAll("~0", "~"))
}

/** Undefined where the value has no such part. */
export function resolvePointer(value: unknown, tokens: readonly string[]): unknown {
  let found = value
  for (const token of tokens) {
    if (typeof found !== "object" || found === null) return undefined
    if (Array.isArray(found) && !/^(?:0|[1-9]\d{0,9})$/.test(token)) return undefined
    // Own ones only: a payload is data, and has no "constructor".
    if (!Object.hasOwn(found, token)) return undefined
    found = (found as Record<string, unknown>)[token]
  }
  return found
}
