import { writeFileSync } from "node:fs"
import type { Report } from "./report.ts"

/** Six significant digits: more is noise. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value
}

/** `{ header, rows }`: the header indented, each row on a line of its own, so that two runs can be compared by line. */
export function toJson({ header, rows }: Report): string {
  const lines = rows.map(row => `    ${JSON.stringify(row, rounded)}`).join(",\n")
  const head = JSON.stringify(header, null, 2).replaceAll("\n", "\n  ")
  return `{\n  "header": ${head},\n  "rows": [\n${lines}\n  ]\n}\n`
}

export function writeJson(file: string, report: Report): void {
  writeFileSync(file, toJson(report))
}
