import type { MessagePort } from "node:worker_threads"
import type { Connection, ConnectionSink, ControlName, Message, PeerHello } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import { ringSize } from "../shm/ring-layout.ts"
import { type Deliverable, schedule } from "./deliveries.ts"
import { Incoming, type IncomingOwner } from "./incoming.ts"
import { GOODBYE_WAIT, LEAVING, NOT_STARTED, Notice, PAUSED, peerEnded } from "./link.ts"
import { FAREWELL, Outgoing } from "./outgoing.ts"
import { LEAVING_POST, type Post, WAKE } from "./port.ts"

/** What two threads agree on before there is a connection. */
export interface Link {
  readonly port: MessagePort
  /** Two rings; the caller writes the first. */
  readonly memory: SharedArrayBuffer
  readonly capacity: number
  readonly side: "caller" | "listener"
  /** Messages that may be on the way in our direction; 0 = no limit. */
  readonly limit: number
  /** Microseconds; see `InprocOptions`. */
  readonly busyPoll: number
}

/** Bytes of memory that a link needs. */
export function linkSize(capacity: number): number {
  return 2 * ringSize(capacity)
}

/** One end of a connection between two threads: a ring in each direction, and a port that wakes, and tells who died. */
export class ThreadConnection implements Connection, Deliverable, IncomingOwner {
  readonly peer: PeerHello
  readonly wire = null
  scheduled = false
  private readonly port: MessagePort
  private readonly outgoing: Outgoing
  private readonly incoming: Incoming
  private sink: ConnectionSink | null = null
  private over = false
  private reason: Error | undefined
  /** The other end of the port is gone: nothing comes but what is in the ring already. */
  private dead = false
  private timer: NodeJS.Timeout | undefined

  constructor(peer: PeerHello, link: Link) {
    const { port, memory, capacity } = link
    const out = link.side === "caller" ? 0 : ringSize(capacity)
    const due = (): void => schedule(this)
    this.peer = peer
    this.port = port
    this.outgoing = new Outgoing(port, memory, out, capacity, link.limit, due)
    this.incoming = new Incoming(port, memory, ringSize(capacity) - out, capacity, link.busyPoll, this, NOT_STARTED)
    port.on("message", (post: Post) => this.heard(post))
    port.on("close", () => this.lost())
    // A listener on a port keeps its thread alive; an open connection must not.
    port.unref()
  }

  get bytesReceived(): number {
    return this.incoming.bytes
  }

  get bytesSent(): number {
    return this.outgoing.bytes
  }

  start(sink: ConnectionSink): void {
    this.sink = sink
    this.incoming.held &= ~NOT_STARTED
    if (this.over) sink.closed(this.reason)
    else schedule(this)
  }

  send(message: Message): boolean {
    // An end that leaves takes nothing. False keeps the next messages with their owner until `closed`.
    if ((this.incoming.held & LEAVING) !== 0) return false
    return this.outgoing.send(message)
  }

  sendEncoded(): boolean {
    throw new HeddleError("ENOTSUP", "Messages of an inproc connection are not encoded: use send")
  }

  control(name: ControlName, body: Buffer): void {
    if ((this.incoming.held & LEAVING) === 0) this.outgoing.notice(new Notice(name, body))
  }

  pause(): void {
    this.incoming.held |= PAUSED
  }

  resume(): void {
    if ((this.incoming.held & PAUSED) === 0) return
    this.incoming.held &= ~PAUSED
    schedule(this)
  }

  close(reason?: Error): void {
    if (this.over) return
    const fatal = reason instanceof HeddleError && reason.fatal
    this.port.postMessage({ bye: reason === undefined ? null : reason.message, fatal } satisfies Post)
    this.finish(reason)
  }

  end(): void {
    if ((this.incoming.held & LEAVING) !== 0) return
    // From here on this end is deaf, as a stream's is; the peer's answer is that it closes the port.
    this.incoming.held |= LEAVING
    this.outgoing.notice(FAREWELL)
    this.port.postMessage(LEAVING_POST)
    this.timer = setTimeout(() => this.finish(undefined), this.dead ? 0 : GOODBYE_WAIT)
    this.timer.unref()
  }

  deliver(max: number): number {
    if (this.over) return 0
    const { outgoing, incoming, sink } = this
    const leaving = (incoming.held & LEAVING) !== 0
    if (leaving && outgoing.blocked) outgoing.pump()
    if (leaving || sink === null) return 0
    let count = 0
    try {
      if (outgoing.blocked && outgoing.pump()) sink.drain()
      count = incoming.read(sink, max)
    } finally {
      if (incoming.held === 0) {
        if (!incoming.empty) schedule(this)
        else if (this.dead) this.finish(peerEnded("its thread ended", false, this.peer.address))
        else incoming.rest()
      }
    }
    return count
  }

  // From the incoming half

  due(): void {
    schedule(this)
  }

  goodbye(): void {
    this.finish(undefined)
  }

  failed(error: Error): void {
    this.close(error)
  }

  heard(post: Post): void {
    if (this.over) return
    if (post === WAKE) {
      this.incoming.woken()
      schedule(this)
    } else if (post === LEAVING_POST) {
      if ((this.incoming.held & LEAVING) !== 0) this.finish(undefined)
    } else if ("frames" in post) this.incoming.framesPosted(post.frames)
    else if ("bye" in post)
      this.finish(post.bye === null ? undefined : peerEnded(post.bye, post.fatal, this.peer.address))
  }

  private lost(): void {
    this.dead = true
    // How the peer goes after our goodbye is its own affair.
    if ((this.incoming.held & LEAVING) !== 0) this.finish(undefined)
    else schedule(this)
  }

  private finish(reason: Error | undefined): void {
    if (this.over) return
    this.over = true
    this.reason = reason
    this.incoming.held |= LEAVING
    this.outgoing.stop()
    this.incoming.stop()
    clearTimeout(this.timer)
    this.port.close()
    this.sink?.closed(reason)
  }
}
