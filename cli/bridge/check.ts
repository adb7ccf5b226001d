import path from "node:path"
import { checkBridge, loadBridgeConfig } from "heddle/bridge-kafka"
import type { SharedOptions } from "../options.ts"
import type { Run } from "../run.ts"
import { tableLines } from "../table.ts"
import { plural } from "../units.ts"

/** `heddle bridge --config FILE --check`: what is wrong is thrown. */
export async function checkBridgeFile(
  run: Run,
  flags: SharedOptions & { config?: string; json?: true },
): Promise<boolean> {
  const file = path.resolve(flags.config as string)
  const config = await loadBridgeConfig(file)
  const plan = await checkBridge(config, { folder: path.dirname(file) })
  if (flags.json) {
    process.stdout.write(`${JSON.stringify(plan)}\n`)
    return true
  }
  const lines = [`${config.name}: ${plural(config.connectors.length, "connector")}, nothing is wrong`]
  lines.push(
    plan.cluster === null
      ? "no Kafka: the spool is the store"
      : `Kafka: cluster ${plan.cluster}, ${plural(plan.brokers, "broker")}`,
  )
  if (plan.topics.length > 0) {
    const rows = plan.topics.map(one => [
      one.connector,
      one.topic,
      one.partitions > 0 ? String(one.partitions) : "",
      ACTIONS[one.action],
    ])
    lines.push(
      ...tableLines(
        [{ head: "CONNECTOR" }, { head: "TOPIC" }, { head: "PARTITIONS", right: true }, { head: "" }],
        rows,
      ),
    )
  }
  for (const { connector, folder } of plan.spools) lines.push(`spool of ${connector}: ${folder}`)
  process.stdout.write(`${lines.join("\n")}\n`)
  for (const warning of plan.warnings) run.warn(warning)
  return true
}

const ACTIONS = {
  there: "is there",
  create: "would be made",
  wait: "is missing: it would be waited for",
  missing: "is missing: make it, or set topic.creation.default.partitions",
} as const
