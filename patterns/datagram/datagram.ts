import type { SocketOptions } from "../../core/construct.ts"
import type { Message, Pipe } from "../../core/contract.ts"
import { parseDatagramAddress } from "../../core/datagram-address.ts"
import { DuplexSocket } from "../../core/duplex-socket.ts"
import { parseEndpoint } from "../../core/endpoint.ts"
import { HeddleError } from "../../core/errors.ts"
import { Inbox, type InboxOptions, type ReceivingPattern } from "../../core/inbox.ts"
import type { MessageLike } from "../../core/message.ts"
import { Outbox, type OutboxOptions, type SendingPattern } from "../../core/outbox.ts"

/** `[address, payload]`; the address is `ip:port` and a NUL, IPv6 in brackets. */
export type DatagramMessage = [address: Buffer, payload: Buffer]

/** Datagrams from and to any address. See SPEC.md. */
export class DatagramPattern implements SendingPattern, ReceivingPattern<DatagramMessage> {
  readonly inbox: Inbox<Message, DatagramMessage>
  readonly outbox: Outbox
  private pipe: Pipe | null = null

  constructor(options: InboxOptions & OutboxOptions) {
    this.inbox = new Inbox(options, { open: message => message as unknown as DatagramMessage })
    this.outbox = new Outbox(message => this.transmit(message), options)
  }

  get canSend(): boolean {
    return this.pipe?.writable ?? false
  }

  attach(pipe: Pipe): void {
    this.pipe = pipe
  }

  online(pipe: Pipe): void {
    this.inbox.queue.reconnected(pipe)
    // DGRAM-4 what was sent before `bind`.
    this.outbox.flush()
  }

  receive(pipe: Pipe, message: Message): void {
    this.inbox.deliver(pipe, message)
  }

  writable(_pipe: Pipe): void {
    this.outbox.flush()
  }

  detach(pipe: Pipe): void {
    if (this.pipe === pipe) this.pipe = null
  }

  private transmit(message: Message): boolean {
    checkShape(message)
    if (this.pipe === null) return false
    const { largestDatagram = message[1].length } = this.pipe
    if (message[1].length <= largestDatagram) return this.pipe.send(message)
    throw new HeddleError(
      "EMSGSIZE",
      `Message too long: a payload of ${message[1].length} bytes; one datagram takes at most ${largestDatagram}`,
    )
  }
}

// DGRAM-2
function checkShape(message: Message): void {
  if (message.length !== 2) {
    throw new HeddleError(
      "EINVAL",
      `Invalid argument: a Datagram sends [address, payload], and this message has ${message.length} frames`,
    )
  }
  if (parseDatagramAddress(message[0]) !== null) return
  throw new HeddleError(
    "EINVAL",
    `Invalid argument: ${JSON.stringify(message[0].toString("latin1", 0, 60))} is no address for a datagram; write 127.0.0.1:5555 or [::1]:5555, or send back the address that came with a message`,
  )
}

/**
 * Plain UDP: `bind("udp://host:port")`, then `receive` gives `[address, payload]` for each datagram, and
 * `send([address, payload])` sends one; any program is a peer, datagrams may be lost or come twice, and nobody is known by
 * anything but an address that he may have made up. Rejects with EINVAL (no such address, not two frames) and EMSGSIZE.
 */
export class Datagram extends DuplexSocket<DatagramMessage, readonly [address: MessageLike, payload: MessageLike]> {
  /** @internal */
  declare protected readonly pattern: DatagramPattern
  private bound = false

  constructor(options: SocketOptions<Datagram> = {}) {
    super("DGRAM", (settings: InboxOptions & OutboxOptions) => new DatagramPattern(settings), options)
  }

  /** To one address of `udp://`. Rejects with EBUSY when it is bound already, and with what every socket's `bind` does. */
  override async bind(address: string): Promise<void> {
    this.mustBeOpen()
    const { scheme } = parseEndpoint(address)
    if (this.context.transportOf(scheme, address).largestDatagram === undefined) throw onlyUdp(address)
    if (this.bound) {
      throw new HeddleError(
        "EBUSY",
        `A Datagram is bound to one address, and this one is to ${this.lastEndpoint}; unbind it first, or make another for ${address}`,
        { address },
      )
    }
    this.bound = true
    try {
      await super.bind(address)
    } catch (error) {
      this.bound = false
      throw error
    }
  }

  override async unbind(address: string): Promise<void> {
    await super.unbind(address)
    this.bound = false
  }

  /** Always throws, ENOCOMPATPROTO: there is nobody to connect to; each message has an address. EBADF. */
  override connect(address: string): never {
    this.mustBeOpen()
    throw onlyUdp(address)
  }
}

function onlyUdp(address: string): HeddleError {
  return new HeddleError(
    "ENOCOMPATPROTO",
    `The protocol is not compatible with the socket type: ${address}: a Datagram binds to udp:// and sends [address, payload]`,
    { address },
  )
}
