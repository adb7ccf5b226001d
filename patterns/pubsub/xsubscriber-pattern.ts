import type { DropReason, Loan, Message, Pipe } from "../../core/contract.ts"
import { Distributor } from "../../core/distributor.ts"
import type { InboxOptions } from "../../core/inbox.ts"
import { Outbox, type OutboxOptions, type SendingPattern } from "../../core/outbox.ts"
import { checkTopic, isRequest, SUBSCRIBE } from "./request.ts"
import { SubscriberPattern } from "./subscriber-pattern.ts"

export interface XSubscriberSettings extends InboxOptions, OutboxOptions {
  readonly onlyFirstSubscribe: boolean
  readonly verboseUnsubscribe: boolean
}

/** A subscriber whose user sends subscriptions as messages, and other messages to all publishers. See SPEC.md. */
export class XSubscriberPattern extends SubscriberPattern implements SendingPattern {
  readonly outbox: Outbox
  private readonly options: XSubscriberSettings
  private readonly distributor = new Distributor()
  /** Everybody, connected or not; a new array with every change, as the distributor needs it. */
  private pipes: readonly Pipe[] = []
  private unsent = 0

  constructor(settings: XSubscriberSettings) {
    super(settings)
    this.options = settings
    this.outbox = new Outbox(message => this.dispatch(message), settings)
  }

  // XSUB-4 a full publisher misses the message.
  get canSend(): boolean {
    return true
  }

  get dropped(): Partial<Record<DropReason, number>> {
    return this.unsent === 0 ? {} : { "no-peer": this.unsent }
  }

  override attach(pipe: Pipe): void {
    this.distributor.forget()
    this.pipes = [...this.pipes, pipe]
  }

  override online(pipe: Pipe): void {
    this.distributor.forget()
    super.online(pipe)
  }

  // XSUB-2
  override receive(pipe: Pipe, message: Message): void {
    this.inbox.deliver(pipe, message)
  }

  override lend(_pipe: Pipe, loan: Loan): boolean {
    return this.inbox.lend(loan)
  }

  override offline(pipe: Pipe): void {
    this.distributor.forget()
    super.offline(pipe)
  }

  flush(): void {
    this.distributor.flush()
  }

  override detach(pipe: Pipe): void {
    this.distributor.forget()
    this.pipes = this.pipes.filter(one => one !== pipe)
  }

  private dispatch(message: Message): boolean {
    if (message.length > 1) this.dispatchParts(message)
    else if (isRequest(message[0])) this.request(message[0])
    else this.sendToAll(message)
    return true
  }

  // XSUB-6 as libzmq: a subscription may be in any frame, what else there is stays one message.
  private dispatchParts(message: Message): void {
    const isOne = (frame: Buffer, at: number): boolean =>
      isRequest(frame) && (at === 0 || !this.options.onlyFirstSubscribe)
    const requests = message.filter(isOne)
    for (const frame of requests) checkTopic(frame.subarray(1))
    for (const frame of requests) this.request(frame)
    const rest = requests.length === 0 ? message : message.filter((frame, at) => !isOne(frame, at))
    if (rest.length > 0) this.sendToAll(rest)
  }

  private request(frame: Buffer): void {
    const topic = checkTopic(frame.subarray(1))
    // XSUB-3 in order with the messages that were sent before it.
    this.distributor.flush()
    if (frame[0] === SUBSCRIBE) this.subscribe(topic)
    else this.unsubscribe(topic, this.options.verboseUnsubscribe)
  }

  private sendToAll(message: Message): void {
    if (this.pipes.length === 0) this.unsent++
    else this.distributor.send(message, this.pipes)
  }
}
