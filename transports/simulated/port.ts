import type { DatagramPort, DatagramReader, PortOptions } from "../udp/port.ts"
import type { SimulatedHost } from "./host.ts"
import type { Traffic } from "./path.ts"
import { systemError } from "./system-error.ts"

/** What Linux gives a socket that asks for nothing (net.core.rmem_default, wmem_default). */
const BUFFER = 212_992
/** The kernel's own notes on a waiting datagram count, too: otherwise empty ones would wait without end. */
const BOOKKEEPING = 256
/** 65,535 less the headers of IPv4 and UDP. */
const LARGEST = 65_507

/** A UDP socket on a simulated host. */
export class SimulatedPort implements DatagramPort {
  readonly owner: SimulatedHost
  readonly host: string
  readonly port: number
  readonly options: PortOptions
  readonly closed: Promise<void>
  private readonly source: string
  readonly receiveBuffer: number
  private readonly sendBuffer: number
  private reader: DatagramReader | null = null
  private waiting = 0
  private awaited = false
  private over = false
  private ended: () => void = () => {}

  /** Made by `SimulatedHost.open`. */
  constructor(owner: SimulatedHost, port: number, options: PortOptions) {
    this.owner = owner
    this.port = port
    this.options = options
    this.host = options.host
    this.source = options.family === 6 ? owner.address6 : owner.address
    this.receiveBuffer = options.receiveBuffer > 0 ? options.receiveBuffer : BUFFER
    this.sendBuffer = options.sendBuffer > 0 ? options.sendBuffer : BUFFER
    this.closed = new Promise(resolve => {
      this.ended = resolve
    })
  }

  start(reader: DatagramReader): void {
    this.reader = reader
  }

  send(bytes: Buffer, host: string, port: number): boolean {
    if (this.over) return true
    const { owner } = this
    const { clock } = owner.network
    if (bytes.length > LARGEST) {
      this.refuse("EMSGSIZE")
      return true
    }
    let leaves = clock.now()
    if (owner.uplink > 0) {
      const waits = Math.max(0, owner.sendsUntil - leaves)
      // Taken although it was said to stop: twice the buffer is the end.
      if ((waits * owner.uplink) / 1000 > 2 * this.sendBuffer) {
        this.refuse("ENOBUFS")
        return false
      }
      leaves += waits + (bytes.length / owner.uplink) * 1000
      owner.sendsUntil = leaves
    }
    // The system has its own copy: who sent may use the memory again.
    owner.dispatch(leaves, Buffer.from(bytes), this.source, this.port, host, port, this.options.loopback)
    if (owner.uplink === 0 || ((leaves - clock.now()) * owner.uplink) / 1000 <= this.sendBuffer) return true
    if (!this.awaited) {
      this.awaited = true
      owner.clock.after(leaves - clock.now(), () => {
        this.awaited = false
        if (!this.over) this.reader?.drained()
      })
    }
    return false
  }

  close(): void {
    if (this.over) return
    this.over = true
    this.owner.release(this)
    queueMicrotask(this.ended)
  }

  // From the host

  /** Whether another one may not be bound beside it. */
  excludes(other: PortOptions): boolean {
    if (this.options.shared && other.shared) return false
    const wild = (host: string): boolean => host === "0.0.0.0" || host === "::"
    return wild(other.host) || wild(this.host) || other.host === this.host
  }

  /** Whether what is sent to this address of the host is for this socket. */
  hears(address: string): boolean {
    const { host } = this
    if (host === "0.0.0.0" || host === "::") return true
    return host === address || (this.options.group === null && this.owner.resolve(host) === this.owner.resolve(address))
  }

  /** Room for one more that waits to be read; false = there is none. */
  reserve(bytes: number): boolean {
    const after = this.waiting + bytes + BOOKKEEPING
    if (after > this.receiveBuffer) return false
    this.waiting = after
    return true
  }

  free(bytes: number): void {
    this.waiting -= bytes + BOOKKEEPING
  }

  read(bytes: Buffer, host: string, port: number, traffic: Traffic): void {
    if (this.over || this.reader === null) {
      traffic.unheard++
      return
    }
    traffic.delivered++
    traffic.bytesDelivered += bytes.length
    this.reader.datagram(bytes, host, port)
  }

  private refuse(code: string): void {
    this.owner.network.clock.after(0, () => {
      if (!this.over) this.reader?.unsent(systemError(code, `a datagram of ${this.owner.name}`))
    })
  }
}
