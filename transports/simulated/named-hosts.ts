import type { Endpoint, Transport } from "../../core/contract.ts"
import type { SimulatedHost } from "./host.ts"

/** A transport of datagrams that takes names of simulated hosts: no resolver knows them. All else is as it was. */
export function withHostNames(inner: Transport, { network }: SimulatedHost): Transport {
  const translate = (endpoint: Endpoint): Endpoint => {
    const address = endpoint.address.replace(/^[^:;?[\]]+(?=:)/, name => network.find(name)?.address ?? name)
    return { ...endpoint, address }
  }
  const named: Pick<Transport, "check" | "listen" | "dial"> = {
    check: (endpoint, ...rest) => inner.check(translate(endpoint), ...rest),
    listen: (endpoint, ...rest) => inner.listen(translate(endpoint), ...rest),
    dial: (endpoint, ...rest) => inner.dial(translate(endpoint), ...rest),
  }
  return Object.assign(Object.create(inner) as Transport, named)
}
