import { Buffer } from "node:buffer"
import type { Codec } from "../codec.ts"
import { undecodable, unserialisable } from "./failure.ts"

/**
 * JSON as `JSON.stringify` writes it: members that are functions, symbols or undefined are left out, Date becomes a
 * string, Map and Set become `{}`. BigInt, cycles and values without any JSON form are EINVAL.
 *
 * Members called `__proto__` are left out when decoding: copied by `Object.assign`, they would replace a prototype.
 */
export const jsonCodec: Codec = {
  name: "json",
  encode(value) {
    let text: string | undefined
    try {
      text = JSON.stringify(value)
    } catch (error) {
      throw unserialisable("json", error instanceof Error ? error.message : String(error), value, error)
    }
    if (text === undefined) throw unserialisable("json", "JSON has no form for it", value)
    return Buffer.from(text)
  },
  decode(bytes) {
    try {
      const text = bytes.toString()
      // The name may also be written with escapes, which all begin with these four characters.
      const suspicious = text.includes("__proto__") || text.includes("\\u00")
      return suspicious ? JSON.parse(text, withoutPrototype) : JSON.parse(text)
    } catch (error) {
      throw undecodable("json", error instanceof Error ? error.message : String(error), error)
    }
  },
}

function withoutPrototype(this: unknown, key: string, value: unknown): unknown {
  return key === "__proto__" ? undefined : value
}
