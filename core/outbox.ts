import { isBuffer } from "./bytes.ts"
import type { Message, Pattern } from "./contract.ts"
import { closedError, wouldBlock } from "./errors.ts"
import { hold, release } from "./keep-alive.ts"
import { toMessage } from "./message.ts"
import { Queue } from "./queue.ts"
import { nextTurn, turnIsSpent } from "./turn.ts"

export interface OutboxOptions {
  /** Milliseconds before a waiting `send` gives up; -1 = never, 0 = does not wait. */
  readonly sendTimeout: number
}

/**
 * A pattern's way out: true = the message is on its way (or dropped and counted, where the pattern drops), false = it
 * would block. Throws a `HeddleError` when waiting would not help (EHOSTUNREACH, EFSM).
 */
export type Sender<O> = (message: Message, option: O | undefined) => boolean

/**
 * The same for a message of one frame, where a pattern takes it as it is and has no option: most messages are such, and to
 * make a list for each is an eighth of what it costs to send it.
 */
export type FrameSender = (frame: Buffer) => boolean

/** The writing end as sockets offer it; see `SendingSocket` for what each does. */
export interface Writer<O = undefined> {
  /** Sends that wait for room. */
  readonly waiting: number
  trySend(value: unknown, option?: O): boolean
  send(value: unknown, option?: O): Promise<void>
  close(): void
}

/** A pattern whose user can send. */
export interface SendingPattern<O = undefined> extends Pattern {
  readonly outbox: Writer<O>
  /** Whether a message would be taken now. */
  readonly canSend: boolean
}

interface Waiter<O> {
  message: Message
  option: O | undefined
  resolve(): void
  reject(error: unknown): void
  timer: NodeJS.Timeout | undefined
  done: boolean
}

/** One resolved promise for every `send` that had room: a promise per message would cost more than the message. */
const SENT: Promise<void> = Promise.resolve()

/** The writing end of a socket: sends at once where there is room, and keeps the order of those who wait. */
export class Outbox<O = undefined> implements Writer<O> {
  /** Null: single frames go as messages. A pattern may change it at any time. */
  frameSender: FrameSender | null
  private readonly sender: Sender<O>
  private readonly options: OutboxOptions
  private readonly waiters = new Queue<Waiter<O>>()
  private closed = false

  constructor(sender: Sender<O>, options: OutboxOptions, frameSender: FrameSender | null = null) {
    this.sender = sender
    this.frameSender = frameSender
    this.options = options
  }

  /** Sends that wait for room. */
  get waiting(): number {
    return this.waiters.length
  }

  trySend(value: unknown, option?: O): boolean {
    if (this.closed) throw closedError()
    const { frameSender } = this
    if (frameSender !== null && isBuffer(value)) return this.waiters.length === 0 && frameSender(value)
    const message = toMessage(value)
    return this.waiters.length === 0 && this.sender(message, option)
  }

  send(value: unknown, option?: O): Promise<void> {
    try {
      if (this.closed) throw closedError()
      const { frameSender } = this
      if (frameSender !== null && isBuffer(value) && this.waiters.length === 0 && frameSender(value)) {
        return turnIsSpent() ? nextTurn() : SENT
      }
      const message = toMessage(value)
      if (this.waiters.length === 0 && this.sender(message, option)) return turnIsSpent() ? nextTurn() : SENT
      if (this.options.sendTimeout === 0) throw wouldBlock("no peer has room for the message")
      return this.wait(message, option)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** There may be room again. */
  flush(): void {
    while (this.waiters.length > 0) {
      const waiter = this.waiters.peek() as Waiter<O>
      if (!waiter.done) {
        try {
          if (!this.sender(waiter.message, waiter.option)) return
          this.finish(waiter)
          waiter.resolve()
        } catch (error) {
          this.finish(waiter)
          waiter.reject(error)
        }
      }
      this.waiters.shift()
    }
  }

  close(): void {
    this.closed = true
    for (let waiter = this.waiters.shift(); waiter !== undefined; waiter = this.waiters.shift()) {
      if (waiter.done) continue
      this.finish(waiter)
      waiter.reject(wouldBlock("the socket was closed"))
    }
  }

  private wait(message: Message, option: O | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter<O> = { message, option, resolve, reject, timer: undefined, done: false }
      this.waiters.push(waiter)
      hold()
      const limit = this.options.sendTimeout
      if (limit > 0) {
        waiter.timer = setTimeout(() => {
          this.finish(waiter)
          reject(wouldBlock(`no peer had room within sendTimeout (${limit} ms)`))
          this.flush()
        }, limit)
      }
    })
  }

  private finish(waiter: Waiter<O>): void {
    waiter.done = true
    clearTimeout(waiter.timer)
    release()
  }
}
