import type {
  Connection,
  ConnectionSink,
  ControlName,
  DropReason,
  Gap,
  Lane,
  Loan,
  Message,
  Pattern,
  PeerHello,
  Pipe,
  Transport,
  Wire,
} from "./contract.ts"
import { Queue } from "./queue.ts"

/** What a pipe reads of its socket's options; live, so that a changed high-water mark acts at once. */
export interface PipeOptions {
  readonly sendHighWaterMark: number
  readonly conflate?: boolean
}

/** Who made the pipe: the connector or acceptor that replaces or forgets its connections. */
export interface PipeOwner {
  /** The connection is gone. The pipe is offline already. */
  connectionClosed(pipe: SocketPipe, reason: Error | undefined): void
  /** Nothing is left to send after `finish`. */
  finished(pipe: SocketPipe): void
  /** The pattern turns the peer away; `connectionClosed` follows. */
  refused(pipe: SocketPipe, reason: Error): void
  /** Messages to us are lost for good. */
  missed?(pipe: SocketPipe, gap: Gap, count: number): void
}

let nextId = 1

/** A connection, when there is one, with the bounded queue before it. */
export class SocketPipe implements Pipe, ConnectionSink {
  readonly id: number = nextId++
  peer: PeerHello | null = null
  readonly assignedId: Buffer | null
  readonly addressed: boolean
  readonly largestDatagram: number | undefined
  wire: Wire | null = null
  flowing = false
  sendSlot = -1
  lane: Lane | null = null
  mark = 0
  batch = 0
  state: unknown = null

  messagesSent = 0
  messagesReceived = 0
  dropped: Partial<Record<DropReason, number>> | null = null

  connection: Connection | null = null
  private readonly pattern: Pattern
  private readonly options: PipeOptions
  private readonly owner: PipeOwner
  private queue: Queue<Message> | null = null
  /** `send` or `writable` answered false: the pattern waits for the event. */
  private awaited = false
  private finishing = false
  private bytesIn = 0
  private bytesOut = 0

  constructor(
    pattern: Pattern,
    options: PipeOptions,
    owner: PipeOwner,
    assignedId: Buffer | null = null,
    { addressed = false, largestDatagram }: Pick<Transport, "addressed" | "largestDatagram"> = {},
  ) {
    this.pattern = pattern
    this.options = options
    this.owner = owner
    this.assignedId = assignedId
    this.addressed = addressed
    this.largestDatagram = largestDatagram
  }

  get queued(): number {
    return this.queue === null ? 0 : this.queue.length
  }

  get online(): boolean {
    return this.connection !== null
  }

  get bytesReceived(): number {
    return this.bytesIn + (this.connection?.bytesReceived ?? 0)
  }

  /** Of the connection of now. */
  get mended(): number | undefined {
    return this.connection?.mended
  }

  get mendedTime(): number | undefined {
    return this.connection?.mendedTime
  }

  get bytesSent(): number {
    return this.bytesOut + (this.connection?.bytesSent ?? 0)
  }

  get writable(): boolean {
    if (this.flowing) return true
    if (this.finishing) return false
    const limit = this.options.sendHighWaterMark
    if (limit === 0 || this.queued < limit || this.options.conflate === true) return true
    this.awaited = true
    return false
  }

  send(message: Message): boolean {
    // Not by its truth, which takes V8 five comparisons and two reads: it is true for nearly every message.
    if (this.flowing === true) {
      this.messagesSent++
      if (!(this.connection as Connection).send(message)) this.flowing = false
      return true
    }
    return this.enqueue(message)
  }

  sendFrame(frame: Buffer): boolean {
    if (this.flowing !== true) return this.enqueue([frame])
    const connection = this.connection as Connection
    this.messagesSent++
    const goesOn = connection.sendFrame === undefined ? connection.send([frame]) : connection.sendFrame(frame)
    if (goesOn !== true) this.flowing = false
    return true
  }

  sendEncoded(bytes: Buffer, count: number): void {
    this.messagesSent += count
    if (!(this.connection as Connection).sendEncoded(bytes, count)) this.flowing = false
  }

  control(name: ControlName, body: Buffer): void {
    this.connection?.control(name, body)
  }

  greet(message: Message): void {
    this.messagesSent++
    // Its answer is of no use here: `drain` follows the handshake, and asks with what was queued.
    this.connection?.send(message)
  }

  pause(): void {
    this.connection?.pause()
  }

  resume(): void {
    this.connection?.resume()
  }

  drop(reason: DropReason, count = 1): void {
    this.dropped ??= {}
    this.dropped[reason] = (this.dropped[reason] ?? 0) + count
  }

  close(reason?: Error): void {
    if (reason !== undefined && this.connection !== null) this.owner.refused(this, reason)
    this.connection?.close(reason)
  }

  // For the owner

  /** A handshake is done: the pattern introduces itself, then what waited is sent. */
  attachConnection(connection: Connection): void {
    this.connection = connection
    this.peer = connection.peer
    this.wire = connection.wire
    this.pattern.online?.(this)
    // The pattern may have refused the peer: `start` then calls `closed`.
    connection.start(this)
    if (this.connection === connection) this.drain()
  }

  /** Sends what is queued, then ends the connection in order. Without a connection the queue waits for one. */
  finish(): void {
    this.pattern.flush?.()
    this.finishing = true
    // Nothing is taken any more: behind the goodbye it would be lost in silence.
    this.flowing = false
    this.awaited = false
    if (this.connection === null) {
      if (this.queued === 0) this.owner.finished(this)
    } else if (this.queued === 0) this.connection.end()
  }

  /** Forgets what is queued; it counts as dropped. */
  discard(): void {
    if (this.queued > 0) this.drop("closed", this.queued)
    this.queue?.clear()
  }

  // From the connection

  message(message: Message): void {
    this.messagesReceived++
    this.pattern.receive(this, message)
  }

  get borrows(): boolean {
    return this.pattern.borrows === true
  }

  lend(loan: Loan): boolean {
    if (this.pattern.lend?.(this, loan) !== true) return false
    this.messagesReceived++
    return true
  }

  lost(reason: DropReason, count: number, gap?: Gap): void {
    this.drop(reason, count)
    if (gap !== undefined) this.owner.missed?.(this, gap, count)
  }

  controlReceived(name: ControlName, body: Buffer): void {
    this.pattern.control?.(this, name, body)
  }

  drain(): void {
    const connection = this.connection as Connection
    const queue = this.queue
    this.flowing = !this.finishing
    if (queue !== null) {
      while (queue.length > 0) {
        this.messagesSent++
        if (!connection.send(queue.shift() as Message)) {
          this.flowing = false
          break
        }
      }
    }
    if (this.awaited) {
      // Half empty first, as libzmq's credit does: otherwise a full queue would wake its writer for every message.
      const limit = this.options.sendHighWaterMark
      if (this.queued <= limit >> 1) {
        this.awaited = false
        this.pattern.writable(this)
      }
    }
    if (this.finishing && this.queued === 0) connection.end()
  }

  closed(reason?: Error): void {
    const connection = this.connection
    if (connection === null) return
    this.bytesIn += connection.bytesReceived
    this.bytesOut += connection.bytesSent
    this.connection = null
    this.wire = null
    this.flowing = false
    this.pattern.offline?.(this)
    this.owner.connectionClosed(this, reason)
    if (this.finishing && this.queued === 0) this.owner.finished(this)
  }

  private enqueue(message: Message): boolean {
    if (this.finishing) return false
    this.queue ??= new Queue()
    const queue = this.queue
    if (this.options.conflate === true && queue.length > 0) {
      this.drop("conflated", queue.length)
      queue.clear()
    } else if (this.options.sendHighWaterMark > 0 && queue.length >= this.options.sendHighWaterMark) {
      this.awaited = true
      return false
    }
    queue.push(message)
    return true
  }
}
