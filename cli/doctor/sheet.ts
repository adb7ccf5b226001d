import { printable, tableLines } from "../table.ts"
import { plural } from "../units.ts"
import type { Finding, Level } from "./finding.ts"

/** A finding and the check that it is of. */
export interface Row extends Finding {
  readonly check: string
}

/** What terminals call green, yellow and red (ECMA-48, 8.3.117). */
const COLOURS = { ok: 32, warn: 33, fail: 31 } as const

/** The table, what to do about it, and a sum. */
export function sheet(rows: readonly Row[], coloured: boolean): string[] {
  const [head, ...table] = tableLines(
    COLUMNS,
    rows.map(({ level, check, name, value }) => [level, check, name, value]),
  )
  const lines = [head, ...table.map((line, at) => tinted(line, rows[at].level, coloured))]
  const advised = rows.filter(({ advice = [] }) => advice.length > 0)
  if (advised.length > 0) lines.push("", "What to do:")
  for (const { level, name, advice = [] } of advised) {
    const mark = level === "ok" ? "note" : level
    lines.push(`${tinted(mark, level, coloured)}${" ".repeat(6 - mark.length)}${printable(name)}`)
    for (const one of advice) lines.push(`      ${printable(one)}`)
  }
  return [...lines, "", sum(rows)]
}

/** The word at the beginning of the line has the colour. */
function tinted(line: string, level: Level, coloured: boolean): string {
  const end = /^\w+/.exec(line)?.[0].length ?? 0
  return coloured ? `\x1b[${COLOURS[level]}m${line.slice(0, end)}\x1b[39m${line.slice(end)}` : line
}

function sum(rows: readonly Row[]): string {
  const count = (level: Level): number => rows.filter(row => row.level === level).length
  const [warnings, failures] = [count("warn"), count("fail")]
  if (warnings + failures === 0) return `All ${count("ok")} are well.`
  return `${count("ok")} well, ${plural(warnings, "warning")}, ${plural(failures, "failure")}.`
}

const COLUMNS = [{ head: "" }, { head: "CHECK" }, { head: "WHAT" }, { head: "FOUND" }] as const
