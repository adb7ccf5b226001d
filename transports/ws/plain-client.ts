import type { Duplex } from "node:stream"
import type WebSocket from "ws"
import type { SendResult, WebClient } from "../../core/web.ts"
import { closeReason, frameOf } from "./frames.ts"

/** What a client needs of its server. */
export interface PlainTopics {
  readonly maxBackpressure: number
  readonly compress: boolean
  /** Frames of our own making are written to the socket; otherwise the library makes them. */
  readonly frames: boolean
  /** Clients by topic. */
  readonly topics: Map<string, Set<PlainClient<unknown>>>
  closed(client: PlainClient<unknown>, code: number, reason: string): void
  drained(client: PlainClient<unknown>): void
  /** Calls `uncork` when this turn is over. */
  uncorkLater(client: PlainClient<unknown>): void
}

/** How long a client may take to answer our close frame (milliseconds). */
const GOODBYE = 2_000

/** Beyond so many bytes within one turn, what is corked goes out early. */
const CORK_LIMIT = 64 * 1024

/** A WebSocket of the package `ws`, with frames of our own making where they are not compressed: one write for each turn. */
export class PlainClient<Data> implements WebClient<Data> {
  readonly data: Data
  readonly address: string
  readonly protocol: string
  readonly pausable = true
  /** `drain` is owed. */
  owed = false
  /** The operating system did not take all. */
  private waiting = false
  open = true
  /** Of the last sign of life (performance.now()). */
  heardAt = performance.now()
  private readonly socket: WebSocket
  private readonly stream: Duplex
  private readonly server: PlainTopics
  private topics: Set<string> | null = null
  private corked = false
  private readonly written = (error?: Error | null): void => {
    if (error || !this.waiting || !this.open || this.buffered > 0) return
    this.waiting = false
    if (!this.owed) return
    this.owed = false
    this.server.drained(this)
  }

  constructor(socket: WebSocket, stream: Duplex, server: PlainTopics, data: Data, address: string, protocol: string) {
    this.socket = socket
    this.stream = stream
    this.server = server
    this.data = data
    this.address = address
    this.protocol = protocol
  }

  get buffered(): number {
    return this.open ? Math.max(this.socket.bufferedAmount, this.stream.writableLength) : 0
  }

  send(message: Uint8Array | string): SendResult {
    if (!this.open) return "dropped"
    if (this.waiting && this.buffered > this.server.maxBackpressure) {
      this.owed = true
      return "dropped"
    }
    if (!this.server.frames) {
      // The library keeps the bytes until they are compressed, in another thread.
      const bytes = typeof message === "string" ? message : Buffer.from(message)
      this.socket.send(bytes, { compress: this.server.compress }, this.written)
      if (this.buffered > CORK_LIMIT) this.waiting = true
    } else this.sendFrame(frameOf(message))
    if (!this.waiting) return "sent"
    this.owed = true
    return "queued"
  }

  /** A whole frame, which is not changed afterwards. */
  sendFrame(frame: Buffer): void {
    const { stream } = this
    if (!this.corked && !this.waiting) {
      stream.cork()
      this.corked = true
      this.server.uncorkLater(this)
    }
    stream.write(frame, this.written)
    if (this.corked && stream.writableLength > CORK_LIMIT) this.uncork()
  }

  /** What was held back for one write goes out. */
  uncork(): void {
    if (!this.corked) return
    this.corked = false
    this.stream.uncork()
    if (this.stream.writableLength > 0) this.waiting = true
  }

  cork(run: () => void): void {
    run()
  }

  ping(bytes?: Uint8Array): void {
    if (this.open) this.socket.ping(bytes)
  }

  join(topic: string): void {
    if (!this.open) return
    this.topics ??= new Set()
    this.topics.add(topic)
    const { topics } = this.server
    const members = topics.get(topic)
    if (members === undefined) topics.set(topic, new Set([this]))
    else members.add(this)
  }

  leave(topic: string): void {
    if (this.topics?.delete(topic) === true) this.forget(topic)
  }

  leaveAll(): void {
    if (this.topics !== null) for (const topic of this.topics) this.forget(topic)
    this.topics = null
  }

  pause(): void {
    if (this.open) this.socket.pause()
  }

  resume(): void {
    if (this.open) this.socket.resume()
  }

  close(code = 1000, reason = ""): void {
    if (!this.open) return
    this.uncork()
    this.socket.resume()
    this.socket.close(code, closeReason(reason))
    const timer = setTimeout(() => this.socket.terminate(), GOODBYE)
    timer.unref()
    this.socket.once("close", () => clearTimeout(timer))
    this.ended(code, reason)
  }

  destroy(): void {
    if (!this.open) return
    this.socket.terminate()
    this.ended(1006, "")
  }

  /** The socket is gone, or what still comes does not matter. */
  ended(code: number, reason: string): void {
    if (!this.open) return
    this.open = false
    this.leaveAll()
    this.server.closed(this, code, reason)
  }

  private forget(topic: string): void {
    const members = this.server.topics.get(topic)
    if (members === undefined) return
    members.delete(this)
    if (members.size === 0) this.server.topics.delete(topic)
  }
}
