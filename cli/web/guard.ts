import { timingSafeEqual } from "node:crypto"
import type { IncomingMessage } from "node:http"
import { isIP } from "node:net"

/**
 * Whether a request may come from a page of ours. A foreign page can make a browser send requests to 127.0.0.1, and by DNS rebinding under a
 * name of its own: then the Host header has that name. Addresses as numbers cannot be rebound.
 */
export function isOurHost(host: string | undefined, given: string): boolean {
  if (host === undefined) return false
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::\d{1,5})?$/.exec(host)
  if (match === null) return false
  const name = match[1].replace(/^\[|\]$/g, "").toLowerCase()
  return isIP(name) !== 0 || name === "localhost" || name === given.toLowerCase()
}

/** Browsers name the origin of what asks, except for plain GETs of the same one. */
export function isOurOrigin({ headers: { origin, host } }: IncomingMessage): boolean {
  return origin === undefined || origin === `http://${host}`
}

/** In constant time: how much of a guess is right must not be measurable. */
export function isToken(given: string, token: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(token)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** `Authorization: Bearer`, or `?token=` for what browsers send without headers of ours. */
export function tokenOf(request: IncomingMessage, url: URL): string {
  const [, bearer] = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? "") ?? []
  return bearer ?? url.searchParams.get("token") ?? ""
}

/** Of every answer. Nothing is loaded from elsewhere, nothing inline runs, nobody frames it, no address leaks. */
export const HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
} as const
