import fs from "node:fs/promises"
import path from "node:path"
import { HeddleError } from "../../core/errors.ts"
import type { Spool } from "../spool/spool.ts"

/** In the folder of the spool: the number of shards that its records were divided by. */
const FILE = "shards"

/**
 * Another number of shards sends the records of one subject from two of them, and in another order. So it changes only while nothing waits
 * (SINK-1); with `coordination: "none"` nobody else would notice. Throws ERR_CONFIG.
 */
export async function checkShardCount(spool: Spool, connector: string, shards: number): Promise<void> {
  const file = path.join(spool.folder, FILE)
  const text = await fs.readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return ""
    throw error
  })
  const before = /^\d{1,6}\n$/.test(text) ? Number(text) : shards
  if (text === `${shards}\n`) return
  const waiting = spool.next - spool.released
  if (before !== shards && waiting > 0) {
    throw new HeddleError(
      "ERR_CONFIG",
      `Connector ${connector}: ${waiting} records wait in ${spool.folder}, divided into ${before} shards, and shards is ${shards}. To change it, run with shards ${before} until the spool is empty`,
    )
  }
  // Renamed, so that a crash leaves the old one or the new one.
  await fs.writeFile(`${file}.tmp`, `${shards}\n`, { mode: 0o600 })
  await fs.rename(`${file}.tmp`, file)
}
