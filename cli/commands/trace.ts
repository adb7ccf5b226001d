import type { Command } from "commander"
import { withFabric } from "../fabric/options.ts"
import { type TraceFlags, trace } from "../fabric/trace.ts"
import { withShared } from "../options.ts"
import { run } from "../run.ts"
import { wholeFrom } from "../values.ts"

export function addTrace(program: Command): void {
  const command = program
    .command("trace")
    .description("Show who would get a subject of a fabric, and who has published to it.")
    .argument("<subject>", "a subject without wildcards")
    .option("--follow", "then print its messages as they come, with their sender")
    .option("-n, --count <n>", "with --follow: stop after n messages", wholeFrom(1, 2 ** 53))
    .option("--json", "one line {subject, nodes, silent}, then a line for each message")
  withFabric(withShared(command), "required")
    .addHelpText(
      "after",
      `
All nodes are asked. MESSAGES are those published, handled, answered or done since the node joined.

Examples:
  heddle trace orders.eu.created --fabric shop
  heddle trace jobs.resize --fabric shop --follow --count 10`,
    )
    .action((subject: string, flags: TraceFlags) =>
      run({ name: "trace", options: flags, progress: false }, job => trace(subject, flags, job)),
    )
}
