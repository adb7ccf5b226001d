import fs from "node:fs/promises"
import type { MarkFile } from "./mark.ts"
import type { Segment } from "./segment.ts"

/** The segments of a spool in order; the last is being filled. Frees them from the first on. */
export class SegmentList {
  /** Of all, those that are only in memory included. */
  bytes: number
  private readonly segments: Segment[]
  private readonly mark: MarkFile
  /** Told when files are gone. */
  private readonly freed: () => void
  private deleting: Promise<void> = Promise.resolve()

  constructor(segments: Segment[], mark: MarkFile, freed: () => void) {
    this.segments = segments
    this.mark = mark
    this.freed = freed
    this.bytes = 0
    for (const segment of segments) this.bytes += segment.bytes
  }

  get count(): number {
    return this.segments.length
  }

  get oldest(): Segment {
    return this.segments[0]
  }

  /** The one behind the oldest. */
  get second(): Segment | undefined {
    return this.segments[1]
  }

  get active(): Segment {
    return this.segments[this.segments.length - 1]
  }

  add(segment: Segment): void {
    this.segments.push(segment)
    this.bytes += segment.bytes
  }

  /** The segment with that record; undefined when it was freed, or is not there yet. */
  with(sequence: number): Segment | undefined {
    const { segments } = this
    let low = 0
    let high = segments.length - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      if (sequence < segments[middle].first) high = middle - 1
      else if (sequence >= segments[middle].end) low = middle + 1
      else return segments[middle]
    }
    return undefined
  }

  /** The first segment with a record of that time or later. */
  since(timestamp: number): Segment | undefined {
    return this.segments.find(segment => segment.index.latest >= timestamp)
  }

  /**
   * Deletes the oldest; never the last one, whose name keeps the numbers from beginning again. The release mark says that its
   * records are not missed, so it is on the disk before; and files go one by one, so that a crash leaves no hole.
   */
  free(): void {
    const segment = this.segments.shift() as Segment
    this.bytes -= segment.bytes
    this.deleting = this.deleting.then(async () => {
      try {
        await this.mark.save()
        await fs.rm(segment.file, { force: true })
        await fs.rm(segment.indexFile, { force: true })
      } catch {
        // It is found and removed at the next start.
      }
      this.freed()
    })
  }

  /** Resolves when the files of all that was freed are gone. */
  settled(): Promise<void> {
    return this.deleting
  }
}
