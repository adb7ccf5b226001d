import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { setImmediate as nextTurn } from "node:timers/promises"
import type { BridgeRecord } from "../../../../bridge-kafka/record.ts"
import { Spool } from "../../../../bridge-kafka/spool/spool.ts"
import { subjectOf } from "../../../kafka/settings.ts"
import type { Arguments } from "../../../task.ts"
import type { Parent } from "../../parent.ts"
import { ownProcessorTime } from "../../publishing.ts"

/** Records between two turns of the event loop. */
const BURST = 500
/** Records that may wait for the disk. */
const AHEAD = 100_000

/** Appends, with a reader behind that releases: records are counted when they are durable and read. */
export async function spool(task: Arguments, parent: Parent): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), "heddle-bench-spool-"))
  parent.onHangUp(() => rmSync(folder, { recursive: true, force: true }))
  const log = await Spool.open({ folder })
  const warm = task.number("warm")
  const total = warm + task.number("count")
  let read = 0
  let began = 0
  let cpu = 0
  let counted = 0
  const reader = log.reader()
  const reading = (async () => {
    while (read < total) {
      const chunk = await reader.next()
      if (chunk === null) throw new Error("the spool was closed")
      read += chunk.records.length
      log.release(read)
      if (began === 0 && read >= warm) {
        began = performance.now()
        cpu = ownProcessorTime()
        counted = total - read
      }
    }
  })()
  const records = Array.from({ length: 100 }, (_, index) => recordOf(index, task.number("size")))
  for (let sent = 0; sent < total; ) {
    for (let i = 0; i < BURST && sent < total && sent - read < AHEAD; i++, sent++)
      // No room until the disk has more of it.
      if (log.append(records[sent % records.length], sent & 15) < 0) break
    await nextTurn()
  }
  await reading
  const seconds = (performance.now() - began) / 1000
  parent.result({ seconds, count: counted, cpu: ownProcessorTime() - cpu })
  await reader.close()
  await log.close()
  await parent.gone
}

function recordOf(index: number, size: number): BridgeRecord {
  return {
    subject: subjectOf(index),
    topic: "",
    partition: -1,
    key: null,
    value: Buffer.alloc(size, "x"),
    headers: [["hd.codec", Buffer.from("bytes")]],
    timestamp: 1_700_000_000_000,
  }
}
