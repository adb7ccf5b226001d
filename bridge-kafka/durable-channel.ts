import { timeLeft } from "../core/deadlines.ts"
import { HeddleError } from "../core/errors.ts"
import type { Fabric } from "../patterns/fabric/fabric.ts"
import { Backoff } from "./backoff.ts"
import type { DurableMessage } from "./durable-message.ts"
import { idOf } from "./sink/ledger.ts"
import {
  type Ack,
  decodeReply,
  encodeRequest,
  MAX_MESSAGES,
  type StoreMessage,
  type StoreOutcome,
  sizeOf,
} from "./sink/store-protocol.ts"

export interface ChannelHost {
  readonly fabric: Fabric
  readonly publisher: string
  readonly epoch: number
  /** The message has its answer. */
  finished(message: DurableMessage): void
  /** The bridge says that the subject is in another shard: it was changed. */
  outdated(): void
}

/** Bytes of one request: cheap enough, and below what every node takes. */
const REQUEST_BYTES = 512 * 1024

/** Milliseconds before another attempt, the first and the longest: a shard changes hands in some hundred. */
const RETRY_MIN = 20
const RETRY_MAX = 1_000

/**
 * Longest wait for one answer (milliseconds), so that an owner that has gone without a word is found out; the owner then knows
 * the numbers that it has taken.
 */
const ATTEMPT = 10_000

/** Milliseconds that messages which only have to be spooled wait behind those that wait for Kafka, which mostly answers sooner. */
const HELD_UP = 100

/** Errors of one attempt after which another may succeed, through this instance or another. */
const AGAIN: ReadonlySet<string> = new Set([
  "ERR_NO_RESPONDERS",
  "ECONNRESET",
  "ETIMEDOUT",
  "EBUSY",
  "EAGAIN",
  "ERR_REMOTE",
  "EPROTO",
])

/** Messages of one publisher for one shard: one request at a time, so that no retry is overtaken. */
export class DurableChannel {
  private readonly host: ChannelHost
  private readonly shard: number
  private readonly subject: string
  private readonly backoff = new Backoff({ min: RETRY_MIN, max: RETRY_MAX })
  /** In order of their numbers, those without an answer; some are over (timed out). */
  private messages: DurableMessage[] = []
  private next = 1
  private most = MAX_MESSAGES
  private running = false
  /** Some wait for Kafka for longer than `HELD_UP`. */
  private heldUp = false
  private passing = false

  constructor(host: ChannelHost, subject: string, shard: number) {
    this.host = host
    this.subject = subject
    this.shard = shard
  }

  get idle(): boolean {
    return !this.running && this.messages.length === 0
  }

  push(message: DurableMessage): void {
    const { id, subject, timestamp, headers, value } = message.message
    message.message = { number: this.next++, id, subject, timestamp, headers, value }
    this.messages.push(message)
    if (this.heldUp) queueMicrotask(() => void this.pass())
    if (this.running) return
    this.running = true
    // All that is published in this turn goes together.
    queueMicrotask(() => void this.run())
  }

  private async run(): Promise<void> {
    for (;;) {
      if (this.messages.some(one => one.over)) this.messages = this.messages.filter(one => !one.over)
      if (this.messages.length === 0) break
      const batch = this.batch()
      const wait = await this.attempt(batch)
      if (wait < 0) {
        this.backoff.reset()
        continue
      }
      if (wait > 0) await new Promise(resolve => setTimeout(resolve, wait).unref())
      else await this.backoff.wait()
    }
    this.running = false
  }

  /**
   * While some wait for Kafka, which may be away, those behind them that need the disk only go with them in a request for the disk: in their order,
   * whatever became of the first request. What the owner has already it takes once.
   */
  private async pass(): Promise<void> {
    if (this.passing) return
    this.passing = true
    while (this.heldUp) {
      const open = this.messages.filter(one => !one.over)
      const last = open.findLastIndex(one => one.ack === "spooled")
      const batch = this.fitting(open.slice(0, last + 1))
      if (!batch.some(one => one.ack === "spooled")) break
      if (!(await this.passed(batch))) await this.backoff.wait()
    }
    this.passing = false
  }

  /** False: not all were taken. */
  private async passed(batch: readonly DurableMessage[]): Promise<boolean> {
    try {
      const outcomes = await this.ask(batch, "spooled")
      for (let i = 0; i < batch.length; i++) {
        const [one, outcome] = [batch[i], outcomes[i]]
        // Of the others, and of what is refused, the request before tells.
        if (!outcome.stored) return false
        if (one.ack !== "spooled" || one.over) continue
        one.succeed(this.idOf(one.message), outcome.duplicate, outcome.place)
        this.host.finished(one)
      }
      return true
    } catch {
      return false
    }
  }

  /** As many of the first as fit into one request. */
  private fitting(messages: readonly DurableMessage[]): DurableMessage[] {
    const batch: DurableMessage[] = []
    for (let bytes = 0; batch.length < messages.length && batch.length < this.most; ) {
      const one = messages[batch.length]
      bytes += sizeOf(one.message)
      if (bytes > REQUEST_BYTES && batch.length > 0) break
      batch.push(one)
    }
    return batch
  }

  private batch(): DurableMessage[] {
    const { messages } = this
    const end = messages.findIndex(one => one.ack !== messages[0].ack)
    return this.fitting(end < 0 ? messages : messages.slice(0, end))
  }

  /** Milliseconds to wait before the next; 0 = as the back-off says, -1 = none. */
  private async attempt(batch: readonly DurableMessage[]): Promise<number> {
    const [{ ack }] = batch
    const hold = (): void => {
      this.heldUp = true
      void this.pass()
    }
    const timer = ack === "stored" ? setTimeout(hold, HELD_UP).unref() : undefined
    try {
      return this.answer(batch, await this.ask(batch, ack))
    } catch (error) {
      return this.failed(batch, error)
    } finally {
      clearTimeout(timer)
      this.heldUp = false
    }
  }

  private async ask(batch: readonly DurableMessage[], ack: Ack): Promise<StoreOutcome[]> {
    const { fabric, publisher, epoch } = this.host
    const messages = batch.map(one => one.message)
    const request = encodeRequest({ ack, publisher, epoch, floor: messages[0].number, messages })
    const now = performance.now()
    const longest = batch.reduce((most, one) => Math.max(most, timeLeft(one, now)), 1)
    for (const one of batch) one.sent = true
    const timeout = Math.max(1, Math.ceil(Math.min(longest, ATTEMPT)))
    const reply = await fabric.request(this.subject, request, { codec: "bytes", timeout })
    return decodeReply(reply.bytes, batch.length)
  }

  private answer(batch: readonly DurableMessage[], outcomes: readonly StoreOutcome[]): number {
    let wait = -1
    for (let i = 0; i < batch.length; i++) {
      const one = batch[i]
      const outcome = outcomes[i]
      if (outcome.stored) {
        if (one.over) continue
        one.succeed(this.idOf(one.message), outcome.duplicate, outcome.place)
        this.host.finished(one)
      } else if (outcome.code === "MOVED" || outcome.code === "ETIMEDOUT") wait = Math.max(wait, 0)
      else if (outcome.code === "EBUSY") wait = Math.max(wait, outcome.retryAfter)
      else if (!one.over) {
        if (outcome.code === "EINVAL") this.host.outdated()
        one.fail(new HeddleError(codeOf(outcome.code), `${one.message.subject}: ${outcome.text}`))
        this.host.finished(one)
      }
    }
    return wait
  }

  private failed(batch: readonly DurableMessage[], error: unknown): number {
    const code = (error as { code?: string }).code ?? ""
    if (AGAIN.has(code)) return 0
    if (code === "EMSGSIZE" && batch.length > 1) {
      this.most = Math.ceil(batch.length / 2)
      return -1
    }
    for (const one of batch) {
      if (one.over) continue
      const text = `durablePublish to ${one.message.subject}: ${(error as Error).message}`
      one.fail(new HeddleError(error instanceof HeddleError ? error.code : "ERR_FABRIC", text, { cause: error }))
      this.host.finished(one)
    }
    return -1
  }

  idOf({ id, number }: StoreMessage): string {
    const { publisher, epoch } = this.host
    return id === "" ? idOf(publisher, epoch, this.shard, number) : id
  }
}

function codeOf(code: string): "EINVAL" | "ENOTSUP" | "EMSGSIZE" | "ERR_KAFKA" {
  return code === "EINVAL" || code === "ENOTSUP" || code === "EMSGSIZE" ? code : "ERR_KAFKA"
}
