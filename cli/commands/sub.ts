import type { Command } from "commander"
import { Subscriber } from "heddle"
import { FORMATS_HELP, receivingOptions, socketOptions, withFormat, withSocket } from "../options.ts"
import { printMessages, type ReceiveFlags } from "../receiving.ts"
import { run } from "../run.ts"
import { collect, wholeFrom } from "../values.ts"

interface SubFlags extends ReceiveFlags {
  topic?: readonly string[]
}

export function addSub(program: Command): void {
  const command = program.command("sub").description("Subscribe, and print messages as lines.")
  withFormat(withSocket(command, "end when no message has come for so long (an error with --count)"))
    .option("-n, --count <n>", "stop after n messages", wholeFrom(1, 2 ** 53))
    .option("--topic <prefix>", "only messages that begin with it (repeatable; default: all)", collect)
    .addHelpText(
      "after",
      `${FORMATS_HELP}

Examples:
  heddle sub --connect tcp://localhost:5555 --topic weather
  heddle sub --connect tcp://a:5555 --connect tcp://b:5555 --json | jq .
  heddle sub --connect ipc:///tmp/ticks | head -1`,
    )
    .action((flags: SubFlags) =>
      run({ name: "sub", options: flags }, job => {
        const socket = new Subscriber({ ...socketOptions(flags), ...receivingOptions(flags) })
        socket.subscribe(...(flags.topic ?? []))
        return printMessages(socket, flags, job)
      }),
    )
}
