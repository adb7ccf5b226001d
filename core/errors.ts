/** Every error that Heddle raises. Codes of the npm package `zeromq` are kept where the meaning is the same. */

/** Positive numbers as C programs on Linux know them, and libzmq's own above 156384712. */
const ERRNO = {
  ENOENT: 2,
  EAGAIN: 11,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  ENODEV: 19,
  EINVAL: 22,
  EMFILE: 24,
  EPIPE: 32,
  ENAMETOOLONG: 36,
  EPROTO: 71,
  EBADF: 9,
  EMSGSIZE: 90,
  EPROTONOSUPPORT: 93,
  ENOTSUP: 95,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
  ECANCELED: 125,
  EFSM: 156384763,
  ENOCOMPATPROTO: 156384764,
  ETERM: 156384765,
} as const

/** Protocol errors by the names that the events of the npm package `zeromq` use. */
type ProtocolCode =
  | "ERR_ZMTP_UNSPECIFIED"
  | "ERR_ZMTP_UNEXPECTED_COMMAND"
  | "ERR_ZMTP_MALFORMED_COMMAND_UNSPECIFIED"
  | "ERR_ZMTP_MALFORMED_COMMAND_READY"
  | "ERR_ZMTP_MALFORMED_COMMAND_ERROR"
  | "ERR_ZMTP_INVALID_METADATA"
  | "ERR_ZMTP_MECHANISM_MISMATCH"
  | "ERR_ZMTP_GREETING"
  | "ERR_ZMTP_PEER_ERROR"
  | "ERR_ZMTP_FRAME"
  | "ERR_PEER_INCOMPATIBLE"
  | "ERR_PEER_IDENTITY"
  | "ERR_HANDSHAKE_TIMEOUT"
  | "ERR_HEARTBEAT_TIMEOUT"
  | "ERR_SUBSCRIPTION_LIMIT"
  | "ERR_VALIDATION"
  | "ERR_NO_RESPONDERS"
  | "ERR_REMOTE"
  | "ERR_CODEC"
  | "ERR_FABRIC"
  | "ERR_KAFKA"
  | "ERR_SPOOL"
  | "ERR_CONFIG"
  | "ERR_MISSING_PACKAGE"

export type ErrorCode = keyof typeof ERRNO | ProtocolCode

export interface ErrorDetails {
  cause?: unknown
  /** Endpoint or peer that the error is about. */
  address?: string
  /** For a dial: trying again cannot help, the peer refused us. */
  fatal?: boolean
}

/**
 * `code` is for programs, `message` says what was wrong, where, and what to do. `cause` keeps the system's own error.
 */
export class HeddleError extends Error {
  override readonly name = "HeddleError"
  readonly code: ErrorCode
  /** As in the npm package `zeromq`; undefined for protocol errors. */
  readonly errno: number | undefined
  readonly address: string | undefined
  readonly fatal: boolean

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.errno = code in ERRNO ? ERRNO[code as keyof typeof ERRNO] : undefined
    this.address = details.address
    this.fatal = details.fatal ?? false
  }
}

const ADVICE: Partial<Record<ErrorCode, string>> = {
  EADDRINUSE: "another socket listens there; choose another address, or port 0 for any free one",
  EADDRNOTAVAIL: "this machine has no such address; bind to one of its own, or to *",
  EACCES: "the operating system forbids it; check the permissions of the path, or use a port above 1023",
  ENOENT: "the folder of the path does not exist; create it first",
  ECONNREFUSED: "nobody listens there yet",
  EMFILE: "the limit of open files is reached; raise it (ulimit -n) or close sockets",
  ENAMETOOLONG: "the path of a Unix socket may have at most 107 bytes; choose a shorter one",
}

/** Gives an error of the operating system a Heddle code, a sentence and advice. */
export function fromSystem(error: unknown, what: string, address: string): HeddleError {
  if (error instanceof HeddleError) return error
  const system = error as { code?: string; message?: string }
  const code: ErrorCode = system.code !== undefined && system.code in ERRNO ? (system.code as ErrorCode) : "EPROTO"
  const advice = ADVICE[code]
  const text = `${what} ${address}: ${system.code ?? system.message ?? String(error)}${advice === undefined ? "" : `; ${advice}`}`
  return new HeddleError(code, text, { cause: error, address })
}

/** `EAGAIN` in the words that users of the npm package `zeromq` know. */
export function wouldBlock(why: string): HeddleError {
  return new HeddleError("EAGAIN", `Operation was not possible or timed out: ${why}`)
}

export function closedError(what = "Socket"): HeddleError {
  return new HeddleError("EBADF", `${what} is closed`)
}
