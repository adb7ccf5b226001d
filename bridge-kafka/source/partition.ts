import { setMaxListeners } from "node:events"
import type { TopicPartition } from "../driver.ts"
import type { Failure } from "../failure.ts"
import { OffsetTracker, type Tracked } from "./offset-tracker.ts"

/** Why a partition stands still. */
export interface Stop {
  /** Of the record that cannot pass. */
  readonly offset: number
  readonly failure: Failure
}

/** A partition that this instance has, from its assignment until it is revoked or lost. */
export class SourcePartition implements TopicPartition {
  readonly topic: string
  readonly partition: number
  readonly tracker = new OffsetTracker<Tracked>()
  /** Behind the last record that has come; -1 = none has. */
  read = -1
  /** Committed last; -1 = not by this instance. */
  committed = -1
  /** Records, and their bytes, that have come and are not delivered. */
  records = 0
  bytes = 0
  /** What has come does not count any more. */
  forgotten = false
  /** As the consumer was told. */
  paused = false
  stop: Stop | null = null
  /** Deliveries under way. */
  private active = 0
  /** Who waits for a worker's word: told when it is of no use any more. Listeners of a signal would cost more than the messages. */
  readonly waiting = new Set<{ abandon(): void }>()
  private readonly whenIdle: (() => void)[] = []
  private readonly settling = new AbortController()
  private readonly ended = new AbortController()

  constructor({ topic, partition }: TopicPartition) {
    this.topic = topic
    this.partition = partition
    // One for each delivery that waits.
    setMaxListeners(0, this.settling.signal, this.ended.signal)
  }

  /** Aborted when it is not ours any more: what is still under way is somebody else's now. */
  get signal(): AbortSignal {
    return this.ended.signal
  }

  /** Aborted before that, when it is about to be given up: nothing more is begun, and what waits to begin does not. */
  get closing(): AbortSignal {
    return this.settling.signal
  }

  /** New deliveries may begin. */
  get open(): boolean {
    return !this.closing.aborted && this.stop === null
  }

  begin(): void {
    this.active++
  }

  end(): void {
    this.active--
    if (this.active === 0) for (const idle of this.whenIdle.splice(0)) idle()
  }

  /** Resolves when nothing is under way, or after so many milliseconds. */
  async settle(milliseconds: number): Promise<void> {
    this.settling.abort()
    if (this.active === 0) return
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, milliseconds)
      timer.unref()
      this.whenIdle.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  abandon(): void {
    this.settling.abort()
    this.ended.abort()
    for (const one of [...this.waiting]) one.abandon()
  }
}
