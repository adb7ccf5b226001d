import type { Command } from "commander"
import { Push } from "heddle"
import { isForFabric, withFabric } from "../fabric/options.ts"
import { PAYLOAD_HELP, PAYLOAD_OPTIONS, type PayloadFlags, withHeaders, withPayload } from "../fabric/payload.ts"
import { FABRIC_SENDING } from "../fabric/publish.ts"
import { push } from "../fabric/tasks.ts"
import { FORMATS_HELP, type SendFlags, sendingOptions, socketOptions, withSending, withSocket } from "../options.ts"
import { runWithInput, sendInput } from "../sending.ts"

export function addPush(program: Command): void {
  const command = program.command("push").description("Spread lines of stdin over workers, each line to one of them.")
  const sockets = withSending(withSocket(command, "give up when no worker has room for so long"), 0, "workers")
  withHeaders(withPayload(withFabric(sockets, "optional")))
    .addHelpText(
      "after",
      `
Stdin is read only as fast as workers take the messages.
With --fabric the first argument is the subject, others are tasks, and the command ends when workers (heddle work) have
done them all: a task whose worker dies or fails goes to another one. --timeout: give up when none is done for so long.
${FORMATS_HELP}
${PAYLOAD_HELP}

Examples:
  find . -name '*.jpg' | heddle push --bind tcp://*:5557 --wait 3
  heddle push --connect ipc:///tmp/jobs "resize 1.jpg" "resize 2.jpg"
  find . -name '*.jpg' | heddle push --fabric shop jobs.resize`,
    )
    .action((args: string[], flags: SendFlags & PayloadFlags, self: Command) =>
      runWithInput("push", args, flags, (given, run) => {
        if (isForFabric(self, FABRIC_SENDING, PAYLOAD_OPTIONS)) return push(given, flags, run)
        const socket = new Push({ ...socketOptions(flags), ...sendingOptions(flags) })
        return sendInput(socket, given, flags, run, null)
      }),
    )
}
