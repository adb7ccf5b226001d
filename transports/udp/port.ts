/** A UDP socket as transports need it: in batches where the native addon is (native-port.ts), by Node's dgram elsewhere. */
export interface DatagramPort {
  /** Where it is bound. */
  readonly host: string
  readonly port: number
  /** Bytes of datagrams that the operating system keeps until they are read; absent = unknown. */
  readonly receiveBuffer?: number
  /** Nothing is delivered before it; what comes earlier is lost. */
  start(reader: DatagramReader): void
  /**
   * Takes one datagram; its bytes must stay as they are until `flush`, and after the answer false until `drained`. False =
   * taken, but stop until `drained`. Never throws, never calls the reader.
   */
  send(bytes: Buffer, host: string, port: number): boolean
  /** What was taken goes to the operating system now, not at the end of the turn. Absent where nothing is held back. */
  flush?(): void
  /** What was taken and is not with the operating system is lost. Idempotent. */
  close(): void
  /** Resolves when it was closed and the address is free. */
  readonly closed: Promise<void>
}

/** None of these is called after `close`. */
export interface DatagramReader {
  /**
   * The bytes are the reader's for ever: their memory is not used again. `more`: the next one follows at once, so that what
   * both mean together can be worked out then. Absent = this is the last, or the port does not know.
   */
  datagram(bytes: Buffer, host: string, port: number, more?: boolean): void
  /** The operating system would not send a datagram that was taken. */
  unsent(error: Error): void
  /** `send` answered false; now everything is with the operating system. */
  drained(): void
  /** The socket is of no use any more. */
  failed(error: Error): void
}

/** What the socket's options say. */
export interface PortSettings {
  readonly hops: number
  readonly loopback: boolean
  /** Bytes of the operating system's buffers; -1 = its default. */
  readonly sendBuffer: number
  readonly receiveBuffer: number
  /** The byte "type of service", and the only interface to use: they need the native addon. */
  readonly service: number
  readonly device: string | null
}

export interface PortOptions extends PortSettings {
  readonly family: 4 | 6
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  /** Others may be bound there, too: each gets what is sent to a group. */
  readonly shared: boolean
  /** Groups to join. */
  readonly group: string | null
  /** For the group, and for multicast that is sent: an IPv4 address, or `::%name`. Undefined = the routing table decides. */
  readonly interface: string | undefined
  /**
   * Bytes that may go out in one turn of the event loop before `send` answers false, where the port counts them. Absent =
   * 1 MiB: what a receiver in the same thread can keep until it reads.
   */
  readonly turnBytes?: number
}

/** Rejects with the system's error. */
export type OpenPort = (options: PortOptions) => Promise<DatagramPort>
