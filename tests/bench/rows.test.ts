import assert from "node:assert/strict"
import { describe, it } from "mocha"
import { toJson } from "../../bench/report/json.ts"
import type { Header } from "../../bench/report/report.ts"
import { growthRows, type Measured, toRows } from "../../bench/report/rows.ts"
import type { Metric } from "../../bench/scenarios/scenario.ts"

const RATE: Metric = { name: "messages", unit: "msg/s", better: "higher", plotted: true }
const HEAP: Metric = { name: "heap", unit: "bytes", better: "lower", plotted: false }
const GROWTH: Metric = { name: "growth", unit: "x", better: null, plotted: false }

function measured(peer: string, size: number, ...figures: number[]): Measured {
  return { scenario: "tcp-thr", size, peer, samples: figures.map(messages => ({ messages })) }
}

const KEYS = ["scenario", "size", "peer", "metric", "median", "min", "max", "unit", "ratioToHeddle"]

describe("bench/report/rows", () => {
  it("has exactly the documented fields", () => {
    for (const row of toRows([measured("heddle", 64, 1), measured("libzmq", 64)], [RATE]))
      assert.deepEqual(Object.keys(row), KEYS)
  })

  it("compares each peer with Heddle's first way at the same size", () => {
    const rows = toRows(
      [measured("heddle (consume)", 64, 200, 100, 300), measured("heddle (await)", 64, 50), measured("raw", 64, 800)],
      [RATE],
    )
    assert.deepEqual(
      rows.map(({ peer, median, min, max, ratioToHeddle }) => [peer, median, min, max, ratioToHeddle]),
      [
        ["heddle (consume)", 200, 100, 300, 1],
        ["heddle (await)", 50, 50, 50, 0.25],
        ["raw", 800, 800, 800, 4],
      ],
    )
  })

  it("gives no ratio where Heddle was not measured, or to a figure that noise made negative", () => {
    assert.equal(toRows([measured("libzmq", 64, 5)], [RATE])[0].ratioToHeddle, null)
    const rows = toRows([measured("heddle", 64, 2), measured("libzmq", 64, -1)], [RATE])
    assert.equal(rows[1].ratioToHeddle, null)
    assert.equal(toRows([measured("heddle", 64, 0), measured("libzmq", 64, 0)], [RATE])[1].ratioToHeddle, null)
  })

  it("makes a failed measure a row without figures, and no row of what a peer does not have", () => {
    const rows = toRows([measured("zeromq", 64), measured("libzmq", 64, 7)], [RATE, HEAP])
    assert.deepEqual(
      rows.map(({ peer, metric, median, min, max }) => [peer, metric, median, min, max]),
      [
        ["zeromq", "messages", null, null, null],
        ["zeromq", "heap", null, null, null],
        ["libzmq", "messages", 7, 7, 7],
      ],
    )
  })

  it("relates growth to the smallest size of the same peer", () => {
    const all = [
      measured("heddle", 10, 2),
      measured("libzmq", 10, 4),
      measured("heddle", 20, 3),
      measured("libzmq", 20),
    ]
    const rows = growthRows(toRows(all, [RATE]), "messages", GROWTH)
    assert.deepEqual(
      rows.map(row => [row.size, row.peer, row.metric, row.median, row.unit]),
      [
        [10, "heddle", "growth", 1, "x"],
        [10, "libzmq", "growth", 1, "x"],
        [20, "heddle", "growth", 1.5, "x"],
        [20, "libzmq", "growth", null, "x"],
      ],
    )
  })

  it("is written as JSON with one row a line and no digits of noise", () => {
    const header: Header = {
      machine: { cpu: "a", cores: 2, memory: 1, system: "b", load: 0 },
      node: "v1",
      commit: null,
      date: "2026-01-01T00:00:00.000Z",
      rounds: 1,
      roundSeconds: 0.4,
      highWaterMark: 1000,
      versions: {},
      absent: [],
      failures: [],
    }
    const text = toJson({ header, rows: toRows([measured("heddle", 64, 1234567.891), measured("raw", 64, 3)], [RATE]) })
    const parsed = JSON.parse(text)
    assert.deepEqual(parsed.header, header)
    assert.equal(parsed.rows[0].median, 1234570)
    assert.equal(text.split("\n").filter(line => line.includes('"scenario"')).length, 2)
  })
})
