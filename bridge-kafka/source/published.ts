import { setImmediate as turn } from "node:timers/promises"
import { Queue } from "../../core/queue.ts"
import type { Fabric } from "../../patterns/fabric/fabric.ts"
import { Backoff } from "../backoff.ts"
import type { StoredRecord } from "../driver.ts"
import type { OutgoingMessage } from "../mapping/to-fabric.ts"
import { type Delivery, type DeliveryHost, type Failures, lastOf, sizeOf } from "./delivery.ts"
import type { SourcePartition } from "./partition.ts"
import type { Pipeline } from "./pipeline.ts"

/** Records, and bytes, published in one go: then the links get a turn to send, or subscribers that keep up would seem not to. */
const STRIDE = 256
const STRIDE_BYTES = 256 * 1024

export interface PublishedOptions {
  readonly fabric: Pick<Fabric, "publish" | "send">
  readonly host: DeliveryHost
  readonly pipeline: Pipeline
  readonly failures: Failures
  readonly retry: { readonly min: number; readonly max: number }
}

interface Waiting {
  readonly records: readonly StoredRecord[]
  at: number
}

/**
 * `delivery: published`: a record counts as delivered when it has been published to all subscribers there are; who has the policy "block"
 * is waited for. Partitions do not wait for one another.
 */
export class PublishedDelivery implements Delivery {
  private readonly options: PublishedOptions
  private readonly waiting = new Map<SourcePartition, Queue<Waiting>>()
  private readonly running = new Set<SourcePartition>()

  constructor(options: PublishedOptions) {
    this.options = options
  }

  accept(partition: SourcePartition, records: readonly StoredRecord[]): void {
    let queue = this.waiting.get(partition)
    if (queue === undefined) {
      queue = new Queue()
      this.waiting.set(partition, queue)
    }
    queue.push({ records, at: 0 })
    this.start(partition)
  }

  forget(partition: SourcePartition): void {
    this.waiting.delete(partition)
  }

  wake(): void {
    for (const partition of [...this.waiting.keys()]) this.start(partition)
  }

  private start(partition: SourcePartition): void {
    if (this.running.has(partition) || !this.options.host.running) return
    this.running.add(partition)
    partition.begin()
    void this.run(partition)
  }

  private async run(partition: SourcePartition): Promise<void> {
    const queue = this.waiting.get(partition) as Queue<Waiting>
    try {
      for (let batch = queue.peek(); batch !== undefined; batch = queue.peek()) {
        await this.publishAll(partition, batch)
        if (batch.at < batch.records.length) break
        queue.shift()
      }
    } finally {
      // Not a turn later: whoever comes in between would be left lying.
      this.running.delete(partition)
      if (queue.length === 0) this.forget(partition)
      partition.end()
    }
  }

  private async publishAll(partition: SourcePartition, batch: Waiting): Promise<void> {
    const { host, failures, retry } = this.options
    const { records } = batch
    const backoff = new Backoff(retry)
    const messages: OutgoingMessage[] = []
    while (batch.at < records.length) {
      let bytes = 0
      const from = batch.at
      const end = Math.min(records.length, from + STRIDE)
      let failed: unknown = null
      while (batch.at < end && bytes < STRIDE_BYTES && partition.open && host.running) {
        const record = records[batch.at]
        try {
          const wait = this.publish(record, messages, partition)
          if (wait !== null) await wait
        } catch (error) {
          failed = error
          break
        }
        batch.at++
        bytes += sizeOf(record)
        partition.tracker.passed(record.offset)
      }
      if (batch.at > from) {
        backoff.reset()
        host.unloaded(partition, batch.at - from, bytes)
      }
      if (failed !== null) {
        const record = records[batch.at]
        const outcome = await failures.handle(partition, record, failed, backoff)
        if (outcome === "stopped") return
        if (outcome === "passed") {
          batch.at++
          partition.tracker.passed(lastOf(record))
          host.unloaded(partition, 1, sizeOf(record))
        }
      }
      if (!partition.open || !host.running) return
      await turn()
    }
  }

  /** Null: it is done. */
  private publish(record: StoredRecord, messages: OutgoingMessage[], partition: SourcePartition): Promise<void> | null {
    messages.length = 0
    const late = this.options.pipeline.messages(record, messages)
    if (late !== undefined) return late.then(() => this.send(messages, 0, partition))
    const { fabric, host } = this.options
    const { counters } = host
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i]
      const { taken, peers, dropped } = fabric.publish(message.subject, message.data, message)
      if (!taken) return this.send(messages, i, partition)
      counters.messages++
      if (peers === 0) counters.unwanted++
      counters.overrun += dropped
    }
    return null
  }

  private async send(messages: OutgoingMessage[], from: number, { closing }: SourcePartition): Promise<void> {
    const { fabric, host } = this.options
    const { counters } = host
    for (let i = from; i < messages.length; i++) {
      const { subject, data, headers, codec } = messages[i]
      const { peers, dropped } = await fabric.send(subject, data, { headers, codec, signal: closing })
      counters.messages++
      if (peers === 0) counters.unwanted++
      counters.overrun += dropped
    }
  }
}
