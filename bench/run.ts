#!/usr/bin/env node
/** `npm run bench -- [scenario...]`: measures, prints tables, writes JSON, SVG and HTML where asked. */
import { commit, machine } from "./machine.ts"
import { parseOptions } from "./options.ts"
import { allPeers } from "./peers/index.ts"
import { stopAll } from "./process.ts"
import { writeJson } from "./report/json.ts"
import { writePage } from "./report/page.ts"
import { writeSvg } from "./report/plot.ts"
import { Progress } from "./report/progress.ts"
import type { Report, Row } from "./report/report.ts"
import { headerText, scenarioTable } from "./report/table.ts"
import { Runner } from "./runner.ts"
import { allScenarios } from "./scenarios/index.ts"
import { HIGH_WATER_MARK } from "./settings.ts"

const date = new Date().toISOString()
const where = machine() // Before we make the machine busy ourselves.
const peers = allPeers()
const known = allScenarios()
const options = parseOptions(
  known.map(scenario => scenario.name),
  peers.map(peer => peer.family),
  process.argv.slice(2),
)
const { settings } = options
const scenarios = known.filter(scenario => options.scenarios.includes(scenario.name))

// Ending runs the exit handlers, and these stop every process by its id.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    stopAll()
    process.exit(130)
  })
}

const progress = new Progress()
const runner = new Runner(settings, progress)
const rows: Row[] = []
try {
  await runner.prepare(peers, scenarios)
  for (const scenario of scenarios) {
    const measured = await runner.run(scenario)
    rows.push(...measured)
    progress.clear()
    if (measured.length > 0) console.log(`\n${scenarioTable(scenario, measured)}`)
  }
} finally {
  progress.clear()
  await Promise.all(peers.map(peer => peer.stop()))
}

const report: Report = {
  header: {
    machine: where,
    node: process.version,
    commit: commit(),
    date,
    rounds: settings.rounds,
    roundSeconds: settings.seconds,
    highWaterMark: HIGH_WATER_MARK,
    versions: runner.versions,
    absent: runner.absent,
    failures: runner.failures,
  },
  rows,
}
console.log(`\n${headerText(report.header)}`)
if (options.json !== null) writeJson(options.json, report)
if (options.svg !== null) await writeSvg(options.svg, report, scenarios)
if (options.html !== null) writePage(options.html, report, scenarios)
// A measurement that failed is no success, whatever else was measured.
if (runner.failures.length > 0) process.exitCode = 1
