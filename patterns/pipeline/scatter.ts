import type { SocketOptions } from "../../core/construct.ts"
import type { Message, Pipe } from "../../core/contract.ts"
import { LoadBalancer } from "../../core/load-balancer.ts"
import type { MessageLike } from "../../core/message.ts"
import { defineOptions, flag } from "../../core/options.ts"
import { Outbox, type OutboxOptions, type SendingPattern } from "../../core/outbox.ts"
import { SendingSocket } from "../../core/sending-socket.ts"
import { requireOneFrame } from "../one-frame.ts"

/** Spreads messages of one frame over its peers, each to one (RFC 49). */
export class ScatterPattern implements SendingPattern {
  readonly outbox: Outbox
  private readonly balancer = new LoadBalancer()

  constructor(options: OutboxOptions) {
    this.outbox = new Outbox(
      message => {
        requireOneFrame(message, "Scatter", "Push") // SCATTER-1
        return this.balancer.send(message) !== null // SCATTER-2
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

  // SCATTER-3 a peer has nothing to say.
  receive(pipe: Pipe, _message: Message): void {
    pipe.drop("malformed")
  }

  writable(pipe: Pipe): void {
    this.balancer.activate(pipe)
    this.outbox.flush()
  }

  detach(pipe: Pipe): void {
    this.balancer.detach(pipe)
  }
}

/** Sends each message to one of its Gather peers, in turn; waits while none has room. Sending several frames throws EINVAL. */
export class Scatter extends SendingSocket<MessageLike> {
  /** Queue only the newest message for each peer. Default false. [ZMQ_CONFLATE] */
  declare conflate: boolean

  constructor(options: SocketOptions<Scatter> = {}) {
    super("SCATTER", (settings: OutboxOptions) => new ScatterPattern(settings), options)
  }
}

defineOptions(Scatter, { conflate: flag(false) })
