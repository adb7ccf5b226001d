import type { SpoolReader } from "./reader.ts"

/** The first record below `end` whose timestamp is `timestamp` (milliseconds since 1970) or later; otherwise where reading ended. Closes the reader. */
export async function findByTime(reader: SpoolReader, end: () => number, timestamp: number): Promise<number> {
  try {
    while (reader.position < end()) {
      const batch = await reader.next()
      if (batch === null) break
      for (const record of batch.records) if (record.timestamp >= timestamp) return record.sequence
    }
    return reader.position
  } finally {
    await reader.close()
  }
}
