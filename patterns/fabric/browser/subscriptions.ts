import type { HeddleError } from "../../../core/errors.ts"
import type { DropReason } from "../backlog.ts"
import {
  DATA,
  DONE,
  GAP,
  KEPT,
  OF_SUBSCRIBE,
  READY,
  RESUMED,
  SLOW_LATEST,
  SUB_HISTORY,
  SUB_QUEUE,
  SUB_RESUME,
  SUB_SLOW,
  SUBSCRIBE,
  SUBSCRIBED,
  UNSUBSCRIBE,
} from "../edge/protocol.ts"
import type { RecordReader } from "../edge/wire.ts"
import type { ClientEvents } from "./events.ts"
import { FabricMessage } from "./message.ts"
import type { PageCodecs } from "./payload.ts"
import type { Part, Session } from "./session.ts"
import { type Handler, Subscription, type SubscriptionHost, type SubscriptionSpec } from "./subscription.ts"

/**
 * Messages of a queue group that may be here besides those that are handled: the next is here when one is done, and no more than that is kept from
 * other members.
 */
const AHEAD = 1

/** A subscription as the node knows it. */
class Entry {
  readonly id: number
  readonly subscription: Subscription
  /** Number of the channel; 0 = not known yet. */
  channel = 0
  /** Sequence of the last message that it got in it. */
  position = 0
  /** Of a queue group: messages done since the channel began, and what stands for the channel. */
  done = 0
  lease: object = {}
  /** The node has answered on this connection. */
  known = false
  ready: { resolve(): void; reject(error: HeddleError): void } | null = null

  constructor(id: number, subscription: Subscription) {
    this.id = id
    this.subscription = subscription
  }
}

/** The subscriptions of a client: they are said again after each connect, and go on where they stopped. */
export class Subscriptions implements Part, SubscriptionHost {
  private readonly session: Session
  private readonly codecs: PageCodecs
  private readonly events: ClientEvents
  private readonly entries = new Map<number, Entry>()
  private readonly bySubscription = new Map<Subscription, Entry>()
  private readonly channels = new Map<number, Entry[]>()
  /** Members of queue groups that have done something in this turn. */
  private readonly due = new Set<Entry>()
  private last = 0

  constructor(session: Session, codecs: PageCodecs, events: ClientEvents) {
    this.session = session
    this.codecs = codecs
    this.events = events
  }

  subscribe(spec: SubscriptionSpec, handler: Handler<unknown> | null): Subscription {
    const subscription = new Subscription(this, spec, handler)
    const entry = new Entry(++this.last, subscription)
    this.entries.set(entry.id, entry)
    this.bySubscription.set(subscription, entry)
    subscription.ready = new Promise((resolve, reject) => {
      entry.ready = { resolve, reject }
    })
    // Whoever does not wait for it hears of a refusal by the event.
    subscription.ready.catch(() => {})
    if (this.session.up) this.say(entry)
    return subscription
  }

  /** All that are not closed. */
  list(): Subscription[] {
    return [...this.bySubscription.keys()]
  }

  up(): void {
    // Numbers of channels are those of a node that may have been started anew: none counts before SUBSCRIBED.
    this.channels.clear()
    for (const entry of this.entries.values()) this.say(entry)
  }

  down(): void {
    this.channels.clear()
    for (const entry of this.entries.values()) entry.known = false
  }

  closed(): void {
    for (const subscription of this.list()) subscription.unsubscribe()
  }

  record(type: number, reader: RecordReader): boolean {
    switch (type) {
      case SUBSCRIBED:
        this.subscribed(reader)
        return true
      case DATA:
        this.data(reader)
        return true
      case GAP:
        this.gap(reader)
        return true
      case KEPT:
        this.kept(reader)
        return true
      case READY:
        this.settle(this.entries.get(reader.varint()), null)
        return true
      default:
        return false
    }
  }

  refused(of: number, number: number, error: HeddleError): void {
    const entry = of === OF_SUBSCRIBE ? this.entries.get(number) : undefined
    if (entry === undefined) return
    const { subscription } = entry
    this.forget(entry)
    this.settle(entry, error)
    subscription.fail(error)
    this.events.emit({ type: "error", subject: subscription.pattern, error })
  }

  dropped(subscription: Subscription, reason: DropReason): void {
    this.events.emit({ type: "drop", pattern: subscription.pattern, reason, count: 1 })
  }

  failed(subscription: Subscription, error: unknown): void {
    this.events.emit({ type: "error", subject: subscription.pattern, error })
  }

  done(subscription: Subscription, message: FabricMessage): void {
    if (subscription.queue === "") return
    const entry = this.bySubscription.get(subscription)
    // Of a channel that is no more: the node has forgotten it.
    if (entry === undefined || message.source !== entry.lease) return
    entry.done++
    if (this.due.size === 0) queueMicrotask(() => this.tellDone())
    this.due.add(entry)
  }

  async retire(subscription: Subscription): Promise<void> {
    const entry = this.bySubscription.get(subscription)
    if (entry === undefined) return
    // It must not be said again by a connection that comes meanwhile.
    this.entries.delete(entry.id)
    this.unsay(entry)
    await this.session.sync()
    this.settle(entry, null)
  }

  ended(subscription: Subscription): void {
    const entry = this.bySubscription.get(subscription)
    if (entry === undefined) return
    const told = !this.entries.has(entry.id)
    this.forget(entry)
    if (!told) this.unsay(entry)
    this.settle(entry, null)
  }

  private say(entry: Entry): void {
    const { pattern, queue, history, policy, concurrency } = entry.subscription.spec
    const latest = policy.policy === "conflate" || policy.policy === "keep-last"
    const resume = entry.channel > 0
    const flags =
      (history > 0 ? SUB_HISTORY : 0) |
      (queue === "" ? 0 : SUB_QUEUE) |
      (resume ? SUB_RESUME : 0) |
      (latest ? SUB_SLOW : 0)
    const writer = this.session.begin(SUBSCRIBE).varint(entry.id).text(pattern).byte(flags)
    if (history > 0) writer.varint(history)
    if (queue !== "") writer.text(queue).varint(concurrency + AHEAD)
    if (resume) writer.varint(entry.channel).varint(entry.position)
    if (latest) writer.byte(SLOW_LATEST).varint(policy.policy === "conflate" ? 1 : policy.keep)
    this.session.end()
  }

  private unsay(entry: Entry): void {
    if (!this.session.up) return
    this.session.begin(UNSUBSCRIBE).varint(entry.id)
    this.session.end()
  }

  private subscribed(reader: RecordReader): void {
    const entry = this.entries.get(reader.varint())
    const channel = reader.varint()
    const position = reader.varint()
    const resumed = (reader.byte() & RESUMED) !== 0
    const missing = reader.varint() - 1
    if (entry === undefined) return
    const before = entry.channel
    entry.known = true
    entry.channel = channel
    entry.position = position
    if (!resumed) {
      entry.lease = {}
      entry.done = 0
    } else if (entry.subscription.queue !== "") {
      if (this.due.size === 0) queueMicrotask(() => this.tellDone())
      this.due.add(entry)
    }
    const others = this.channels.get(channel)
    if (others === undefined) this.channels.set(channel, [entry])
    else if (!others.includes(entry)) others.push(entry)
    if (before > 0 && (missing !== 0 || !resumed)) this.missed(entry, resumed && missing >= 0 ? missing : null)
  }

  private data(reader: RecordReader): void {
    const channel = reader.varint()
    const entries = this.channels.get(channel)
    let subject: string | null = null
    for (let sequence = reader.varint(); reader.left > 0; sequence++) {
      const content = reader.content(subject)
      subject = content.subject
      if (entries === undefined) continue
      let message: FabricMessage | null = null
      // A copy: handlers may end subscriptions, or begin some.
      for (const entry of entries.length > 1 ? [...entries] : entries) {
        if (sequence <= entry.position) continue
        // The node says so before, by GAP; whatever happens, a hole is told.
        if (sequence > entry.position + 1) this.missed(entry, sequence - entry.position - 1)
        entry.position = sequence
        message ??= new FabricMessage(content, this.codecs, entry.lease)
        entry.subscription.deliver(message)
      }
    }
  }

  private gap(reader: RecordReader): void {
    const channel = reader.varint()
    const position = reader.varint()
    const missing = reader.varint()
    for (const entry of [...(this.channels.get(channel) ?? [])]) {
      if (position <= entry.position) continue
      entry.position = position
      if (missing > 0) this.missed(entry, missing)
    }
  }

  private kept(reader: RecordReader): void {
    const entry = this.entries.get(reader.varint())
    let subject: string | null = null
    while (reader.left > 0) {
      const content = reader.content(subject)
      subject = content.subject
      entry?.subscription.deliver(new FabricMessage(content, this.codecs, null))
    }
  }

  /** `count`: null = nobody knows how many. */
  private missed(entry: Entry, count: number | null): void {
    const { subscription } = entry
    const { pattern } = subscription
    const { policy } = subscription.spec.policy
    if (count !== null && (policy === "conflate" || policy === "keep-last")) {
      // Older values than the newest: what this policy is for.
      subscription.droppedBefore += count
      this.events.emit({ type: "drop", pattern, reason: "conflated", count })
      return
    }
    subscription.missed += count ?? 0
    this.events.emit({ type: "gap", pattern, count })
  }

  private tellDone(): void {
    for (const entry of this.due) {
      if (!this.session.up || !entry.known) continue
      this.session.begin(DONE).varint(entry.id).varint(entry.done)
      this.session.end()
    }
    this.due.clear()
  }

  private settle(entry: Entry | undefined, error: HeddleError | null): void {
    const ready = entry?.ready
    if (entry === undefined || ready === undefined || ready === null) return
    entry.ready = null
    if (error === null) ready.resolve()
    else ready.reject(error)
  }

  private forget(entry: Entry): void {
    this.entries.delete(entry.id)
    this.bySubscription.delete(entry.subscription)
    const others = this.channels.get(entry.channel)
    if (others === undefined) return
    const at = others.indexOf(entry)
    if (at >= 0) others.splice(at, 1)
    if (others.length === 0) this.channels.delete(entry.channel)
  }
}
