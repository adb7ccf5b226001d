import type { ControlName, DropReason, Message, Pipe } from "../../core/contract.ts"
import { Distributor } from "../../core/distributor.ts"
import { HeddleError } from "../../core/errors.ts"
import { flag, integer, type OptionTable } from "../../core/options.ts"
import { Outbox, type OutboxOptions, type SendingPattern } from "../../core/outbox.ts"
import { PrefixIndex, TopicChange } from "../../core/prefix-index.ts"
import { haveRoom } from "./have-room.ts"
import { isRequest, MAX_TOPIC, SUBSCRIBE } from "./request.ts"

/** Options of Publisher and XPublisher. */
export interface PublishingOptions {
  /**
   * Wait when a peer that wants the message is full, instead of dropping it for that peer: nobody gets the message before
   * all can take it, so the slowest subscriber sets the pace. Default false. Live. [ZMQ_XPUB_NODROP]
   */
  noDrop: boolean
  /** Send to the peers that did not subscribe to a prefix of the message; set it on the subscribers too. Default false. Live. [ZMQ_INVERT_MATCHING] */
  invertMatching: boolean
  /**
   * Distinct topics that one peer may subscribe to, with 256 bytes each on average; who wants more is refused with
   * ERR_SUBSCRIPTION_LIMIT. 0 = unlimited. Default 1,000,000. Live.
   */
  maxSubscriptions: number
  /** Look for subscriptions in the first frame of a multipart message only. Default false: in every frame. Live. [ZMQ_ONLY_FIRST_SUBSCRIBE] */
  onlyFirstSubscribe: boolean
}

export const PUBLISHING_OPTIONS: OptionTable = {
  noDrop: flag(false, true),
  invertMatching: flag(false, true),
  maxSubscriptions: integer(1_000_000, { min: 0, live: true, unit: "topics" }),
  onlyFirstSubscribe: flag(false, true),
}

export type PublisherSettings = Readonly<PublishingOptions> & OutboxOptions

/** Bytes that the topics of one peer may have on average: the number of topics alone would allow 64 GB. */
const MEAN_TOPIC = 256

const NOBODY: readonly Pipe[] = []
/** What a pipe to a group wants. */
const EVERYTHING = Buffer.alloc(0)

/** Sends each message to all peers that subscribed to a prefix of it (RFC 29). See SPEC.md. */
export class PublisherPattern implements SendingPattern {
  readonly outbox: Outbox
  /** Told when what peers subscribe to has changed. */
  subscriptionsChanged: () => void = () => {}
  protected readonly settings: PublisherSettings
  /** What is sent to whom. */
  protected readonly index = new PrefixIndex<Pipe>()
  private readonly distributor = new Distributor()
  private readonly connected = new Set<Pipe>()
  /** Pipes to addresses, connected or not; they want everything. */
  private readonly groups = new Set<Pipe>()
  /** Connected peers with a subscription. */
  private subscribers = 0
  private unwanted = 0
  /** The last answer of `others`, and what it was the answer to. */
  private inverted: readonly Pipe[] | null = null
  private invertedOf: readonly Pipe[] = NOBODY

  constructor(settings: PublisherSettings) {
    this.settings = settings
    this.outbox = new Outbox(message => this.publish(message), settings)
  }

  get topicsCount(): number {
    return this.index.topicsCount
  }

  get dropped(): Partial<Record<DropReason, number>> {
    return this.unwanted === 0 ? {} : { "no-peer": this.unwanted }
  }

  // PUB-4 never waits; PUB-7 unless it must not drop, and somebody who may want the message is full.
  get canSend(): boolean {
    return !this.settings.noDrop || haveRoom([...this.connected, ...this.groups])
  }

  /** Connected peers that get messages of this topic; null = that have subscribed to anything. */
  subscribersOf(topic: Buffer | null): number {
    return topic === null ? this.subscribers : this.receivers(topic).length
  }

  // PUB-16 from the start: nobody is there who could subscribe, now or later.
  attach(pipe: Pipe): void {
    this.distributor.forget()
    if (pipe.addressed !== true) return
    this.groups.add(pipe)
    this.index.add(EVERYTHING, pipe)
    this.inverted = null
    this.findSole()
  }

  online(pipe: Pipe): void {
    this.distributor.forget()
    this.connected.add(pipe)
    this.inverted = null
    this.findSole()
    if (!this.groups.has(pipe)) return
    this.subscribers++
    this.subscriptionsChanged()
  }

  receive(pipe: Pipe, message: Message): void {
    if (message.length > 1) this.receiveParts(pipe, message)
    else if (isRequest(message[0])) this.requested(pipe, message[0][0] === SUBSCRIBE, message[0].subarray(1))
    else this.upstream(pipe, message)
  }

  control(pipe: Pipe, name: ControlName, body: Buffer): void {
    if (name === "SUBSCRIBE") this.requested(pipe, true, body)
    else if (name === "CANCEL") this.requested(pipe, false, body)
  }

  writable(_pipe: Pipe): void {
    this.outbox.flush()
  }

  // PUB-9 the subscriptions are those of the connection: a peer that comes back says them again.
  offline(pipe: Pipe): void {
    if (!this.connected.delete(pipe)) return
    this.distributor.forget()
    this.inverted = null
    this.findSole()
    if (this.index.countOf(pipe) > 0) this.subscribers--
    // PUB-16 what is sent to a group meanwhile waits for the next connection.
    if (!this.groups.has(pipe)) this.lost(pipe)
    this.outbox.flush()
  }

  flush(): void {
    this.distributor.flush()
  }

  detach(pipe: Pipe): void {
    this.offline(pipe)
    this.distributor.forget()
    if (!this.groups.delete(pipe)) return
    this.index.removeOwner(pipe)
    this.inverted = null
    this.findSole()
    this.outbox.flush()
  }

  protected publish(message: Message): boolean {
    return this.distribute(message, this.receivers(message[0]))
  }

  /** Who gets a message of this topic. */
  protected receivers(topic: Buffer): readonly Pipe[] {
    const wanting = this.index.match(topic)
    return this.settings.invertMatching ? this.others(wanting) : wanting
  }

  protected distribute(message: Message, pipes: readonly Pipe[]): boolean {
    if (pipes.length === 0) {
      // PUB-3 nobody wants it.
      this.unwanted++
      return true
    }
    // PUB-7 nothing to anyone while somebody is full.
    if (this.settings.noDrop && !haveRoom(pipes)) return false
    // PUB-5 the distributor drops, and counts, for each peer that is full.
    this.distributor.send(message, pipes)
    return true
  }

  /** A peer sent a message that is no subscription. PUB-11 a Publisher has no use for it. */
  protected upstream(pipe: Pipe, _message: Message): void {
    pipe.drop("malformed")
  }

  protected subscribed(pipe: Pipe, topic: Buffer): void {
    if (this.admit(this.index, pipe, topic) > 0) this.grown(pipe)
  }

  protected cancelled(pipe: Pipe, topic: Buffer): void {
    if (this.index.remove(topic, pipe) > 0) this.shrunk(pipe)
  }

  /** The connection is gone, and all that the peer asked for with it. */
  protected lost(pipe: Pipe): void {
    this.index.removeOwner(pipe)
  }

  /** Bits of `TopicChange`; -1 = PUB-12 the peer asked for too much, and is refused. */
  protected admit(index: PrefixIndex<Pipe>, pipe: Pipe, topic: Buffer): number {
    const change = index.add(topic, pipe)
    const most = this.settings.maxSubscriptions
    if ((change & TopicChange.OWNER) === 0 || most === 0) return change
    if (index.countOf(pipe) <= most && index.bytesOf(pipe) <= most * MEAN_TOPIC) return change
    index.remove(topic, pipe)
    this.refuse(pipe, `subscribed to more than ${most} topics, or to more than ${most * MEAN_TOPIC} bytes of them`)
    return -1
  }

  /** `index` has one subscription of this peer more. */
  protected grown(pipe: Pipe): void {
    if (this.index.countOf(pipe) === 1) this.subscribers++
    this.subscriptionsChanged()
  }

  /** `index` has one subscription of this peer less. */
  protected shrunk(pipe: Pipe): void {
    if (this.index.countOf(pipe) === 0) this.subscribers--
    this.subscriptionsChanged()
    // PUB-7 the full peer may have been the one that no longer wants the message.
    this.outbox.flush()
  }

  // PUB-16 while nobody else is there, a message has nothing to be looked up for; nor would PUB-8 change anything.
  private findSole(): void {
    const { groups, connected, outbox } = this
    outbox.frameSender = null
    if (groups.size !== 1 || connected.size > 1) return
    const [group] = groups
    if (connected.size > 0 && !connected.has(group)) return
    // Not by their truth: see SocketPipe.send.
    outbox.frameSender = frame =>
      group.flowing === true && group.sendFrame !== undefined ? group.sendFrame(frame) : this.publish([frame])
  }

  private requested(pipe: Pipe, wanted: boolean, topic: Buffer): void {
    // A peer that was refused for one frame of a message has no say in the next.
    if (!this.connected.has(pipe)) return
    if (!wanted) this.cancelled(pipe, topic)
    else if (topic.length <= MAX_TOPIC) this.subscribed(pipe, topic)
    else this.refuse(pipe, `subscribed to a topic of ${topic.length} bytes, of which ${MAX_TOPIC} are allowed`)
  }

  // PUB-10 as libzmq: a subscription may be in any frame, what else there is stays one message.
  private receiveParts(pipe: Pipe, message: Message): void {
    const rest: Buffer[] = []
    for (let i = 0; i < message.length; i++) {
      const frame = message[i]
      if (!isRequest(frame) || (i > 0 && this.settings.onlyFirstSubscribe)) rest.push(frame)
      else this.requested(pipe, frame[0] === SUBSCRIBE, frame.subarray(1))
    }
    if (rest.length > 0 && this.connected.has(pipe)) this.upstream(pipe, rest)
  }

  private refuse(pipe: Pipe, what: string): void {
    const address = pipe.peer?.address ?? ""
    pipe.close(
      new HeddleError("ERR_SUBSCRIPTION_LIMIT", `The peer at ${address} ${what}; see the option maxSubscriptions`, {
        address,
        fatal: true,
      }),
    )
  }

  /** PUB-8 all that are connected, but these; groups among them, whose receivers filter. */
  private others(pipes: readonly Pipe[]): readonly Pipe[] {
    if (this.inverted === null || this.invertedOf !== pipes) {
      const without = new Set(pipes)
      this.inverted = [
        ...this.groups,
        ...[...this.connected].filter(pipe => !this.groups.has(pipe) && !without.has(pipe)),
      ]
      this.invertedOf = pipes
    }
    return this.inverted
  }
}
