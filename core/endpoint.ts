import type { Endpoint } from "./contract.ts"
import { HeddleError } from "./errors.ts"

/** Splits `scheme://address`; what the address means is the transport's affair. Throws EINVAL. */
export function parseEndpoint(href: unknown): Endpoint {
  if (typeof href !== "string") throw new TypeError("Address must be a string")
  const at = href.indexOf("://")
  if (at <= 0) {
    throw new HeddleError(
      "EINVAL",
      `Invalid argument: endpoint "${href}" has no scheme; write tcp://host:port, ipc:///path or inproc://name`,
      {
        address: href,
      },
    )
  }
  const address = href.slice(at + 3)
  if (address === "") {
    throw new HeddleError("EINVAL", `Invalid argument: endpoint "${href}" has nothing after the scheme`, {
      address: href,
    })
  }
  return { scheme: href.slice(0, at), address, href }
}
