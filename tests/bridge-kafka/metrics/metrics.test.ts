import assert from "node:assert/strict"
import { BridgeMetrics } from "../../../bridge-kafka/metrics/bridge-metrics.ts"
import { counters, type Family, gauges, histograms } from "../../../bridge-kafka/metrics/family.ts"
import { prometheusText, samples } from "../../../bridge-kafka/metrics/prometheus.ts"
import { seeded } from "../../support/random.ts"
import { readPrometheus } from "./prometheus-reader.ts"

const plain = (families: readonly unknown[]): readonly Family[] => families as readonly Family[]

describe("Metrics", () => {
  it("are counted by handles that are made once", () => {
    const family = counters({ name: "a_total", help: "A.", labels: ["x"] })
    const handle = family.with({ x: "1" })
    handle.add()
    handle.value += 2
    assert.equal(family.with({ x: 1 }), handle)
    assert.notEqual(family.with({ x: 2 }), handle)
    assert.deepEqual(samples(plain([family])), [
      { name: "a_total", labels: { x: "1" }, value: 3 },
      { name: "a_total", labels: { x: "2" }, value: 0 },
    ])
  })

  it("are written as Prometheus reads them", () => {
    const count = counters({ name: "a_total", help: "Back\\slash,\nnew line.", labels: ["x", "y"] })
    count.with({ x: 'q"\\\n', y: "é" }).add(5)
    const gauge = gauges({ name: "b", help: "B." })
    gauge.with({}).read = () => Number.POSITIVE_INFINITY
    const histogram = histograms({ name: "c_seconds", help: "C.", labels: ["x"], bounds: [0.1, 1] })
    for (const value of [0.05, 0.1, 0.5, 7]) histogram.with({ x: "z" }).observe(value)
    const empty = counters({ name: "d_total", help: "D.", labels: ["x"] })
    const text = prometheusText(plain([count, gauge, histogram, empty]))
    assert.equal(
      text,
      [
        "# HELP a_total Back\\\\slash,\\nnew line.",
        "# TYPE a_total counter",
        'a_total{x="q\\"\\\\\\n",y="é"} 5',
        "# HELP b B.",
        "# TYPE b gauge",
        "b +Inf",
        "# HELP c_seconds C.",
        "# TYPE c_seconds histogram",
        'c_seconds_bucket{x="z",le="0.1"} 2',
        'c_seconds_bucket{x="z",le="1"} 3',
        'c_seconds_bucket{x="z",le="+Inf"} 4',
        'c_seconds_sum{x="z"} 7.65',
        'c_seconds_count{x="z"} 4',
        "",
      ].join("\n"),
    )
    const read = readPrometheus(text)
    assert.deepEqual([...read.keys()], ["a_total", "b", "c_seconds"])
    assert.equal(read.get("a_total")?.samples.get('a_total{x=q"\\\n,y=é}'), 5)
    assert.equal(prometheusText([]), "")
  })

  it("are read back whatever the labels are", () =>
    seeded(random => {
      const letters = ["a", '"', "\\", "\n", "{", "}", ",", "=", "é", "\ud800", "\0", " "]
      for (let run = 0; run < 200; run++) {
        const family = counters({ name: "a_total", help: "A.", labels: ["x", "y"] })
        let total = 0
        for (let at = 0; at < 10; at++) {
          const word = (): string => Array.from({ length: random.int(0, 5) }, () => random.pick(letters)).join("")
          const add = random.int(0, 9)
          total += add
          family.with({ x: word(), y: word() }).add(add)
        }
        const read = readPrometheus(prometheusText(plain([family]))).get("a_total")
        assert.equal(
          [...(read?.samples.values() ?? [])].reduce((sum, value) => sum + value, 0),
          total,
        )
      }
    }))

  it("are bounded: more sets of labels share one, and long labels are cut", () => {
    const family = counters({ name: "a_total", help: "A.", labels: ["x"], maxSeries: 2 })
    for (let at = 0; at < 5; at++) family.with({ x: at }).add()
    assert.equal(family.with({ x: 3 }), family.with({ x: 4 }))
    assert.deepEqual(
      samples(plain([family])).map(({ labels, value }) => [labels.x, value]),
      [
        ["0", 1],
        ["1", 1],
        ["other", 3],
      ],
    )
    family.remove({ x: 0 })
    family.with({ x: "y".repeat(10_000) }).add()
    assert.equal(samples(plain([family]))[1].labels.x.length, 128)
  })

  it("refuse names and bounds that Prometheus refuses", () => {
    assert.throws(() => counters({ name: "a", help: "" }), { code: "EINVAL" })
    assert.throws(() => gauges({ name: "a-b", help: "" }), { code: "EINVAL" })
    assert.throws(() => gauges({ name: "a", help: "", labels: ["__x"] }), { code: "EINVAL" })
    assert.throws(() => histograms({ name: "a", help: "", labels: ["le"], bounds: [1] }), { code: "EINVAL" })
    for (const bounds of [[], [1, 1], [2, 1], [Number.POSITIVE_INFINITY]]) {
      assert.throws(() => histograms({ name: "a", help: "", bounds }), { code: "EINVAL" })
    }
  })
})

describe("Metrics of a bridge", () => {
  it("have one name each, words, and a page that can be read", () => {
    const metrics = new BridgeMetrics()
    assert.equal(metrics.text(), "")
    const names = metrics.families.map(family => family.name)
    assert.equal(new Set(names).size, names.length)
    assert.ok(names.length >= 25)
    for (const family of metrics.families) {
      assert.match(family.name, /^heddle_bridge_/)
      assert.match(family.help, /\.$/)
      family.with(Object.fromEntries(family.labelNames.map(name => [name, "v"])))
    }
    assert.deepEqual([...readPrometheus(metrics.text()).keys()], names)
  })

  it("forget a connector that was removed", () => {
    const metrics = new BridgeMetrics()
    metrics.dropped.with({ connector: "a", reason: "full" }).add()
    metrics.dropped.with({ connector: "b", reason: "full" }).add(2)
    metrics.replays.with({}).set(1)
    metrics.forget("a")
    assert.deepEqual(
      metrics.samples().map(({ name, labels, value }) => [name, labels, value]),
      [
        ["heddle_bridge_dropped_records_total", { connector: "b", reason: "full" }, 2],
        ["heddle_bridge_replay_sessions", {}, 1],
      ],
    )
  })
})
