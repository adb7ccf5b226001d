import type { SocketOptions } from "../../core/construct.ts"
import type { Loan, Message, PeerHello, Pipe } from "../../core/contract.ts"
import { DuplexSocket } from "../../core/duplex-socket.ts"
import { HeddleError } from "../../core/errors.ts"
import { Inbox, type InboxOptions, type ReceivingPattern } from "../../core/inbox.ts"
import { Outbox, type OutboxOptions, type SendingPattern } from "../../core/outbox.ts"

export type PairOptions = InboxOptions & OutboxOptions

/** One peer at a time, both ways (RFC 31). `T` is the message as the user gets it. */
export class PairPattern<T = Message> implements SendingPattern, ReceivingPattern<T> {
  readonly inbox: Inbox<Message, T>
  readonly outbox: Outbox
  private readonly type: string
  /** The one peer: connected, or being dialled. */
  private current: Pipe | null = null
  /** Messages that former peers left and nobody has read yet. */
  private leftover = 0

  constructor(options: PairOptions, type = "Pair") {
    this.type = type
    this.inbox = new Inbox(options, { open: message => this.open(message) })
    this.outbox = new Outbox(message => this.transmit(message), options)
  }

  get canSend(): boolean {
    return this.current?.writable === true
  }

  /** PAIR-3, where the peer came to us. */
  screen(peer: PeerHello): void {
    if (this.current !== null) throw this.occupied(peer, this.current)
  }

  // PAIR-2 the first pipe has the place, from `connect` on.
  attach(pipe: Pipe): void {
    if (this.current === null) this.take(pipe)
  }

  online(pipe: Pipe): void {
    if (this.current === null) this.take(pipe)
    else if (this.current !== pipe) {
      // PAIR-3, where we came to the peer, or where another came first.
      pipe.close(this.occupied(pipe.peer, this.current))
      return
    }
    this.inbox.queue.reconnected(pipe)
    if (this.leftover > 0) pipe.pause()
  }

  receive(pipe: Pipe, message: Message): void {
    this.inbox.deliver(pipe, message)
  }

  get borrows(): boolean {
    return this.inbox.borrows
  }

  /** As long as something of former peers is left, the inbox takes no loan: `open` has nothing to do here. */
  lend(_pipe: Pipe, loan: Loan): boolean {
    return this.inbox.lend(loan)
  }

  writable(pipe: Pipe): void {
    if (pipe === this.current) this.outbox.flush()
  }

  detach(pipe: Pipe): void {
    if (pipe !== this.current) return
    this.current = null
    this.leftover = this.inbox.size
  }

  // PAIR-1, PAIR-5.
  protected transmit(message: Message): boolean {
    return this.current?.send(message) === true
  }

  /** PAIR-7: the next peer is heard when the last message of the one before is taken. */
  private open(message: Message): T {
    if (this.leftover > 0 && --this.leftover === 0) this.current?.resume()
    return message as unknown as T
  }

  private take(pipe: Pipe): void {
    this.current = pipe
    this.outbox.flush()
  }

  /** Not fatal: the peer tries again, and gets in when the place is free. */
  private occupied(peer: PeerHello | null, current: Pipe): HeddleError {
    const holder = current.peer?.address ?? "a peer that is being dialled"
    const address = peer?.address ?? ""
    return new HeddleError(
      "EBUSY",
      `Turned ${address} away: a ${this.type} has one peer at a time, now ${holder}; end that one first, or use Dealer for several`,
      { address },
    )
  }
}

/** Exchanges messages with one other Pair; `send` waits while there is none. */
export class Pair extends DuplexSocket {
  constructor(options: SocketOptions<Pair> = {}) {
    super("PAIR", (settings: PairOptions) => new PairPattern(settings), options)
  }
}
