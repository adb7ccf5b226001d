import Table from "cli-table3"
import type { Metric, Scenario } from "../scenarios/scenario.ts"
import { figure, ratio, size } from "./format.ts"
import type { Header, Row } from "./report.ts"

/** The cells of a table, without a form. */
export interface Grid {
  /** Name and unit in two lines. */
  readonly head: readonly string[]
  readonly lines: readonly (readonly string[])[]
}

/** The rows of one scenario as a table for a terminal. */
export function scenarioTable(scenario: Scenario, rows: readonly Row[]): string {
  const { head, lines } = scenarioGrid(scenario, rows)
  const colAligns = head.map((_, column) => (column === 1 ? "left" : "right") as "left" | "right")
  const table = new Table({ head: [...head], colAligns, style: { head: [], border: [], compact: true } })
  table.push(...lines.map(line => [...line]))
  return `${scenario.name}: ${scenario.about}\n${table.toString()}`
}

/** A line for each size and peer, with the median of each metric and its spread. */
export function scenarioGrid(scenario: Scenario, rows: readonly Row[]): Grid {
  const metrics = [...scenario.metrics, ...(scenario.growths ?? []).map(growth => growth.metric)]
  const grid: string[][] = []
  const lines = new Map<string, Row[]>()
  for (const row of rows) {
    const key = `${row.size}\n${row.peer}`
    lines.set(key, [...(lines.get(key) ?? []), row])
  }
  let last = -1
  for (const line of lines.values()) {
    const { size: value, peer } = line[0]
    const texts = metrics.flatMap(metric =>
      columns(
        metric,
        line.find(row => row.metric === metric.name),
      ),
    )
    grid.push([value === last ? "" : size(value, scenario.sizeUnit), peer, ...texts])
    last = value
  }
  return { head: [scenario.sizeUnit, "peer", ...metrics.flatMap(heading)], lines: grid }
}

function heading({ name, unit, better }: Metric): string[] {
  const title = `${name}\n${unit}`
  return better === null ? [title] : [title, "min..max", "to Heddle"]
}

function columns(metric: Metric, row: Row | undefined): string[] {
  const texts = cells(metric, row)
  return metric.better === null ? texts.slice(0, 1) : texts
}

function cells({ remark }: Metric, row: Row | undefined): string[] {
  if (!row) return ["-", "", ""]
  if (row.median === null || row.min === null || row.max === null) return ["FAILED", "", ""]
  const word = remark?.(row.median) ?? null
  const text = figure(row.median)
  return [word === null ? text : `${word} ${text}`, `${figure(row.min)}..${figure(row.max)}`, ratio(row.ratioToHeddle)]
}

/** What the figures are worth: machine, versions, and all that is not in the tables. */
export function headerText(header: Header): string {
  const { machine } = header
  const busy = machine.load > machine.cores / 4
  const lines = [
    ...(busy ? [`BUSY: the load average was ${machine.load} before the run began; trust only ratios`] : []),
    `${machine.cpu}, ${machine.cores} cores, ${figure(machine.memory / 2 ** 30)} GiB, ${machine.system}, Node ${header.node}`,
    `commit ${header.commit ?? "none"}, ${header.date}, medians of ${header.rounds} rounds of about ${header.roundSeconds} s`,
    `"to Heddle" is the peer's figure divided by that of Heddle's first row; HWM ${header.highWaterMark} for all with such a queue`,
    ...Object.entries(header.versions).map(([peer, version]) => `${peer}: ${version}`),
    ...header.absent.map(
      ({ peer, scenario, reason }) => `absent${scenario ? ` in ${scenario}` : ""}: ${peer}: ${reason}`,
    ),
    ...header.failures.map(
      ({ scenario, size: value, peer, rounds, message }) =>
        `FAILED: ${scenario} ${value} ${peer} (${rounds} ${rounds === 1 ? "round" : "rounds"}): ${message}`,
    ),
  ]
  return lines.join("\n")
}
