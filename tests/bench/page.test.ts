import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import vm from "node:vm"
import { describe, it } from "mocha"
import { toPage } from "../../bench/report/page.ts"
import type { Report, Row } from "../../bench/report/report.ts"
import { ApiClosedScenario } from "../../bench/scenarios/api-closed.ts"
import { ApiOpenScenario } from "../../bench/scenarios/api-open.ts"

function row(scenario: string, size: number, peer: string, metric: string, median: number | null, unit = "us"): Row {
  return { scenario, size, peer, metric, median, min: median, max: median, unit, ratioToHeddle: null }
}

const REPORT: Report = {
  header: {
    machine: { cpu: "a <fast> one", cores: 2, memory: 2 ** 33, system: "linux", load: 0 },
    node: "v20.0.0",
    commit: null,
    date: "2026-01-01T00:00:00.000Z",
    rounds: 1,
    roundSeconds: 1,
    highWaterMark: 1000,
    versions: { ws: "8</script><b>" },
    absent: [],
    failures: [],
  },
  rows: [
    row("api-closed", 100, "heddle (request)", "requests", 123_456, "1/s"),
    row("api-closed", 100, "http1", "requests", 4321, "1/s"),
    row("api-open", 500, "http1", "p50", 77.7),
    row("api-open", 500, "http1", "reached", 99.5, "%"),
    row("api-open", 8000, "http1", "p50", 88.8),
    row("api-open", 8000, "http1", "reached", 61.2, "%"),
    row("api-open", 8000, "ws </script>", "p50", null),
  ],
}
const SCENARIOS = [new ApiClosedScenario(), new ApiOpenScenario()]

/** The page and its scripts: the library, the data, what draws. */
function parts(page: string): { html: string; scripts: string[] } {
  const scripts: string[] = []
  const html = page.replace(/<script[^>]*>([\s\S]*?)<\/script>/g, (_, script: string) => {
    scripts.push(script)
    return ""
  })
  return { html, scripts }
}

describe("bench/report/page", () => {
  const page = toPage(REPORT, SCENARIOS)
  const { html, scripts } = parts(page)

  it("needs nothing but itself", () => {
    assert.equal(scripts.length, 3)
    assert.doesNotMatch(html, /https?:|\b(src|href|srcset|action)\s*=|url\(|@import|<(link|img|iframe|base|object)\b/i)
    assert.doesNotMatch(page, /<script[^>]+src/i)
    // The browser sees to it that scripts load nothing either.
    assert.match(html, /Content-Security-Policy" content="default-src 'none';/)
    const library = fileURLToPath(import.meta.resolve("echarts/dist/echarts.common.min.js"))
    assert.equal(scripts[0], readFileSync(library, "utf8"))
  })

  it("shows every figure in a table, and says what was not sustained", () => {
    for (const text of ["123 k", "4321", "77.7", "88.8", "not sustained 61.2"])
      assert.ok(html.includes(`<td>${text}</td>`), text)
    assert.ok(!html.includes("not sustained 99.5"))
    assert.ok(html.includes("<td>FAILED</td>"))
  })

  it("explains what an open loop is", () => {
    assert.match(html, /An open loop: the times at which requests are due are fixed beforehand/)
    assert.match(html, /coordinated omission/)
  })

  it("lets no text of others become part of the page", () => {
    assert.ok(html.includes("a &lt;fast&gt; one"))
    assert.ok(html.includes("8&lt;/script&gt;&lt;b&gt;"))
    assert.ok(html.includes("ws &lt;/script&gt;"))
  })

  it("draws each plotted metric with its data", () => {
    const drawn: { id: string; option: { series: { name: string; type: string; data: unknown[] }[] } }[] = []
    const sandbox = {
      document: {
        getElementById: (id: string) => ({ id, textContent: scripts[1] }),
      },
      echarts: {
        init: ({ id }: { id: string }) => ({
          setOption: (option: (typeof drawn)[number]["option"]) => drawn.push({ id, option }),
        }),
      },
      addEventListener: () => {},
    }
    vm.runInNewContext(scripts[2], sandbox)
    assert.deepEqual(
      drawn.map(({ id }) => id),
      ["api-closed-0", "api-open-0", "api-open-1"],
    )
    for (const { id } of drawn) assert.ok(html.includes(`<div class="chart" id="${id}">`))
    const [capacity, latency] = drawn.map(({ option }) =>
      option.series.map(({ name, type, data }) => [name, type, ...data]),
    )
    assert.equal(
      JSON.stringify(capacity),
      JSON.stringify([
        ["heddle (request)", "bar", 123_500],
        ["http1", "bar", 4321],
      ]),
    )
    assert.equal(JSON.stringify(latency), JSON.stringify([["http1", "line", 77.7, 88.8]]))
  })

  it("has a script that is one, and options that it takes", () => {
    const sandbox: Record<string, unknown> = { setTimeout, clearTimeout }
    vm.runInNewContext(scripts[0], sandbox)
    const { echarts } = sandbox as { echarts: typeof import("echarts") }
    for (const { option } of JSON.parse(scripts[1])) {
      const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: 560, height: 340 })
      chart.setOption(option)
      assert.match(chart.renderToSVGString(), /http1/)
      chart.dispose()
    }
  })
})
