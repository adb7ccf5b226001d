import { writeFileSync } from "node:fs"
import type { EChartsOption } from "echarts"
import type { Metric, Scenario } from "../scenarios/scenario.ts"
import { figure, size } from "./format.ts"
import type { Report, Row } from "./report.ts"

const WIDTH = 1200
const PANEL = 300
/** Title, and a legend of two lines. */
const MARGIN_TOP = 150
const COLUMNS = 2

/** Heddle in warm colours, everybody else in cold or grey ones, so that the eye finds it in every panel. */
const COLOURS: Readonly<Record<string, readonly string[]>> = {
  heddle: ["#d1495b", "#e8855b", "#edae49", "#a4243b"],
  raw: ["#b8b8b8"],
  libzmq: ["#30638e"],
  zeromq: ["#00a6a6"],
  nats: ["#6d4c9f"],
}

interface Panel {
  readonly scenario: Scenario
  readonly metric: Metric
  readonly rows: readonly Row[]
}

/** Figures further apart than this are drawn on a logarithmic scale: a bar on a linear one would vanish. */
const WIDE = 30

/** A bar chart for each plotted metric of each scenario, as SVG. */
export async function toSvg(report: Report, scenarios: readonly Scenario[]): Promise<string> {
  // Loaded here, because it is large and most runs draw nothing.
  const echarts = await import("echarts")
  const panels = scenarios.flatMap(scenario =>
    scenario.metrics
      .filter(metric => metric.plotted)
      .map(metric => ({ scenario, metric, rows: rowsOf(report, scenario, metric) }))
      .filter(panel => panel.rows.length > 0),
  )
  const height = MARGIN_TOP + Math.ceil(panels.length / COLUMNS) * PANEL
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height })
  try {
    chart.setOption(option(report, panels))
    return chart.renderToSVGString()
  } finally {
    chart.dispose()
  }
}

export async function writeSvg(file: string, report: Report, scenarios: readonly Scenario[]): Promise<void> {
  writeFileSync(file, await toSvg(report, scenarios))
}

function rowsOf(report: Report, scenario: Scenario, metric: Metric): Row[] {
  return report.rows.filter(
    row => row.scenario === scenario.name && row.metric === metric.name && row.median !== null && row.median > 0,
  )
}

function option({ header }: Report, panels: readonly Panel[]): EChartsOption {
  const peers = inOrder(panels.flatMap(({ rows }) => rows.map(row => row.peer)))
  const colours = colourOf(peers)
  const { cpu, cores } = header.machine
  return {
    animation: false,
    backgroundColor: "#ffffff",
    title: [
      {
        text: "Heddle beside its peers",
        subtext: `${cpu}, ${cores} cores, Node ${header.node}, ${header.date.slice(0, 10)}, commit ${header.commit ?? "none"}, medians of ${header.rounds} rounds`,
        left: "center",
        top: 8,
      },
      ...panels.map(({ scenario, metric }, i) => ({
        text: `${scenario.name}: ${metric.name}, ${metric.unit}${metric.better ? ` (${metric.better} is better)` : ""}`,
        textStyle: { fontSize: 13 },
        left: `${left(i)}%`,
        top: top(i) - 34,
      })),
    ],
    legend: { data: peers, top: 58, left: "center", width: WIDTH - 80, itemGap: 28 },
    grid: panels.map((_, i) => ({ left: `${left(i) + 3}%`, width: "43%", top: top(i), height: PANEL - 90 })),
    xAxis: panels.map(({ scenario, rows }, i) => ({
      type: "category",
      gridIndex: i,
      data: sizesOf(rows).map(value => size(value, scenario.sizeUnit)),
    })),
    yAxis: panels.map(({ rows }, i) => ({
      ...scale(rows.map(row => row.median ?? 0)),
      gridIndex: i,
      axisLabel: { formatter: (value: number) => figure(value) },
    })),
    series: panels.flatMap(({ rows }, i) =>
      peers
        .filter(peer => rows.some(row => row.peer === peer))
        .map(peer => ({
          type: "bar" as const,
          name: peer,
          xAxisIndex: i,
          yAxisIndex: i,
          color: colours.get(peer),
          barGap: "10%",
          barMaxWidth: 60,
          data: sizesOf(rows).map(value => rows.find(row => row.size === value && row.peer === peer)?.median ?? null),
        })),
    ),
  }
}

const left = (panel: number) => 3 + (panel % COLUMNS) * 49
const top = (panel: number) => MARGIN_TOP + 30 + Math.floor(panel / COLUMNS) * PANEL

function scale(values: readonly number[]): { type: "log"; min: number } | { type: "value" } {
  const least = Math.min(...values)
  // A power of ten well below the smallest, so that its bar is seen.
  return Math.max(...values) / least > WIDE
    ? { type: "log", min: 10 ** Math.floor(Math.log10(least / 1.5)) }
    : { type: "value" }
}

/** Each peer once, families in the order of the colours. */
function inOrder(peers: readonly string[]): string[] {
  const families = Object.keys(COLOURS)
  const place = (peer: string) => families.indexOf(peer.split(" ")[0])
  return [...new Set(peers)].sort((a, b) => place(a) - place(b))
}

function sizesOf(rows: readonly Row[]): number[] {
  return [...new Set(rows.map(row => row.size))].sort((a, b) => a - b)
}

function colourOf(peers: readonly string[]): Map<string, string> {
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
