import type { SyncTimes } from "./group-writer.ts"

/** Why a record was not taken, or given up: see `SpoolOptions.full`. */
export interface Drops {
  /** Refused: `maxBytes` reached. */
  full: number
  /** Refused: the disk is full. */
  diskFull: number
  /** Refused: `bufferBytes` wait for the disk. */
  buffer: number
  /** Refused: the disk failed, or the spool is closed. */
  closed: number
  /** Freed by "drop-oldest" before they were released. */
  oldest: number
}

export interface SpoolStats {
  /** Of the files, and of what waits to be written. */
  readonly bytes: number
  readonly segments: number
  /** Bytes that are not durable yet. */
  readonly pending: number
  /** Bytes of memory for readers that keep up. */
  readonly memory: number
  readonly first: number
  readonly next: number
  readonly durable: number
  readonly released: number
  /** Milliseconds since the oldest record that is not released was appended, at most 64 KiB of records too many; 0 when all are. */
  readonly oldestAge: number
  readonly diskFull: boolean
  /** Syncs; milliseconds. */
  readonly fsync: Readonly<SyncTimes>
  readonly dropped: Readonly<Drops>
}
