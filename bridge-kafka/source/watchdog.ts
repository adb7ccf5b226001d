import type { KafkaDriver } from "../driver.ts"
import type { SourcePartition } from "./partition.ts"

export interface WatchdogOptions {
  readonly driver: Pick<KafkaDriver, "offsets" | "read" | "groupOffsets">
  readonly group: string
  readonly isolation: "read_committed" | "read_uncommitted"
  readonly partitions: () => Iterable<SourcePartition>
  /** Milliseconds without a record while there are some. */
  readonly patience: number
  readonly stalled: (partition: SourcePartition) => void
}

/**
 * Sees a consumer that waits for ever: its heartbeats may go on, or it may have been forgotten by its group, while records lie there. What lies
 * there is asked of Kafka without the consumer's help; so nobody has to believe what a client says of itself.
 */
export class Watchdog {
  private readonly options: WatchdogOptions
  private readonly timer: NodeJS.Timeout
  private readonly ended = new AbortController()
  /** Where each partition stood at the look before. */
  private before = new Map<SourcePartition, number>()
  private looking = false

  constructor(options: WatchdogOptions) {
    this.options = options
    this.timer = setInterval(() => void this.look(), options.patience)
    this.timer.unref()
  }

  stop(): void {
    clearInterval(this.timer)
    this.ended.abort()
  }

  private async look(): Promise<void> {
    if (this.looking) return
    this.looking = true
    try {
      const now = new Map<SourcePartition, number>()
      const still: SourcePartition[] = []
      for (const partition of this.options.partitions()) {
        // Paused ones shall stand still.
        if (partition.paused || !partition.open) continue
        now.set(partition, partition.read)
        if (this.before.get(partition) === partition.read) still.push(partition)
      }
      this.before = now
      for (const partition of still) {
        if (!(await this.isBehind(partition)) || this.ended.signal.aborted) continue
        if (partition.read === now.get(partition) && partition.open && !partition.paused)
          this.options.stalled(partition)
        return
      }
    } catch {
      // Kafka cannot be asked: then the consumer cannot be blamed.
    } finally {
      this.looking = false
    }
  }

  private async isBehind(partition: SourcePartition): Promise<boolean> {
    const { driver, group, isolation } = this.options
    const { topic, partition: number } = partition
    let from = partition.read
    if (from < 0) {
      const committed = await driver.groupOffsets(group, [topic])
      from = committed.find(one => one.topic === topic && one.partition === number)?.offset ?? -1
    }
    if (from < 0) return false
    // What nobody may read yet is no sign of a consumer that stands still, and would be waited for here.
    const end = (await driver.offsets(topic, "latest", isolation)).get(number) ?? 0
    if (end <= from) return false
    // The ends of transactions take offsets, too: only a record counts.
    const records = driver.read(
      { topic, partition: number },
      { from, until: end, isolation, signal: this.ended.signal },
    )
    for await (const batch of records) if (batch.records.length > 0) return true
    return false
  }
}
