import { type Command, InvalidArgumentError, Option } from "commander"
import { Subscriber } from "heddle"
import { UsageError } from "../exit.ts"
import { isForFabric, withFabric } from "../fabric/options.ts"
import { type FabricReceiveFlags, subscribe } from "../fabric/subscribe.ts"
import { FORMATS_HELP, receivingOptions, socketOptions, withFormat, withSocket } from "../options.ts"
import { printMessages, type ReceiveFlags } from "../receiving.ts"
import { run } from "../run.ts"
import { collect, wholeFrom } from "../values.ts"

interface SubFlags extends ReceiveFlags, FabricReceiveFlags {
  topic?: readonly string[]
}

/** Options that mean the same on sockets and on a fabric. */
const BOTH = ["count", "timeout", "json", "maxSize", "quiet", "verbose"]
const FABRIC = ["queue", "history", "policy", "headers", "subject"]

export function addSub(program: Command): void {
  const command = program.command("sub").description("Subscribe, and print messages as lines.")
  const sockets = withFormat(withSocket(command, "end when no message has come for so long (an error with --count)"))
    .option("-n, --count <n>", "stop after n messages", wholeFrom(1, 2 ** 53))
    .option("--topic <prefix>", "only messages that begin with it (repeatable; default: all)", collect)
  withFabric(sockets, "optional")
    .argument("[subject...]", "with --fabric: subscribe to these; * is any one token, > the rest")
    .option("--queue <group>", "share the messages with all subscribers that name this group")
    .option("--history <n>", 'first what publishers have kept: "last", or so many of each subject', history)
    .addOption(
      new Option("--policy <name>", "when messages come faster than they are printed (default: drop-new)").choices(
        POLICIES,
      ),
    )
    .option("--headers", "print the headers too, as JSON pairs")
    .option("--no-subject", "print payloads only")
    .addHelpText(
      "after",
      `
With --fabric a line is the subject, a tab, and the payload; with --json it is
{"subject": ..., "from": ..., "data": ...}, in which bytes are {"base64": ...}.
${FORMATS_HELP}

Examples:
  heddle sub --connect tcp://localhost:5555 --topic weather
  heddle sub --connect tcp://a:5555 --connect tcp://b:5555 --json | jq .
  heddle sub --connect ipc:///tmp/ticks | head -1
  heddle sub --fabric shop 'orders.>'
  heddle sub --fabric shop 'prices.*' --history last --json | jq .data
  heddle sub --fabric shop jobs.done --queue loggers --no-subject >> done.log`,
    )
    .action((patterns: string[], flags: SubFlags, self: Command) =>
      run({ name: "sub", options: flags }, job => {
        if (isForFabric(self, BOTH, FABRIC)) return subscribe(patterns, flags, job)
        if (patterns.length > 0)
          throw new UsageError("subjects go with --fabric NAME; prefixes for sockets with --topic")
        const socket = new Subscriber({ ...socketOptions(flags), ...receivingOptions(flags) })
        socket.subscribe(...(flags.topic ?? []))
        return printMessages(socket, flags, job)
      }),
    )
}

const POLICIES = ["drop-new", "drop-old", "conflate", "keep-last", "block"]

function history(text: string): "last" | number {
  if (text === "last") return text
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Expected "last" or a number from 1.')
}
