import type { SocketOptions } from "../../core/construct.ts"
import type { Loan, Message, Pipe } from "../../core/contract.ts"
import { DuplexSocket } from "../../core/duplex-socket.ts"
import { Inbox, type InboxOptions, type ReceivingPattern } from "../../core/inbox.ts"
import { Outbox, type OutboxOptions, type SendingPattern } from "../../core/outbox.ts"
import { Broadcast } from "./broadcast.ts"

type BusOptions = InboxOptions & OutboxOptions

/** Everybody hears everybody to whom he is connected (nanomsg's BUS). */
export class BusPattern implements SendingPattern, ReceivingPattern<Message> {
  readonly inbox: Inbox<Message>
  readonly outbox: Outbox
  /** BUS-4: it never waits. */
  readonly canSend = true
  private readonly peers = new Broadcast()

  constructor(options: BusOptions) {
    this.inbox = new Inbox(options)
    this.outbox = new Outbox(message => {
      this.peers.send(message) // BUS-1
      return true
    }, options)
  }

  attach(pipe: Pipe): void {
    this.peers.attach(pipe)
  }

  online(pipe: Pipe): void {
    this.peers.online(pipe)
    this.inbox.queue.reconnected(pipe)
  }

  offline(pipe: Pipe): void {
    this.peers.offline(pipe)
  }

  // BUS-5 fair queue; BUS-3 nothing is passed on.
  receive(pipe: Pipe, message: Message): void {
    this.inbox.deliver(pipe, message)
  }

  get borrows(): boolean {
    return this.inbox.borrows
  }

  lend(_pipe: Pipe, loan: Loan): boolean {
    return this.inbox.lend(loan)
  }

  // Nobody waits for room.
  writable(_pipe: Pipe): void {}

  detach(pipe: Pipe): void {
    this.peers.detach(pipe)
  }

  flush(): void {
    this.peers.flush()
  }
}

/**
 * Sends each message to all Bus peers that it is connected to, and receives theirs in turn. Best effort: `send` never
 * waits, and a peer without room misses the message; see `stats().dropped`. Nothing is forwarded: connect each to each.
 */
export class Bus extends DuplexSocket {
  constructor(options: SocketOptions<Bus> = {}) {
    super("BUS", (settings: BusOptions) => new BusPattern(settings), options)
  }
}
