import type { SocketOptions } from "../../core/construct.ts"
import { defineOptions, flag } from "../../core/options.ts"
import { ReceivingSocket } from "../../core/receiving-socket.ts"
import { toTopic } from "./request.ts"
import { SubscriberPattern, type SubscriberSettings } from "./subscriber-pattern.ts"

/** Receives what its publishers send and it has subscribed to. Without a subscription, nothing. */
export class Subscriber extends ReceivingSocket {
  /** Receive what does not begin with a subscribed prefix; set it on the publishers too. Default false. Live. [ZMQ_INVERT_MATCHING] */
  declare invertMatching: boolean
  /** Keep only the newest message of each publisher. Default false. [ZMQ_CONFLATE] */
  declare conflate: boolean

  /** @internal */
  declare protected readonly pattern: SubscriberPattern

  constructor(options: SocketOptions<Subscriber> = {}) {
    super("SUB", (settings: SubscriberSettings) => new SubscriberPattern(settings), options)
  }

  /** Distinct prefixes that are subscribed to. [ZMQ_TOPICS_COUNT] */
  get topicsCount(): number {
    return this.pattern.topicsCount
  }

  /**
   * Receives messages whose first frame begins with one of these bytes; without arguments, all messages. Now and from
   * every publisher that comes later. A prefix that is given twice must be taken back twice. Throws EINVAL for more than
   * 64 KiB, EBADF.
   */
  subscribe(...prefixes: (Buffer | string)[]): void {
    this.mustBeOpen()
    for (const topic of topicsOf(prefixes)) this.pattern.subscribe(topic)
  }

  /** Takes `subscribe` back. What is not subscribed to is left alone. */
  unsubscribe(...prefixes: (Buffer | string)[]): void {
    this.mustBeOpen()
    for (const topic of topicsOf(prefixes)) this.pattern.unsubscribe(topic)
  }
}

defineOptions(Subscriber, { invertMatching: flag(false, true), conflate: flag(false) })

function topicsOf(prefixes: readonly (Buffer | string)[]): Buffer[] {
  return prefixes.length === 0 ? [Buffer.alloc(0)] : prefixes.map(toTopic)
}
