import { writeFileSync } from "node:fs"
import type { EChartsOption } from "echarts"
import type { Scenario } from "../scenarios/scenario.ts"
import { figure, size } from "./format.ts"
import { coloursOf, inOrder, type Panel, panelsOf, scale, sizesOf, titleOf } from "./panels.ts"
import type { Report } from "./report.ts"

const WIDTH = 1200
const PANEL = 300
/** Title, and a legend of two lines. */
const MARGIN_TOP = 150
const COLUMNS = 2

/** A bar chart for each plotted metric of each scenario, as SVG. */
export async function toSvg(report: Report, scenarios: readonly Scenario[]): Promise<string> {
  // Loaded here, because it is large and most runs draw nothing.
  const echarts = await import("echarts")
  const panels = scenarios.flatMap(scenario => panelsOf(report, scenario))
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

function option({ header }: Report, panels: readonly Panel[]): EChartsOption {
  const peers = inOrder(panels.flatMap(({ rows }) => rows.map(row => row.peer)))
  const colours = coloursOf(peers)
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
        text: `${scenario.name}: ${titleOf(metric)}`,
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
