import type { SocketOptions } from "../../core/construct.ts"
import type { Message, Pipe } from "../../core/contract.ts"
import { DuplexSocket } from "../../core/duplex-socket.ts"
import { HeddleError } from "../../core/errors.ts"
import { Inbox, type InboxOptions, type ReceivingPattern } from "../../core/inbox.ts"
import { LoadBalancer } from "../../core/load-balancer.ts"
import { type Bytes, defineOptions, flag, routingIdOption } from "../../core/options.ts"
import { Outbox, type OutboxOptions, type SendingPattern } from "../../core/outbox.ts"
import { EMPTY, withFirst, withoutFirst } from "./frames.ts"
import { outOfOrder } from "./order.ts"
import { type GreetingOptions, greet } from "./presence.ts"

export interface RequestOptions extends InboxOptions, OutboxOptions, GreetingOptions {
  readonly correlate: boolean
  readonly relaxed: boolean
}

const IDLE = 0
/** A request is on its way. */
const AWAITING = 1
/** Its reply is here, and the user has not taken it yet. */
const REPLIED = 2

/** Instead of a request id, which is never negative. */
const NO_ID = -1
const MALFORMED = -2

/** One request, one reply, in turn (RFC 28). */
export class RequestPattern implements ReceivingPattern<Message>, SendingPattern {
  readonly inbox: Inbox<Message>
  readonly outbox: Outbox
  private readonly options: RequestOptions
  private readonly balancer = new LoadBalancer()
  private state = IDLE
  /** Who got the request; null when that peer is gone. */
  private replier: Pipe | null = null
  /** Id of the request that waits for its reply. */
  private expected = NO_ID
  /** REQ-8: from anywhere, so that a reply to a request before our restart does not fit. */
  private lastId = Math.floor(Math.random() * 2 ** 32)

  constructor(options: RequestOptions) {
    this.options = options
    this.outbox = new Outbox(message => this.request(message), options)
    this.inbox = new Inbox(options, {
      guard: () => {
        // REQ-3: a request that waits for room will get its reply too.
        if (this.state === IDLE && this.outbox.waiting === 0) throw outOfOrder("send a request first")
      },
      open: reply => {
        this.state = IDLE
        return reply
      },
    })
  }

  get canSend(): boolean {
    return (this.state === IDLE || this.options.relaxed) && this.balancer.writable
  }

  attach(pipe: Pipe): void {
    this.balancer.attach(pipe)
    this.outbox.flush()
  }

  online(pipe: Pipe): void {
    this.inbox.queue.reconnected(pipe)
    greet(pipe, this.options)
  }

  receive(pipe: Pipe, message: Message): void {
    const id = replyId(message)
    if (id === MALFORMED) {
      // REQ-10
      pipe.drop("malformed")
      pipe.close(brokenReply(pipe))
      return
    }
    // REQ-5, REQ-6, REQ-8, REQ-9
    const fits = this.state === AWAITING && id === this.expected && (pipe === this.replier || this.replier === null)
    if (!fits) {
      pipe.drop("stale")
      return
    }
    this.state = REPLIED
    this.inbox.deliver(pipe, id === NO_ID ? withoutFirst(message) : message.slice(2))
  }

  writable(pipe: Pipe): void {
    this.balancer.activate(pipe)
    this.outbox.flush()
  }

  // REQ-6: the request is not sent again; whoever has the reply may bring it.
  detach(pipe: Pipe): void {
    this.balancer.detach(pipe)
    if (this.replier === pipe) this.replier = null
  }

  private request(message: Message): boolean {
    if (this.state !== IDLE && !this.options.relaxed) throw outOfOrder("receive the reply to the last request first")
    let id = NO_ID
    let pipe: Pipe | null
    if (this.options.correlate) {
      id = (this.lastId + 1) >>> 0
      pipe = this.balancer.send([idFrame(id), EMPTY, ...message])
    } else pipe = this.balancer.send(withFirst(EMPTY, message))
    if (pipe === null) return false
    // REQ-7: the earlier request is given up, and its reply with it.
    if (this.state === REPLIED) this.inbox.queue.clear("stale")
    if (id !== NO_ID) this.lastId = id
    this.state = AWAITING
    this.expected = id
    this.replier = pipe
    return true
  }
}

/** The id of a reply, NO_ID, or MALFORMED: [id of 4 octets,] delimiter, body of one frame or more. */
function replyId(message: Message): number {
  const first = message[0]
  if (first.length === 0) return message.length > 1 ? NO_ID : MALFORMED
  if (first.length === 4 && message.length > 2 && message[1].length === 0) return first.readUInt32BE(0)
  return MALFORMED
}

function idFrame(id: number): Buffer {
  const frame = Buffer.allocUnsafe(4)
  frame.writeUInt32BE(id, 0)
  return frame
}

function brokenReply(pipe: Pipe): HeddleError {
  const address = pipe.peer?.address ?? ""
  return new HeddleError(
    "ERR_ZMTP_FRAME",
    `The peer at ${address} sent a reply without an empty frame before its body; a ROUTER must send back all frames that came before the body of the request`,
    { address, fatal: true },
  )
}

/** Sends a request to one of its peers, in turn, and receives the reply; one at a time. */
export class Request extends DuplexSocket {
  /** How a Router knows this socket: 1 to 255 bytes, the first not 0. Default null: the Router makes one up. [ZMQ_ROUTING_ID] */
  declare routingId: Bytes
  /** Number the requests and take only the reply that fits. Default false. Live. [ZMQ_REQ_CORRELATE] */
  declare correlate: boolean
  /** Allow a new request before the reply to the last, which is given up. Use it with `correlate`. Default false. Live. [ZMQ_REQ_RELAXED] */
  declare relaxed: boolean
  /** Send an empty message to each new Router, so that it knows us. Default false. Live. [ZMQ_PROBE_ROUTER] */
  declare probeRouter: boolean

  constructor(options: SocketOptions<Request> = {}) {
    super("REQ", (settings: RequestOptions) => new RequestPattern(settings), options)
  }
}

defineOptions(Request, {
  routingId: routingIdOption,
  correlate: flag(false, true),
  relaxed: flag(false, true),
  probeRouter: flag(false, true),
})
