import Table from "cli-table3"
import type { Row, Tally } from "./tally.ts"

const REFRESH = 250 // milliseconds
const LINE_EVERY = 1_000 // milliseconds

/** On a terminal a table that is drawn over itself, with what is told above it; elsewhere a line now and then. */
export class Display {
  private readonly live = process.stdout.isTTY === true
  private readonly tally: Tally
  private readonly timer: NodeJS.Timeout
  private height = 0
  private before: ReadonlyMap<string, number>
  private beforeAt = performance.now()
  private rates: ReadonlyMap<string, number> = new Map()

  constructor(tally: Tally) {
    this.tally = tally
    this.before = this.counts()
    this.timer = setInterval(() => this.refresh(), this.live ? REFRESH : LINE_EVERY)
  }

  /** A line that stays. */
  say(text: string): void {
    this.erase()
    console.log(text)
    if (this.live) this.refresh()
  }

  stop(): void {
    clearInterval(this.timer)
    if (this.live) this.refresh()
  }

  private refresh(): void {
    const seconds = (performance.now() - this.beforeAt) / 1000
    // Over too short a time a rate says nothing.
    if (seconds * 1000 >= REFRESH / 2) {
      const now = this.counts()
      this.rates = new Map([...now].map(([name, count]) => [name, (count - (this.before.get(name) ?? 0)) / seconds]))
      this.before = now
      this.beforeAt = performance.now()
    }
    const rows = [...this.tally.rows.values()].sort((a, b) => a.name.localeCompare(b.name))
    if (this.live) this.draw(rows)
    else this.line(rows)
  }

  private counts(): ReadonlyMap<string, number> {
    return new Map([...this.tally.rows.values()].map(({ name, messages }) => [name, messages]))
  }

  private draw(rows: readonly Row[]): void {
    const table = new Table({
      head: ["process", "", "messages", "per second", "tasks", "answers"],
      colAligns: ["left", "left", "right", "right", "right", "right"],
      style: { head: ["bold"], border: [] },
    })
    for (const row of rows) {
      const counts = [row.messages, this.rates.get(row.name) ?? 0, row.tasks, row.answers]
      table.push([row.name, row.state, ...counts.map(count => (count === 0 ? "" : number(count)))])
    }
    const text = table.toString()
    this.erase()
    console.log(text)
    this.height = text.split("\n").length
  }

  private line(rows: readonly Row[]): void {
    const workers = rows.filter(({ name }) => name.startsWith("worker"))
    console.log(`  a second: ${workers.map(({ name }) => `${name} ${number(this.rates.get(name) ?? 0)}`).join(", ")}`)
  }

  private erase(): void {
    if (this.height > 0) process.stdout.write(`\x1b[${this.height}A\x1b[J`)
    this.height = 0
  }
}

export function number(value: number): string {
  return Math.round(value).toLocaleString("en-US")
}
