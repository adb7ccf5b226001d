import { Deadlines } from "../../core/deadlines.ts"
import type { Fabric } from "../../patterns/fabric/fabric.ts"
import { Backoff } from "../backoff.ts"
import type { StoredRecord } from "../driver.ts"
import { PoisonError } from "../errors.ts"
import { messageOf } from "../failure.ts"
import type { OutgoingMessage } from "../mapping/to-fabric.ts"
import { Acknowledgement } from "./acknowledgement.ts"
import { type Delivery, type DeliveryHost, type Failures, sizeOf } from "./delivery.ts"
import { Entry, Lanes, type Order } from "./lanes.ts"
import type { SourcePartition } from "./partition.ts"
import type { Pipeline } from "./pipeline.ts"

export interface AckedOptions {
  readonly fabric: Pick<Fabric, "push" | "ready">
  readonly host: DeliveryHost
  readonly pipeline: Pipeline
  readonly failures: Failures
  readonly order: Order
  readonly perKey: number
  /** Records with the workers, or that wait for one, at a time. */
  readonly inFlight: number
  /** Milliseconds that a worker has. */
  readonly ackTimeout: number
  /** Times that a message is given to a worker before it counts as one that cannot pass; 0 = for ever. */
  readonly maxDeliveries: number
  readonly retry: { readonly min: number; readonly max: number }
}

/** Not ours any more: nothing is to be done about it. */
const ABANDONED = Symbol("abandoned")

/**
 * `delivery: acked`: a record counts as delivered when one worker (`fabric.work`) has done it. At least once: a worker that dies, fails or says
 * nothing in time gets it again, or another does.
 */
export class AckedDelivery implements Delivery {
  private readonly options: AckedOptions
  private readonly lanes: Lanes
  private readonly limits = new Deadlines<Acknowledgement>(one => one.expired())
  private active = 0

  constructor(options: AckedOptions) {
    this.options = options
    this.lanes = new Lanes(options.order, options.perKey)
  }

  accept(partition: SourcePartition, records: readonly StoredRecord[]): void {
    for (let i = 0; i < records.length; i++) {
      const entry = new Entry(records[i], partition, sizeOf(records[i]))
      partition.tracker.add(entry)
      this.lanes.push(entry)
    }
    this.wake()
  }

  forget(partition: SourcePartition): void {
    this.lanes.drop(partition)
  }

  wake(): void {
    const { inFlight, host } = this.options
    while (this.active < inFlight && host.running) {
      const next = this.lanes.next()
      if (next === undefined) return
      const { entry, lane } = next
      this.active++
      entry.partition.begin()
      void this.deliver(entry).then(delivered => {
        this.active--
        const { partition } = entry
        if (delivered) {
          partition.tracker.complete(entry)
          host.unloaded(partition, 1, entry.size)
        }
        this.lanes.finished(lane)
        partition.end()
        this.wake()
      })
    }
  }

  /** False = it was not, and nothing of its lane may come before it. Never rejects. */
  private async deliver({ record, partition }: Entry): Promise<boolean> {
    const { pipeline, failures, retry } = this.options
    const backoff = new Backoff(retry)
    const messages: OutgoingMessage[] = []
    // Of several messages of one record those that are done are not given again.
    let at = -1
    for (;;) {
      try {
        if (at < 0) {
          messages.length = 0
          await pipeline.messages(record, messages)
          at = 0
        }
        for (; at < messages.length; at++) await this.giveToWorker(messages[at], partition)
        return true
      } catch (error) {
        if (error === ABANDONED) return false
        const outcome = await failures.handle(partition, record, error, backoff)
        if (outcome !== "again") return outcome === "passed"
      }
    }
  }

  private async giveToWorker(message: OutgoingMessage, partition: SourcePartition): Promise<void> {
    const { fabric, host, ackTimeout, maxDeliveries, retry } = this.options
    const { counters } = host
    const { signal, closing } = partition
    const { subject, data, headers, codec } = message
    const acknowledgement = new Acknowledgement(this.limits, ackTimeout)
    partition.waiting.add(acknowledgement)
    let backoff: Backoff | null = null
    try {
      for (let attempt = 1; ; attempt++) {
        // A task without a worker would only take up room in the fabric.
        await fabric.ready({ subject, workers: 1, signal: closing })
        const task = await fabric.push(subject, data, { headers, codec, maxDeliveries: 1, signal: closing })
        const outcome = signal.aborted ? "abandoned" : await acknowledgement.of(task)
        if (outcome === "acknowledged") break
        if (outcome === "abandoned") {
          // Whoever has the partition now gives the record to a worker again.
          task.cancel()
          throw ABANDONED
        }
        if (outcome === "late") counters.ackTimeouts++
        else if (isAboutTheMessage(outcome)) throw outcome
        if (maxDeliveries > 0 && attempt >= maxDeliveries) throw exhausted(subject, attempt, outcome)
        backoff ??= new Backoff(retry)
        const waited = await backoff.wait(closing)
        if (acknowledgement.done) break
        if (!waited) throw ABANDONED
        counters.redelivered++
      }
    } catch (error) {
      throw closing.aborted ? ABANDONED : error
    } finally {
      partition.waiting.delete(acknowledgement)
    }
    counters.messages++
  }
}

/** No other worker, and no later time, would make a difference; or the fabric is closed. */
function isAboutTheMessage(error: Error): boolean {
  const { code } = error as { code?: unknown }
  return code === "EMSGSIZE" || code === "EBADF" || code === "ERR_CODEC" || code === "ERR_VALIDATION"
}

function exhausted(subject: string, attempts: number, outcome: "late" | Error): PoisonError {
  const why = outcome === "late" ? "no worker answered in time (ack.timeout.ms)" : messageOf(outcome)
  return new PoisonError(
    "TASK_PUT",
    `A record for ${subject} was given to workers ${attempts} times; the last time: ${why}`,
    {
      cause: outcome === "late" ? undefined : outcome,
    },
  )
}
