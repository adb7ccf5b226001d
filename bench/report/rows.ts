import type { Metric, Sample } from "../scenarios/scenario.ts"
import { spread } from "../stats.ts"
import type { Row } from "./report.ts"

/** The samples of one contestant at one size, one sample a round. */
export interface Measured {
  readonly scenario: string
  readonly size: number
  readonly peer: string
  readonly samples: readonly Sample[]
}

const REFERENCE = "heddle"

/** One row for each contestant and metric, in the order given. */
export function toRows(all: readonly Measured[], metrics: readonly Metric[]): Row[] {
  return withRatios(all.flatMap(measured => metrics.map(metric => toRow(measured, metric)).filter(row => row !== null)))
}

/** Null for a metric that this peer does not have although it was measured (the heap of a program in C). */
function toRow({ scenario, size, peer, samples }: Measured, { name, unit }: Metric): Row | null {
  const values = samples.map(sample => sample[name]).filter(value => value !== undefined)
  if (values.length === 0 && samples.length > 0) return null
  const figures = values.length > 0 ? spread(values) : { median: null, min: null, max: null }
  return { scenario, size, peer, metric: name, ...figures, unit, ratioToHeddle: null }
}

/** Rows of a further metric: medians of `of`, divided by the same peer's at its smallest size. */
export function growthRows(rows: readonly Row[], of: string, { name, unit }: Metric): Row[] {
  const source = rows.filter(row => row.metric === of)
  const grown = source.map(row => {
    const sizes = source.filter(other => other.peer === row.peer).map(other => other.size)
    const base = source.find(other => other.peer === row.peer && other.size === Math.min(...sizes))?.median
    const by = (value: number | null) => (value === null || !base ? null : value / base)
    return { ...row, metric: name, unit, median: by(row.median), min: by(row.min), max: by(row.max) }
  })
  return withRatios(grown)
}

/** Heddle's first row of a scenario, size and metric is what the others are compared with. */
function withRatios(rows: readonly Row[]): Row[] {
  return rows.map(row => {
    const heddle = rows.find(
      other =>
        other.peer.split(" ")[0] === REFERENCE &&
        other.scenario === row.scenario &&
        other.size === row.size &&
        other.metric === row.metric,
    )
    return { ...row, ratioToHeddle: quotient(row.median, heddle?.median ?? null) }
  })
}

/** Null when one was not measured, or noise made it negative, or it is a quotient by nothing. */
function quotient(value: number | null, by: number | null): number | null {
  return value === null || by === null || value < 0 || by <= 0 ? null : value / by
}
