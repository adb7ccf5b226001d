import type { Connection, ConnectionSink, Message, PeerHello } from "../../core/contract.ts"
import { fromSystem } from "../../core/errors.ts"
import type { GroupSender } from "./engine.ts"
import type { Inlet, Outlet } from "./ports.ts"
import type { SessionConnection } from "./session-connection.ts"

/** Connections with something to flush in this turn, and the one call that serves them all. */
let dirty: GroupConnection[] = []
let scheduled = false

function flushAll(): void {
  scheduled = false
  const connections = dirty
  dirty = []
  for (const connection of connections) connection.flush()
}

/**
 * A connection to a group: what is sent goes to all members. Of a socket that dialled the group and receives, or does both,
 * it also delivers what all senders say, each in order.
 */
export class GroupConnection implements Connection {
  readonly peer: PeerHello
  // Messages share datagrams with others of the same sender only.
  readonly wire = null
  private readonly outlet: Outlet
  private readonly inlet: Inlet | null
  private readonly sender: GroupSender | null
  /** The sender as long as it takes messages. */
  private open: GroupSender | null
  private readonly sessions = new Set<SessionConnection>()
  private sink: ConnectionSink | null = null
  private paused = false
  private waiting = false
  private over = false
  private reason: Error | undefined

  constructor(peer: PeerHello, outlet: Outlet, inlet: Inlet | null) {
    this.peer = peer
    this.outlet = outlet
    this.inlet = inlet
    this.sender = outlet.sender
    this.open = outlet.sender
    if (this.sender !== null) {
      this.sender.onDrain = () => this.sink?.drain()
      this.sender.onClosed = () => this.close()
    }
    const failed = (error: Error): void => this.close(fromSystem(error, "datagrams of", peer.address))
    outlet.onFailed = failed
    if (inlet !== null) inlet.onFailed = failed
  }

  get bytesReceived(): number {
    return this.inlet?.receiver.stats.bytes ?? 0
  }

  get mended(): number | undefined {
    const stats = this.inlet?.receiver.stats
    return stats === undefined ? undefined : stats.repaired + stats.recovered
  }

  get mendedTime(): number | undefined {
    return this.inlet?.receiver.stats.mendedTime
  }

  get bytesSent(): number {
    const { bytes = 0, repairBytes = 0, parityBytes = 0 } = this.sender?.stats ?? {}
    return bytes + repairBytes + parityBytes
  }

  start(sink: ConnectionSink): void {
    this.sink = sink
    if (this.over) {
      sink.closed(this.reason)
      return
    }
    for (const session of this.sessions) this.follow(session)
  }

  send(message: Message): boolean {
    if (this.open === null) return this.refuse()
    const room = this.open.send(message)
    if (!this.waiting) this.schedule()
    return room
  }

  sendFrame(frame: Buffer): boolean {
    const { open } = this
    if (open === null) return this.refuse()
    const room = open.sendFrame(frame)
    // Not by its truth: see SocketPipe.send.
    if (this.waiting !== true) this.schedule()
    return room
  }

  sendEncoded(): boolean {
    throw new TypeError("A connection to a group has no wire: sendEncoded must not be called")
  }

  flush(): void {
    this.waiting = false
    if (this.over || this.sender === null) return
    this.sender.flush()
    this.outlet.flush()
  }

  // MCT-5 nobody is there to hear it.
  control(): void {}

  pause(): void {
    this.paused = true
    for (const session of this.sessions) session.pause()
  }

  resume(): void {
    this.paused = false
    for (const session of this.sessions) session.resume()
  }

  close(reason?: Error): void {
    if (this.over) return
    this.over = true
    this.open = null
    this.reason = reason
    for (const session of this.sessions) session.close()
    this.sessions.clear()
    this.sender?.close()
    this.inlet?.close()
    this.outlet.close()
    this.sink?.closed(reason)
  }

  end(): void {
    if (this.sender === null) setImmediate(() => this.close())
    else {
      this.sender.end()
      this.outlet.flush()
    }
  }

  /** A sender in the group, for who has no connection for each. */
  add(session: SessionConnection): void {
    this.sessions.add(session)
    if (this.paused) session.pause()
    if (this.sink === null) session.hold()
    else this.follow(session)
  }

  private refuse(): true {
    if (!this.over) this.sink?.lost?.("unroutable", 1)
    return true
  }

  private schedule(): void {
    this.waiting = true
    dirty.push(this)
    if (scheduled) return
    scheduled = true
    // Behind what waits for promises, too: who waited for room goes on before the first of its messages leaves alone.
    process.nextTick(queueMicrotask, flushAll)
  }

  private follow(session: SessionConnection): void {
    const sink = this.sink as ConnectionSink
    session.start({
      message: message => sink.message(message),
      controlReceived: () => {},
      drain: () => {},
      lost: (reason, count, gap) => sink.lost?.(reason, count, gap),
      // Others go on: what is left of the one is that it is silent.
      closed: () => this.sessions.delete(session),
    })
  }
}
