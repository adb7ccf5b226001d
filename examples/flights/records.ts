import { fileURLToPath } from "node:url"
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet"
import { compressors } from "hyparquet-compressors"

/** One departure of the United States in 2001, as the npm package `vega-datasets` ships three million of them. */
export interface Flight {
  /** Row in the file: proves later that each came exactly once. */
  id: number
  /** Minutes; negative = early. */
  delay: number
  /** Miles. */
  distance: number
  origin: string
  destination: string
}

/** The package exports its code (build/) only; the data lies beside it. */
const FILE = fileURLToPath(new URL("../data/flights-3m.parquet", import.meta.resolve("vega-datasets")))

/** Part of the file: rows from `start` up to `end`. */
export interface Part {
  start: number
  end: number
}

/** The row groups of the file, cut off after `limit` records. */
export async function partsOf(limit: number): Promise<Part[]> {
  const { row_groups } = await parquetMetadataAsync(await asyncBufferFromFile(FILE))
  const parts: Part[] = []
  let start = 0
  for (const group of row_groups) {
    const end = Math.min(limit, start + Number(group.num_rows))
    if (start < end) parts.push({ start, end })
    start = end
  }
  return parts
}

export async function readPart({ start, end }: Part): Promise<Flight[]> {
  const file = await asyncBufferFromFile(FILE)
  const columns = ["delay", "distance", "origin", "destination"]
  const rows = await parquetReadObjects({ file, compressors, columns, rowStart: start, rowEnd: end })
  return rows.map((row, index) => ({
    id: start + index,
    delay: Number(row.delay),
    distance: Number(row.distance),
    origin: String(row.origin),
    destination: String(row.destination),
  }))
}
