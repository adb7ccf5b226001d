import type { SocketOptions } from "../../core/construct.ts"
import type { Loan, Message, Pipe } from "../../core/contract.ts"
import { Inbox, type InboxOptions, type ReceivingPattern } from "../../core/inbox.ts"
import { defineOptions, flag } from "../../core/options.ts"
import { ReceivingSocket } from "../../core/receiving-socket.ts"

/** Takes messages of one frame from its peers in turn (RFC 49). */
export class GatherPattern implements ReceivingPattern<[Buffer]> {
  readonly inbox: Inbox<[Buffer]>

  constructor(options: InboxOptions) {
    this.inbox = new Inbox(options)
  }

  attach(_pipe: Pipe): void {}

  online(pipe: Pipe): void {
    this.inbox.queue.reconnected(pipe)
  }

  receive(pipe: Pipe, message: Message): void {
    if (message.length === 1)
      this.inbox.deliver(pipe, message as unknown as [Buffer]) // GATHER-1
    else pipe.drop("malformed") // GATHER-2
  }

  get borrows(): boolean {
    return this.inbox.borrows
  }

  // What is malformed goes to `receive`.
  lend(_pipe: Pipe, loan: Loan): boolean {
    return loan.count === 1 && this.inbox.lend(loan)
  }

  writable(_pipe: Pipe): void {}

  // GATHER-4 what a peer sent before it left stays readable: the inbox keeps it.
  detach(_pipe: Pipe): void {}
}

/** Receives what its Scatter peers send, one message of each in turn, as `[frame]`. */
export class Gather extends ReceivingSocket<[Buffer]> {
  /** Keep only the newest message of each peer. Default false. [ZMQ_CONFLATE] */
  declare conflate: boolean

  constructor(options: SocketOptions<Gather> = {}) {
    super("GATHER", (settings: InboxOptions) => new GatherPattern(settings), options)
  }
}

defineOptions(Gather, { conflate: flag(false) })
