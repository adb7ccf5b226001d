import type { ControlName, Loan, Message, Pipe } from "../../core/contract.ts"
import { Inbox, type InboxOptions, type ReceivingPattern } from "../../core/inbox.ts"
import { TopicCounter } from "../../core/prefix-counter.ts"

export interface SubscriberSettings extends InboxOptions {
  readonly invertMatching?: boolean
}

/** Tells publishers what it wants, and takes only that (RFC 29). See SPEC.md. */
export class SubscriberPattern implements ReceivingPattern<Message> {
  readonly inbox: Inbox<Message>
  private readonly settings: SubscriberSettings
  private readonly topics = new TopicCounter()
  private readonly connected = new Set<Pipe>()

  constructor(settings: SubscriberSettings) {
    this.settings = settings
    this.inbox = new Inbox(settings)
  }

  get topicsCount(): number {
    return this.topics.size
  }

  // SUB-2 a repeated one is sent too: a verbose XPublisher wants to hear of it.
  subscribe(topic: Buffer): void {
    this.topics.increment(topic)
    this.tell("SUBSCRIBE", topic)
  }

  // SUB-3; `always` is XSUB-5.
  unsubscribe(topic: Buffer, always = false): void {
    const left = this.topics.decrement(topic)
    if (left === 0 || always) this.tell("CANCEL", topic)
  }

  attach(_pipe: Pipe): void {}

  // SUB-4 at once, each distinct topic once, by a way that no high-water mark bounds.
  online(pipe: Pipe): void {
    this.inbox.queue.reconnected(pipe)
    this.connected.add(pipe)
    for (const [topic] of this.topics.entries()) pipe.control("SUBSCRIBE", topic)
  }

  // SUB-5 the publisher may know of a wish that is over, or send what others want.
  receive(pipe: Pipe, message: Message): void {
    if (this.topics.has(message[0]) !== this.settings.invertMatching) this.inbox.deliver(pipe, message)
    else pipe.drop("filtered")
  }

  get borrows(): boolean {
    return this.inbox.borrows
  }

  // SUB-5, as for `receive`.
  lend(pipe: Pipe, loan: Loan): boolean {
    const { bytes, bounds } = loan
    if (this.topics.hasAt(bytes, bounds[0], bounds[1]) !== this.settings.invertMatching) return this.inbox.lend(loan)
    pipe.drop("filtered")
    return true
  }

  writable(_pipe: Pipe): void {}

  offline(pipe: Pipe): void {
    this.connected.delete(pipe)
  }

  // SUB-7 what a publisher sent before it left stays readable: the inbox keeps it.
  detach(_pipe: Pipe): void {}

  private tell(name: ControlName, topic: Buffer): void {
    for (const pipe of this.connected) pipe.control(name, topic)
  }
}
