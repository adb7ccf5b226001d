import type { StoredAt } from "../driver.ts"
import type { SpoolRecord } from "../spool/record-format.ts"
import type { Spool } from "../spool/spool.ts"
import { type Ledger, sourceKey } from "./ledger.ts"

/**
 * Newest records that are read again at the start. A second of work; publishers have retried long before so many others have come.
 */
const REREAD = 500_000

/**
 * At-least-once keeps no checkpoint: what the ledgers knew before a restart is read from what the spool still has, waiting or retained (DUR-3).
 * `ledgerOf`: null = of no interest. Rejects with ERR_SPOOL.
 */
export async function restoreLedgers(spool: Spool, ledgerOf: (record: SpoolRecord) => Ledger | null): Promise<void> {
  const { released, durable } = spool
  const reader = spool.reader({ from: Math.max(spool.first, durable - REREAD) })
  try {
    while (reader.position < durable) {
      const batch = await reader.next()
      if (batch === null) return
      for (const record of batch.records) {
        if (record.origin === null && record.id === "") continue
        const ledger = ledgerOf(record)
        if (ledger !== null) remember(ledger, record, record.sequence < released ? null : undefined)
      }
    }
  } finally {
    await reader.close()
  }
}

/** That record is in the journal, or, with a place (null: it is not known), stored. */
export function remember(ledger: Ledger, { origin, id }: SpoolRecord, place: StoredAt | null | undefined): void {
  if (origin !== null) {
    const source = ledger.use(sourceKey(origin.publisher, origin.epoch), Date.now())
    source.floor = Math.max(source.floor, origin.floor)
    source.accept(origin.number)
    if (place !== undefined) source.store(origin.number, place, false)
  }
  if (id === "" || place === undefined) return
  ledger.rememberIds([[id, place]])
  // Groups are of use to checkpoints only.
  ledger.takeEmptyIdGroups()
}
