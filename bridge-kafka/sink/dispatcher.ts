import type { SpoolRecord } from "../spool/record-format.ts"
import { RecordRun } from "../spool/record-run.ts"
import { ContiguousPrefix } from "./contiguous-prefix.ts"
import { type Journal, memoryOf } from "./journal.ts"
import type { Shard } from "./shard.ts"

export interface DispatcherHost {
  /** New records are in the shard. */
  arrived(shard: Shard): void
  /** The journal cannot be read any more. */
  failed(error: unknown): void
}

/** Reading goes on when so much of the limit is free again. */
const RESUME_AT = 0.5

/** Records that the window may hold, whatever their size: a bit for each, and the objects. */
const MOST = 1_048_576

/** Reads the journal into the shards, no more than fits into memory, and releases what is stored of its beginning. */
export class Dispatcher {
  /** Memory that records in the shards take. */
  bytes = 0
  /** All below was given to the shards. */
  readTo: number
  private readonly journal: Journal
  private readonly shards: readonly Shard[]
  private readonly shardOf: (subject: string) => number
  private readonly limit: number
  private readonly host: DispatcherHost
  private readonly prefix: ContiguousPrefix
  private paused = false
  private stopped = false
  private wake: (() => void) | null = null
  private running: Promise<void> | null = null
  private readonly watchers = new Set<() => void>()

  /** `limit`: bytes, roughly. */
  constructor(
    journal: Journal,
    first: number,
    shards: readonly Shard[],
    shardOf: (subject: string) => number,
    limit: number,
    host: DispatcherHost,
  ) {
    this.journal = journal
    this.readTo = first
    this.shards = shards
    this.shardOf = shardOf
    this.limit = limit
    this.host = host
    this.prefix = new ContiguousPrefix(first)
  }

  /** All below is stored. */
  get stored(): number {
    return this.prefix.next
  }

  start(): void {
    this.running ??= this.run()
  }

  /** Nothing more is read; what is in memory is still sent. */
  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
    this.wake?.()
  }

  /** That record is stored. */
  done(sequence: number): void {
    this.prefix.add(sequence)
  }

  /** A batch is stored: memory is free, and the beginning of the journal perhaps too. */
  settled(freed: number): void {
    this.bytes -= freed
    this.journal.release(this.prefix.next)
    if (this.hasRoom(RESUME_AT)) this.wake?.()
    for (const watcher of this.watchers) watcher()
  }

  /** Resolves when the condition holds, which is looked at after each batch; or after so many milliseconds. */
  when(condition: () => boolean, milliseconds: number): Promise<void> {
    return new Promise(resolve => {
      const look = (): void => {
        if (!condition()) return
        this.watchers.delete(look)
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(() => {
        this.watchers.delete(look)
        resolve()
      }, milliseconds)
      this.watchers.add(look)
      look()
    })
  }

  /** The journal must be closed by then, or soon: the loop ends with its last read. */
  async stop(): Promise<void> {
    this.stopped = true
    this.wake?.()
    await this.running
  }

  private hasRoom(share: number): boolean {
    return this.bytes <= this.limit * share && this.readTo - this.prefix.next < MOST * share
  }

  private async run(): Promise<void> {
    try {
      while (!this.stopped) {
        while ((this.paused || !this.hasRoom(1)) && !this.stopped) {
          await new Promise<void>(resolve => {
            this.wake = resolve
          })
          this.wake = null
        }
        if (this.stopped) return
        const records = await this.journal.read()
        if (records === null) return
        if (records instanceof RecordRun) this.dispatchRun(records)
        else this.dispatch(records)
      }
    } catch (error) {
      if (!this.stopped) this.host.failed(error)
    }
  }

  private dispatch(records: readonly SpoolRecord[]): void {
    const { shards } = this
    const touched = new Set<Shard>()
    this.begin(records[0].sequence)
    let last: Shard | null = null
    for (let i = 0; i < records.length; i++) {
      const record = records[i]
      // Of another number of shards, in a spool from before.
      const number = record.shard < shards.length ? record.shard : this.shardOf(record.subject)
      const shard = shards[number]
      const size = memoryOf(record)
      shard.push(record)
      shard.bytes += size
      this.bytes += size
      if (shard !== last) {
        touched.add(shard)
        last = shard
      }
    }
    this.readTo = records[records.length - 1].sequence + 1
    for (const shard of touched) this.host.arrived(shard)
  }
  /** The same, of records that stay bytes. */
  private dispatchRun(run: RecordRun): void {
    const { shards } = this
    const touched = new Set<Shard>()
    this.begin(run.first)
    let last: Shard | null = null
    for (let i = 0; i < run.length; i++) {
      const number = run.shardAt(i)
      const shard = shards[number < shards.length ? number : this.shardOf(run.at(i).subject)]
      const size = run.memoryAt(i)
      shard.pushFrom(run, i)
      shard.bytes += size
      this.bytes += size
      if (shard !== last) {
        touched.add(shard)
        last = shard
      }
    }
    this.readTo = run.first + run.length
    for (const shard of touched) this.host.arrived(shard)
  }

  /** Some may have been dropped to make room: nobody waits for them. */
  private begin(first: number): void {
    if (first > this.readTo) this.prefix.skip(this.readTo, first)
  }
}
