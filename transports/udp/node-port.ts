import type dgram from "node:dgram"
import type { DatagramPort, DatagramReader, PortOptions } from "./port.ts"
import { openSocket, receiveBufferOf } from "./socket.ts"

/** Datagrams that wait for the operating system's answer: the pipe's bounded queue holds the rest, and counts its drops. */
const MOST_PENDING = 512
/** Bytes of them, which are there only while the operating system is full: they are memory of the senders. */
const MOST_BYTES = 64 * 1024

/** A port over Node's dgram: one call, and one event, for each datagram. */
export class NodePort implements DatagramPort {
  readonly host: string
  readonly port: number
  readonly receiveBuffer: number
  readonly closed: Promise<void>
  private readonly socket: dgram.Socket
  private readonly family: 4 | 6
  private reader: DatagramReader | null = null
  private pending = 0
  /** Bytes that were sent since nothing was pending. */
  private bytes = 0
  private awaited = false
  private over = false
  private readonly sent = (error: Error | null): void => {
    if (--this.pending === 0) this.bytes = 0
    if (this.over) return
    if (error !== null) this.reader?.unsent(error)
    if (this.pending > 0 || !this.awaited) return
    this.awaited = false
    this.reader?.drained()
  }

  static async open(options: PortOptions): Promise<NodePort> {
    return new NodePort(await openSocket(options), options.family)
  }

  private constructor(socket: dgram.Socket, family: 4 | 6) {
    const { address, port } = socket.address()
    this.host = address
    this.port = port
    this.receiveBuffer = receiveBufferOf(socket)
    this.socket = socket
    this.family = family
    this.closed = new Promise(resolve => socket.once("close", resolve))
    socket.on("message", (bytes, from) => {
      if (!this.over) this.reader?.datagram(bytes, plain(from.address), from.port)
    })
    socket.on("error", error => {
      if (!this.over) this.reader?.failed(error)
    })
  }

  start(reader: DatagramReader): void {
    this.reader = reader
  }

  send(bytes: Buffer, host: string, port: number): boolean {
    if (this.over) return true
    this.pending++
    this.bytes += bytes.length
    this.socket.send(bytes, port, this.family === 6 && !host.includes(":") ? `::ffff:${host}` : host, this.sent)
    if (this.pending < MOST_PENDING && this.queued < MOST_BYTES) return true
    this.awaited = true
    return false
  }

  /** Deno 2.9 does not tell what waits: it may be all that was not answered. */
  private get queued(): number {
    return this.socket.getSendQueueSize === undefined ? this.bytes : this.socket.getSendQueueSize()
  }

  close(): void {
    if (this.over) return
    this.over = true
    this.socket.close()
  }
}

/** An IPv4 sender, as a socket for both families names it. */
export function plain(host: string): string {
  return host.startsWith("::ffff:") && host.includes(".") ? host.slice(7) : host
}
