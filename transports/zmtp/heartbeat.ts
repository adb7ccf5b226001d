import type { LinkOptions } from "../../core/contract.ts"

/** Timers may fire this much (milliseconds) before their time. */
const TIMER_ERROR = 2
/** A shorter timeout is looked at no more often than this (milliseconds). */
const SHORTEST_PERIOD = 10

/** What a heartbeat can do to its connection. */
export interface HeartbeatTarget {
  /** Bytes of the peer so far: every byte is a sign of life, also one of a frame that is not whole (libzmq#2709). */
  readonly bytesReceived: number
  /** We do not read at the moment, so silence says nothing about the peer. */
  readonly deaf: boolean
  ping(): void
  /** Nothing came for so many milliseconds. */
  dead(silence: number): void
}

/** Asks a silent peer for a sign of life, and gives it up after `heartbeatTimeout` (RFC 37, "Heartbeating"). */
export class Heartbeat {
  private readonly target: HeartbeatTarget
  private readonly interval: number
  private readonly timeout: number
  private readonly pings: boolean
  private readonly period: number
  private readonly timer: NodeJS.Timeout
  private heard: number
  private heardAt = performance.now()
  private checkedAt = this.heardAt
  private pingedAt = this.heardAt
  /** The first PING since the last sign of life; -1 = none: a peer that was not asked owes no answer. */
  private askedAt = -1

  /** Null when nothing is to be watched. `pings` = the peer understands PING. */
  static for(target: HeartbeatTarget, options: LinkOptions, pings: boolean): Heartbeat | null {
    return pings && options.heartbeatInterval > 0 ? new Heartbeat(target, options) : null
  }

  /** The peer's own statement: take me for dead after `timeToLive` of silence. */
  static forTimeToLive(target: HeartbeatTarget, timeToLive: number): Heartbeat {
    return new Heartbeat(
      target,
      { heartbeatInterval: timeToLive, heartbeatTimeout: timeToLive, heartbeatTimeToLive: 0 },
      false,
    )
  }

  private constructor(
    target: HeartbeatTarget,
    options: Pick<LinkOptions, "heartbeatInterval" | "heartbeatTimeout" | "heartbeatTimeToLive">,
    pings = true,
  ) {
    this.target = target
    this.heard = target.bytesReceived
    this.interval = options.heartbeatInterval
    this.timeout = options.heartbeatTimeout < 0 ? options.heartbeatInterval : options.heartbeatTimeout
    this.pings = pings
    this.period = Math.min(this.interval, Math.max(this.timeout, SHORTEST_PERIOD))
    this.timer = setInterval(() => this.check(), this.period)
    this.timer.unref()
  }

  stop(): void {
    clearInterval(this.timer)
  }

  private check(): void {
    const now = performance.now()
    const late = now - this.checkedAt - this.period
    this.checkedAt = now
    const { target } = this
    // Our own event loop stood still: what the peer sent meanwhile has not been read yet, so it gets another interval.
    if (target.bytesReceived !== this.heard || target.deaf || late > this.period) {
      this.heard = target.bytesReceived
      this.heardAt = now
      this.askedAt = -1
    } else if (now - this.heardAt >= this.timeout - TIMER_ERROR && this.hadTimeToAnswer(now)) {
      target.dead(Math.round(now - this.heardAt))
      return
    }
    if (!this.pings || now - this.pingedAt < this.interval - TIMER_ERROR) return
    this.pingedAt = now
    if (this.askedAt < 0) this.askedAt = now
    target.ping()
  }

  private hadTimeToAnswer(now: number): boolean {
    return !this.pings || (this.askedAt >= 0 && now - this.askedAt >= this.period - TIMER_ERROR)
  }
}
