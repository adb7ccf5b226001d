import type { Connection, ConnectionSink, ControlName, LinkOptions, Message, PeerHello } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import { Queue } from "../../core/queue.ts"
import { type Deliverable, schedule } from "./deliveries.ts"
import { GOODBYE_WAIT, LEAVING, limitOf, NOT_STARTED, Notice, PAUSED, toldByPeer } from "./link.ts"

const GOODBYE = new Notice("CANCEL", Buffer.alloc(0))

/** One end of a connection within a thread: messages pass by reference. */
export class LocalConnection implements Connection, Deliverable {
  readonly peer: PeerHello
  readonly wire = null
  readonly bytesReceived = 0
  readonly bytesSent = 0
  scheduled = false
  private readonly options: LinkOptions
  private other: LocalConnection = this
  private sink: ConnectionSink | null = null
  /** What the other end sent and this one has not delivered. Notices do not count against the limit. */
  private readonly queue = new Queue<Message | Notice>()
  private notices = 0
  /** Messages that `queue` may hold before the other end is told to stop; 0 = no limit. */
  private limit = 0
  /** Bits that say why nothing is delivered; 0 = go on. */
  private held = NOT_STARTED
  /** `send` answered false. */
  private blocked = false
  private drainDue = false
  private over = false
  private reason: Error | undefined
  /** Ended by the other side: `closed` is to be called in the next tick. */
  private doomed = false
  private timer: NodeJS.Timeout | undefined

  private constructor(peer: PeerHello, options: LinkOptions) {
    this.peer = peer
    this.options = options
  }

  /** Both ends of a new connection: that of the one who knows `peerOfA`, and the opposite one. */
  static pair(
    peerOfA: PeerHello,
    optionsOfA: LinkOptions,
    peerOfB: PeerHello,
    optionsOfB: LinkOptions,
  ): [LocalConnection, LocalConnection] {
    const a = new LocalConnection(peerOfA, optionsOfA)
    const b = new LocalConnection(peerOfB, optionsOfB)
    a.other = b
    b.other = a
    return [a, b]
  }

  start(sink: ConnectionSink): void {
    this.sink = sink
    this.held &= ~NOT_STARTED
    if (this.over) sink.closed(this.reason)
    else if (this.doomed || this.drainDue || this.queue.length > 0) schedule(this)
  }

  send(message: Message): boolean {
    const { other } = this
    // An end that leaves takes nothing. False keeps the next messages with their owner until `closed`.
    if (this.over || ((this.held | other.held) & LEAVING) !== 0) return false
    const { queue } = other
    queue.push(message)
    if (!other.scheduled) {
      // Once for each batch: a high-water mark that was changed acts on living connections.
      other.limit = limitOf(this.options.sendHighWaterMark, other.options.receiveHighWaterMark)
      if (other.held === 0) schedule(other)
    }
    if (other.limit === 0 || queue.length - other.notices < other.limit) return true
    this.blocked = true
    return false
  }

  sendEncoded(): boolean {
    throw new HeddleError("ENOTSUP", "Messages of an inproc connection are not encoded: use send")
  }

  control(name: ControlName, body: Buffer): void {
    const { other } = this
    if (this.over || ((this.held | other.held) & LEAVING) !== 0) return
    other.notice(new Notice(name, body))
  }

  pause(): void {
    this.held |= PAUSED
  }

  resume(): void {
    this.held &= ~PAUSED
    if (this.held === 0 && this.queue.length > 0) schedule(this)
  }

  close(reason?: Error): void {
    if (this.over) return
    const { other } = this
    this.finish(reason)
    if (other.over) return
    other.discard()
    other.reason = toldByPeer(reason, other.peer.address)
    other.doomed = true
    schedule(other)
  }

  end(): void {
    if (this.over || (this.held & LEAVING) !== 0) return
    // From here on this end is deaf: its owner has no use for messages any more, and a paused one must not hang.
    this.held |= LEAVING
    this.discard()
    const { other } = this
    if (other.over || (other.held & LEAVING) !== 0) {
      this.leave()
      if (!other.over) other.leave()
      return
    }
    other.notice(GOODBYE)
    this.timer = setTimeout(() => this.finish(undefined), GOODBYE_WAIT)
    this.timer.unref()
  }

  deliver(max: number): number {
    const { queue } = this
    const sink = this.sink as ConnectionSink
    if (this.over || (this.held & NOT_STARTED) !== 0) return 0
    if (this.doomed) {
      this.finish(this.reason)
      return 0
    }
    let count = 0
    try {
      if (this.drainDue) {
        this.drainDue = false
        if ((this.held & LEAVING) === 0) sink.drain()
      }
      while (count < max && this.held === 0 && queue.length > 0) {
        const item = queue.shift() as Message | Notice
        if (item instanceof Notice) this.noticed(item, sink)
        else {
          count++
          sink.message(item)
        }
      }
    } finally {
      if (this.held === 0 && queue.length > 0) schedule(this)
      const { other } = this
      // Half empty first, as libzmq's credit does: otherwise a full queue would wake its writer for every message.
      if (other.blocked && queue.length - this.notices <= this.limit >> 1) {
        other.blocked = false
        other.drainDue = true
        schedule(other)
      }
    }
    return count
  }

  private noticed(notice: Notice, sink: ConnectionSink): void {
    this.notices--
    if (notice !== GOODBYE) {
      sink.controlReceived(notice.name, notice.body)
      return
    }
    const { other } = this
    this.finish(undefined)
    if (!other.over) other.leave()
  }

  private notice(notice: Notice): void {
    this.queue.push(notice)
    this.notices++
    if (this.held === 0) schedule(this)
  }

  /** Ends in order, in the next tick. */
  private leave(): void {
    this.doomed = true
    schedule(this)
  }

  private discard(): void {
    this.queue.clear()
    this.notices = 0
  }

  private finish(reason: Error | undefined): void {
    if (this.over) return
    this.over = true
    this.reason = reason
    this.held |= LEAVING
    this.discard()
    clearTimeout(this.timer)
    this.sink?.closed(reason)
  }
}
