import type { SocketOptions } from "../../core/construct.ts"
import type { Message, Pipe } from "../../core/contract.ts"
import { DuplexSocket } from "../../core/duplex-socket.ts"
import { HeddleError } from "../../core/errors.ts"
import { Inbox, type InboxOptions, type ReceivingPattern } from "../../core/inbox.ts"
import type { MessageLike } from "../../core/message.ts"
import { Outbox, type OutboxOptions, type SendingPattern } from "../../core/outbox.ts"
import { requireOneFrame } from "../one-frame.ts"
import { type Lines, RoutedOutbox } from "./routed-outbox.ts"

/** Which peer a message is for, or from. */
export interface ServerRoutingOptions {
  /** 1 to 4,294,967,295. Given to each peer when it comes, and not used again before all others were. */
  readonly routingId: number
}

export type ServerOptions = InboxOptions & OutboxOptions

/** What the pattern keeps about a peer, in `pipe.state`. */
interface NumberedPeer {
  readonly route: ServerRoutingOptions
  readonly pipe: Pipe
  readonly outbox: Outbox
}

const IDS = 2 ** 32

/** Numbers its peers, and sends to the one that each message names (RFC 41, RFC 51). */
export class ServerPattern
  implements
    SendingPattern<ServerRoutingOptions>,
    ReceivingPattern<[Buffer, ServerRoutingOptions]>,
    Lines<ServerRoutingOptions>
{
  readonly inbox: Inbox<[Buffer, ServerRoutingOptions]>
  readonly outbox: RoutedOutbox<ServerRoutingOptions>
  private readonly options: ServerOptions
  private readonly type: string
  private readonly peers = new Map<number, NumberedPeer>()
  private lastId: number

  /** SERVER-3: ids begin at a random place, so that nobody takes those of an earlier run for his. */
  constructor(options: ServerOptions, type = "Server", lastId = Math.floor(Math.random() * IDS)) {
    this.options = options
    this.type = type
    this.lastId = lastId
    this.inbox = new Inbox(options, { framesOnly: false })
    this.outbox = new RoutedOutbox(this)
  }

  get canSend(): boolean {
    for (const { pipe, outbox } of this.peers.values()) if (outbox.waiting === 0 && pipe.writable) return true
    return false
  }

  idOf(pipe: Pipe): number {
    return (pipe.state as NumberedPeer).route.routingId
  }

  attach(pipe: Pipe): void {
    const route = Object.freeze({ routingId: this.nextId() })
    const peer: NumberedPeer = {
      route,
      pipe,
      outbox: new Outbox(message => this.transmit(peer, message), this.options),
    }
    pipe.state = peer
    this.peers.set(route.routingId, peer)
  }

  online(pipe: Pipe): void {
    this.inbox.queue.reconnected(pipe)
  }

  receive(pipe: Pipe, message: Message): void {
    if (message.length === 1)
      this.inbox.deliver(pipe, [message[0], (pipe.state as NumberedPeer).route]) // SERVER-2
    else pipe.drop("malformed") // SERVER-7
  }

  writable(pipe: Pipe): void {
    ;(pipe.state as NumberedPeer).outbox.flush()
  }

  detach(pipe: Pipe): void {
    const peer = pipe.state as NumberedPeer
    this.peers.delete(peer.route.routingId)
    // SERVER-5: those who wait for its room hear that it is gone.
    peer.outbox.flush()
  }

  lineFor(_message: Message, option: ServerRoutingOptions | undefined): Outbox {
    const id = option?.routingId
    const peer = this.peers.get(id as number)
    if (peer !== undefined) return peer.outbox
    if (typeof id === "number" && Number.isInteger(id) && id > 0 && id < IDS) throw this.unreachable(id)
    throw new HeddleError(
      "EINVAL",
      `Invalid argument: a ${this.type} sends to the peer with routingId ${String(id)}; pass { routingId } as receive gave it`,
    )
  }

  *lines(): Iterable<Outbox> {
    for (const peer of this.peers.values()) yield peer.outbox
  }

  // SERVER-1, SERVER-6.
  private transmit(peer: NumberedPeer, message: Message): boolean {
    const { routingId } = peer.route
    if (this.peers.get(routingId) !== peer) throw this.unreachable(routingId)
    requireOneFrame(message, this.type, "Router")
    return peer.pipe.send(message)
  }

  /** SERVER-3: not 0, and not one that is in use. */
  private nextId(): number {
    do this.lastId = (this.lastId + 1) % IDS
    while (this.lastId === 0 || this.peers.has(this.lastId))
    return this.lastId
  }

  private unreachable(id: number): HeddleError {
    return new HeddleError(
      "EHOSTUNREACH",
      `Host unreachable: this ${this.type} has no peer with routingId ${id}; it has left, and gets a new id when it returns`,
    )
  }
}

/**
 * Talks to its Clients with messages of one frame. `receive` gives `[frame, { routingId }]`; `send(frame, { routingId })`
 * answers. A send waits only for the room of its own peer. It rejects with EHOSTUNREACH when nobody has the id, and
 * with EINVAL for several frames.
 */
export class Server extends DuplexSocket<[Buffer, ServerRoutingOptions], MessageLike, [ServerRoutingOptions]> {
  constructor(options: SocketOptions<Server> = {}) {
    super("SERVER", (settings: ServerOptions) => new ServerPattern(settings), options)
  }

  /** True when at least one peer has room. */
  override get writable(): boolean {
    return !this.closed && this.pattern.canSend
  }
}
