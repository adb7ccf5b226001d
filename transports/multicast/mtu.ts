import fs from "node:fs/promises"
import { interfacesOf } from "./address.ts"

/** Ethernet's, and the least that nearly every path has. */
const USUAL = 1_500
/** Header of IP without options, and of UDP (RFC 791, RFC 8200, RFC 768). */
const HEADERS = { 4: 20 + 8, 6: 40 + 8 }
/** What the length field of an IPv4 packet leaves to a datagram. */
const LARGEST = 65_507

/** Bytes of a datagram that needs no fragments; `unit`: of an IP packet, 0 = as the interface says. */
export async function datagramSize(nic: string | null, family: 4 | 6, unit: number): Promise<number> {
  const packet = unit > 0 ? unit : await packetSize(nic)
  return Math.min(packet - HEADERS[family], LARGEST)
}

/** The smallest MTU of the interfaces that it may be. */
async function packetSize(nic: string | null): Promise<number> {
  const sizes = await Promise.all(interfacesOf(nic).map(mtuOf))
  return sizes.length === 0 ? USUAL : Math.min(...sizes)
}

/** Node does not tell; Linux has a file for it. */
async function mtuOf(nic: string): Promise<number> {
  try {
    const mtu = Number(await fs.readFile(`/sys/class/net/${nic}/mtu`, "latin1"))
    // IPv6 has no smaller ones (RFC 8200), and what is larger than a packet can be is a pseudo interface.
    return mtu >= 1_280 ? Math.min(mtu, 65_536) : USUAL
  } catch {
    return USUAL
  }
}
