import type { Loan, Message, Pattern } from "./contract.ts"
import { closedError, HeddleError, wouldBlock } from "./errors.ts"
import { FairQueue, type FairQueueOptions, type Source } from "./fair-queue.ts"
import { hold, release } from "./keep-alive.ts"
import { Queue } from "./queue.ts"
import { nextTurn, turnIsSpent } from "./turn.ts"

export interface InboxOptions extends FairQueueOptions {
  /** Milliseconds before a waiting `receive` gives up; -1 = never, 0 = does not wait. */
  readonly receiveTimeout: number
}

/** How a pattern shapes what its user reads. */
export interface InboxRules<I, T> {
  /** Turns a queued item into what the user gets, at the moment the user gets it. */
  open?(item: I): T
  /** Throws when the state of the pattern forbids to receive now (EFSM). */
  guard?(): void
  /** False: what the user gets is more than frames (who sent it, its group), and cannot be borrowed. Default true. */
  readonly framesOnly?: boolean
}

/**
 * Gets the frames of a message one after the other, each as the octets of `bytes` from `start` up to `end`, which is not
 * included. `more`, as ZMQ_RCVMORE: another frame of the same message follows. All have arrived before the first is given.
 * The bytes are borrowed: they may be read until the handler returns, then other messages are written there.
 */
export type FrameHandler = (bytes: Buffer, start: number, end: number, more: boolean) => void

interface Waiter<T> {
  resolve(value: T): void
  reject(error: Error): void
  timer: NodeJS.Timeout | undefined
}

/** The reading end as sockets offer it; see `ReceivingSocket` for what each does. */
export interface Reader<T> {
  readonly readable: boolean
  readonly isClosed: boolean
  /** Items that nobody has taken yet. */
  readonly size: number
  tryReceive(): T | null
  receive(): Promise<T>
  receiveMany(max?: number): Promise<T[]>
  batches(max?: number): AsyncGenerator<T[], undefined>
  consume(handler: (value: T) => void): Consumer
  borrow(handler: FrameHandler): Consumer
  iterate(): AsyncIterator<T, undefined>
  close(): void
}

/** A pattern whose user can receive. */
export interface ReceivingPattern<T> extends Pattern {
  readonly inbox: Reader<T>
}

/** A running `consume` or `borrow`. */
export interface Consumer {
  /** No handler call after it; messages queue again and can be received in other ways. */
  stop(): void
}

/**
 * The reading end of a socket: what pipes delivered and nobody took yet, and who waits for it. `I` is what patterns
 * put in, `T` what users take out.
 */
export class Inbox<I, T = I> implements Reader<T> {
  readonly queue: FairQueue<I>
  /** Set by the pattern, in `open` for instance: nothing more is given to anybody until it calls `resume`. */
  held = false
  private readonly options: InboxOptions
  private readonly rules: InboxRules<I, T>
  private readonly waiters = new Queue<Waiter<T>>()
  /** Waits for anything to be there, takes nothing: one `batches()` turn. */
  private sleepers: (() => void)[] = []
  private handler: ((value: T) => void) | null = null
  /** Of `borrow`: `handler` is then one that gives it the frames of a message. */
  private frameHandler: FrameHandler | null = null
  private closed = false
  private pouring = false

  constructor(options: InboxOptions, rules: InboxRules<I, T> = {}) {
    this.queue = new FairQueue(options)
    this.options = options
    this.rules = rules
  }

  /** A pattern has something for the user. */
  deliver(pipe: Source, item: I): void {
    if (this.handler !== null && this.queue.size === 0 && !this.held) this.handle(this.handler, item)
    else if (this.waiters.length > 0 && !this.held) this.wake(this.waiters.shift() as Waiter<T>, item)
    else {
      this.queue.push(pipe, item)
      if (this.sleepers.length > 0) this.wakeSleepers()
    }
  }

  /** Those who wait are served again, as far as the pattern does not hold once more. */
  resume(): void {
    this.held = false
    while (this.waiters.length > 0 && this.readable)
      this.wake(this.waiters.shift() as Waiter<T>, this.queue.shift() as I)
    if (this.handler !== null) this.pour()
    else if (this.readable && this.sleepers.length > 0) this.wakeSleepers()
  }

  get readable(): boolean {
    return this.queue.size > 0 && !this.held
  }

  get size(): number {
    return this.queue.size
  }

  /** Null when nothing is there. */
  tryReceive(): T | null {
    if (this.closed) throw closedError()
    this.rules.guard?.()
    const item = this.held ? undefined : this.queue.shift()
    return item === undefined ? null : this.opened(item)
  }

  async receiveMany(max = Number.POSITIVE_INFINITY): Promise<T[]> {
    if (!this.readable) return [await this.receive(), ...this.take(max - 1)]
    if (turnIsSpent()) await nextTurn()
    if (this.closed) throw closedError()
    this.rules.guard?.()
    return this.take(max)
  }

  receive(): Promise<T> {
    if (this.closed) return Promise.reject(closedError())
    try {
      this.rules.guard?.()
    } catch (error) {
      return Promise.reject(error)
    }
    if (this.readable) {
      if (turnIsSpent()) return nextTurn().then(() => this.receive())
      return Promise.resolve(this.opened(this.queue.shift() as I))
    }
    if (this.options.receiveTimeout === 0) return Promise.reject(wouldBlock("no message is waiting"))
    return new Promise((resolve, reject) => this.wait(resolve, reject))
  }

  /** One message at a time until the socket is closed; not a generator, which would cost two more promises a message. */
  iterate(): AsyncIterator<T, undefined> {
    return new InboxIterator(this)
  }

  get isClosed(): boolean {
    return this.closed
  }

  /** Each `next` is everything that is there, at least one and at most `max`. Ends when the socket is closed. */
  async *batches(max = Number.POSITIVE_INFINITY): AsyncGenerator<T[], undefined> {
    while (!this.closed) {
      if (!this.readable) await this.sleep()
      else if (turnIsSpent()) await nextTurn()
      if (this.readable && !this.closed) yield this.take(max)
    }
  }

  /** Calls `handler` for each message, within the turn in which it arrives. One handler at a time. */
  consume(handler: (value: T) => void): Consumer {
    if (this.closed) throw closedError()
    if (this.handler !== null) throw new TypeError("consume: this socket has a handler already; stop() it first")
    this.handler = handler
    hold()
    this.pour()
    return {
      stop: () => {
        if (this.handler === handler) this.dismiss()
      },
    }
  }

  /** `consume` for frames that are only looked at. Throws ENOTSUP where what users get is more than frames. */
  borrow(frameHandler: FrameHandler): Consumer {
    if (this.rules.framesOnly === false) {
      const text = "borrow: what this socket receives is more than frames; use consume()"
      throw new HeddleError("ENOTSUP", `Operation not supported: ${text}`)
    }
    const handler = (value: T): void => this.giveFrames(value as unknown as Message, frameHandler, handler)
    // Before what has queued is poured out: it is not lent directly as long as anything is left.
    const before = this.frameHandler
    this.frameHandler = frameHandler
    try {
      return this.consume(handler)
    } catch (error) {
      this.frameHandler = before
      throw error
    }
  }

  /** True while `lend` takes messages: the next message is for the handler of `borrow`, at once. */
  get borrows(): boolean {
    return this.frameHandler !== null && this.queue.size === 0 && !this.held
  }

  /** A pattern has a message for the user whose memory will be used again. False = `deliver` it as a message. */
  lend(loan: Loan): boolean {
    const { frameHandler } = this
    if (frameHandler === null || this.queue.size > 0 || this.held) return false
    const { bounds } = loan
    if (loan.count === 1) giveFrame(frameHandler, loan.bytes, bounds[0], bounds[1], false)
    else this.giveLoan(loan, frameHandler)
    return true
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    if (this.handler !== null) this.dismiss()
    this.rejectWaiters(wouldBlock("the socket was closed"))
    this.wakeSleepers()
    this.queue.clear("closed")
  }

  /** Everybody who waits to receive hears this error instead; what is queued stays. */
  rejectWaiters(error: Error): void {
    for (let waiter = this.waiters.shift(); waiter !== undefined; waiter = this.waiters.shift()) {
      clearTimeout(waiter.timer)
      release()
      waiter.reject(error)
    }
  }

  private opened(item: I): T {
    return this.rules.open === undefined ? (item as unknown as T) : this.rules.open(item)
  }

  private take(max: number): T[] {
    if (this.rules.open === undefined && this.queue.size <= max && !this.held) {
      const all = this.queue.takeAll()
      if (all !== null) return all as unknown as T[]
    }
    const batch: T[] = []
    for (let item: I | undefined; batch.length < max && !this.held; batch.push(this.opened(item))) {
      item = this.queue.shift()
      if (item === undefined) break
    }
    return batch
  }

  private handle(handler: (value: T) => void, item: I): void {
    try {
      handler(this.opened(item))
    } catch (error) {
      surface(error)
    }
  }

  private dismiss(): void {
    this.handler = null
    this.frameHandler = null
    release()
  }

  /** Whoever stops in the middle of a message gets no more of it; who throws gets the rest. */
  private giveFrames(frames: Message, frameHandler: FrameHandler, handler: (value: T) => void): void {
    const last = frames.length - 1
    for (let i = 0; i <= last && this.handler === handler; i++)
      giveFrame(frameHandler, frames[i], 0, frames[i].length, i < last)
  }

  private giveLoan({ bytes, count, bounds }: Loan, frameHandler: FrameHandler): void {
    const { handler } = this
    for (let i = 0; i < count && this.handler === handler; i++)
      giveFrame(frameHandler, bytes, bounds[2 * i], bounds[2 * i + 1], i < count - 1)
  }

  /** What had queued before `consume`, a turn's worth at a time. */
  private pour(): void {
    // A handler that answers at once calls `resume` from within this loop: it goes on by itself.
    if (this.pouring) return
    this.pouring = true
    while (this.handler !== null && this.readable) {
      if (turnIsSpent()) {
        setImmediate(() => this.pour())
        break
      }
      this.handle(this.handler, this.queue.shift() as I)
    }
    this.pouring = false
  }

  private wait(resolve: (value: T) => void, reject: (error: Error) => void): void {
    const waiter: Waiter<T> = { resolve, reject, timer: undefined }
    this.waiters.push(waiter)
    hold()
    const limit = this.options.receiveTimeout
    if (limit > 0) waiter.timer = setTimeout(() => this.giveUp(waiter, limit), limit)
  }

  private giveUp(waiter: Waiter<T>, limit: number): void {
    for (let left = this.waiters.length; left > 0; left--) {
      const other = this.waiters.shift() as Waiter<T>
      if (other !== waiter) this.waiters.push(other)
    }
    release()
    waiter.reject(wouldBlock(`no message within receiveTimeout (${limit} ms)`))
  }

  private wake(waiter: Waiter<T>, item: I): void {
    if (waiter.timer !== undefined) clearTimeout(waiter.timer)
    release()
    waiter.resolve(this.opened(item))
  }

  private sleep(): Promise<void> {
    hold()
    return new Promise(resolve => {
      this.sleepers.push(() => {
        release()
        resolve()
      })
    })
  }

  private wakeSleepers(): void {
    const sleepers = this.sleepers
    this.sleepers = []
    for (const wake of sleepers) wake()
  }
}

function giveFrame(handler: FrameHandler, bytes: Buffer, start: number, end: number, more: boolean): void {
  try {
    handler(bytes, start, end, more)
  } catch (error) {
    surface(error)
  }
}

/** A mistake of the host's handler must not unwind the engine: it surfaces as any uncaught error does. */
function surface(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}

class InboxIterator<T> implements AsyncIterator<T, undefined> {
  private readonly inbox: Reader<T>

  constructor(inbox: Reader<T>) {
    this.inbox = inbox
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const { inbox } = this
    if (inbox.isClosed) return Promise.resolve({ value: undefined, done: true })
    if (inbox.readable && !turnIsSpent()) {
      try {
        return Promise.resolve({ value: inbox.tryReceive() as T, done: false })
      } catch (error) {
        return Promise.reject(error)
      }
    }
    return this.wait()
  }

  return(): Promise<IteratorResult<T, undefined>> {
    return Promise.resolve({ value: undefined, done: true })
  }

  private async wait(): Promise<IteratorResult<T, undefined>> {
    try {
      return { value: await this.inbox.receive(), done: false }
    } catch (error) {
      if (this.inbox.isClosed) return { value: undefined, done: true }
      throw error
    }
  }
}
