import path from "node:path"
import { type Bridge, type BridgeConfig, loadBridgeConfig, startBridge } from "heddle/bridge-kafka"
import type { SharedOptions } from "../options.ts"
import type { Run } from "../run.ts"
import { printable } from "../table.ts"
import { bytes, duration, plural, whole } from "../units.ts"

export interface RunBridgeFlags extends SharedOptions {
  config?: string
}

/** Milliseconds between two lines that say how it goes, with --verbose. */
const REPORT = 10_000

/** The whole life of `heddle bridge --config`: it has no end of its own. */
export async function runBridge(run: Run, flags: RunBridgeFlags): Promise<boolean> {
  const file = path.resolve(flags.config as string)
  const began = performance.now()
  const config = await loadBridgeConfig(file)
  const bridge = await startBridge(config, { folder: path.dirname(file) })
  const say = (text: string): void => run.warn(printable(text))
  listen(bridge, say)
  const reload = (): void => void again(bridge, file, say)
  process.on("SIGHUP", reload)
  const report = run.options.verbose ? setInterval(() => say(totals(bridge)), REPORT).unref() : undefined
  say(beginning(bridge, config))
  await run.ending.wait()
  clearInterval(report)
  process.off("SIGHUP", reload)
  say("ends: sends what it has, and leaves")
  const sums = totals(bridge)
  const waiting = bridge.status().connectors.reduce((sum, one) => sum + one.waiting, 0)
  await bridge.close()
  const left =
    waiting === 0 ? "" : `; ${plural(waiting, "record")} waited when the end began, what was not sent is in the spool`
  say(`ended after ${duration(performance.now() - began)}: ${sums}${left}`)
  return true
}

function beginning(bridge: Bridge, { kafka, name, connectors }: BridgeConfig): string {
  const { fabric, httpAddress } = bridge
  const to = kafka === null ? "no Kafka: the spool is the store" : `Kafka at ${kafka["bootstrap.servers"]}`
  const parts = [
    `${name} runs as ${fabric.id} in the fabric ${fabric.fabric}`,
    plural(connectors.length, "connector"),
    to,
  ]
  if (httpAddress !== null) parts.push(httpAddress)
  return parts.join("; ")
}

function listen(bridge: Bridge, say: (text: string) => void): void {
  bridge.events.on("state", ({ connector, state, trouble }) =>
    say(`${connector} is ${state}${trouble === null ? "" : `: ${trouble}`}`),
  )
  bridge.events.on("kafka", ({ state, trouble }) =>
    say(state === "connected" ? "Kafka answers" : `Kafka does not answer: ${trouble}`),
  )
  bridge.events.on("log", ({ text }) => say(text))
}

function totals(bridge: Bridge): string {
  return bridge
    .status()
    .connectors.map(({ name, counters, waiting, class: kind }) => {
      const { received = 0, requested = 0, stored = 0, messages = 0, records = 0, bytes: size = 0 } = counters
      const taken = kind === "FabricToKafka" ? received + requested : records
      const done = kind === "FabricToKafka" ? stored : messages
      return `${name}: ${whole(taken)} in (${bytes(size)}), ${whole(done)} done, ${whole(waiting)} waiting`
    })
    .join("; ")
}

async function again(bridge: Bridge, file: string, say: (text: string) => void): Promise<void> {
  try {
    const { added, removed, changed } = await bridge.reload(await loadBridgeConfig(file))
    const names = (kind: string, all: readonly string[]): string[] =>
      all.length === 0 ? [] : [`${kind} ${all.join(", ")}`]
    const parts = [
      ...names(
        "started",
        added.map(one => one.name),
      ),
      ...names("stopped", removed),
      ...names(
        "changed",
        changed.map(one => `${one.name} (${one.settings.join(", ")})`),
      ),
    ]
    say(`read the file again: ${parts.join("; ") || "nothing has changed"}`)
  } catch (error) {
    say(`the file was read again and is not used: ${(error as Error).message}`)
  }
}
