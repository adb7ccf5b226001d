import { HeddleError } from "../../core/errors.ts"
import { type Disk, SYSTEM_DISK } from "./disk.ts"
import { SEGMENT_HEADER_SIZE } from "./segment.ts"

export interface SpoolOptions {
  /** Made when it is missing, for this user only (0700). One process at a time. */
  folder: string
  /** Bytes of one file. Default 64 MiB, or a quarter of `maxBytes` when that is less; at most 1 GiB. */
  segmentBytes?: number
  /** Bytes of all files together; at least two segments. Default 8 GiB. */
  maxBytes?: number
  /**
   * When records count as durable: "always", synced as soon as the sync before is done; "interval", synced every `interval` milliseconds
   * (default 5) or 1 MiB, and at once for records with an origin, whose publishers wait, unless a reader gets them before (`ahead`); "never", given to the system: a crash of the machine, not of the process, may lose them. Default "interval".
   */
  fsync?: { mode: FsyncPolicy["mode"]; interval?: number }
  /**
   * What happens to a record for which there is no room: "block", it is refused, the publisher has to try again; "drop-new", it is refused
   * and lost; "drop-oldest", the oldest segment is freed although not all in it is released. Default "block".
   */
  full?: FullPolicy
  /** Bytes of the newest records that stay in memory for readers that keep up. Default 16 MiB. */
  tailBytes?: number
  /** Bytes of records that may wait for the disk. Default 32 MiB. No record is longer than this, or than a segment. */
  bufferBytes?: number
  /**
   * Keeps released records for replay: up to so many bytes (of the whole spool) and milliseconds since they were appended, to within a
   * segment. Not given: they are freed at once. They always give way to new records.
   */
  retain?: { bytes?: number; age?: number }
  /** All records below `durable` are durable now. Called once for each group. */
  onDurable?: (durable: number) => void
  /** The spool can no longer take records: an error of the disk. Called at most once. */
  onFailure?: (error: HeddleError) => void
  /** For tests. */
  disk?: Disk
}

export interface FsyncPolicy {
  readonly mode: "always" | "interval" | "never"
  /** Milliseconds. */
  readonly interval: number
}

export type FullPolicy = "block" | "drop-oldest" | "drop-new"

export interface SpoolSettings {
  readonly folder: string
  readonly segmentBytes: number
  readonly maxBytes: number
  readonly fsync: FsyncPolicy
  readonly full: FullPolicy
  readonly tailBytes: number
  readonly bufferBytes: number
  readonly retain: { readonly bytes: number; readonly age: number } | null
  readonly disk: Disk
}

const MIB = 1024 * 1024
/** Files that can be deleted one by one soon after they are released, and of which 8 GiB need not many. */
const SEGMENT_BYTES = 64 * MIB
/** What a damaged last segment may take in memory when it is opened. */
const MAX_SEGMENT_BYTES = 1024 * MIB
const MAX_BYTES = 8 * 1024 * MIB
/** A delay that nobody sees, and in which a disk has synced once or twice. */
const INTERVAL = 5
/** A fifth of a second at 500,000 small records a second: a reader that stumbles need not go to the disk. */
const TAIL_BYTES = 16 * MIB
/** As much again as the tail, for syncs that take long. */
const BUFFER_BYTES = 32 * MIB

/** Throws EINVAL. */
export function resolveOptions(options: SpoolOptions): SpoolSettings {
  const maxBytes = positive("maxBytes", options.maxBytes ?? MAX_BYTES)
  const segmentBytes = positive("segmentBytes", options.segmentBytes ?? Math.min(SEGMENT_BYTES, maxBytes / 4))
  if (segmentBytes > MAX_SEGMENT_BYTES) throw invalid(`segmentBytes is ${segmentBytes}, at most ${MAX_SEGMENT_BYTES}`)
  if (maxBytes < 2 * segmentBytes)
    throw invalid(
      `maxBytes is ${maxBytes}; it needs room for two segments of ${segmentBytes}, of which one can be freed`,
    )
  const { mode, interval = INTERVAL } = options.fsync ?? { mode: "interval" as const }
  if (!["always", "interval", "never"].includes(mode)) throw invalid(`fsync is always, interval or never, not ${mode}`)
  const full = options.full ?? "block"
  if (!["block", "drop-oldest", "drop-new"].includes(full))
    throw invalid(`full is block, drop-oldest or drop-new, not ${full}`)
  const { retain } = options
  return {
    folder: options.folder,
    segmentBytes: Math.floor(segmentBytes),
    maxBytes,
    fsync: { mode, interval: positive("fsync.interval", interval) },
    full,
    tailBytes: positive("tailBytes", options.tailBytes ?? TAIL_BYTES),
    bufferBytes: positive("bufferBytes", options.bufferBytes ?? BUFFER_BYTES),
    retain:
      retain === undefined
        ? null
        : {
            bytes: positive("retain.bytes", retain.bytes ?? Number.POSITIVE_INFINITY),
            age: positive("retain.age", retain.age ?? Number.POSITIVE_INFINITY),
          },
    disk: options.disk ?? SYSTEM_DISK,
  }
}

/** Throws EMSGSIZE for a record that cannot have so many bytes. */
export function checkSize(room: number, { segmentBytes, bufferBytes }: SpoolSettings): void {
  const limit = Math.min(segmentBytes - SEGMENT_HEADER_SIZE, bufferBytes)
  if (room > limit)
    throw new HeddleError(
      "EMSGSIZE",
      `A record may take ${room} bytes in the spool, at most ${limit} are allowed; raise segment.bytes`,
    )
}

function positive(name: string, value: number): number {
  if (!(value > 0)) throw invalid(`${name} is ${value}; give a number above 0`)
  return value
}

function invalid(text: string): HeddleError {
  return new HeddleError("EINVAL", `Spool: ${text}`)
}
