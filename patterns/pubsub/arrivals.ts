import type { DropReason, Message, Pipe } from "../../core/contract.ts"
import type { Source } from "../../core/fair-queue.ts"
import { Inbox, type InboxOptions } from "../../core/inbox.ts"
import { requestFrame } from "./request.ts"

/** One connection of a peer. */
export class Follower {
  readonly pipe: Pipe
  gone = false
  /** Its messages that the user has not taken. */
  unread = 0
  paused = false

  constructor(pipe: Pipe) {
    this.pipe = pipe
  }
}

interface Arrival {
  /** Null: the notice is ours, about a peer that is gone. */
  readonly from: Follower | null
  readonly message: Message
  /** Bytes that a notice counts for; 0 = a message. */
  readonly cost: number
}

/** Bytes that notices may take while nobody reads them: there are users who never do. Half a million of short topics. */
const MAX_NOTICES = 128 * 1024 * 1024
/** Bytes that a notice takes besides its topic: 242 were measured for a topic of 12. */
const OVERHEAD = 230

/**
 * What the user of an XPublisher reads: notices of subscriptions, and messages. All peers share one line, because a notice
 * tells of the first or last of all: "a is wanted" by one peer must not be read after "a is not wanted" by another.
 */
export class Arrivals {
  readonly inbox: Inbox<Arrival, Message>
  /** Who sent what the user took last. */
  last: Follower | null = null
  /** Whether that was a new subscription. */
  lastSubscribed = false
  readonly dropped: Partial<Record<DropReason, number>> = {}
  private readonly options: InboxOptions
  private noticed = 0
  /** The one line. It never pauses as a whole: see `message` and `notice` for what bounds it. */
  private readonly line: Source = {
    lane: null,
    pause: () => {},
    resume: () => {},
    drop: (reason, count) => this.drop(reason, count),
  }

  constructor(options: InboxOptions) {
    this.options = options
    const unbounded: InboxOptions = {
      receiveHighWaterMark: 0,
      get receiveTimeout() {
        return options.receiveTimeout
      },
    }
    this.inbox = new Inbox(unbounded, { open: arrival => this.open(arrival) })
  }

  // XPUB-7 the peer is not read while it has so many messages here.
  message(from: Follower, message: Message): void {
    if (this.inbox.isClosed) return
    from.unread++
    this.inbox.deliver(this.line, { from, message, cost: 0 })
    const limit = this.options.receiveHighWaterMark
    if (limit > 0 && from.unread >= limit && !from.paused) {
      from.paused = true
      from.pipe.pause()
    }
  }

  // XPUB-8 the peer is read on, so that its subscriptions count even when nobody reads the notices.
  notice(from: Follower | null, verb: 0 | 1, topic: Buffer): void {
    if (this.inbox.isClosed) return
    const cost = topic.length + OVERHEAD
    if (this.noticed + cost > MAX_NOTICES) {
      this.drop("full", 1)
      return
    }
    this.noticed += cost
    this.inbox.deliver(this.line, { from, message: [requestFrame(verb, topic)], cost })
  }

  private open({ from, message, cost }: Arrival): Message {
    this.last = from
    this.lastSubscribed = cost > 0 && message[0][0] === 1
    if (cost > 0) this.noticed -= cost
    else if (from !== null) {
      from.unread--
      // Half empty first, so that the peer is not stopped and started for every message.
      if (from.paused && !from.gone && from.unread <= this.options.receiveHighWaterMark >> 1) {
        from.paused = false
        from.pipe.resume()
      }
    }
    return message
  }

  private drop(reason: DropReason, count = 1): void {
    this.dropped[reason] = (this.dropped[reason] ?? 0) + count
  }
}
