import type { Command } from "commander"
import { withFabric } from "../fabric/options.ts"
import { PAYLOAD_HELP, withPayload } from "../fabric/payload.ts"
import { type ServeFlags, serve } from "../fabric/serve.ts"
import { withMaxSize, withShared } from "../options.ts"
import { run } from "../run.ts"
import { wholeFrom } from "../values.ts"

export function addServe(program: Command): void {
  const command = program
    .command("serve")
    .description("Answer requests on a fabric: with a text, with themselves, or with a command.")
    .argument("<subject>", "what to serve; * is any one token, > the rest")
    .option("--reply <text>", "answer every request with this")
    .option("--echo", "answer every request with itself")
    .option("--exec <cmd>", "run this in a shell for each request: request on stdin, what it prints is the reply")
    .option("--exec-timeout <ms>", "end a command that takes longer", wholeFrom(1))
    .option("--concurrency <n>", "requests at a time", wholeFrom(1), 1)
    .option("--queue <group>", "share the requests of heddle req --many with all servers that name this group")
    .option("-n, --count <n>", "stop after n requests", wholeFrom(1, 2 ** 53))
    .option("-t, --timeout <ms>", "end when no request has come for so long (an error with --count)", wholeFrom(1))
    .option("--json", "payloads are JSON text, on stdin and in replies")
  withFabric(withShared(withMaxSize(withPayload(command))), "required")
    .addHelpText(
      "after",
      `
A command gets the payload as a line, and $HEDDLE_SUBJECT, $HEDDLE_FROM and $HEDDLE_HEADERS. When it fails, the
client gets an error. Its output without the last end of line is the reply.
${PAYLOAD_HELP}

Examples:
  heddle serve --fabric shop time.now --exec date
  heddle serve --fabric shop 'stock.*' --exec './stock.sh' --concurrency 4 --queue stock
  heddle serve --fabric shop echo --echo`,
    )
    .action((subject: string, flags: ServeFlags) =>
      run({ name: "serve", options: flags }, job => serve(subject, flags, job)),
    )
}
