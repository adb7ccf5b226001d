import type { Command } from "commander"
import { Pull } from "heddle"
import { FORMATS_HELP, receivingOptions, socketOptions, withFormat, withSocket } from "../options.ts"
import { printMessages, type ReceiveFlags } from "../receiving.ts"
import { run } from "../run.ts"
import { wholeFrom } from "../values.ts"

export function addPull(program: Command): void {
  const command = program.command("pull").description("Take messages from pushers, and print them as lines.")
  withFormat(withSocket(command, "end when no message has come for so long (an error with --count)"))
    .option("-n, --count <n>", "stop after n messages", wholeFrom(1, 2 ** 53))
    .addHelpText(
      "after",
      `
Pushers are read only as fast as stdout takes the messages. What has arrived beyond --count when the command
ends is lost, up to --hwm messages of each pusher and what is on the wire.
${FORMATS_HELP}

Examples:
  heddle pull --connect tcp://boss:5557 | xargs -n1 resize
  heddle pull --bind ipc:///tmp/jobs --count 100 --frames > jobs.bin`,
    )
    .action((flags: ReceiveFlags) =>
      run({ name: "pull", options: flags }, job =>
        printMessages(new Pull({ ...socketOptions(flags), ...receivingOptions(flags) }), flags, job),
      ),
    )
}
