import type { Endpoint } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import type { Origins, TlsOptions, WebOptions } from "../../core/web.ts"
import type { WebAddress } from "./address.ts"

/** `WebOptions` with everything filled in. */
export interface WebSettings {
  readonly endpoint: Endpoint
  readonly address: WebAddress
  /** What the operating system is given. */
  readonly host: string
  readonly tls: TlsOptions | null
  readonly origins: Origins
  readonly anyPath: boolean
  readonly unref: boolean
  readonly maxMessageSize: number
  readonly maxBackpressure: number
  readonly idleTimeout: number
  readonly compression: boolean
  readonly maxClients: number
  readonly maxPending: number
  readonly upgradeTimeout: number
  readonly maxBodySize: number
}

const MIB = 1024 * 1024

/** What uWebSockets.js takes: whole seconds in these bounds. */
const SHORTEST_IDLE = 8_000
const LONGEST_IDLE = 960_000
/** Lengths are 32 bits wide in uWebSockets.js. */
const LARGEST = 2 ** 31 - 1

/** Throws EINVAL. */
export function webSettings(endpoint: Endpoint, address: WebAddress, host: string, options: WebOptions): WebSettings {
  const wrong = (name: string, value: unknown, wanted: string): HeddleError =>
    new HeddleError(
      "EINVAL",
      `Invalid argument: option ${name} of ${endpoint.href} is ${String(value)}; it takes ${wanted}`,
      { address: endpoint.href },
    )
  const whole = (name: keyof WebOptions, initial: number, min = 0): number => {
    const value = options[name] ?? initial
    if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > LARGEST)
      throw wrong(name, value, `a whole number from ${min} to ${LARGEST}`)
    return value
  }
  const { origins = "same", tls } = options
  if (origins !== "same" && origins !== "*" && !(Array.isArray(origins) && origins.every(isOrigin)))
    throw wrong("origins", JSON.stringify(origins), `"same", "*", or a list such as ["https://example.com"]`)
  const idleTimeout = whole("idleTimeout", 120_000)
  if (idleTimeout !== 0 && (idleTimeout < SHORTEST_IDLE || idleTimeout > LONGEST_IDLE || idleTimeout % 1_000 !== 0))
    throw wrong("idleTimeout", idleTimeout, `0 or whole seconds from ${SHORTEST_IDLE} to ${LONGEST_IDLE} milliseconds`)
  if (endpoint.scheme === "wss" && (!isPem(tls?.key) || !isPem(tls?.cert))) {
    throw new HeddleError(
      "EINVAL",
      `Invalid argument: ${endpoint.href}: to listen, wss:// needs tls: { key, cert } with PEM text`,
      { address: endpoint.href },
    )
  }
  return {
    endpoint,
    address,
    host,
    tls: endpoint.scheme === "wss" ? (tls ?? null) : null,
    origins,
    anyPath: options.anyPath ?? false,
    unref: options.unref ?? false,
    maxMessageSize: whole("maxMessageSize", MIB, 1),
    maxBackpressure: whole("maxBackpressure", MIB, 1),
    idleTimeout,
    compression: options.compression ?? false,
    maxClients: whole("maxClients", 100_000, 1),
    maxPending: whole("maxPending", 1_024, 1),
    upgradeTimeout: whole("upgradeTimeout", 10_000, 1),
    maxBodySize: whole("maxBodySize", MIB),
  }
}

/** Scheme, host and port, and nothing behind them: what browsers send (RFC 6454). */
function isOrigin(value: unknown): boolean {
  return typeof value === "string" && /^[a-z][a-z0-9+.-]*:\/\/[^/?#\s]+$/.test(value)
}

function isPem(value: unknown): boolean {
  return (typeof value === "string" || Buffer.isBuffer(value)) && value.includes("-----BEGIN ")
}

/** What a library says of keys is its own language. */
export function badTls(address: string, cause: unknown): HeddleError {
  return new HeddleError("EINVAL", `${address}: the key or the certificate of the option tls cannot be used`, {
    cause,
    address,
  })
}
