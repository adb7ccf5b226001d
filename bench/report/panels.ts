import type { Metric, Scenario } from "../scenarios/scenario.ts"
import type { Report, Row } from "./report.ts"

/** One chart: a metric of a scenario, by size and peer. */
export interface Panel {
  readonly scenario: Scenario
  readonly metric: Metric
  readonly rows: readonly Row[]
}

/** Heddle in warm colours, everybody else in cold or grey ones, so that the eye finds it in every panel. */
const COLOURS: Readonly<Record<string, readonly string[]>> = {
  heddle: ["#d1495b", "#e8855b", "#edae49", "#a4243b"],
  raw: ["#b8b8b8"],
  libzmq: ["#30638e"],
  zeromq: ["#00a6a6"],
  nats: ["#6d4c9f"],
  http1: ["#5b6770"],
  http2: ["#3d7ea6"],
  grpc: ["#2e7d5b"],
  ws: ["#8fa8d6"],
  kafka: ["#444444", "#999999"],
}

/** Figures further apart than this are drawn on a logarithmic scale: a bar on a linear one would vanish. */
const WIDE = 30

/** The plotted metrics of a scenario of which there is something to draw. */
export function panelsOf(report: Report, scenario: Scenario): Panel[] {
  return scenario.metrics
    .filter(metric => metric.plotted)
    .map(metric => ({ scenario, metric, rows: rowsOf(report, scenario, metric) }))
    .filter(panel => panel.rows.length > 0)
}

function rowsOf(report: Report, scenario: Scenario, metric: Metric): Row[] {
  return report.rows.filter(
    row => row.scenario === scenario.name && row.metric === metric.name && row.median !== null && row.median > 0,
  )
}

export function titleOf({ name, unit, better }: Metric): string {
  return `${name}, ${unit}${better ? ` (${better} is better)` : ""}`
}

export function scale(values: readonly number[]): { type: "log"; min: number } | { type: "value" } {
  const least = Math.min(...values)
  // A power of ten well below the smallest, so that its bar is seen.
  return Math.max(...values) / least > WIDE
    ? { type: "log", min: 10 ** Math.floor(Math.log10(least / 1.5)) }
    : { type: "value" }
}

/** Each peer once, families in the order of the colours. */
export function inOrder(peers: readonly string[]): string[] {
  const families = Object.keys(COLOURS)
  const place = (peer: string) => families.indexOf(peer.split(" ")[0])
  return [...new Set(peers)].sort((a, b) => place(a) - place(b))
}

export function sizesOf(rows: readonly Row[]): number[] {
  return [...new Set(rows.map(row => row.size))].sort((a, b) => a - b)
}

export function coloursOf(peers: readonly string[]): Map<string, string> {
  const used = new Map<string, number>()
  return new Map(
    peers.map(peer => {
      const family = peer.split(" ")[0]
      const nth = used.get(family) ?? 0
      used.set(family, nth + 1)
      const shades = COLOURS[family] ?? ["#777777"]
      return [peer, shades[nth % shades.length]]
    }),
  )
}
