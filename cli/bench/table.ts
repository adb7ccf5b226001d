import { bytes, whole } from "../units.ts"
import type { Figures } from "./send.ts"

interface Column {
  /** Two lines. */
  head: readonly [string, string]
  width: number
  text(figures: Figures): string
}

const COLUMNS: readonly Column[] = [
  { head: ["", "size"], width: 8, text: row => `${whole(row.size)} B` },
  { head: ["", "messages/s"], width: 12, text: row => whole(row.messagesPerSecond) },
  { head: ["", "bytes/s"], width: 10, text: row => bytes(row.bytesPerSecond) },
  { head: ["round trip", "p50 µs"], width: 12, text: row => micros(row.roundTrip.p50) },
  { head: ["", "p90"], width: 8, text: row => micros(row.roundTrip.p90) },
  { head: ["", "p99"], width: 8, text: row => micros(row.roundTrip.p99) },
  { head: ["", "p99.9"], width: 8, text: row => micros(row.roundTrip.p999) },
  { head: ["", "max"], width: 9, text: row => micros(row.roundTrip.max) },
]
/** The first column, which is text. */
const NAME = 24

/** Lines of a fixed width, so that each can be printed as soon as it is measured. */
export function headLines(): string[] {
  return [0, 1].map(line => {
    const cells = COLUMNS.map(({ head, width }) => head[line].padStart(width))
    return `${(line === 0 ? "" : "transport").padEnd(NAME)}${cells.join("")}`.trimEnd()
  })
}

export function rowLine(name: string, figures: Figures): string {
  return name.padEnd(NAME) + COLUMNS.map(({ width, text }) => text(figures).padStart(width)).join("")
}

function micros(value: number): string {
  return value < 100 ? value.toFixed(1) : whole(value)
}
