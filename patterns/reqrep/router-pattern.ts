import type { DropReason, Message, PeerHello, Pipe } from "../../core/contract.ts"
import { Inbox, type InboxOptions, type ReceivingPattern } from "../../core/inbox.ts"
import { Outbox, type OutboxOptions, type SendingPattern } from "../../core/outbox.ts"
import { type Lines, RoutedOutbox } from "../client-server/routed-outbox.ts"
import { EMPTY, withFirst, withoutFirst } from "./frames.ts"
import { type FarewellOptions, farewell, type GreetingOptions, greet, notify } from "./presence.ts"
import { idReplaced, idTaken, idUnknown } from "./routing-errors.ts"
import { isGenerated, type RouterPeer, RoutingTable } from "./routing-table.ts"

/** Which changes of a peer's connection the user reads as `[id, ""]`. */
export type RouterNotify = null | "connect" | "disconnect" | "both"

export interface RouterOptions extends InboxOptions, OutboxOptions, GreetingOptions, FarewellOptions {
  readonly mandatory: boolean
  readonly handover: boolean
  readonly routerNotify: RouterNotify
}

/** Talks to each peer by its routing id, the first frame of every message (RFC 28). */
export class RouterPattern implements ReceivingPattern<Message>, SendingPattern, Lines<undefined> {
  readonly inbox: Inbox<Message>
  readonly outbox: RoutedOutbox
  readonly dropped: Partial<Record<DropReason, number>> = {}
  private readonly options: RouterOptions
  private readonly table: RoutingTable
  /** For messages that nobody shall get; nobody waits there. */
  private readonly nowhere: Outbox

  constructor(options: RouterOptions, table = new RoutingTable()) {
    this.options = options
    this.table = table
    this.inbox = new Inbox(options)
    this.outbox = new RoutedOutbox(this)
    this.nowhere = new Outbox(message => this.undeliverable(message), options)
  }

  get canSend(): boolean {
    if (!this.options.mandatory) return true
    for (const peer of this.table.values()) if (peer.outbox.waiting === 0 && peer.pipe.writable) return true
    return false
  }

  /** Whether a peer, or a pipe that waits for one, has this routing id. */
  knows(id: Buffer): boolean {
    return this.table.find(id) !== undefined
  }

  /** ROUTER-7, where the peer came to us. */
  screen(peer: PeerHello): void {
    const holder = peer.routingId.length === 0 ? undefined : this.table.find(peer.routingId)
    if (holder !== undefined && !this.mayTake(holder)) throw idTaken(peer.routingId, peer, holder.pipe)
  }

  attach(pipe: Pipe): void {
    // Only an accepted pipe has had its handshake when it is attached.
    const peer = this.makePeer(pipe, pipe.assignedId ?? EMPTY, pipe.peer !== null)
    // ROUTER-10: messages may wait for a peer that was named before it is there.
    if (peer.id.length > 0 && !this.knows(peer.id)) this.table.add(peer)
  }

  online(pipe: Pipe): void {
    const peer = this.identify(pipe)
    if (peer === null) return
    peer.online = true
    this.inbox.queue.reconnected(pipe)
    greet(pipe, this.options)
    const { routerNotify } = this.options
    if (routerNotify === "connect" || routerNotify === "both") this.tell(peer, EMPTY)
  }

  offline(pipe: Pipe): void {
    const peer = pipe.state as RouterPeer
    // Nobody has heard of a peer that was turned away.
    if (!peer.online) return
    peer.online = false
    const { routerNotify } = this.options
    if (routerNotify === "disconnect" || routerNotify === "both") this.tell(peer, EMPTY)
    const words = farewell(this.options, peer.accepted)
    if (words !== null) this.tell(peer, words)
  }

  // ROUTER-1
  receive(pipe: Pipe, message: Message): void {
    this.inbox.deliver(pipe, withFirst((pipe.state as RouterPeer).id, message))
  }

  writable(pipe: Pipe): void {
    ;(pipe.state as RouterPeer).outbox.flush()
  }

  detach(pipe: Pipe): void {
    this.release(pipe.state as RouterPeer)
  }

  lineFor(message: Message): Outbox {
    if (message.length < 2) return this.nowhere
    return this.table.find(message[0])?.outbox ?? this.nowhere
  }

  *lines(): Iterable<Outbox> {
    for (const peer of this.table.values()) yield peer.outbox
  }

  /** ROUTER-2, ROUTER-6 */
  private transmit(peer: RouterPeer, message: Message): boolean {
    if (!peer.routed) return this.undeliverable(message)
    if (peer.pipe.send(withoutFirst(message))) return true
    if (this.options.mandatory) return false
    peer.pipe.drop("full")
    return true
  }

  /** ROUTER-4, ROUTER-5 */
  private undeliverable(message: Message): true {
    if (message.length >= 2 && this.options.mandatory) throw idUnknown(message[0])
    const reason = message.length < 2 ? "malformed" : "unroutable"
    this.dropped[reason] = (this.dropped[reason] ?? 0) + 1
    return true
  }

  /** The peer of a new connection under its routing id; null = turned away. */
  private identify(pipe: Pipe): RouterPeer | null {
    let peer = pipe.state as RouterPeer
    const id = this.idFor(peer)
    const holder = this.table.find(id)
    if (holder === peer) return peer
    // ROUTER-7, where we came to the peer, and ROUTER-8.
    if (holder !== undefined) {
      if (!this.mayTake(holder)) {
        pipe.close(idTaken(id, pipe.peer, holder.pipe))
        return null
      }
      this.release(holder)
    }
    // ROUTER-9
    if (!peer.id.equals(id)) {
      this.release(peer)
      peer = this.makePeer(pipe, id, peer.accepted)
    }
    this.table.add(peer)
    // Last: its end may be a message to the user, who may send to the id at once.
    holder?.pipe.close(idReplaced(id, holder.pipe, pipe))
    return peer
  }

  /** ROUTER-8 */
  private mayTake(holder: RouterPeer): boolean {
    return this.options.handover && holder.pipe.assignedId === null
  }

  private idFor({ pipe, id }: RouterPeer): Buffer {
    if (pipe.assignedId !== null) return pipe.assignedId
    const announced = pipe.peer?.routingId ?? EMPTY
    if (announced.length > 0) return announced
    // ROUTER-3: an id that we made up stays for the life of the pipe.
    return isGenerated(id) ? id : this.table.generate()
  }

  private makePeer(pipe: Pipe, id: Buffer, accepted: boolean): RouterPeer {
    const peer: RouterPeer = {
      pipe,
      id,
      accepted,
      outbox: new Outbox(message => this.transmit(peer, message), this.options),
      routed: false,
      online: false,
    }
    pipe.state = peer
    return peer
  }

  /** The id is free again. Who waits to send to it hears that the peer is gone. */
  private release(peer: RouterPeer): void {
    this.table.delete(peer)
    peer.outbox.flush()
  }

  private tell(peer: RouterPeer, words: Buffer): void {
    notify(this.inbox, this.options, peer.pipe, [peer.id, words])
  }
}
