import Table from "cli-table3"
import type { Report } from "./roles.ts"

const REFRESH = 250 // milliseconds

/** A table of all processes that is drawn over itself on a terminal, and not at all elsewhere. */
export class Screen {
  private readonly live = process.stdout.isTTY === true
  private lines = 0
  private lastDraw = 0
  private last = new Map<string, { at: number; moved: number; rate: number }>()

  draw(reports: Iterable<Report>, force = false): void {
    const now = performance.now()
    if (!this.live || (now - this.lastDraw < REFRESH && !force)) return
    this.lastDraw = now
    const text = this.table(reports, now)
    process.stdout.write(`${this.lines > 0 ? `\x1b[${this.lines}A` : ""}\x1b[J${text}\n`)
    this.lines = text.split("\n").length
  }

  private table(reports: Iterable<Report>, now: number): string {
    const table = new Table({
      head: ["process", "received", "sent", "per second", ""],
      colAligns: ["left", "right", "right", "right", "left"],
      style: { head: process.stdout.isTTY ? ["bold"] : [], border: [] },
    })
    for (const { name, received, sent, done } of reports) {
      const rate = done ? 0 : this.rate(name, received + sent, now)
      table.push([name, number(received), number(sent), number(rate), done ? "done" : ""])
    }
    return table.toString()
  }

  private rate(name: string, moved: number, now: number): number {
    const before = this.last.get(name)
    if (before !== undefined && moved === before.moved) return before.rate
    const rate = before === undefined ? 0 : Math.round(((moved - before.moved) / (now - before.at)) * 1000)
    this.last.set(name, { at: now, moved, rate })
    return rate
  }
}

export function number(value: number): string {
  return value.toLocaleString("en-US")
}

export interface Check {
  what: string
  heddle: string
  file: string
  equal: boolean
}

export function checkTable(checks: readonly Check[]): string {
  const table = new Table({
    head: ["figure", "through the fabric", "from the file", ""],
    colAligns: ["left", "right", "right", "left"],
    style: { head: process.stdout.isTTY ? ["bold"] : [], border: [] },
  })
  for (const { what, heddle, file, equal } of checks) table.push([what, heddle, file, equal ? "equal" : "DIFFERENT"])
  return table.toString()
}
