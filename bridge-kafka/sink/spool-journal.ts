import type { BridgeRecord } from "../record.ts"
import type { Span } from "../span.ts"
import type { PlainForm } from "../spool/plain-form.ts"
import type { SpoolReader } from "../spool/reader.ts"
import type { Origin, SpoolRecord } from "../spool/record-format.ts"
import type { RecordRun } from "../spool/record-run.ts"
import type { Spool } from "../spool/spool.ts"
import type { Journal } from "./journal.ts"
import { SPOOL } from "./ledger.ts"

/**
 * `spool.mode: always`. In exactly-once the reader gives out durable records only: a checkpoint may name a position that a crash of the host
 * cannot take back, otherwise new records would get sequences that are thought stored. At-least-once reads `ahead`: what Kafka has need not be on the disk.
 */
export class SpoolJournal implements Journal {
  readonly id: string
  readonly persistent = true
  private readonly spool: Spool
  private readonly reader: SpoolReader

  constructor(spool: Spool, ahead = false) {
    this.spool = spool
    this.id = `${SPOOL}${spool.id}`
    this.reader = spool.reader({ from: spool.released, ahead })
  }

  get next(): number {
    return this.spool.next
  }

  append(record: BridgeRecord, shard: number, id: string, origin: Origin | null): number {
    return this.spool.append(record, shard, id, origin)
  }

  appendPlain(form: PlainForm, source: Span, from: number, to: number, timestamp: number): number {
    return this.spool.appendPlain(form, source, from, to, timestamp)
  }

  whenDurable(sequence: number): Promise<void> {
    return this.spool.whenDurable(sequence)
  }

  hurry(): void {
    this.spool.hurry()
  }

  async read(): Promise<readonly SpoolRecord[] | RecordRun | null> {
    const batch = await this.reader.next()
    return batch === null ? null : (batch.run ?? batch.records)
  }

  release(below: number): void {
    this.spool.release(below)
  }

  /** The spool itself belongs to whoever opened it. */
  close(): Promise<void> {
    return this.reader.close()
  }
}
