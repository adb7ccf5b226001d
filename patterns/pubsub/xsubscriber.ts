import type { SocketOptions } from "../../core/construct.ts"
import { DuplexSocket } from "../../core/duplex-socket.ts"
import { defineOptions, flag } from "../../core/options.ts"
import { XSubscriberPattern, type XSubscriberSettings } from "./xsubscriber-pattern.ts"

/**
 * A Subscriber that subscribes by sending: a message that begins with the byte 1 subscribes to the rest of it, one that
 * begins with 0 takes that back, and every other message goes to all publishers (an XPublisher receives it). It receives
 * all that publishers send, unfiltered. `send` never waits.
 */
export class XSubscriber extends DuplexSocket {
  /** Tell publishers of every message that takes a subscription back, not only of the last. Default false. Live. [ZMQ_XSUB_VERBOSE_UNSUBSCRIBE] */
  declare verboseUnsubscribe: boolean
  /** Look for subscriptions in the first frame of a multipart message only. Default false: in every frame. Live. [ZMQ_ONLY_FIRST_SUBSCRIBE] */
  declare onlyFirstSubscribe: boolean

  /** @internal */
  declare protected readonly pattern: XSubscriberPattern

  constructor(options: SocketOptions<XSubscriber> = {}) {
    super("XSUB", (settings: XSubscriberSettings) => new XSubscriberPattern(settings), options)
  }

  /** Distinct prefixes that are subscribed to. [ZMQ_TOPICS_COUNT] */
  get topicsCount(): number {
    return this.pattern.topicsCount
  }
}

defineOptions(XSubscriber, { verboseUnsubscribe: flag(false, true), onlyFirstSubscribe: flag(false, true) })
