import type { Message } from "../../core/contract.ts"
import type { WebLink } from "./link.ts"
import { frame, LAST, MORE } from "./zws-frame.ts"

/** Bytes taken before a flush is due, however early in the turn. */
const FLUSH_EARLY = 64 * 1024

/** Connections with something to flush in this turn, and the one tick that serves them all. */
let dirty: ZwsOutbox[] = []
let scheduled = false

function flushAll(): void {
  scheduled = false
  const boxes = dirty
  dirty = []
  for (const one of boxes) {
    one.dirty = false
    one.flush()
  }
}

/** Frames on their way to a link: those of one turn leave together, as far as the link and the peer's window let them. */
export class ZwsOutbox {
  dirty = false
  /** False = everything is with the link. */
  stalled = false
  /** Octets taken so far, flags included. */
  taken = 0
  private readonly link: WebLink
  /** What the peer still lets us send; Infinity = it sets no limit. */
  private credit: number
  private flags: number[] = []
  private bodies: Buffer[] = []
  private next = 0
  private pending = 0

  constructor(link: WebLink, credit: number) {
    this.link = link
    this.credit = credit
  }

  get empty(): boolean {
    return this.next === this.bodies.length
  }

  message(message: Message): void {
    const last = message.length - 1
    for (let i = 0; i <= last; i++) this.frame(i < last ? MORE : LAST, message[i])
  }

  frame(flag: number, body: Buffer): void {
    this.flags.push(flag)
    this.bodies.push(body)
    this.taken += body.length + 1
    this.pending += body.length + 1
    if (this.pending >= FLUSH_EARLY && !this.stalled) this.flush()
    else if (!this.dirty) {
      this.dirty = true
      dirty.push(this)
      if (scheduled) return
      scheduled = true
      process.nextTick(flushAll)
    }
  }

  /** Ahead of what waits, and whatever the window: for commands of the connection itself. */
  urgent(flag: number, body: Buffer): void {
    this.taken += body.length + 1
    this.link.send(frame(flag, body))
  }

  flush(): void {
    if (this.empty) {
      this.stalled = this.link.full
      return
    }
    this.link.cork(() => this.pass())
    // A corked link knows only afterwards.
    this.stalled = !this.empty || this.link.full
    if (this.empty) this.forget()
  }

  /** The peer has read so many bytes more. */
  grant(count: number): void {
    this.credit += count
  }

  discard(): void {
    this.forget()
  }

  private pass(): void {
    const { flags, bodies, link } = this
    while (this.next < bodies.length && !link.full && this.credit > 0) {
      const body = bodies[this.next]
      link.send(frame(flags[this.next], body))
      this.next++
      this.pending -= body.length + 1
      this.credit -= body.length + 1
    }
    // Most of it is gone: what is left moves to the front.
    if (this.next > 1_024 && this.next * 2 > bodies.length) {
      this.flags = flags.slice(this.next)
      this.bodies = bodies.slice(this.next)
      this.next = 0
    }
  }

  private forget(): void {
    this.flags = []
    this.bodies = []
    this.next = 0
    this.pending = 0
  }
}
