import { checkSubject, MAX_SUBJECT } from "../../../core/subject.ts"
import { RESERVED } from "../reserved.ts"

const DOT = 0x2e

/**
 * The whole tokens at the start of a prefix: `a.b.` and `a.b.c` have `a` and `b`, and so what is published to `a.b.>` is all
 * that can begin with either. Null: no subject begins with such bytes.
 */
export function tokensOf(prefix: Buffer): string[] | null {
  for (const byte of prefix) if (byte === 0 || byte === 0x20 || (byte >= 9 && byte <= 13 && byte !== 11)) return null
  const dot = prefix.lastIndexOf(DOT)
  if (dot === -1) return prefix.length > MAX_SUBJECT ? null : []
  // At least one more token must follow, and the pattern is sent to peers, who check it.
  if (dot + 2 > MAX_SUBJECT || prefix.length > MAX_SUBJECT) return null
  const bytes = prefix.subarray(0, dot)
  const head = bytes.toString()
  if (!Buffer.from(head).equals(bytes) || `${head}.`.startsWith(RESERVED)) return null
  try {
    checkSubject(head)
  } catch {
    return null
  }
  return head.split(".")
}
