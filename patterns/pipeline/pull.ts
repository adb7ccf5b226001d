import type { SocketOptions } from "../../core/construct.ts"
import type { Loan, Message, Pipe } from "../../core/contract.ts"
import { Inbox, type InboxOptions, type ReceivingPattern } from "../../core/inbox.ts"
import { defineOptions, flag } from "../../core/options.ts"
import { ReceivingSocket } from "../../core/receiving-socket.ts"

/** Takes from its peers in turn (RFC 30). */
export class PullPattern implements ReceivingPattern<Message> {
  readonly inbox: Inbox<Message>

  constructor(options: InboxOptions) {
    this.inbox = new Inbox(options)
  }

  attach(_pipe: Pipe): void {}

  online(pipe: Pipe): void {
    this.inbox.queue.reconnected(pipe)
  }

  // PULL-1 fair queue; PULL-2 a peer that sent more than the high-water mark is not read until there is room.
  receive(pipe: Pipe, message: Message): void {
    this.inbox.deliver(pipe, message)
  }

  get borrows(): boolean {
    return this.inbox.borrows
  }

  lend(_pipe: Pipe, loan: Loan): boolean {
    return this.inbox.lend(loan)
  }

  writable(_pipe: Pipe): void {}

  // PULL-3 what a peer sent before it left stays readable: the inbox keeps it.
  detach(_pipe: Pipe): void {}
}

/** Receives what its Push peers send, one message of each in turn. */
export class Pull extends ReceivingSocket {
  /** Keep only the newest message of each peer. Default false. [ZMQ_CONFLATE] */
  declare conflate: boolean

  constructor(options: SocketOptions<Pull> = {}) {
    super("PULL", (settings: InboxOptions) => new PullPattern(settings), options)
  }
}

defineOptions(Pull, { conflate: flag(false) })
