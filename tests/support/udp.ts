import dgram from "node:dgram"
import { once } from "node:events"
import { later } from "./cleanup.ts"

export interface Received {
  bytes: Buffer
  host: string
  port: number
}

/** A plain UDP socket as the other side; closed after the test. */
export class RawDatagrams {
  readonly received: Received[] = []
  readonly socket: dgram.Socket
  private waiting: (() => void)[] = []

  private constructor(socket: dgram.Socket) {
    this.socket = socket
    socket.on("message", (bytes, { address, port }) => {
      this.received.push({ bytes, host: address, port })
      for (const wake of this.waiting.splice(0)) wake()
    })
  }

  static async open(host = "127.0.0.1"): Promise<RawDatagrams> {
    const socket = dgram.createSocket(host.includes(":") ? "udp6" : "udp4").bind(0, host)
    await once(socket, "listening")
    later(() => socket.close())
    return new RawDatagrams(socket)
  }

  get host(): string {
    return this.socket.address().address
  }

  get port(): number {
    return this.socket.address().port
  }

  /** To send to. */
  get endpoint(): string {
    return this.host.includes(":") ? `udp://[${this.host}]:${this.port}` : `udp://${this.host}:${this.port}`
  }

  async next(): Promise<Received> {
    while (this.received.length === 0) await new Promise<void>(resolve => this.waiting.push(resolve))
    return this.received.shift() as Received
  }

  /** Resolves in a later turn: Node calls back in this one, and a loop of sends would keep the receiver from reading. */
  send(bytes: Buffer | string, endpoint: string): Promise<void> {
    const { host, port } = partsOf(endpoint)
    return new Promise((resolve, reject) => {
      this.socket.send(bytes, port, host, error => (error === null ? setImmediate(resolve) : reject(error)))
    })
  }
}

/** Host (or group) and port of `udp://...`. */
export function partsOf(endpoint: string): { host: string; port: number } {
  const address = endpoint.slice(endpoint.includes(";") ? endpoint.lastIndexOf(";") + 1 : "udp://".length)
  const colon = address.lastIndexOf(":")
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(address.slice(colon + 1)) }
}

/** Whether a datagram to this group, sent with TTL 0 by the interface lo, comes back on this machine. */
export async function multicastWorks(group: string): Promise<boolean> {
  const six = group.includes(":")
  const via = six ? "::%lo" : "127.0.0.1"
  const receiver = dgram.createSocket({ type: six ? "udp6" : "udp4", reuseAddr: true })
  const sender = dgram.createSocket(six ? "udp6" : "udp4")
  try {
    receiver.bind(0, six ? "::" : group)
    await once(receiver, "listening")
    receiver.addMembership(group, via)
    sender.bind(0, six ? "::" : "127.0.0.1")
    await once(sender, "listening")
    sender.setMulticastInterface(via)
    sender.setMulticastTTL(0)
    const heard = once(receiver, "message").then(
      () => true,
      () => false,
    )
    await new Promise<void>((resolve, reject) => {
      sender.send("probe", receiver.address().port, group, error => (error === null ? resolve() : reject(error)))
    })
    // On this machine it is there in microseconds where multicast works at all.
    return await Promise.race([heard, new Promise<boolean>(resolve => setTimeout(resolve, 500, false))])
  } catch {
    return false
  } finally {
    receiver.close()
    sender.close()
  }
}
