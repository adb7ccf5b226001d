import dgram from "node:dgram"
import type dns from "node:dns"
import { loadNative } from "../native/native.ts"
import { descriptorOf } from "../native/udp.ts"
import type { DatagramPort, DatagramReader, PortOptions } from "./port.ts"

/** Datagrams that wait for the operating system's answer: the pipe's bounded queue holds the rest, and counts its drops. */
const MOST_PENDING = 512

type Found = (error: Error | null, address: string, family: number) => void

/** Addresses are literals here. Node asks its resolver otherwise, for every datagram, in a later turn. */
function literal(host: string, _options: dns.LookupOneOptions, found: Found): void {
  found(null, host, host.includes(":") ? 6 : 4)
}

/** A port over Node's dgram. */
export class NodePort implements DatagramPort {
  readonly host: string
  readonly port: number
  readonly closed: Promise<void>
  private readonly socket: dgram.Socket
  private readonly family: 4 | 6
  private reader: DatagramReader | null = null
  private pending = 0
  private awaited = false
  private over = false
  private readonly sent = (error: Error | null): void => {
    this.pending--
    if (this.over) return
    if (error !== null) this.reader?.unsent(error)
    if (this.pending > 0 || !this.awaited) return
    this.awaited = false
    this.reader?.drained()
  }

  static open(options: PortOptions): Promise<NodePort> {
    const { family, host, port, shared } = options
    const socket = dgram.createSocket({ type: `udp${family}`, reuseAddr: shared, lookup: literal })
    return new Promise((resolve, reject) => {
      const failed = (error: unknown): void => {
        socket.close()
        reject(error)
      }
      socket.once("error", failed)
      // A cluster's workers would share the socket, and each would get a part of the datagrams.
      socket.bind({ address: host, port, exclusive: true }, () => {
        try {
          prepare(socket, options)
        } catch (error) {
          failed(error)
          return
        }
        socket.off("error", failed)
        resolve(new NodePort(socket, family))
      })
    })
  }

  private constructor(socket: dgram.Socket, family: 4 | 6) {
    const { address, port } = socket.address()
    this.host = address
    this.port = port
    this.socket = socket
    this.family = family
    socket.unref()
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
    this.socket.send(bytes, port, this.family === 6 && !host.includes(":") ? `::ffff:${host}` : host, this.sent)
    if (this.pending < MOST_PENDING) return true
    this.awaited = true
    return false
  }

  close(): void {
    if (this.over) return
    this.over = true
    this.socket.close()
  }
}

function prepare(socket: dgram.Socket, options: PortOptions): void {
  // 0 is the least that there is, for the kernel; for Node it would be a question.
  if (options.sendBuffer >= 0) socket.setSendBufferSize(Math.max(1, options.sendBuffer))
  if (options.receiveBuffer >= 0) socket.setRecvBufferSize(Math.max(1, options.receiveBuffer))
  socket.setMulticastTTL(options.hops)
  socket.setMulticastLoopback(options.loopback)
  if (options.interface !== undefined) socket.setMulticastInterface(options.interface)
  if (options.device !== null) loadNative()?.bindToDevice(descriptorOf(socket), options.device)
  if (options.service > 0) setService(socket, options)
  if (options.group !== null) socket.addMembership(options.group, options.interface)
}

function setService(socket: dgram.Socket, { family, service }: PortOptions): void {
  const native = loadNative()
  native?.setOption(descriptorOf(socket), "IP_TOS", service)
  if (family === 6) native?.setOption(descriptorOf(socket), "IPV6_TCLASS", service)
}

/** An IPv4 sender, as a socket for both families names it. */
function plain(host: string): string {
  return host.startsWith("::ffff:") && host.includes(".") ? host.slice(7) : host
}
