import type { Command } from "commander"
import { Push } from "heddle"
import { FORMATS_HELP, type SendFlags, sendingOptions, socketOptions, withSending, withSocket } from "../options.ts"
import { runWithInput, sendInput } from "../sending.ts"

export function addPush(program: Command): void {
  const command = program.command("push").description("Spread lines of stdin over workers, each line to one of them.")
  withSending(withSocket(command, "give up when no worker has room for so long"), 0, "workers")
    .addHelpText(
      "after",
      `
Stdin is read only as fast as workers take the messages.
${FORMATS_HELP}

Examples:
  find . -name '*.jpg' | heddle push --bind tcp://*:5557 --wait 3
  heddle push --connect ipc:///tmp/jobs "resize 1.jpg" "resize 2.jpg"`,
    )
    .action((args: string[], flags: SendFlags) =>
      runWithInput("push", args, flags, (given, run) => {
        const socket = new Push({ ...socketOptions(flags), ...sendingOptions(flags) })
        return sendInput(socket, given, flags, run, null)
      }),
    )
}
