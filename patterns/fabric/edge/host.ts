import type { Origins } from "../../../core/web.ts"

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i

/**
 * Whether a request may name this host. A page of the network can have its own name resolve to 127.0.0.1 (DNS rebinding), and is then of "the
 * same origin": an edge that listens on the loopback only, with pages of the same origin only, is spoken to by the names of the loopback only.
 *
 * @param listen host and port of the edge's address
 */
export function hostAllowed(origins: Origins, listen: string, host: string | undefined): boolean {
  if (origins !== "same" || !LOOPBACK.test(listen.replace(/:\*$/, ""))) return true
  return host === undefined || LOOPBACK.test(host)
}
