import type { Endpoint, LinkOptions } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import { nativeForSockets, whyNotForSockets } from "../native/for-sockets.ts"
import type { PortSettings } from "./port.ts"

const EXAMPLES: Record<string, string> = {
  udp: "udp://eth0;239.0.0.1:5555",
  multicast: "multicast://239.0.0.1:5555?interface=eth0",
}

/** What a socket's options say of its ports. Throws ENOTSUP for what needs the native addon where it is not there. */
export function portSettings(options: LinkOptions, endpoint: Endpoint): PortSettings {
  const { typeOfService: service = 0, interface: device = null } = options
  const asked = [...(service > 0 ? ["typeOfService"] : []), ...(device === null ? [] : ["interface"])]
  if (asked.length > 0 && nativeForSockets() === null) {
    throw new HeddleError(
      "ENOTSUP",
      `Operation not supported: ${endpoint.href}: ${asked.join(", ")} cannot be set without the native addon: ${whyNotForSockets()}; the interface of a group can be named in the endpoint: ${EXAMPLES[endpoint.scheme] ?? EXAMPLES.udp}`,
      { address: endpoint.href, fatal: true },
    )
  }
  return {
    hops: options.multicastHops ?? 1,
    loopback: options.multicastLoopback ?? true,
    sendBuffer: options.sendBufferSize ?? -1,
    receiveBuffer: options.receiveBufferSize ?? -1,
    service,
    device,
  }
}
