import type { DropReason, Message, Pipe } from "../../core/contract.ts"
import type { InboxOptions, Reader, ReceivingPattern } from "../../core/inbox.ts"
import { PrefixIndex, TopicChange } from "../../core/prefix-index.ts"
import { Arrivals, Follower } from "./arrivals.ts"
import { PublisherPattern, type PublisherSettings } from "./publisher-pattern.ts"
import { CANCEL, SUBSCRIBE } from "./request.ts"

export type Verbosity = null | "allSubs" | "allSubsUnsubs"

export interface XPublisherSettings extends PublisherSettings, InboxOptions {
  readonly verbosity: Verbosity
  readonly manual: boolean
  readonly lastValue: boolean
  readonly welcomeMessage: Buffer | string | null
}

/** A publisher whose user reads what peers subscribe to, and may decide what becomes of it. See SPEC.md. */
export class XPublisherPattern extends PublisherPattern implements ReceivingPattern<Message> {
  readonly inbox: Reader<Message>
  declare protected readonly settings: XPublisherSettings
  private readonly arrivals: Arrivals
  /** XPUB-9 what peers asked for while the user decided; `index` has what the user granted. */
  private readonly wishes = new PrefixIndex<Pipe>()

  constructor(settings: XPublisherSettings) {
    super(settings)
    this.arrivals = new Arrivals(settings)
    this.inbox = this.arrivals.inbox
  }

  override get dropped(): Partial<Record<DropReason, number>> {
    return { ...this.arrivals.dropped, ...super.dropped }
  }

  get isManual(): boolean {
    return this.settings.manual || this.settings.lastValue
  }

  /** XPUB-9 subscribes the peer whose message was taken last. False = it is gone, or nothing was taken yet. */
  grant(topic: Buffer): boolean {
    const from = this.arrivals.last
    if (from === null || from.gone) return false
    if (this.index.add(topic, from.pipe) > 0) this.grown(from.pipe)
    return true
  }

  /** The opposite of `grant`. */
  revoke(topic: Buffer): boolean {
    const from = this.arrivals.last
    if (from === null || from.gone) return false
    super.cancelled(from.pipe, topic)
    return true
  }

  override online(pipe: Pipe): void {
    super.online(pipe)
    if (pipe.addressed === true) return
    pipe.state = new Follower(pipe)
    const { welcomeMessage } = this.settings
    // XPUB-12 before anything that the peer may subscribe to.
    if (welcomeMessage !== null) pipe.greet([Buffer.from(welcomeMessage as Buffer)])
  }

  override offline(pipe: Pipe): void {
    const from = pipe.state as Follower | null
    if (from !== null) from.gone = true
    pipe.state = null
    super.offline(pipe)
  }

  protected override publish(message: Message): boolean {
    const { arrivals } = this
    const { last } = arrivals
    if (!arrivals.lastSubscribed || !this.settings.lastValue || last === null || last.gone)
      return super.publish(message)
    // XPUB-11 the first message after a subscription was taken is for the subscriber alone.
    const only = this.receivers(message[0]).filter(pipe => pipe === last.pipe)
    if (!this.distribute(message, only)) return false
    arrivals.lastSubscribed = false
    return true
  }

  // XPUB-6
  protected override upstream(pipe: Pipe, message: Message): void {
    this.arrivals.message(pipe.state as Follower, message)
  }

  protected override subscribed(pipe: Pipe, topic: Buffer): void {
    const from = pipe.state as Follower
    if (this.isManual) {
      // XPUB-9 every request is shown, also one that changes nothing.
      if (this.admit(this.wishes, pipe, topic) >= 0) this.arrivals.notice(from, SUBSCRIBE, topic)
      return
    }
    const change = this.admit(this.index, pipe, topic)
    if (change < 0) return
    if (change > 0) this.grown(pipe)
    // XPUB-2, XPUB-3
    if ((change & TopicChange.TOPIC) !== 0 || this.settings.verbosity !== null) {
      this.arrivals.notice(from, SUBSCRIBE, topic)
    }
  }

  protected override cancelled(pipe: Pipe, topic: Buffer): void {
    const from = pipe.state as Follower
    if (this.isManual) {
      if (this.wishes.remove(topic, pipe) > 0) this.arrivals.notice(from, CANCEL, topic)
      return
    }
    const change = this.index.remove(topic, pipe)
    // XPUB-5 what was not there cannot be cancelled.
    if (change === 0) return
    this.shrunk(pipe)
    if ((change & TopicChange.TOPIC) !== 0 || this.settings.verbosity === "allSubsUnsubs") {
      this.arrivals.notice(from, CANCEL, topic)
    }
  }

  // XPUB-4 a peer that leaves cancels what it had.
  protected override lost(pipe: Pipe): void {
    const cancelled = this.inbox.isClosed ? [] : this.cancelledBy(pipe)
    this.wishes.removeOwner(pipe)
    this.index.removeOwner(pipe)
    for (const topic of cancelled) this.arrivals.notice(null, CANCEL, topic)
  }

  /** The topics that the user must hear of when this peer is gone. */
  private cancelledBy(pipe: Pipe): Buffer[] {
    if (this.isManual) return [...this.wishes.topicsOf(pipe)]
    if (this.settings.verbosity === "allSubsUnsubs") return [...this.index.topicsOf(pipe)]
    const gone: Buffer[] = []
    this.index.removeOwner(pipe, topic => gone.push(topic))
    return gone
  }
}
