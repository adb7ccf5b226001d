import type { Endpoint } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"

/**
 * `scheme://[source;]host:port`, where the source means nothing here. Port `*` and 0 are any free one. Throws EINVAL; who
 * dials needs a definite host and port.
 */
export function splitEndpoint(endpoint: Endpoint, side: "listen" | "dial"): { host: string; port: number } {
  const target = endpoint.address.slice(endpoint.address.lastIndexOf(";") + 1)
  const colon = target.lastIndexOf(":")
  if (colon <= 0 || colon === target.length - 1) throw invalid(endpoint, `write ${endpoint.scheme}://host:port`)
  let host = target.slice(0, colon)
  const text = target.slice(colon + 1)
  if (host.startsWith("[") && host.endsWith("]")) host = host.slice(1, -1)
  else if (host.includes(":")) throw invalid(endpoint, "put an IPv6 address in brackets")
  const port = text === "*" ? 0 : Number(text)
  if (text !== "*" && (!/^\d{1,5}$/.test(text) || port > 65_535)) {
    throw invalid(endpoint, `"${text}" is no port; ports are 0 to 65535`)
  }
  if (side === "dial" && (host === "*" || port === 0)) {
    throw invalid(endpoint, "a peer needs a host and a port; * and 0 are for bind")
  }
  return { host, port }
}

function invalid(endpoint: Endpoint, why: string): HeddleError {
  return new HeddleError("EINVAL", `Invalid argument: ${endpoint.href}: ${why}`, {
    address: endpoint.href,
    fatal: true,
  })
}
