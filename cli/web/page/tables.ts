import type { DropView, History, Sheet, SlowView } from "../sheet.ts"
import { append, Curve } from "./curve.ts"
import { byId, say } from "./dom.ts"
import { bytes, figure, milliseconds, plural, whole } from "./format.ts"
import { keyOf } from "./graph.ts"
import { Table } from "./table.ts"

interface Curved {
  readonly key: string
  readonly curve: Curve
  points: number[]
}

interface SubjectRow extends Curved {
  published: number
  received: number
  bytes: number
  total: number
}

interface LinkRow extends Curved {
  name: string
  now: number
}

export interface Chosen {
  subject(subject: string): void
  link(key: string): void
}

function drawCurve({ curve, points }: Curved, cell: HTMLElement): void {
  if (curve.element.parentNode !== cell) cell.replaceChildren(curve.element)
  curve.draw(points)
}

/** The tables of the page, and the curves in them. */
export class Tables {
  private readonly find = byId<HTMLInputElement>("find")
  private readonly subjectRows = new Map<string, SubjectRow>()
  private readonly linkRows = new Map<string, LinkRow>()
  private sheet: Sheet | null = null
  private readonly subjects: Table<SubjectRow>
  private readonly latency: Table<LinkRow>
  private readonly slow: Table<SlowView>
  private readonly drops: Table<DropView>

  constructor(chosen: Chosen) {
    this.subjects = new Table<SubjectRow>(byId<HTMLTableElement>("subjects"), {
      columns: [
        { head: "Subject", kind: "name", value: row => row.key },
        { head: "Published/s", kind: "number", value: row => row.published, text: row => figure(row.published) },
        {
          head: "Received/s",
          title: "By all nodes, without what a node publishes to itself",
          kind: "number",
          value: row => row.received,
          text: row => figure(row.received),
        },
        { head: "Last minute", kind: "drawn", value: row => Math.max(...row.points), draw: drawCurve },
        { head: "Payload", kind: "number", value: row => row.bytes, text: row => `${bytes(row.bytes)}/s` },
        { head: "Total", kind: "number", value: row => row.total, text: row => whole(row.total) },
      ],
      key: row => row.key,
      sort: 1,
      empty: "Nothing has been published.",
      choose: row => chosen.subject(row.key),
    })
    this.latency = new Table<LinkRow>(byId<HTMLTableElement>("latency"), {
      columns: [
        { head: "Link", kind: "name", value: row => row.name },
        { head: "Now", kind: "number", value: row => row.now, text: row => milliseconds(row.now) },
        { head: "Median", kind: "number", value: medianOf, text: row => milliseconds(medianOf(row)) },
        { head: "Worst", kind: "number", value: worstOf, text: row => milliseconds(worstOf(row)) },
        { head: "Last minute", kind: "drawn", value: worstOf, draw: drawCurve },
      ],
      key: row => row.key,
      sort: 2,
      empty: "No link has been measured yet.",
      choose: row => chosen.link(row.key),
    })
    this.slow = new Table<SlowView>(byId<HTMLTableElement>("slow"), {
      columns: [
        { head: "Who", kind: "name", value: row => row.who },
        { head: "What", kind: "name", value: row => row.what },
        { head: "Waiting", kind: "number", value: row => row.queued, text: row => whole(row.queued) },
        {
          head: "Unacknowledged",
          title: "Sent, and kept until it is acknowledged",
          kind: "number",
          value: row => row.bytes,
          text: row => bytes(row.bytes),
        },
        { head: "Dropped", kind: "number", value: row => row.dropped, text: row => whole(row.dropped) },
      ],
      key: row => row.key,
      sort: 3,
      empty: "Everybody keeps up.",
    })
    this.drops = new Table<DropView>(byId<HTMLTableElement>("drops"), {
      columns: [
        { head: "Node", kind: "name", value: row => row.name },
        { head: "Reason", kind: "name", value: row => row.reason },
        { head: "Per second", kind: "number", value: row => row.rate, text: row => figure(row.rate) },
        { head: "In all", kind: "number", value: row => row.total, text: row => whole(row.total) },
      ],
      key: row => `${row.node} ${row.reason}`,
      sort: 2,
      empty: "Nothing was dropped.",
    })
    this.find.addEventListener("input", () => this.showSubjects())
  }

  restore({ subjects, links }: History): void {
    this.subjectRows.clear()
    this.linkRows.clear()
    for (const [key, points] of Object.entries(subjects))
      this.subjectRows.set(key, { ...NO_SUBJECT, key, curve: new Curve(), points: [...points] })
    for (const [key, points] of Object.entries(links))
      this.linkRows.set(key, { key, name: key, now: 0, curve: new Curve(), points: [...points] })
  }

  /** Takes figures and draws nothing. `fresh`: they are not in the history yet. */
  add(sheet: Sheet, fresh: boolean): void {
    this.sheet = sheet
    const names = new Map(sheet.nodes.map(({ id, name }) => [id, name]))
    renew(
      this.subjectRows,
      sheet.subjects.map(({ subject, ...rates }) => [subject, rates]),
      NO_SUBJECT,
    )
    const measured = sheet.links.filter(({ roundTrip }) => roundTrip !== null)
    const links = measured.map(link => {
      const name = `${names.get(link.a) ?? link.a} – ${names.get(link.b) ?? link.b}`
      return [keyOf(link), { name, now: link.roundTrip as number }] as const
    })
    renew(this.linkRows, links, { name: "", now: 0 })
    if (!fresh) return
    for (const row of this.subjectRows.values()) append(row.points, row.published || row.received)
    for (const row of this.linkRows.values()) append(row.points, row.now)
  }

  show(): void {
    if (this.sheet === null) return
    this.showSubjects()
    this.latency.update([...this.linkRows.values()])
    this.slow.update(this.sheet.slow)
    this.drops.update(this.sheet.drops)
  }

  markSubject(subject: string): void {
    this.subjects.mark(subject)
  }

  markLink(key: string): void {
    this.latency.mark(key)
  }

  private showSubjects(): void {
    const wanted = this.find.value.trim().toLowerCase()
    const rows = [...this.subjectRows.values()]
    this.subjects.update(rows.filter(({ key }) => key.toLowerCase().includes(wanted)))
    const more = this.sheet?.more.subjects ?? 0
    say(byId("subjects-note"), more > 0 ? `${plural(more, "more subject")}, less busy, not shown.` : "")
  }
}

const NO_SUBJECT = { published: 0, received: 0, bytes: 0, total: 0 }

/** Rows of what a sheet has, others go. */
function renew<Figures extends object>(
  rows: Map<string, Figures & Curved>,
  now: readonly (readonly [string, Figures])[],
  none: Figures,
): void {
  const keys = new Set(now.map(([key]) => key))
  for (const key of rows.keys()) if (!keys.has(key)) rows.delete(key)
  for (const [key, figures] of now) {
    const row = rows.get(key)
    if (row === undefined) rows.set(key, { ...none, ...figures, key, curve: new Curve(), points: [] })
    else Object.assign(row, figures)
  }
}

function medianOf({ points }: Curved): number {
  const sorted = [...points].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? 0
}

function worstOf({ points }: Curved): number {
  return Math.max(0, ...points)
}
