import { linkKey } from "./links.ts"
import type { History, Sheet } from "./sheet.ts"

/** Points of a curve: a minute at the usual interval. */
export const POINTS = 60

/** Curves that are kept: as many as sheets name at a time, and some that have just gone. */
const MOST_CURVES = 1_000

/** What pages that come later show of the time before. */
export class Past {
  private readonly published: number[] = []
  private readonly bytesSent: number[] = []
  private readonly dropped: number[] = []
  private readonly subjects = new Map<string, number[]>()
  private readonly links = new Map<string, number[]>()

  add(sheet: Sheet): void {
    append(this.published, sheet.published)
    append(this.bytesSent, sheet.bytesSent)
    append(this.dropped, sheet.dropped)
    addAll(this.subjects, new Map(sheet.subjects.map(one => [one.subject, one.published || one.received])))
    const measured = new Map<string, number>()
    for (const { a, b, roundTrip } of sheet.links) if (roundTrip !== null) measured.set(linkKey(a, b), roundTrip)
    addAll(this.links, measured)
  }

  history(): History {
    const { published, bytesSent, dropped, subjects, links } = this
    return { published, bytesSent, dropped, subjects: Object.fromEntries(subjects), links: Object.fromEntries(links) }
  }
}

function append(curve: number[], value: number): void {
  // Three digits are more than a curve of 20 pixels shows.
  curve.push(Number(value.toPrecision(3)))
  if (curve.length > POINTS) curve.shift()
}

function addAll(curves: Map<string, number[]>, now: ReadonlyMap<string, number>): void {
  for (const [key, value] of now) {
    let curve = curves.get(key)
    if (curve === undefined) {
      curve = []
      curves.set(key, curve)
    }
    append(curve, value)
  }
  for (const [key, curve] of curves) {
    if (now.has(key)) continue
    append(curve, 0)
    if (curves.size > MOST_CURVES || curve.every(value => value === 0)) curves.delete(key)
  }
}
