import type { Command } from "commander"
import { Publisher } from "heddle"
import { FORMATS_HELP, type SendFlags, sendingOptions, socketOptions, withSending, withSocket } from "../options.ts"
import { runWithInput, sendInput } from "../sending.ts"

interface PubFlags extends SendFlags {
  topic?: string
  drop: boolean
}

export function addPub(program: Command): void {
  const command = program.command("pub").description("Publish lines of stdin to all subscribers that want them.")
  withSending(withSocket(command, "give up when --wait or --no-drop waits longer"), 1, "subscribers")
    .option("--topic <text>", "first frame of every message")
    .option("--no-drop", "wait for slow subscribers instead of dropping what they have no room for")
    .addHelpText(
      "after",
      `${FORMATS_HELP}

Examples:
  heddle pub --bind tcp://*:5555 --topic weather "12 degrees"
  tail -f app.log | heddle pub --connect tcp://collector:5555 --topic app
  heddle pub --bind ipc:///tmp/ticks --message tick --rate 10 --count 1000`,
    )
    .action((args: string[], flags: PubFlags) =>
      runWithInput("pub", args, flags, (given, run) => {
        const options = { ...socketOptions(flags), ...sendingOptions(flags), noDrop: !flags.drop }
        const first = flags.topic === undefined ? null : Buffer.from(flags.topic)
        return sendInput(new Publisher(options), given, flags, run, first)
      }),
    )
}
