import { HeddleError } from "../../../core/errors.ts"
import { checkPattern, checkSubject } from "../../../core/subject.ts"
import type { Reader } from "../../../core/varint.ts"

/** A subject that a peer sent; throws EPROTO for what `publish` would not have taken. */
export function readSubject(reader: Reader, length: number): string {
  const subject = reader.utf8(length)
  try {
    checkSubject(subject)
  } catch (error) {
    throw new HeddleError("EPROTO", "The peer sent an invalid subject", { cause: error })
  }
  return subject
}

export function readPattern(reader: Reader, length: number): string {
  const pattern = reader.utf8(length)
  try {
    checkPattern(pattern)
  } catch (error) {
    throw new HeddleError("EPROTO", "The peer sent an invalid pattern", { cause: error })
  }
  return pattern
}
