import net from "node:net"

/** The option `tcpAcceptFilter` as a test of IP addresses; null = everybody may come. */
export function addressFilter(filter: string | readonly string[] | null): ((address: string) => boolean) | null {
  if (filter === null || filter.length === 0) return null
  const list = new net.BlockList()
  for (const range of typeof filter === "string" ? [filter] : filter) {
    const [address, bits] = range.split("/")
    const family = net.isIPv6(address) ? "ipv6" : "ipv4"
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return address => {
    const plain = address.startsWith("::ffff:") ? address.slice(7) : address
    return list.check(plain, net.isIPv6(plain) ? "ipv6" : "ipv4")
  }
}
