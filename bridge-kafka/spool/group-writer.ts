/** Group commit (SPOOL-3): one write and one sync for all that waits; while they run, the next group gathers. */
import type { Buffer } from "node:buffer"
import fs, { type FileHandle } from "node:fs/promises"
import { HeddleError } from "../../core/errors.ts"
import type { Chunk } from "./chunk.ts"
import { type Disk, isFull, syncFolder } from "./disk.ts"
import type { FsyncPolicy } from "./options.ts"
import type { Segment } from "./segment.ts"

/** Bytes after which an interval is not waited for: a longer write is not more efficient. */
const EAGER = 1024 * 1024

/** Bytes of one group, so that the first of many that wait does not wait for the last. 16 times the one above: a disk that lags catches up. */
const GROUP_LIMIT = 16 * EAGER

/** Milliseconds between attempts while the disk is full: somebody else has to make room, and the attempt costs next to nothing. */
const FULL_RETRY = 500

export interface WriterHooks {
  /** All records below are as durable as the policy says. */
  durable(end: number): void
  /** The disk is full (said at each attempt), or has room again. */
  full(full: boolean): void
  failed(error: HeddleError): void
}

/** Durations in milliseconds. */
export interface SyncTimes {
  count: number
  total: number
  longest: number
}

interface Group {
  readonly segment: Segment
  readonly position: number
  readonly buffers: Buffer[]
  readonly bytes: number
  readonly end: number
}

export class GroupWriter {
  /** Bytes that are not durable yet. */
  pending = 0
  /** All records below are synced; behind `durable` with the policy "never". */
  synced: number
  /** The next record is the first since a group took all that was there, and will be written after that was synced. */
  atSyncPoint = true
  /** The segment whose file is being written. */
  segment: Segment
  readonly times: SyncTimes = { count: 0, total: 0, longest: 0 }
  private file: FileHandle | null
  /** The name of the file is not known to be on the disk. */
  private fresh = false
  /** Chunks with bytes not taken; the last one is being filled. */
  private readonly chunks: Chunk[] = []
  private busy: Promise<void> | null = null
  private timer: NodeJS.Timeout | null = null
  private immediate: NodeJS.Immediate | null = null
  private lastStart = Number.NEGATIVE_INFINITY
  private full = false
  private roomMade: (() => void) | null = null
  private hurried = false
  private closing = false
  private stopped = false
  private readonly folder: string
  private readonly policy: FsyncPolicy
  private readonly disk: Disk
  private readonly hooks: WriterHooks

  constructor(
    folder: string,
    segment: Segment,
    file: FileHandle | null,
    policy: FsyncPolicy,
    disk: Disk,
    hooks: WriterHooks,
  ) {
    this.folder = folder
    this.segment = segment
    this.file = file
    this.policy = policy
    this.disk = disk
    this.hooks = hooks
    this.synced = segment.end
  }

  /** A chunk was begun; those before it are finished. */
  add(chunk: Chunk): void {
    this.chunks.push(chunk)
  }

  /** `size` bytes were put into the newest chunk. */
  note(size: number): void {
    this.pending += size
    this.atSyncPoint = false
    if (this.busy !== null || this.immediate !== null) return
    if (this.timer === null || this.pending >= EAGER) this.schedule()
  }

  /** Writes and syncs everything, also with the policy "never"; what comes later is the caller's mistake. */
  async close(): Promise<void> {
    this.closing = true
    this.schedule()
    this.makeRoom()
    while (!this.stopped && (this.busy !== null || this.pending > 0)) {
      if (this.busy === null) this.start()
      await this.busy
    }
    try {
      if (!this.stopped && this.file !== null) await this.sync(this.segment.end)
    } catch (error) {
      this.stop(error)
    } finally {
      this.cancel()
      await this.file?.close()
      this.file = null
    }
  }

  /** Something was deleted: a full disk is tried again at once. */
  makeRoom(): void {
    this.roomMade?.()
  }

  /** Does not wait for the interval. */
  hurry(): void {
    this.hurried = true
    this.schedule()
  }

  private cancel(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    if (this.immediate !== null) clearImmediate(this.immediate)
    this.timer = null
    this.immediate = null
  }

  private schedule(): void {
    if (this.busy !== null || this.pending === 0 || this.stopped) return
    this.cancel()
    const { mode } = this.policy
    const wait =
      mode !== "interval" || this.pending >= EAGER || this.hurried || this.closing
        ? 0
        : this.lastStart + this.policy.interval - performance.now()
    // An immediate comes after the reads of this turn: all that they bring is one group.
    if (wait <= 0) this.immediate = setImmediate(() => this.start())
    else this.timer = setTimeout(() => this.start(), wait).unref()
  }

  private start(): void {
    this.cancel()
    if (this.busy !== null || this.stopped) return
    this.lastStart = performance.now()
    this.hurried = false
    this.busy = this.writeGroup()
      .catch(error => this.stop(error))
      .then(() => {
        this.busy = null
        this.schedule()
      })
  }

  private stop(error: unknown): void {
    if (this.stopped) return
    this.stopped = true
    const { message } = error as Error
    const text = isFull(error)
      ? `The disk of the spool ${this.folder} is full, and ${this.pending} bytes of records could not be written: ${message}`
      : // After a failed fsync the kernel may have dropped the data and forgotten the error: a second one would say
        // that all is well (LWN 752063, "PostgreSQL's fsync() surprise"). Only reading it all again can tell: a restart.
        `The spool ${this.folder} stopped, because its disk failed: ${message}. Records behind the durable mark may be lost; ` +
        "check the disk, then start again: what is on it is read and checked then"
    this.hooks.failed(new HeddleError("ERR_SPOOL", text, { cause: error, fatal: true }))
  }

  private async writeGroup(): Promise<void> {
    const group = this.take()
    if (group === null) return
    for (;;) {
      try {
        await this.persist(group)
        break
      } catch (error) {
        if (!isFull(error) || this.closing) throw error
        await this.waitForRoom()
      }
    }
    if (this.full) {
      this.full = false
      this.hooks.full(false)
    }
    this.pending -= group.bytes
    this.hooks.durable(group.end)
  }

  /** May be called again with the same group after "disk full": it is in memory still, and written and synced anew. */
  private async persist(group: Group): Promise<void> {
    if (this.segment !== group.segment) {
      await this.seal()
      this.segment = group.segment
    }
    if (this.file === null) {
      this.file = await this.disk.create(group.segment.file)
      this.fresh = true
    }
    await this.disk.write(this.file, group.buffers, group.position)
    if (this.policy.mode !== "never") await this.sync(group.end)
    if (this.fresh) {
      await syncFolder(this.folder)
      this.fresh = false
    }
  }

  private async sync(end: number): Promise<void> {
    const before = performance.now()
    await this.disk.sync(this.file as FileHandle)
    const taken = performance.now() - before
    this.times.count++
    this.times.total += taken
    if (taken > this.times.longest) this.times.longest = taken
    this.synced = end
  }

  /** The segment is full: it is whole on the disk before the next one begins, whatever the policy. */
  private async seal(): Promise<void> {
    const { file, segment } = this
    if (file === null) return
    if (this.policy.mode === "never") {
      // Groups before the last are no longer in memory, so "disk full" at this point cannot be mended by writing again.
      await this.sync(segment.end).catch(error => {
        throw new Error(`sync of ${segment.file}: ${(error as Error).message}`, { cause: error })
      })
    }
    this.file = null
    await file.close()
    // Without an index the segment is read at the next start: slower, nothing else.
    const temporary = `${segment.indexFile}.tmp`
    const { first, end, bytes, created } = segment
    await fs
      .writeFile(temporary, segment.index.encode(first, end, bytes, created), { mode: 0o600 })
      .then(() => fs.rename(temporary, segment.indexFile))
      .catch(() => fs.rm(temporary, { force: true }).catch(() => {}))
  }

  private async waitForRoom(): Promise<void> {
    this.full = true
    this.hooks.full(true)
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, FULL_RETRY).unref()
      this.roomMade = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.roomMade = null
  }

  private take(): Group | null {
    const { chunks } = this
    const buffers: Buffer[] = []
    let bytes = 0
    let position = 0
    let end = 0
    let segment: Segment | null = null
    while (chunks.length > 0 && bytes < GROUP_LIMIT) {
      const chunk = chunks[0]
      if (segment !== null && chunk.segment !== segment) break
      if (chunk.used > chunk.taken) {
        if (segment === null) {
          segment = chunk.segment
          position = chunk.offset + chunk.taken
        }
        buffers.push(chunk.bytes.subarray(chunk.taken, chunk.used))
        bytes += chunk.used - chunk.taken
        chunk.taken = chunk.used
        end = chunk.end
      }
      if (chunks.length === 1) {
        this.atSyncPoint = this.policy.mode !== "never"
        break
      }
      chunks.shift()
    }
    return segment === null ? null : { segment, position, buffers, bytes, end }
  }
}
