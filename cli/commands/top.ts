import { type Command, Option } from "commander"
import { withFabric } from "../fabric/options.ts"
import { type TopFlags, top } from "../fabric/top.ts"
import { withShared } from "../options.ts"
import { run } from "../run.ts"
import { wholeFrom } from "../values.ts"
import { topWeb } from "../web/top.ts"

export function addTop(program: Command): void {
  const command = program
    .command("top")
    .description("Show what goes through a fabric, by node and by subject, again and again.")
    .addOption(
      new Option("-i, --interval <ms>", "between two looks").argParser(wholeFrom(100, 3_600_000)).default(1_000),
    )
    .option("-n, --count <n>", "stop after n times", wholeFrom(1, 2 ** 53))
    .option(
      "--web [address]",
      "serve a page that shows it, and print its address: a port of 127.0.0.1 (default: any), or address:port",
    )
    .option("--json", "a line of JSON each time: {published, bytesSent, dropped, nodes, subjects, silent}")
  withFabric(withShared(command), "required")
    .addHelpText(
      "after",
      `
SENT/S and RECEIVED/S count published messages on links; a message to three nodes is sent three times, and published
once. QUEUED is what waits for links and handlers now. A subject's RECEIVED/S does not count
what a node sends to itself. Nodes that joined with introspection: false say nothing.

The page of --web shows nodes and links as a graph, rates by subject, latencies, what is slow or dropped, and messages
of a subject. Its address has a token in it: who knows it sees all of the fabric's messages. Ctrl-C ends it.

Examples:
  heddle top --fabric shop
  heddle top --fabric shop --web 8080
  heddle top --fabric shop --interval 5000 --count 12 --json >> shop.log`,
    )
    .action(({ web, ...flags }: TopFlags & { web?: string | true }) =>
      run({ name: "top", options: flags, progress: false }, job =>
        web === undefined ? top(flags, job) : topWeb({ ...flags, web }, job),
      ),
    )
}
