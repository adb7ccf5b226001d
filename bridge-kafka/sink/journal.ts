import type { BridgeRecord } from "../record.ts"
import type { Span } from "../span.ts"
import type { PlainForm } from "../spool/plain-form.ts"
import type { Origin, SpoolRecord } from "../spool/record-format.ts"
import type { RecordRun } from "../spool/record-run.ts"
import { PlainRecord } from "./plain-record.ts"

/**
 * What lies between taking a record and sending it: the spool on disk, memory, or first memory and then disk. It gives back in the
 * order of its sequences what was put in, and keeps it until it is released (SINK-4).
 */
export interface Journal {
  /** `spool:<id>`: stands in checkpoints and in hd.pub; the same as long as its sequences go on. */
  readonly id: string
  /** It is there again after a crash of the process. */
  readonly persistent: boolean
  /** The sequence that the next record gets. */
  readonly next: number
  /** Returns the sequence, or -1 when it is full; the journal counts these. */
  append(record: BridgeRecord, shard: number, id: string, origin: Origin | null): number
  /** As `append` of a plain message with that form, whose value lies in `source` from `from` up to `to`. */
  appendPlain(form: PlainForm, source: Span, from: number, to: number, timestamp: number): number
  /** Resolves when all up to this sequence, it included, survives what the journal survives. Rejects when that cannot be any more. */
  whenDurable(sequence: number): Promise<void>
  /** Somebody waits: what was appended becomes durable, and can be read, as soon as possible. */
  hurry(): void
  /** The next records in order, at least one; a jump in the sequences means that some were dropped. Null = closed. */
  read(): Promise<readonly SpoolRecord[] | RecordRun | null>
  /** Everything below may be forgotten. */
  release(below: number): void
  close(): Promise<void>
}

/** What a record takes in memory, roughly: with its object, its view and its place in lists. */
export function memoryOf(record: BridgeRecord): number {
  if (record instanceof PlainRecord) return record.memory
  let size = 256 + record.subject.length + (record.value?.length ?? 0)
  const { headers } = record
  for (let i = 0; i < headers.length; i++) size += 96 + headers[i][1].length
  return size
}
