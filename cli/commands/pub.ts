import type { Command } from "commander"
import { Publisher } from "heddle"
import { isForFabric, withFabric } from "../fabric/options.ts"
import { PAYLOAD_HELP, PAYLOAD_OPTIONS, type PayloadFlags, withHeaders, withPayload } from "../fabric/payload.ts"
import { FABRIC_SENDING, publish } from "../fabric/publish.ts"
import { FORMATS_HELP, type SendFlags, sendingOptions, socketOptions, withSending, withSocket } from "../options.ts"
import { runWithInput, sendInput } from "../sending.ts"

interface PubFlags extends SendFlags, PayloadFlags {
  topic?: string
  drop: boolean
}

export function addPub(program: Command): void {
  const command = program.command("pub").description("Publish lines of stdin to all subscribers that want them.")
  const sockets = withSending(withSocket(command, "give up when --wait or --no-drop waits longer"), 1, "subscribers")
    .option("--topic <text>", "first frame of every message")
    .option("--no-drop", "wait for slow subscribers instead of dropping what they have no room for")
  withHeaders(withPayload(withFabric(sockets, "optional")))
    .addHelpText(
      "after",
      `
With --fabric the first argument is the subject, and others are messages. It waits for nobody unless --wait says so,
and warns when nobody wanted a message.
${FORMATS_HELP}
${PAYLOAD_HELP}

Examples:
  heddle pub --bind tcp://*:5555 --topic weather "12 degrees"
  tail -f app.log | heddle pub --connect tcp://collector:5555 --topic app
  heddle pub --bind ipc:///tmp/ticks --message tick --rate 10 --count 1000
  heddle pub --fabric shop orders.eu.created '{"id":7}'
  tail -f app.log | heddle pub --fabric shop logs.app --header host=web1`,
    )
    .action((args: string[], flags: PubFlags, self: Command) =>
      runWithInput("pub", args, flags, (given, run) => {
        if (isForFabric(self, FABRIC_SENDING, PAYLOAD_OPTIONS)) {
          const wait = self.getOptionValueSource("wait") === "default" ? 0 : flags.wait
          return publish(given, { ...flags, wait }, run)
        }
        const options = { ...socketOptions(flags), ...sendingOptions(flags), noDrop: !flags.drop }
        const first = flags.topic === undefined ? null : Buffer.from(flags.topic)
        return sendInput(new Publisher(options), given, flags, run, first)
      }),
    )
}
