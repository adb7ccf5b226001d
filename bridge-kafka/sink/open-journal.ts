import type { Spool } from "../spool/spool.ts"
import type { Journal } from "./journal.ts"
import { MemoryJournal } from "./memory-journal.ts"
import { OverflowJournal } from "./overflow-journal.ts"
import type { SinkSettings } from "./settings.ts"
import { SpoolJournal } from "./spool-journal.ts"

/** As `spool.mode` says. `first`: sequence of its oldest record. */
export function openJournal(
  { spoolMode, spoolFull, bufferMemoryBytes, guarantee }: SinkSettings,
  spool: Spool | null,
): { journal: Journal; first: number } {
  if (spoolMode === "off" || spool === null)
    return { journal: new MemoryJournal(bufferMemoryBytes, spoolFull), first: 0 }
  const disk = new SpoolJournal(spool, spoolMode === "always" && guarantee === "at-least-once")
  if (spoolMode === "always") return { journal: disk, first: spool.released }
  const memory = new MemoryJournal(bufferMemoryBytes, "block")
  return { journal: new OverflowJournal(memory, disk, spool.next - spool.released), first: 0 }
}
