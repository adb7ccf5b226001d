import type { SocketOptions } from "../../core/construct.ts"
import { DuplexSocket } from "../../core/duplex-socket.ts"
import { HeddleError } from "../../core/errors.ts"
import { bytes, choice, defineOptions, flag } from "../../core/options.ts"
import type { SubscribersReadyOptions } from "./publisher.ts"
import { PUBLISHING_OPTIONS, type PublishingOptions } from "./publisher-pattern.ts"
import { toTopic } from "./request.ts"
import { type Verbosity, XPublisherPattern, type XPublisherSettings } from "./xpublisher-pattern.ts"

/** A welcome message is sent to every peer: as large as no sensible one is. */
const MAX_WELCOME = 1024 * 1024

export interface XPublisher extends PublishingOptions {}

/**
 * A Publisher that also receives: `1` + topic when a topic is subscribed to, `0` + topic when it no longer is, and what
 * XSubscriber peers send. A proxy passes these on to an XSubscriber.
 */
export class XPublisher extends DuplexSocket {
  /**
   * Which subscriptions are received. null = when a topic gets its first subscriber and loses its last; "allSubs" = every
   * subscription, and the loss of the last; "allSubsUnsubs" = every one of both. Default null. Live. [ZMQ_XPUB_VERBOSE, ZMQ_XPUB_VERBOSER]
   */
  declare verbosity: Verbosity
  /** Subscriptions are received, but not followed: `subscribe` and `unsubscribe` say what a peer gets. Default false. Live. [ZMQ_XPUB_MANUAL] */
  declare manual: boolean
  /**
   * As `manual`; besides, the first message sent after a subscription was received goes to the new subscriber alone, if its
   * subscription matches: the last value of a cache, say. Default false. Live. [ZMQ_XPUB_MANUAL_LAST_VALUE]
   */
  declare lastValue: boolean
  /** Sent to each peer when it connects, who gets it if it has subscribed to a prefix of it by then. Default null = none. At most 1 MiB. Live. [ZMQ_XPUB_WELCOME_MSG] */
  declare welcomeMessage: Buffer | string | null

  /** @internal */
  declare protected readonly pattern: XPublisherPattern

  constructor(options: SocketOptions<XPublisher> = {}) {
    super("XPUB", (settings: XPublisherSettings) => new XPublisherPattern(settings), options)
    this.pattern.subscriptionsChanged = () => this.peersChanged()
  }

  /** Distinct topics that messages are sent by. [ZMQ_TOPICS_COUNT] */
  get topicsCount(): number {
    return this.pattern.topicsCount
  }

  /**
   * With `manual`: subscribes the peer whose message was received last to these topics, whatever it asked for. False =
   * that peer is gone, or nothing was received yet. Throws EINVAL without `manual`.
   */
  subscribe(...topics: (Buffer | string)[]): boolean {
    return this.decide(topics, topic => this.pattern.grant(topic))
  }

  /** The opposite of `subscribe`. */
  unsubscribe(...topics: (Buffer | string)[]): boolean {
    return this.decide(topics, topic => this.pattern.revoke(topic))
  }

  /** Resolves when so many connected peers have subscribed. What is sent afterwards goes to all of them. */
  override async ready({ peers = 1, topic, timeout }: SubscribersReadyOptions = {}): Promise<void> {
    const wanted = topic === undefined ? null : toTopic(topic)
    await this.until(
      () => this.pattern.subscribersOf(wanted) >= peers,
      timeout,
      () => `${this.pattern.subscribersOf(wanted)} of ${peers} peers have subscribed`,
    )
  }

  private decide(topics: readonly (Buffer | string)[], apply: (topic: Buffer) => boolean): boolean {
    this.mustBeOpen()
    if (!this.pattern.isManual) {
      throw new HeddleError(
        "EINVAL",
        "Invalid argument: an XPublisher follows the subscriptions of its peers by itself; set its option manual first",
      )
    }
    let applied = true
    for (const topic of topics.map(toTopic)) applied = apply(topic) && applied
    return applied
  }
}

defineOptions(XPublisher, {
  ...PUBLISHING_OPTIONS,
  verbosity: choice<Verbosity>(null, [null, "allSubs", "allSubsUnsubs"], true),
  manual: flag(false, true),
  lastValue: flag(false, true),
  welcomeMessage: bytes(MAX_WELCOME, true),
})
