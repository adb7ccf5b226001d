import type { SocketOptions } from "../../core/construct.ts"
import type { Loan, Message, Pipe } from "../../core/contract.ts"
import { DuplexSocket } from "../../core/duplex-socket.ts"
import { Inbox, type InboxOptions, type ReceivingPattern } from "../../core/inbox.ts"
import { LoadBalancer } from "../../core/load-balancer.ts"
import { type Bytes, defineOptions, flag, routingIdOption } from "../../core/options.ts"
import { Outbox, type OutboxOptions, type SendingPattern } from "../../core/outbox.ts"
import { type FarewellOptions, farewell, type GreetingOptions, greet, notify, PRESENCE_OPTIONS } from "./presence.ts"

export interface DealerOptions extends InboxOptions, OutboxOptions, GreetingOptions, FarewellOptions {}

/** Sends to its peers in turn, receives from them in turn; frames pass as they are (RFC 28). */
export class DealerPattern implements ReceivingPattern<Message>, SendingPattern {
  readonly inbox: Inbox<Message>
  readonly outbox: Outbox
  private readonly options: DealerOptions
  private readonly balancer = new LoadBalancer()

  constructor(options: DealerOptions) {
    this.options = options
    this.inbox = new Inbox(options)
    // DEALER-1, DEALER-2
    const { balancer } = this
    this.outbox = new Outbox(
      message => balancer.send(message) !== null,
      options,
      frame => balancer.sendFrame(frame) !== null,
    )
  }

  get canSend(): boolean {
    return this.balancer.writable
  }

  attach(pipe: Pipe): void {
    // Only an accepted pipe has had its handshake when it is attached.
    pipe.state = pipe.peer === null ? DIALLED : ACCEPTED
    this.balancer.attach(pipe)
    this.outbox.flush()
  }

  online(pipe: Pipe): void {
    this.inbox.queue.reconnected(pipe)
    greet(pipe, this.options)
  }

  offline(pipe: Pipe): void {
    const words = farewell(this.options, pipe.state === ACCEPTED)
    if (words !== null) notify(this.inbox, this.options, pipe, [words])
  }

  receive(pipe: Pipe, message: Message): void {
    this.inbox.deliver(pipe, message)
  }

  get borrows(): boolean {
    return this.inbox.borrows
  }

  lend(_pipe: Pipe, loan: Loan): boolean {
    return this.inbox.lend(loan)
  }

  writable(pipe: Pipe): void {
    this.balancer.activate(pipe)
    this.outbox.flush()
  }

  detach(pipe: Pipe): void {
    this.balancer.detach(pipe)
  }
}

const ACCEPTED = 1
const DIALLED = 2

/** Sends each message to one of its peers, in turn, and receives from all of them; requests and replies in any order. */
export class Dealer extends DuplexSocket {
  /** How a Router knows this socket: 1 to 255 bytes, the first not 0. Default null: the Router makes one up. [ZMQ_ROUTING_ID] */
  declare routingId: Bytes
  /** Send an empty message to each new Router, so that it knows us. Default false. Live. [ZMQ_PROBE_ROUTER] */
  declare probeRouter: boolean
  /** Keep only the newest message to and from each peer. Default false. [ZMQ_CONFLATE] */
  declare conflate: boolean
  /** One frame, sent first on each new connection, unless to a Request. Default null. Live. [ZMQ_HELLO_MSG] */
  declare helloMessage: Bytes
  /** One frame that `receive` gives when a peer that had connected to us is gone. Default null. Live. [ZMQ_DISCONNECT_MSG] */
  declare disconnectMessage: Bytes
  /** One frame that `receive` gives when a connection that we made is lost. Default null. Live. [ZMQ_HICCUP_MSG] */
  declare hiccupMessage: Bytes

  constructor(options: SocketOptions<Dealer> = {}) {
    super("DEALER", (settings: DealerOptions) => new DealerPattern(settings), options)
  }
}

defineOptions(Dealer, {
  ...PRESENCE_OPTIONS,
  routingId: routingIdOption,
  probeRouter: flag(false, true),
  conflate: flag(false),
})
