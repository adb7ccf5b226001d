import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { EChartsOption } from "echarts"
import type { Scenario } from "../scenarios/scenario.ts"
import { size } from "./format.ts"
import { coloursOf, inOrder, type Panel, panelsOf, scale, sizesOf, titleOf } from "./panels.ts"
import type { Report, Row } from "./report.ts"
import { headerText, scenarioGrid } from "./table.ts"

/** The browser itself refuses whatever the page would load from elsewhere. */
const POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"

const STYLE = `
  :root { color-scheme: light; font: 15px/1.5 system-ui, sans-serif; color: #22272b; background: #fff }
  body { max-width: 1240px; margin: 2rem auto; padding: 0 1rem }
  p { max-width: 52rem }
  .charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 560px), 1fr)); gap: 1rem }
  .chart { height: 340px }
  .table { overflow-x: auto }
  table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0 }
  th, td { padding: .2rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #e3e6e8 }
  th { vertical-align: bottom } th:nth-child(2), td:nth-child(2) { text-align: left }
  pre { overflow-x: auto; background: #f4f5f6; padding: 1rem }
`

const DRAW = `
  for (const { id, option } of JSON.parse(document.getElementById("panels").textContent)) {
    const chart = echarts.init(document.getElementById(id))
    chart.setOption(option)
    addEventListener("resize", () => chart.resize())
  }
`

/** One page with the plots, the figures and how to read them, which needs no network and no other file. */
export function toPage(report: Report, scenarios: readonly Scenario[], library = chartLibrary()): string {
  const shown = scenarios
    .map(scenario => ({
      scenario,
      rows: report.rows.filter(row => row.scenario === scenario.name),
      panels: panelsOf(report, scenario).map((panel, i) => ({ id: `${scenario.name}-${i}`, option: chart(panel) })),
    }))
    .filter(({ rows }) => rows.length > 0)
  const panels = shown.flatMap(section => section.panels)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>Heddle beside its peers</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Heddle beside its peers</h1>
${shown.map(({ scenario, rows, panels }) => section(scenario, rows, panels)).join("\n")}
<h2>The run</h2>
<pre>${escaped(headerText(report.header))}</pre>
<script>${unclosed(library)}</script>
<script type="application/json" id="panels">${JSON.stringify(panels).replaceAll("<", "\\u003c")}</script>
<script>${DRAW}</script>
</body>
</html>
`
}

export function writePage(file: string, report: Report, scenarios: readonly Scenario[]): void {
  writeFileSync(file, toPage(report, scenarios))
}

/** Bars, lines, legend and tooltips: what the smaller build lacks, the larger has no need for. */
function chartLibrary(): string {
  return readFileSync(fileURLToPath(import.meta.resolve("echarts/dist/echarts.common.min.js")), "utf8")
}

function section(scenario: Scenario, rows: readonly Row[], panels: readonly { id: string }[]): string {
  const { head, lines } = scenarioGrid(scenario, rows)
  const line = (tag: string, cells: readonly string[]) =>
    `<tr>${cells.map(cell => `<${tag}>${escaped(cell).replaceAll("\n", "<br>")}</${tag}>`).join("")}</tr>`
  return `<h2>${escaped(`${scenario.name}: ${scenario.about}`)}</h2>
${(scenario.explanation ?? []).map(text => `<p>${escaped(text)}</p>`).join("\n")}
<div class="charts">${panels.map(({ id }) => `<div class="chart" id="${id}"></div>`).join("")}</div>
<div class="table"><table>
<thead>${line("th", head)}</thead>
<tbody>${lines.map(cells => line("td", cells)).join("\n")}</tbody>
</table></div>`
}

/** Bars by size; lines where the size is a load, which the eye follows. */
function chart({ scenario, metric, rows }: Panel): EChartsOption {
  const peers = inOrder(rows.map(row => row.peer))
  const colours = coloursOf(peers)
  const sizes = sizesOf(rows)
  const type = scenario.sizeUnit === "requests/s" ? ("line" as const) : ("bar" as const)
  return {
    animation: false,
    title: { text: titleOf(metric), textStyle: { fontSize: 14 }, left: "center" },
    legend: { data: peers, bottom: 0 },
    grid: { left: 85, right: 20, top: 40, bottom: 90 },
    tooltip: { trigger: "axis" },
    xAxis: {
      type: "category",
      name: scenario.sizeUnit,
      nameLocation: "middle",
      nameGap: 26,
      data: sizes.map(value => size(value, scenario.sizeUnit)),
    },
    yAxis: scale(rows.map(row => row.median ?? 0)),
    series: peers.map(peer => ({
      type,
      name: peer,
      color: colours.get(peer),
      data: sizes.map(value => significant(rows.find(row => row.size === value && row.peer === peer)?.median ?? null)),
    })),
  }
}

/** Four digits: more is noise, and tooltips show all there are. */
function significant(value: number | null): number | null {
  return value === null ? null : Number(value.toPrecision(4))
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")
}

/** A script ends at this word wherever it stands, also within a string. */
function unclosed(script: string): string {
  return script.replaceAll("</script", "<\\/script")
}
