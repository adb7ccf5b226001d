/** Status codes of close frames (RFC 6455, 7.4.1), and what they mean for a connection. */
import { fromSystem, HeddleError } from "../../core/errors.ts"

export const NORMAL = 1000
const GOING_AWAY = 1001
export const PROTOCOL_ERROR = 1002
export const UNSUPPORTED = 1003
/** There was a close frame, without a code. */
const NO_STATUS = 1005
/** There was none. */
export const ABNORMAL = 1006
const INVALID_DATA = 1007
export const POLICY = 1008
export const TOO_BIG = 1009
export const TRY_LATER = 1013

/** Why a client is closed with 1009. */
export function tooBig(maxMessageSize: number): string {
  return `A message is larger than ${maxMessageSize} bytes`
}

/** A page may not say 1002 and its like: it says 4002 (see global-link.ts). */
export const PAGE_OFFSET = 3000

/** The peer says that it was our fault: coming back as we are cannot help. */
const FAULTS: ReadonlySet<number> = new Set([PROTOCOL_ERROR, UNSUPPORTED, INVALID_DATA, POLICY, TOO_BIG])

/** What the link broke of; undefined = an orderly end. */
export function closeError(
  code: number,
  reason: string,
  cause: Error | undefined,
  address: string,
): HeddleError | undefined {
  if (code === NORMAL || code === GOING_AWAY || code === NO_STATUS) return undefined
  const fault = FAULTS.has(code) || FAULTS.has(code - PAGE_OFFSET)
  const said = reason === "" ? "" : `: ${reason}`
  if (fault) {
    return new HeddleError("ERR_ZMTP_PEER_ERROR", `The peer at ${address} ended the connection with ${code}${said}`, {
      address,
      fatal: true,
      ...(cause && { cause }),
    })
  }
  if (code === ABNORMAL && cause !== undefined) return fromSystem(cause, "connection to", address)
  return new HeddleError("ECONNRESET", `The peer at ${address} ended the connection with ${code}${said}`, { address })
}
