/** What the optional addon (C++, beside this file) offers. Functions throw `Error` with the system's `code`. */

/** Raised with `kVersion` of addon.cc when a function changes, so that a binary of another version is not used. */
export const ADDON_VERSION = 1

/** A process at the other end of a Unix socket; `pid` is 0 when it is in a PID namespace that ours does not see. */
export interface PeerCredentials {
  readonly pid: number
  readonly uid: number
  readonly gid: number
}

/** Memory that processes share, and the doorbell beside it. */
export interface Native {
  readonly version: number

  /**
   * New memory of `size` bytes (at most 1 GiB), all zero, for sharing with other processes, which open it by this
   * process's id and `descriptor`. Nothing is left of it when the last process that has it open or mapped is gone.
   * The descriptor is the caller's to close; the memory stays mapped without it.
   */
  createMemory(size: number): { memory: ArrayBuffer; descriptor: number }

  /**
   * Memory that another process created. Both numbers may come from a hostile peer: anything but a sealed memory file
   * of exactly `size` bytes is refused, without waiting and without effects (EINVAL; ENOENT: no such process or
   * descriptor; EACCES: another user's). A number may mean another memory file by now: what is in it must prove itself.
   */
  openMemory(pid: number, descriptor: number, size: number): ArrayBuffer

  /**
   * Takes the memory from all its views (their length becomes 0) and unmaps it, at once. A second call does nothing.
   * Memory that is collected without it is unmapped then. Never while an asynchronous operation (a write, a hash in the
   * thread pool) works on a view of it: such operations get copies.
   * @throws EINVAL for memory that this thread did not get from the addon.
   */
  releaseMemory(memory: ArrayBuffer): void

  /** @throws EBADF */
  closeDescriptor(descriptor: number): void

  /** Who connected, or listens, at the other end (SO_PEERCRED); null when it is not a connected Unix socket. */
  peerCredentials(descriptor: number): PeerCredentials | null

  /**
   * Sends one zero byte without waiting; never throws. True when the peer will wake up, also when the socket is full of
   * bytes that it has not read. False: the connection is gone. Only with a descriptor that is known to be open, and
   * only when nothing is half written to the socket.
   */
  ring(descriptor: number): boolean
}

/** Socket options by descriptor. */
export interface NativeSockets {
  /** @throws ENOPROTOOPT for an option that this kind of socket does not have; EINVAL for a value that is none. */
  setOption(descriptor: number, name: SocketOption, value: number): void

  /** Linux gives twice the buffer size that was set: it keeps its own books in it, too. */
  getOption(descriptor: number, name: SocketOption | "SO_DOMAIN"): number

  /** Only this network interface sends and receives for the socket; "" = any. @throws ENODEV, EPERM */
  bindToDevice(descriptor: number, name: string): void

  /** The network interface that the socket is bound to; "" = none. */
  deviceOf(descriptor: number): string

  /** A TCP socket for options that must be set before it connects; the caller's to close. */
  createTcpSocket(family: 4 | 6): number

  /**
   * A Unix socket that is bound to a name in Linux's abstract namespace, of 1 to 107 octets without the leading zero
   * (libzmq's `ipc://@name`), for a server to listen on. Node 20 itself fills the name up with zeros, and is found by
   * nobody else. @throws EADDRINUSE, ENAMETOOLONG
   */
  bindAbstract(name: string): number

  /** A Unix socket that is connected to such a name. @throws ECONNREFUSED; EAGAIN: too many wait to be accepted */
  connectAbstract(name: string): number
}

/** Datagrams in batches; udp.ts is the comfortable side of it. */
export interface NativeDatagrams {
  /**
   * Reads the datagrams that are there, as many as there is room for, in one call or few. Datagram n lies at `n * slot`
   * of `bytes`; `lengths[n]` is what was sent, more than `slot` when its end was cut off. `addresses` has 24 bytes for
   * each (see udp.ts). 0 = there are none.
   * @throws ECONNREFUSED and others that the network reported since; EINVAL for arrays without room.
   */
  receiveDatagrams(
    descriptor: number,
    bytes: Uint8Array,
    slot: number,
    lengths: Int32Array,
    addresses: Uint8Array,
  ): number

  /**
   * Sends the first `count` datagrams, which lie in `bytes` one after the other, to one address. `segments`: datagrams
   * of equal length leave as one packet that the kernel or the network device cuts apart (GSO), where it can.
   * The result is how many were taken; fewer = the operating system is full, or the next one cannot be sent.
   * @throws when the first cannot be sent: EMSGSIZE, EHOSTUNREACH, ENETUNREACH, EPERM...
   */
  sendDatagrams(
    descriptor: number,
    bytes: Uint8Array,
    lengths: Int32Array,
    count: number,
    address: Uint8Array,
    segments: boolean,
  ): number
}

/** All of it. */
export type Addon = Native & NativeSockets & NativeDatagrams

export type SocketOption =
  | "IP_MULTICAST_ALL"
  | "IP_TOS"
  | "IPV6_MULTICAST_ALL"
  | "IPV6_TCLASS"
  | "SO_KEEPALIVE"
  | "SO_RCVBUF"
  | "SO_RCVBUFFORCE"
  | "SO_SNDBUF"
  | "TCP_KEEPCNT"
  | "TCP_KEEPIDLE"
  | "TCP_KEEPINTVL"
  | "TCP_USER_TIMEOUT"
