import type { SocketOptions } from "../../core/construct.ts"
import type { Loan, Message, Pipe } from "../../core/contract.ts"
import { DuplexSocket } from "../../core/duplex-socket.ts"
import { Inbox, type InboxOptions, type ReceivingPattern } from "../../core/inbox.ts"
import { LoadBalancer } from "../../core/load-balancer.ts"
import type { MessageLike } from "../../core/message.ts"
import { Outbox, type OutboxOptions, type SendingPattern } from "../../core/outbox.ts"
import { requireOneFrame } from "../one-frame.ts"

type ClientOptions = InboxOptions & OutboxOptions

/** Sends to its servers in turn, and takes from them in turn; one frame each (RFC 41). */
export class ClientPattern implements SendingPattern, ReceivingPattern<[Buffer]> {
  readonly inbox: Inbox<[Buffer]>
  readonly outbox: Outbox
  private readonly balancer = new LoadBalancer()

  constructor(options: ClientOptions) {
    this.inbox = new Inbox(options)
    this.outbox = new Outbox(
      message => {
        requireOneFrame(message, "Client", "Dealer") // CLIENT-1
        return this.balancer.send(message) !== null // CLIENT-2
      },
      options,
      frame => this.balancer.sendFrame(frame) !== null,
    )
  }

  get canSend(): boolean {
    return this.balancer.writable
  }

  attach(pipe: Pipe): void {
    this.balancer.attach(pipe)
    this.outbox.flush()
  }

  online(pipe: Pipe): void {
    this.inbox.queue.reconnected(pipe)
  }

  receive(pipe: Pipe, message: Message): void {
    if (message.length === 1)
      this.inbox.deliver(pipe, message as unknown as [Buffer]) // CLIENT-3
    else pipe.drop("malformed") // CLIENT-4
  }

  get borrows(): boolean {
    return this.inbox.borrows
  }

  lend(_pipe: Pipe, loan: Loan): boolean {
    return loan.count === 1 && this.inbox.lend(loan)
  }

  writable(pipe: Pipe): void {
    this.balancer.activate(pipe)
    this.outbox.flush()
  }

  detach(pipe: Pipe): void {
    this.balancer.detach(pipe)
  }
}

/** Talks to one Server or to several in turn, with messages of one frame; `receive` gives `[frame]`. Sending several frames throws EINVAL. */
export class Client extends DuplexSocket<[Buffer], MessageLike> {
  constructor(options: SocketOptions<Client> = {}) {
    super("CLIENT", (settings: ClientOptions) => new ClientPattern(settings), options)
  }
}
