import { HeddleError } from "../../core/errors.ts"
import { checkPattern } from "../../core/subject.ts"

/** Subjects that begin so are the fabric's own. Other names with "$" are free. */
export const RESERVED = "$heddle."

/** Throws EINVAL for a subject or pattern of the fabric's own. Wildcards elsewhere never match one: nothing is published there. */
export function refuseReserved(subject: string): void {
  if (!subject.startsWith(RESERVED)) return
  throw new HeddleError(
    "EINVAL",
    `Invalid subject ${JSON.stringify(subject.slice(0, 80))}: "${RESERVED}" is reserved for the fabric itself; choose another first token`,
  )
}

/** `checkPattern` for what users subscribe to, serve, work on or keep. Throws EINVAL. */
export function checkUserPattern(pattern: string): void {
  checkPattern(pattern)
  refuseReserved(pattern)
}
