import os from "node:os"
import { systemNumber, systemText } from "./system-file.ts"

/** A network interface with addresses. */
export interface Interface {
  readonly name: string
  readonly loopback: boolean
  /** Whether it says of itself that it carries multicast; null = not known. */
  readonly multicastFlag: boolean | null
  /** Bytes of an IP packet; null = not known. */
  readonly mtu: number | null
  /** Its first address of IPv4, and whether it has one of IPv6. */
  readonly address: string | null
  readonly ipv6: boolean
}

const IFF_MULTICAST = 0x1000

export function interfaces(): Interface[] {
  return Object.entries(os.networkInterfaces()).map(([name, addresses = []]) => {
    const flags = systemText(`/sys/class/net/${name}/flags`)
    return {
      name,
      loopback: addresses.some(one => one.internal),
      multicastFlag: flags === null ? null : (Number(flags) & IFF_MULTICAST) !== 0,
      mtu: systemNumber(`/sys/class/net/${name}/mtu`),
      address: addresses.find(one => one.family === "IPv4")?.address ?? null,
      ipv6: addresses.some(one => one.family === "IPv6"),
    }
  })
}
