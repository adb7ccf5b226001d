import type { BridgeRecord } from "../record.ts"
import { SpoolJournal } from "../sink/spool-journal.ts"
import type { Origin } from "../spool/record-format.ts"
import type { Spool } from "../spool/spool.ts"

/**
 * Takes a message with an own id once, also while the first of them is on its way to the disk and no ledger knows it yet: who brings it
 * again gets the sequence of the first, and waits for that.
 */
export class OnceJournal extends SpoolJournal {
  /** Sequences by shard and id. */
  private readonly pending = new Map<string, number>()
  private readonly most: number

  /** `most`: ids on their way that are remembered, as many as a ledger would (`dedup.ids`). */
  constructor(spool: Spool, most: number) {
    super(spool)
    this.most = most
  }

  override append(record: BridgeRecord, shard: number, id: string, origin: Origin | null): number {
    if (id === "") return super.append(record, shard, id, origin)
    const key = `${shard} ${id}`
    const known = this.pending.get(key)
    if (known !== undefined) return known
    const sequence = super.append(record, shard, id, origin)
    if (sequence < 0) return sequence
    this.pending.set(key, sequence)
    if (this.pending.size > this.most) this.pending.delete(this.pending.keys().next().value as string)
    return sequence
  }

  /** A ledger knows it now. */
  known(shard: number, id: string): void {
    this.pending.delete(`${shard} ${id}`)
  }
}
