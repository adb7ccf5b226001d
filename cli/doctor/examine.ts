import { version } from "heddle"
import { CommandError, UsageError } from "../exit.ts"
import type { SharedOptions } from "../options.ts"
import type { Run } from "../run.ts"
import { CHECKS } from "./checks.ts"
import { worst } from "./finding.ts"
import { type Row, sheet } from "./sheet.ts"

export interface DoctorFlags extends SharedOptions {
  only?: readonly string[]
  json?: true
}

/** The whole life of `heddle doctor`. False = it was ended before. */
export async function examine(flags: DoctorFlags, run: Run): Promise<boolean> {
  const wanted = chosen(flags.only)
  const rows: Row[] = []
  for (const one of wanted) {
    if (run.ending.begun) return false
    show(`heddle doctor  ${one.name}: ${one.about}`, run)
    const findings = await Promise.race([one.run(), run.ending.wait()])
    if (findings === undefined) break
    rows.push(...findings.map(finding => ({ check: one.name, ...finding })))
  }
  show("", run)
  if (run.ending.begun) return false
  const level = worst(rows)
  const { stdout } = process
  const coloured = stdout.isTTY === true && !process.env.NO_COLOR
  const lines = flags.json ? [JSON.stringify({ heddle: version, level, findings: rows })] : sheet(rows, coloured)
  stdout.write(`${lines.join("\n")}\n`)
  const failed = rows.filter(row => row.level === "fail").map(({ name }) => name)
  if (failed.length > 0) throw new CommandError(`fails: ${failed.join(", ")}`)
  return true
}

/** Throws a UsageError for a name that no check has. */
export function chosen(only: readonly string[] | undefined): typeof CHECKS {
  if (only === undefined) return CHECKS
  const unknown = only.find(name => !CHECKS.some(one => one.name === name))
  if (unknown !== undefined) {
    throw new UsageError(`there is no check "${unknown}"; there are ${CHECKS.map(({ name }) => name).join(", ")}`)
  }
  return CHECKS.filter(({ name }) => only.includes(name))
}

/** On a terminal, what takes its time is named while it does. */
function show(text: string, { options }: Run): void {
  const { stderr } = process
  if (stderr.isTTY && !options.quiet) stderr.write(`\r\x1b[K${text.slice(0, (stderr.columns || 80) - 1)}`)
}
