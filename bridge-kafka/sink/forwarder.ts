import type { Fabric } from "../../patterns/fabric/fabric.ts"
import { Backoff } from "../backoff.ts"
import type { SpoolRecord } from "../spool/record-format.ts"
import type { SinkCounters } from "./counters.ts"
import { remember } from "./restore.ts"
import type { Shard } from "./shard.ts"
import { decodeReply, encodeRequest, MAX_MESSAGES, type StoreMessage, sizeOf } from "./store-protocol.ts"

export interface ForwarderHost {
  readonly fabric: Fabric
  readonly counters: SinkCounters
  /** Id of the journal: who numbers records that have no number of their own. */
  readonly spool: string
  readonly retryMin: number
  readonly retryMax: number
  done(sequence: number): void
  settled(freed: number): void
  trouble(error: unknown): void
}

/** Bytes of one request: large enough to be cheap, small enough for any node's maxPayload. */
const REQUEST_BYTES = 256 * 1024

/** Milliseconds for an answer, which comes when Kafka has the records. */
const TIMEOUT = 30_000

/**
 * Sends what this instance has of a shard to the instance that owns it, with the ids that it has: the owner knows duplicates by them.
 * One request at a time keeps the order; records leave the journal when they are stored (SINK-4).
 */
export class Forwarder {
  private readonly host: ForwarderHost
  private readonly shard: Shard
  private readonly subject: string
  private readonly abort = new AbortController()
  private readonly backoff: Backoff
  private running: Promise<void> | null = null

  constructor(host: ForwarderHost, shard: Shard, subject: string) {
    this.host = host
    this.shard = shard
    this.subject = subject
    this.backoff = new Backoff({ min: host.retryMin, max: Math.max(host.retryMin, Math.min(host.retryMax, 5_000)) })
  }

  /** There is something to send. */
  wake(): void {
    if (this.running !== null || this.abort.signal.aborted || this.shard.length === 0) return
    this.running = this.run().finally(() => {
      this.running = null
    })
  }

  /** Ends; what is not answered stays. */
  async close(): Promise<void> {
    this.abort.abort()
    await this.running
  }

  private async run(): Promise<void> {
    const { signal } = this.abort
    while (!signal.aborted && this.shard.length > 0) {
      try {
        if (await this.forward()) {
          this.backoff.reset()
          continue
        }
      } catch (error) {
        if (signal.aborted) return
        this.host.trouble(error)
      }
      if (!(await this.backoff.wait(signal))) return
    }
  }

  /** False: not all was taken, try again later. */
  private async forward(): Promise<boolean> {
    const { host, shard } = this
    const first = shard.at(0)
    const messages: StoreMessage[] = []
    for (let i = 0, bytes = 0; i < shard.length && i < MAX_MESSAGES; i++) {
      const record = shard.at(i)
      if (!sameSource(record, first)) break
      const message = messageOf(record)
      bytes += sizeOf(message)
      if (bytes > REQUEST_BYTES && i > 0) break
      messages.push(message)
    }
    const { origin } = first
    const request = encodeRequest({
      ack: "stored",
      publisher: origin?.publisher ?? host.spool,
      epoch: origin?.epoch ?? 0,
      floor: origin?.floor ?? first.sequence,
      messages,
    })
    const reply = await host.fabric.request(this.subject, request, {
      codec: "bytes",
      timeout: TIMEOUT,
      signal: this.abort.signal,
    })
    const outcomes = decodeReply(reply.bytes, messages.length)
    let count = 0
    // In order: what comes after one that was not taken is not taken either.
    while (count < outcomes.length) {
      const outcome = outcomes[count]
      if (!outcome.stored) break
      const record = shard.at(count++)
      if (shard.past !== null) remember(shard.past, record, outcome.place)
      host.done(record.sequence)
    }
    host.counters.forwarded += count
    if (count > 0) host.trouble(null)
    const freed = shard.shift(count)
    shard.bytes -= freed
    host.settled(freed)
    const refused = outcomes[count]
    if (refused !== undefined && !refused.stored) {
      if (refused.code !== "MOVED" && refused.code !== "EBUSY") host.trouble(new Error(refused.text))
      return false
    }
    return true
  }
}

function sameSource({ origin: a }: SpoolRecord, { origin: b }: SpoolRecord): boolean {
  if (a === null || b === null) return a === b
  return a.publisher === b.publisher && a.epoch === b.epoch
}

function messageOf({ origin, sequence, id, subject, timestamp, headers, value }: SpoolRecord): StoreMessage {
  return { number: origin?.number ?? sequence, id, subject, timestamp, headers, value }
}
