import type { SocketOptions } from "../../core/construct.ts"
import type { DropReason, Message, Pipe } from "../../core/contract.ts"
import { DuplexSocket } from "../../core/duplex-socket.ts"
import { Inbox, type InboxOptions, type ReceivingPattern } from "../../core/inbox.ts"
import { type Bytes, defineOptions, routingIdOption } from "../../core/options.ts"
import { Outbox, type OutboxOptions, type SendingPattern } from "../../core/outbox.ts"
import { EMPTY, withFirst, withoutFirst } from "./frames.ts"
import { outOfOrder } from "./order.ts"

/** A request as it came, with its envelope. */
class Envelope {
  readonly pipe: Pipe
  readonly message: Message
  /** Index of the delimiter: the envelope goes up to it, the body follows. */
  readonly delimiter: number

  constructor(pipe: Pipe, message: Message, delimiter: number) {
    this.pipe = pipe
    this.message = message
    this.delimiter = delimiter
  }

  get body(): Message {
    return this.delimiter === 0 ? withoutFirst(this.message) : this.message.slice(this.delimiter + 1)
  }

  /** The same envelope around another body. */
  around(body: Message): Message {
    if (this.delimiter === 0) return withFirst(EMPTY, body)
    return [...this.message.slice(0, this.delimiter + 1), ...body]
  }
}

/** Takes a request, sends the reply back the way it came (RFC 28). */
export class ReplyPattern implements ReceivingPattern<Message>, SendingPattern {
  readonly inbox: Inbox<Envelope, Message>
  readonly outbox: Outbox
  readonly dropped: Partial<Record<DropReason, number>> = {}
  /** The request that the user works on. */
  private current: Envelope | null = null

  constructor(options: InboxOptions & OutboxOptions) {
    this.outbox = new Outbox(message => this.reply(message), options)
    this.inbox = new Inbox<Envelope, Message>(options, {
      guard: () => {
        if (this.current !== null) throw outOfOrder("send the reply to the last request first")
      },
      open: request => {
        // REP-5: nobody gets another request before the reply to this one.
        this.current = request
        this.inbox.held = true
        return request.body
      },
    })
  }

  get canSend(): boolean {
    return this.current !== null
  }

  attach(pipe: Pipe): void {
    pipe.state = PRESENT
  }

  online(pipe: Pipe): void {
    this.inbox.queue.reconnected(pipe)
  }

  receive(pipe: Pipe, message: Message): void {
    const last = message.length - 1
    let delimiter = 0
    while (delimiter < last && message[delimiter].length > 0) delimiter++
    // REP-3
    if (delimiter === last) pipe.drop("malformed")
    else this.inbox.deliver(pipe, new Envelope(pipe, message, delimiter))
  }

  writable(_pipe: Pipe): void {}

  detach(pipe: Pipe): void {
    pipe.state = GONE
  }

  private reply(body: Message): boolean {
    const request = this.current
    if (request === null) throw outOfOrder("receive a request first")
    const { pipe } = request
    // REP-6: a server must not wait for a client that does not read or is gone.
    if (pipe.state === GONE) this.dropped["no-peer"] = (this.dropped["no-peer"] ?? 0) + 1
    else if (!pipe.send(request.around(body))) pipe.drop("full")
    this.current = null
    this.inbox.resume()
    return true
  }
}

const PRESENT = 1
const GONE = 2

/** Receives a request and sends the reply to it; one at a time. */
export class Reply extends DuplexSocket {
  /** 1 to 255 bytes, the first not 0. No peer of a Reply asks for it; kept for code that sets it. Default null. [ZMQ_ROUTING_ID] */
  declare routingId: Bytes

  constructor(options: SocketOptions<Reply> = {}) {
    super("REP", (settings: InboxOptions & OutboxOptions) => new ReplyPattern(settings), options)
  }
}

defineOptions(Reply, { routingId: routingIdOption })
