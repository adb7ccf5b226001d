import type { Connection, ConnectionSink, PeerHello } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import type { InboundSession, SessionEnd } from "./engine.ts"

/** What one sender of a group says, from where we joined it; nothing goes back. */
export class SessionConnection implements Connection {
  readonly peer: PeerHello
  readonly wire = null
  readonly bytesSent = 0
  private readonly session: InboundSession
  private sink: ConnectionSink | null = null
  private paused = false
  /** The engine holds messages back. */
  private held = false
  private over = false
  private reason: Error | undefined
  /** Called once when it has ended, whoever ended it. */
  onOver: () => void = () => {}

  constructor(session: InboundSession, peer: PeerHello) {
    this.session = session
    this.peer = peer
    session.onEnd = reason => this.finish(errorOf(reason, peer.address))
  }

  get bytesReceived(): number {
    return this.session.bytes
  }

  get mended(): number {
    return this.session.mended
  }

  get mendedTime(): number {
    return this.session.mendedTime
  }

  start(sink: ConnectionSink): void {
    this.sink = sink
    if (this.over) {
      sink.closed(this.reason)
      return
    }
    const { session, peer } = this
    session.onMessage = message => sink.message(message)
    session.onGap = (from, count, reason) => sink.lost?.("gap", count, { sender: peer.address, from, reason })
    if (!this.paused) this.release()
  }

  /** Whoever accepts it may start it later: nothing is delivered before. */
  hold(): void {
    if (this.sink !== null || this.over) return
    this.held = true
    this.session.pause()
  }

  // MCT-4 a sender hears nothing but reports.
  send(): boolean {
    if (!this.over) this.sink?.lost?.("unroutable", 1)
    return true
  }

  sendEncoded(): boolean {
    throw new TypeError("A connection of a group has no wire: sendEncoded must not be called")
  }

  control(): void {}

  pause(): void {
    this.paused = true
    if (this.over || this.held) return
    this.held = true
    this.session.pause()
  }

  resume(): void {
    this.paused = false
    this.release()
  }

  close(reason?: Error): void {
    if (this.over) return
    this.session.close()
    this.finish(reason)
  }

  end(): void {
    setImmediate(() => this.close())
  }

  /** The engine delivers from within `resume`, and we never may. */
  private release(): void {
    if (!this.held) return
    setImmediate(() => {
      if (this.over || this.paused || !this.held || this.sink === null) return
      this.held = false
      this.session.resume()
    })
  }

  private finish(reason: Error | undefined): void {
    if (this.over) return
    this.over = true
    this.reason = reason
    this.sink?.closed(reason)
    this.onOver()
  }
}

function errorOf(end: SessionEnd, address: string): Error | undefined {
  if (end === "timeout") {
    return new HeddleError("ETIMEDOUT", `Nothing was heard of the sender at ${address}: it is gone, or cut off`, {
      address,
    })
  }
  if (end === "evicted") {
    return new HeddleError("EBUSY", `The sender at ${address} had to make room: too many send to this group`, {
      address,
    })
  }
  return undefined
}
