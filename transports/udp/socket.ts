import dgram from "node:dgram"
import type dns from "node:dns"
import { nativeForSockets } from "../native/for-sockets.ts"
import { descriptorOf } from "../native/udp.ts"
import type { PortOptions } from "./port.ts"

type Found = (error: Error | null, address: string, family: number) => void

/** Addresses are literals here. Node asks its resolver otherwise, for every datagram, in a later turn. */
function literal(host: string, _options: dns.LookupOneOptions, found: Found): void {
  found(null, host, host.includes(":") ? 6 : 4)
}

/** Node's socket, bound, with everything set that the options say. Rejects with the system's error. */
export function openSocket(options: PortOptions): Promise<dgram.Socket> {
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
      socket.unref()
      resolve(socket)
    })
  })
}

/** Bytes of datagrams that it keeps for us. Linux gives twice what was set, for its own books. */
export function receiveBufferOf(socket: dgram.Socket): number {
  return socket.getRecvBufferSize() / (process.platform === "linux" ? 2 : 1)
}

function prepare(socket: dgram.Socket, options: PortOptions): void {
  // 0 is the least that there is, for the kernel; for Node it would be a question.
  if (options.sendBuffer >= 0) socket.setSendBufferSize(Math.max(1, options.sendBuffer))
  if (options.receiveBuffer >= 0) setReceiveBuffer(socket, Math.max(1, options.receiveBuffer))
  socket.setMulticastTTL(options.hops)
  socket.setMulticastLoopback(options.loopback)
  if (options.interface !== undefined) socket.setMulticastInterface(options.interface)
  if (options.device !== null) nativeForSockets()?.bindToDevice(descriptorOf(socket), options.device)
  if (options.service > 0) setService(socket, options)
  if (options.group === null) return
  socket.addMembership(options.group, options.interface)
  // Linux gives a socket what any other socket of the machine has joined, on whichever interface, unless it is told not to.
  tryOption(socket, options.family === 6 ? "IPV6_MULTICAST_ALL" : "IP_MULTICAST_ALL", 0)
}

/** Linux cuts a wish down to net.core.rmem_max without a word; who administers the network may go beyond. */
function setReceiveBuffer(socket: dgram.Socket, bytes: number): void {
  socket.setRecvBufferSize(bytes)
  if (receiveBufferOf(socket) < bytes) tryOption(socket, "SO_RCVBUFFORCE", bytes)
}

/** For what is better with it and works without. */
function tryOption(
  socket: dgram.Socket,
  name: "IPV6_MULTICAST_ALL" | "IP_MULTICAST_ALL" | "SO_RCVBUFFORCE",
  value: number,
): void {
  try {
    nativeForSockets()?.setOption(descriptorOf(socket), name, value)
  } catch {
    // The kernel is older, or we may not.
  }
}

function setService(socket: dgram.Socket, { family, service }: PortOptions): void {
  const native = nativeForSockets()
  native?.setOption(descriptorOf(socket), "IP_TOS", service)
  if (family === 6) native?.setOption(descriptorOf(socket), "IPV6_TCLASS", service)
}
