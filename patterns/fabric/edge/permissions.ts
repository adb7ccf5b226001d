import { HeddleError } from "../../../core/errors.ts"
import { covers, matches } from "../../../core/subject.ts"
import type { Permissions } from "./options.ts"

const WORDS = {
  publish: "publish to",
  subscribe: "subscribe to",
  request: "send requests to",
  serve: "serve",
} as const

export function mayUse(permissions: Permissions, what: "publish" | "request", subject: string): boolean {
  const list = permissions[what]
  for (let i = 0; i < list.length; i++) if (matches(list[i], subject)) return true
  return false
}

/** Every subject of the pattern must be within one pattern of the list: two that cover it only together do not count. */
export function mayTake(permissions: Permissions, what: "subscribe" | "serve", pattern: string): boolean {
  return permissions[what].some(allowed => covers(allowed, pattern))
}

/** The client may not know what else there is: the list is not told. */
export function forbidden(what: keyof Permissions, subject: string): HeddleError {
  return new HeddleError(
    "EACCES",
    `This client may not ${WORDS[what]} ${JSON.stringify(subject.slice(0, 200))}; the node's option edge.${what}, or the token, has to allow it`,
  )
}
