import type { SocketOptions } from "../../core/construct.ts"
import type { Message, Pipe } from "../../core/contract.ts"
import { DuplexSocket } from "../../core/duplex-socket.ts"
import { HeddleError } from "../../core/errors.ts"
import { Inbox, type InboxOptions, type ReceivingPattern } from "../../core/inbox.ts"
import type { MessageLike } from "../../core/message.ts"
import { type Bytes, defineOptions, flag, routingIdOption, toBytes } from "../../core/options.ts"
import { Outbox, type OutboxOptions, type SendingPattern } from "../../core/outbox.ts"
import { type Lines, RoutedOutbox } from "../client-server/routed-outbox.ts"

/** `[id, data]`; no data = the connection came or went. */
export type StreamMessage = [id: Buffer, data: Buffer]

interface StreamSettings extends InboxOptions, OutboxOptions {
  readonly notify: boolean
}

/** What the pattern keeps about a connection, in `pipe.state`. */
interface RawPeer {
  readonly id: Buffer
  readonly key: string
  readonly pipe: Pipe
  readonly outbox: Outbox
  /** The user was told that this connection is there, and has a right to hear of its end. */
  announced: boolean
  /** No more is sent: the user ended the connection, or it is gone. */
  closed: boolean
}

const NOTICE = Buffer.alloc(0)
const IDS = 2 ** 32
/** Raw bytes from and to any number of connections, each known by an id. */
export class StreamPattern implements SendingPattern, ReceivingPattern<StreamMessage>, Lines<undefined> {
  readonly inbox: Inbox<StreamMessage>
  readonly outbox: RoutedOutbox
  private readonly options: StreamSettings
  private readonly peers = new Map<string, RawPeer>()
  private lastId: number

  constructor(options: StreamSettings, lastId = Math.floor(Math.random() * IDS)) {
    this.options = options
    this.lastId = lastId
    this.inbox = new Inbox(options)
    this.outbox = new RoutedOutbox(this)
  }

  get canSend(): boolean {
    for (const { pipe, outbox } of this.peers.values()) if (outbox.waiting === 0 && pipe.writable) return true
    return false
  }

  has(id: Buffer): boolean {
    return this.peers.has(id.toString("latin1"))
  }

  attach(pipe: Pipe): void {
    const assigned = pipe.assignedId
    // With `immediate` two endpoints may have been given one id, and the second comes to know it here only.
    const id = assigned !== null && !this.has(assigned) ? assigned : this.nextId()
    const outbox: Outbox = new Outbox(message => this.transmit(peer, message), this.options)
    const peer: RawPeer = { id, key: id.toString("latin1"), pipe, outbox, announced: false, closed: false }
    pipe.state = peer
    this.peers.set(peer.key, peer)
  }

  online(pipe: Pipe): void {
    const peer = pipe.state as RawPeer
    this.inbox.queue.reconnected(pipe)
    if (!this.options.notify) return
    // STREAM-6: an endpoint that is lost and found again and again while nobody reads must not fill the memory.
    const limit = this.options.receiveHighWaterMark * 2
    if (limit > 0 && this.inbox.queue.waiting(pipe) >= limit) pipe.drop("full")
    else {
      peer.announced = true
      this.notify(peer)
    }
  }

  offline(pipe: Pipe): void {
    const peer = pipe.state as RawPeer
    if (peer.announced) this.notify(peer)
    peer.announced = false
  }

  receive(pipe: Pipe, message: Message): void {
    this.inbox.deliver(pipe, [(pipe.state as RawPeer).id, message[0]]) // STREAM-2
  }

  writable(pipe: Pipe): void {
    ;(pipe.state as RawPeer).outbox.flush()
  }

  detach(pipe: Pipe): void {
    const peer = pipe.state as RawPeer
    peer.closed = true
    if (this.peers.get(peer.key) === peer) this.peers.delete(peer.key)
    peer.outbox.flush()
  }

  lineFor(message: Message): Outbox {
    if (message.length !== 2) {
      throw new HeddleError(
        "EINVAL",
        `Invalid argument: a Stream sends [id, data], and this message has ${message.length} frames; join the data into one`,
      )
    }
    const peer = this.peers.get(message[0].toString("latin1"))
    if (peer === undefined) throw unreachable(message[0])
    return peer.outbox
  }

  *lines(): Iterable<Outbox> {
    for (const peer of this.peers.values()) yield peer.outbox
  }

  private transmit(peer: RawPeer, [id, data]: Message): boolean {
    if (peer.closed) throw unreachable(id)
    if (data.length > 0) return peer.pipe.send([data]) // STREAM-3
    // STREAM-4: what was sent before goes out first. Not now: `detach` may follow at once, and would find us here.
    peer.closed = true
    process.nextTick(() => peer.pipe.finish())
    return true
  }

  private notify(peer: RawPeer): void {
    this.inbox.deliver(peer.pipe, [peer.id, NOTICE])
  }

  /** STREAM-1: five bytes, the first of them 0, so that it differs from every id that users choose. */
  private nextId(): Buffer {
    const id = Buffer.alloc(5)
    do {
      this.lastId = (this.lastId + 1) % IDS
      id.writeUInt32BE(this.lastId, 1)
    } while (this.has(id))
    return id
  }
}

function unreachable(id: Buffer): HeddleError {
  return new HeddleError(
    "EHOSTUNREACH",
    `Host unreachable: this Stream has no open connection with the id ${id.toString("hex")}; it was closed, or the id is not one of ours`,
  )
}

export interface StreamConnectOptions {
  /** The id of the connection, 1 to 255 bytes that do not begin with 0. Default: one is made. */
  routingId?: string | Buffer
}

/**
 * Plain TCP (or Unix) connections without ZMTP. `receive` gives `[id, data]` for each piece of data that arrives, and
 * `[id, ""]` when a connection came or went; `send([id, data])` answers, `send([id, ""])` ends the connection after what was
 * sent before. Rejects with EHOSTUNREACH when nobody has the id and with EINVAL for other than two frames.
 */
export class Stream extends DuplexSocket<StreamMessage, readonly [id: MessageLike, data: MessageLike]> {
  /** Tell of connections that come and go by `[id, ""]`. Default true. Live. [ZMQ_STREAM_NOTIFY] */
  declare notify: boolean

  /** @internal */
  declare protected readonly pattern: StreamPattern

  constructor(options: SocketOptions<Stream> = {}) {
    super("STREAM", (settings: StreamSettings) => new StreamPattern(settings), options)
  }

  /** True when at least one connection has room. */
  override get writable(): boolean {
    return !this.closed && this.pattern.canSend
  }

  /** Dials; with `routingId` data can be sent to that id at once. Throws EINVAL when the id is taken. */
  override connect(address: string, { routingId }: StreamConnectOptions = {}): void {
    const id = routingId === undefined ? null : toBytes(routingIdOption.check(routingId, "routingId") as Bytes)
    if (id !== null && this.pattern.has(id)) {
      throw new HeddleError(
        "EINVAL",
        `Invalid argument: another connection of this Stream has the routingId ${JSON.stringify(id.toString())}; choose another, or disconnect that one first`,
        { address },
      )
    }
    this.dial(address, id === null || id.length === 0 ? null : id)
  }
}

defineOptions(Stream, { notify: flag(true, true) })
