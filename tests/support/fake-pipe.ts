import type {
  ControlName,
  DropReason,
  Message,
  Pattern,
  PeerHello,
  Pipe,
  SocketType,
  Wire,
} from "../../core/contract.ts"

let nextId = 1

export interface FakePipeOptions {
  socketType?: SocketType
  routingId?: string | Buffer
  /** Messages that `send` takes before it answers false. Default: no limit. */
  room?: number
  assignedId?: Buffer | null
  /** A pipe to an address and not to a peer. */
  addressed?: boolean
  largestDatagram?: number
}

/** A pipe without a connection or a clock: the test is the peer. */
export class FakePipe implements Pipe {
  readonly id: number = nextId++
  peer: PeerHello | null
  readonly assignedId: Buffer | null
  readonly addressed: boolean
  readonly largestDatagram: number | undefined
  wire: Wire | null = null
  flowing = false
  sendSlot = -1
  lane: Pipe["lane"] = null
  mark = 0
  batch = 0
  state: unknown = null

  /** What the pattern sent, notices included. */
  readonly sent: Message[] = []
  readonly controls: [ControlName, string][] = []
  readonly dropped: Partial<Record<DropReason, number>> = {}
  paused = false
  closedWith: Error | undefined
  isClosed = false
  isFinished = false
  room: number
  private readonly pattern: Pattern
  private readonly hello: PeerHello
  private greetings = 0

  /** Attached and online at once; set `online` to false for a pipe that dials: see `goesOnline`. */
  constructor(
    pattern: Pattern,
    {
      socketType = "PAIR",
      routingId = "",
      room = Number.POSITIVE_INFINITY,
      assignedId = null,
      largestDatagram,
      addressed = largestDatagram !== undefined,
    }: FakePipeOptions = {},
    online = true,
  ) {
    this.pattern = pattern
    this.room = room
    this.assignedId = assignedId
    this.addressed = addressed
    this.largestDatagram = largestDatagram
    this.hello = {
      socketType,
      routingId: Buffer.from(routingId as string),
      metadata: new Map(),
      address: `fake://${this.id}`,
      mechanism: "NULL",
      userId: "",
    }
    this.peer = online ? this.hello : null
    pattern.attach(this)
    if (online) pattern.online?.(this)
  }

  get writable(): boolean {
    return this.room > 0
  }

  send(message: Message): boolean {
    if (this.room <= 0) return false
    this.room--
    this.sent.push(message)
    return true
  }

  sendEncoded(): void {
    throw new Error("a fake pipe has no wire: sendEncoded must not be called")
  }

  control(name: ControlName, body: Buffer): void {
    this.controls.push([name, body.toString("latin1")])
  }

  /** Ahead of what was sent while the pipe was not online, in order. */
  greet(message: Message): void {
    this.sent.splice(this.greetings++, 0, message)
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  drop(reason: DropReason, count = 1): void {
    this.dropped[reason] = (this.dropped[reason] ?? 0) + count
  }

  /** As a real pipe does: the pattern hears `offline` and `detach`. */
  close(reason?: Error): void {
    if (this.isClosed) return
    this.isClosed = true
    this.closedWith = reason
    this.pattern.offline?.(this)
    this.pattern.detach(this)
  }

  /** Everything was sent at once: the end comes at once, too. */
  finish(): void {
    this.isFinished = true
    this.close()
  }

  // What the peer does

  /** A pipe that dials: a handshake is done, with a peer that may have another routing id than last time. */
  goesOnline(routingId?: string): void {
    this.greetings = 0
    this.peer = routingId === undefined ? this.hello : { ...this.hello, routingId: Buffer.from(routingId) }
    this.pattern.online?.(this)
  }

  /** A pipe that dials: the connection is lost, and the pipe waits for the next. */
  goesOffline(): void {
    this.pattern.offline?.(this)
  }

  /** The peer sends a message. */
  says(...frames: (string | Buffer)[]): void {
    this.pattern.receive(
      this,
      frames.map(frame => Buffer.from(frame as string)),
    )
  }

  /** The peer sends a notice. */
  notes(name: ControlName, body: string): void {
    this.pattern.control?.(this, name, Buffer.from(body, "latin1"))
  }

  /** The peer reads: there is room for so many messages again. */
  drains(room: number): void {
    this.room = room
    this.pattern.writable(this)
  }

  leaves(): void {
    this.close()
  }

  /** What was sent so far as text, frames joined by "|"; forgets it. */
  taken(): string[] {
    return this.sent.splice(0).map(message => message.map(frame => frame.toString("latin1")).join("|"))
  }
}

/** Option values that every pattern reads, with libzmq's defaults. */
export const PATTERN_OPTIONS = {
  sendHighWaterMark: 1000,
  receiveHighWaterMark: 1000,
  sendTimeout: -1,
  receiveTimeout: -1,
  conflate: false,
}
