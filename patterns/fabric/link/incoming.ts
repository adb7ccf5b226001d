import { clock } from "../../../core/clock.ts"
import type { Message } from "../../../core/contract.ts"
import { fromSystem, HeddleError } from "../../../core/errors.ts"
import { Queue } from "../../../core/queue.ts"
import { turnIsSpent } from "../../../core/turn.ts"
import { Reader } from "../../../core/varint.ts"
import { Envelope, type Origin } from "../message.ts"
import type { Subscription } from "../subscription.ts"
import { MAX_SUBJECTS, NUMBERED, PUBLISH, PUBLISH_MORE, SUBJECT, UNNUMBERED } from "./records.ts"
import { readSubject } from "./subjects.ts"

/** A subject that the peer has given a number, with what the node has found out about it. */
export class NumberedSubject extends Envelope {
  /** Who wants it here: the node's own affair; `generation` says for which state of its table. */
  readonly wanted: Subscription[] = []
  generation = -1
  messages = 0
  bytes = 0
}

/** When requests came, in milliseconds of `clock.now`: those of one batch share it. */
export interface Arrival {
  readonly at: number
}

export interface IncomingSink {
  /** A published message in its shortest form: the payload lies in `bytes` from `start` to `end`. */
  published(subject: NumberedSubject, codec: number, bytes: Buffer, start: number, end: number): void
  /** Records with a subject as text come, from `at` on; returns how far it has looked ahead. */
  lookAhead(bytes: Buffer, at: number, end: number): number
  /** Any other record of a numbered batch; `apart` is the second frame of its ZMTP message. */
  record(from: Incoming, type: number, codec: number, body: Reader, apart: Buffer | null): void
  /** A record of an unnumbered batch. */
  unnumbered(type: number, body: Reader): void
  /** So much was received since the last call; the peer wants to hear of it. */
  received(bytes: number): void
  /** The budget of this turn is spent: nothing more shall come until `goOn`. */
  pause(): void
  goOn(): void
  /** The peer broke the protocol. */
  breach(error: HeddleError): void
}

/** One direction of a link: batches to records, in order, within the budget of the turn. */
export class Incoming {
  /** Batches and published messages that came since the stream began. */
  batches = 0
  messages = 0
  readonly subjects: (NumberedSubject | undefined)[] = []
  readonly origin: Origin
  private arrived: Arrival | null = null
  private readonly sink: IncomingSink
  private readonly waiting = new Queue<Message>()
  private current: Message | null = null
  private at = 0
  /** How far `lookAhead` has looked in the current batch. */
  private seen = 0
  private running = false
  private paused = false
  private over = false
  private readonly readers: (() => void)[] = []
  private readonly reader = new Reader(Buffer.alloc(0))

  /** `origin` decodes what comes in this session. */
  constructor(sink: IncomingSink, origin: Origin) {
    this.sink = sink
    this.origin = origin
  }

  /** Of the batch that is being read. */
  get arrival(): Arrival {
    this.arrived ??= { at: clock.now() }
    return this.arrived
  }

  /** True while batches wait for the next turn: a new connection must start paused. */
  get behind(): boolean {
    return this.paused
  }

  take(message: Message): void {
    if (this.over) return
    const batch = message[0]
    if (message.length > 2 || batch.length < 1) {
      this.breach("a batch that is none")
      return
    }
    if (batch[0] === UNNUMBERED) this.takeUnnumbered(batch)
    else if (batch[0] === NUMBERED) {
      this.batches++
      this.sink.received(batch.length + (message.length > 1 ? message[1].length : 0))
      if (this.current !== null || this.running) this.waiting.push(message)
      else {
        this.current = message
        this.at = 1
        this.seen = 0
        this.run()
      }
    } else this.breach(`a batch of the unknown kind ${batch[0]}`)
  }

  /** Calls `then` when all that has come is delivered; at once when nothing waits. */
  whenRead(then: () => void): void {
    if (this.current === null) then()
    else this.readers.push(then)
  }

  /** Nothing is delivered any more. */
  stop(): void {
    this.over = true
    this.current = null
    this.waiting.clear()
  }

  private run(): void {
    this.running = true
    try {
      while (this.current !== null) {
        if (!this.batch(this.current)) {
          this.pause()
          break
        }
        this.current = this.waiting.shift() ?? null
        this.at = 1
        this.seen = 0
      }
    } catch (error) {
      this.fail(error)
    }
    this.running = false
  }

  /** False = the budget is spent. */
  private batch(message: Message): boolean {
    const bytes = message[0]
    const end = bytes.length
    const { sink } = this
    let at = this.at
    this.arrived = null
    while (at < end && !this.over) {
      const start = at
      let length = bytes[at++]
      if (length >= 0x80) {
        const { reader } = this
        reader.reset(bytes, at - 1, end)
        length = reader.varint()
        at = reader.at
      }
      const next = at + length
      if (length === 0 || next > end) throw new HeddleError("EPROTO", "The peer sent a record that exceeds its batch")
      const head = bytes[at]
      if ((head & 15) === PUBLISH) {
        let id = bytes[++at]
        at++
        if (id >= 0x80) {
          id = (id & 127) | (bytes[at] << 7)
          at++
        }
        const subject = this.subjects[id]
        if (subject === undefined || at > next) {
          throw new HeddleError("EPROTO", `The peer published to subject number ${id}, which it has not named`)
        }
        this.messages++
        subject.messages++
        subject.bytes += next - at
        // Before the call: whoever handles it may end the link.
        this.at = next
        sink.published(subject, head >>> 4, bytes, at, next)
      } else {
        const { reader } = this
        reader.reset(bytes, at + 1, next)
        this.at = next
        if ((head & 15) === PUBLISH_MORE) {
          this.messages++
          if (start >= this.seen) this.seen = sink.lookAhead(bytes, start, end)
        }
        if ((head & 15) === SUBJECT) this.learnSubject(reader)
        else sink.record(this, head & 15, head >>> 4, reader, message.length > 1 && next === end ? message[1] : null)
      }
      at = next
      // Compared each time: what is compared for the first time when the first turn is over has V8 compile all of this anew.
      const more = at < end
      if (turnIsSpent() && more) return false
    }
    return true
  }

  private learnSubject(reader: Reader): void {
    const id = reader.varint()
    if (id >= MAX_SUBJECTS)
      throw new HeddleError(
        "EPROTO",
        `The peer gave a subject the number ${id}; at most ${MAX_SUBJECTS - 1} is allowed`,
      )
    this.subjects[id] = new NumberedSubject(readSubject(reader, reader.left), this.origin)
  }

  private takeUnnumbered(batch: Buffer): void {
    const body = new Reader(batch, 1)
    try {
      while (body.left > 0) {
        const length = body.varint()
        const next = body.at + length
        if (length === 0 || next > batch.length)
          throw new HeddleError("EPROTO", "The peer sent a record that exceeds its batch")
        this.sink.unnumbered(body.byte() & 15, new Reader(batch, body.at, next))
        body.at = next
      }
    } catch (error) {
      this.fail(error)
    }
  }

  private pause(): void {
    if (!this.paused) {
      this.paused = true
      this.sink.pause()
    }
    setImmediate(() => {
      if (this.over) return
      if (this.current !== null) this.run()
      if (this.current === null && this.paused) {
        this.paused = false
        this.sink.goOn()
        for (const then of this.readers.splice(0)) then()
      }
    })
  }

  private breach(what: string): void {
    this.fail(new HeddleError("EPROTO", `The peer sent ${what}`))
  }

  private fail(error: unknown): void {
    if (this.over) return
    this.stop()
    this.sink.breach(fromSystem(error, "link with", "a peer"))
  }
}
