import { encodeAddress } from "../native/udp.ts"
import { scopeOf } from "./sources.ts"

/** Those that a group's members have, and some; then all are forgotten. */
const MOST = 256

/** Addresses in the form that the addon takes, which is made once for each. */
export class Addresses {
  private readonly family: 4 | 6
  private readonly known = new Map<string, Buffer>()

  constructor(family: 4 | 6) {
    this.family = family
  }

  /** Throws for what is no address of the family. */
  of(host: string, port: number): Buffer {
    const key = `${host} ${port}`
    let address = this.known.get(key)
    if (address !== undefined) return address
    const zone = host.indexOf("%")
    address =
      zone < 0
        ? encodeAddress(host, port, this.family)
        : encodeAddress(host.slice(0, zone), port, this.family, scopeOf(host.slice(zone + 1)))
    if (this.known.size >= MOST) this.known.clear()
    this.known.set(key, address)
    return address
  }
}
