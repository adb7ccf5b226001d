/** What a folder holds when it is opened (SPOOL-2): whole segments, and a last one whose tail a crash may have torn. */
import fs, { type FileHandle } from "node:fs/promises"
import path from "node:path"
import { damaged } from "./damage.ts"
import { syncFolder } from "./disk.ts"
import type { MarkFile } from "./mark.ts"
import { blockBuffer, fault, hasSyncPoint, readBlock } from "./record-blocks.ts"
import { PREFIX_SIZE, readU32, timestampAt } from "./record-format.ts"
import { indexFileOf, parseSegmentName, readSegmentHeader, SEGMENT_HEADER_SIZE, Segment } from "./segment.ts"
import { SparseIndex } from "./sparse-index.ts"

export interface Recovered {
  /** In order, without holes; at least one. */
  readonly segments: Segment[]
  /** Of the last segment; null when it has no file yet. */
  readonly file: FileHandle | null
  /** What was cut off as a torn tail; null when nothing was. */
  readonly cut: TornTail | null
}

export interface TornTail {
  readonly file: string
  /** Where the file ends now. */
  readonly offset: number
  /** How many bytes were cut off. */
  readonly bytes: number
  /** What was wrong there. */
  readonly why: string
}

/** Throws ERR_SPOOL for damage that is no torn tail. Only when nothing is damaged it changes anything. */
export async function recover(folder: string, mark: MarkFile): Promise<Recovered> {
  const names = await fs.readdir(folder)
  const found: Segment[] = []
  const firsts = names.map(parseSegmentName).filter(first => first !== null)
  firsts.sort((a, b) => a - b)
  let torn: Torn | null = null
  for (const first of firsts) {
    const last = first === firsts.at(-1)
    const file = new Segment(folder, first, 0).file
    const indexed = last ? null : await fromIndex(folder, first)
    if (indexed !== null) found.push(indexed)
    else {
      const scan = await scanSegment(folder, first)
      if (scan.why !== null) {
        if (!last || scan.segment.end < mark.synced || scan.syncedBehind)
          throw damaged(file, scan.segment.bytes, scan.why)
        torn = { why: scan.why, size: scan.size }
      }
      found.push(scan.segment)
    }
  }
  const segments = withoutHoles(found, mark)
  if (segments.length === 0) {
    const first = Math.max(mark.released, mark.synced)
    if (first > 0)
      throw damaged(path.join(folder, "mark"), 0, `it tells of records up to ${first}, but there is no segment`)
    segments.push(new Segment(folder, 0, Date.now()))
  }
  const end = (segments.at(-1) as Segment).end
  if (end < mark.synced)
    throw damaged(
      (segments.at(-1) as Segment).file,
      0,
      `records ${end} to ${mark.synced - 1} are missing behind its end`,
    )
  await tidy(folder, names, segments)
  return settle(folder, segments, torn)
}

interface Torn {
  readonly why: string
  readonly size: number
}

/** Cuts the tail, and makes sure that what was read is on the disk, not only in the memory of the system. */
async function settle(folder: string, segments: Segment[], torn: Torn | null): Promise<Recovered> {
  const last = segments.at(-1) as Segment
  const cut =
    torn === null ? null : { file: last.file, offset: last.bytes, bytes: torn.size - last.bytes, why: torn.why }
  if (last.bytes === 0) {
    // Its making was interrupted before its header was whole: it is made anew with its first record.
    await fs.rm(last.file, { force: true })
    await syncFolder(folder)
    return { segments, file: null, cut }
  }
  const file = await fs.open(last.file, "r+")
  try {
    if (torn !== null) await file.truncate(last.bytes)
    await file.sync()
    await syncFolder(folder)
    return { segments, file, cut }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Segments are freed from the first on; what a crash left of that lies below the release mark. */
function withoutHoles(found: readonly Segment[], mark: MarkFile): Segment[] {
  let from = 0
  for (let i = 1; i < found.length; i++) {
    const missing = found[i - 1].end
    if (found[i].first === missing) continue
    if (found[i].first > mark.released || found[i].first < missing)
      throw damaged(found[i].file, 0, `it begins with record ${found[i].first}, but ${missing} was expected`)
    from = i
  }
  const segments = found.slice(from)
  if (segments.length > 0 && segments[0].first > mark.released)
    throw damaged(segments[0].file, 0, `records ${mark.released} to ${segments[0].first - 1} before it are missing`)
  return segments
}

/** Removes what no segment in use belongs to: interrupted work, and indexes and segments that were being freed. */
async function tidy(folder: string, names: readonly string[], segments: readonly Segment[]): Promise<void> {
  const wanted = new Set(segments.flatMap(segment => [segment.file, segment.indexFile]))
  for (const name of names) {
    const file = path.join(folder, name)
    const ours = name.endsWith(".tmp") || parseSegmentName(name.replace(/\.index$/, ".log")) !== null
    if (ours && !wanted.has(file)) await fs.rm(file, { force: true })
  }
}

/** Null: there is none that fits the segment's file. */
async function fromIndex(folder: string, first: number): Promise<Segment | null> {
  const { file } = new Segment(folder, first, 0)
  const bytes = await fs.readFile(indexFileOf(file)).catch(() => null)
  const known = bytes === null ? null : SparseIndex.decode(bytes)
  if (known === null || known.first !== first || known.bytes !== (await fs.stat(file)).size) return null
  return new Segment(folder, first, known.created, known.bytes, known.end, known.index)
}

interface Scan {
  /** As far as it is good: `bytes` is 0 when the header is not. */
  readonly segment: Segment
  readonly size: number
  /** What is wrong behind that; null when the file ends there. */
  readonly why: string | null
  /** Something behind the fault was written after a sync of all before it: no torn tail. */
  readonly syncedBehind: boolean
}

async function scanSegment(folder: string, first: number): Promise<Scan> {
  const { file: name } = new Segment(folder, first, 0)
  const file = await fs.open(name, "r")
  try {
    const { size } = await file.stat()
    const buffer = blockBuffer()
    const header = readSegmentHeader(await readBlock(file, 0, Math.min(size, SEGMENT_HEADER_SIZE), buffer))
    if (header === null || header.first !== first) {
      const syncedBehind = await hasSyncPoint(file, 0, size, first - 1)
      return { segment: new Segment(folder, first, Date.now()), size, why: "it has no whole header", syncedBehind }
    }
    const segment = new Segment(folder, first, header.created, SEGMENT_HEADER_SIZE)
    // The time of appending is not in the record; the publisher's is near it, where it is sane.
    let appended = header.created
    const clock = (): number => appended
    while (segment.bytes < size) {
      const block = await readBlock(file, segment.bytes, size, buffer)
      for (let at = 0; at < block.length; ) {
        const why = fault(block, at, block.length, segment.end)
        if (why !== null && at > 0) break // It may go on in the next block.
        if (why !== null) {
          const syncedBehind = await hasSyncPoint(file, segment.bytes, size, segment.end)
          return { segment, size, why, syncedBehind }
        }
        const timestamp = timestampAt(block, at)
        if (timestamp > appended) appended = Math.min(timestamp, Date.now())
        segment.index.add(segment.end, segment.bytes, timestamp, clock)
        const length = PREFIX_SIZE + readU32(block, at)
        at += length
        segment.bytes += length
        segment.end++
      }
      if (block.length === 0) break
    }
    return { segment, size, why: null, syncedBehind: false }
  } finally {
    await file.close()
  }
}
