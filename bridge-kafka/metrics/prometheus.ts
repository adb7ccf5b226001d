/** Prometheus' text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats). */
import type { Family, Series } from "./family.ts"
import { Histogram } from "./metric.ts"

export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

/** One page for a scrape. Families without series are left out. */
export function prometheusText(families: Iterable<Family>): string {
  const lines: string[] = []
  for (const family of families) {
    const series = [...family.series()]
    if (series.length === 0) continue
    lines.push(`# HELP ${family.name} ${family.help.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")}`)
    lines.push(`# TYPE ${family.name} ${family.type}`)
    for (const one of series) append(lines, family, one)
  }
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`
}

function append(lines: string[], { name, labelNames }: Family, { values, metric }: Series): void {
  const labels = labelNames.map((label, at) => `${label}="${escaped(values[at])}"`)
  if (metric instanceof Histogram) histogram(lines, name, labels, metric)
  else lines.push(`${name}${braced(labels)} ${number(metric.current)}`)
}

function histogram(lines: string[], name: string, labels: readonly string[], metric: Histogram): void {
  let below = 0
  metric.counts.forEach((count, at) => {
    below += count
    const bound = at < metric.bounds.length ? number(metric.bounds[at]) : "+Inf"
    lines.push(`${name}_bucket${braced([...labels, `le="${bound}"`])} ${number(below)}`)
  })
  lines.push(`${name}_sum${braced(labels)} ${number(metric.sum)}`, `${name}_count${braced(labels)} ${number(below)}`)
}

function braced(labels: readonly string[]): string {
  return labels.length === 0 ? "" : `{${labels.join(",")}}`
}

function escaped(value: string): string {
  return value.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/"/g, '\\"')
}

function number(value: number): string {
  if (Number.isFinite(value)) return String(value)
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf"
}

/** The same for `$BRIDGE.<name>.stats`: plain data. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** Of a histogram: how many values. */
  readonly value: number
  /** Of a histogram: their sum. */
  readonly sum?: number
}

export function samples(families: Iterable<Family>): Sample[] {
  const found: Sample[] = []
  for (const family of families) {
    const { name } = family
    for (const { values, metric } of family.series()) {
      const labels = Object.fromEntries(family.labelNames.map((label, at) => [label, values[at]]))
      if (metric instanceof Histogram) found.push({ name, labels, value: metric.count, sum: metric.sum })
      else found.push({ name, labels, value: metric.current })
    }
  }
  return found
}
