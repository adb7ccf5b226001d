import type { SocketOptions } from "../../core/construct.ts"
import type { Message, Pipe } from "../../core/contract.ts"
import { LoadBalancer } from "../../core/load-balancer.ts"
import { defineOptions, flag } from "../../core/options.ts"
import { Outbox, type OutboxOptions, type SendingPattern } from "../../core/outbox.ts"
import { SendingSocket } from "../../core/sending-socket.ts"

/** Spreads messages over its peers, each to one (RFC 30). */
export class PushPattern implements SendingPattern {
  readonly outbox: Outbox
  private readonly balancer = new LoadBalancer()

  constructor(options: OutboxOptions) {
    // PUSH-1 round robin; PUSH-2 waits when no peer has room.
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
    this.balancer.attach(pipe)
    this.outbox.flush()
  }

  // PUSH-5 a peer has nothing to say.
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

/** Sends each message to one of its Pull peers, in turn; waits while none has room. */
export class Push extends SendingSocket {
  /** Queue only the newest message for each peer. Default false. [ZMQ_CONFLATE] */
  declare conflate: boolean

  constructor(options: SocketOptions<Push> = {}) {
    super("PUSH", (settings: OutboxOptions) => new PushPattern(settings), options)
  }
}

defineOptions(Push, { conflate: flag(false) })
