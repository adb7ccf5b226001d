import type { SocketOptions } from "../../core/construct.ts"
import { defineOptions, flag } from "../../core/options.ts"
import { SendingSocket } from "../../core/sending-socket.ts"
import type { ReadyOptions } from "../../core/socket.ts"
import {
  PUBLISHING_OPTIONS,
  PublisherPattern,
  type PublisherSettings,
  type PublishingOptions,
} from "./publisher-pattern.ts"
import { toTopic } from "./request.ts"

export interface SubscribersReadyOptions extends ReadyOptions {
  /** Count only peers that get messages which begin with this. Default: peers that subscribed to anything. */
  topic?: Buffer | string
}

export interface Publisher extends PublishingOptions {}

/**
 * Sends each message to the subscribers that want it: those that subscribed to a prefix of its first frame. Never waits:
 * a subscriber whose queue is full misses the message, and `stats()` counts it. What nobody wants is dropped at once; see
 * `ready` for how to wait until somebody does.
 */
export class Publisher extends SendingSocket {
  /** Queue only the newest message for each peer. Default false. [ZMQ_CONFLATE] */
  declare conflate: boolean

  /** @internal */
  declare protected readonly pattern: PublisherPattern

  constructor(options: SocketOptions<Publisher> = {}) {
    super("PUB", (settings: PublisherSettings) => new PublisherPattern(settings), options)
    this.pattern.subscriptionsChanged = () => this.peersChanged()
  }

  /** Distinct topics that peers have subscribed to. [ZMQ_TOPICS_COUNT] */
  get topicsCount(): number {
    return this.pattern.topicsCount
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
}

defineOptions(Publisher, { ...PUBLISHING_OPTIONS, conflate: flag(false) })
