import { type Command, Option } from "commander"
import { UsageError } from "../exit.ts"
import { withFabric } from "../fabric/options.ts"
import { withShared } from "../options.ts"
import { type Job, run } from "../run.ts"
import { collect, positive, wholeFrom } from "../values.ts"

type Bridge = typeof import("../bridge/index.ts")
// biome-ignore lint/suspicious/noConfusingVoidType: commander's actions give nothing back
type Flags<K extends keyof Bridge> = Bridge[K] extends (...args: never[]) => unknown ? Parameters<Bridge[K]>[1] : void

/** The bridge is large, and nobody else needs it: it is loaded when it is asked for. */
const load = (): Promise<Bridge> => import("../bridge/index.ts")

/** Milliseconds for answers. */
const TIMEOUT = 5_000

export function addBridge(program: Command): void {
  const bridge = program
    .command("bridge")
    .description("Mirror subjects into Kafka or into a log on disk, and back; control bridges that run.")
    .option("-C, --config <file>", "run the bridge of this JSON file until it is ended; SIGHUP reads it again")
    .option("--check", "only check the file, connect to Kafka, and say what would be made")
    .option("--json", "with --check: the result as JSON")
  withShared(bridge)
    .addHelpText(
      "after",
      `
Without "kafka" in its file, a bridge records subjects into its spool and replays them from there.
heddle bridge keys lists all settings; docs/bridge-config.md is the same as a page.

Exit codes of --check: 0 it can run; 1 it cannot, or Kafka does not answer; 2 the command line is wrong.

Examples:
  heddle bridge --config bridge.json --check
  heddle bridge --config bridge.json
  heddle bridge status orders --fabric shop
  heddle bridge pause orders orders-out --fabric shop
  heddle bridge replay orders --fabric shop --subject 'orders.eu.>' --from 1h`,
    )
    .action((flags: Flags<"runBridge"> & { check?: true }) => {
      if (flags.config === undefined) bridge.help({ error: true })
      if (flags.check)
        return work("bridge --check", flags, false, async (found, job) => found.checkBridgeFile(job, flags))
      return work("bridge", flags, false, async (found, job) => found.runBridge(job, flags), false)
    })

  bridge
    .command("keys")
    .description("List the settings of the file.")
    .argument("[filter]", "only those with this in their name")
    .action((filter?: string) =>
      work("bridge keys", {}, false, async ({ keys }) => {
        const text = keys(filter)
        if (text.trim() === "") throw new UsageError(`no setting has ${filter} in its name`)
        process.stdout.write(text.endsWith("\n") ? text : `${text}\n`)
        return true
      }),
    )

  const client = (name: string, description: string): Command =>
    withFabric(
      withShared(bridge.command(name).description(description).argument("<bridge>", "name of the bridge")),
      "required",
    )
      .option("--json", "a line of JSON for each instance")
      .option("-t, --timeout <ms>", "wait so long for answers", wholeFrom(1), TIMEOUT)

  client("status", "Say what the instances of a bridge do.")
    .argument("[connector]", "this one alone, with its shards or partitions")
    .action((name: string, connector: string | undefined, flags: Flags<"showStatus">) =>
      work("bridge status", flags, false, async (found, job) => found.showStatus(job, flags, name, connector)),
    )
  for (const [operation, description] of [
    ["pause", "Pause a connector in all instances: nothing new is sent or delivered."],
    ["resume", "Let a connector go on in all instances; start what was stopped or has failed."],
    ["stop", "Stop a connector in all instances: groups are left."],
    ["restart", "Stop a connector in order and start it again, one instance after the other."],
  ] as const) {
    client(operation, description)
      .argument("<connector>")
      .action((name: string, connector: string, flags: Flags<"command">) =>
        work(`bridge ${operation}`, flags, false, async (found, job) =>
          found.command(job, flags, operation, name, connector),
        ),
      )
  }
  client(
    "offsets",
    "Show where a source is in its topics, or set it; set needs the connector stopped in the other instances.",
  )
    .argument("<connector>")
    .option("--set <topic/partition=offset>", "the next record to read (repeatable)", collect)
    .option("--to <place>", "all partitions: earliest, latest, or a time (2026-01-31T12:00Z)")
    .action((name: string, connector: string, flags: Flags<"offsets">) =>
      work("bridge offsets", flags, false, async (found, job) => found.offsets(job, flags, name, connector)),
    )
  client("redrive", "Send dead letters through their connector again.")
    .argument("<connector>")
    .option("--subject <pattern>", "only those of these subjects")
    .option("--stage <stage>", "only those that failed there: KAFKA_PRODUCE, TRANSFORMATION...")
    .option("--error <class>", "only those with this error: RECORD_TOO_LARGE...")
    .option("-n, --limit <n>", "letters at most", wholeFrom(1, 1_000_000))
    .option("--dry-run", "only count them")
    .action((name: string, connector: string, flags: Flags<"redrive">) =>
      work("bridge redrive", flags, false, async (found, job) => found.redrive(job, flags, name, connector)),
    )
  client("replay", "Print stored messages.")
    .option("--connector <name>", "what this one has stored (default: the first of the bridge)")
    .option("--topic <topic>", "this topic alone")
    .option("--subject <pattern>", "only these subjects")
    .option("--from <place>", "earliest, a time (2026-01-31T12:00Z), or how long ago: 30s, 10m, 1h, 2d", "earliest")
    .option("--until <time>", "before this time")
    .option("--cursor <text>", "go on where another replay was")
    .option("--last", "of each subject the last message alone")
    .option("-n, --count <n>", "messages at most", wholeFrom(1, 2 ** 53))
    .option("-r, --rate <n>", "messages a second", positive)
    .option("--original", "with the pauses between the times of the messages")
    .option("--headers", "print headers too")
    .addOption(
      new Option("--to-subjects", "publish them anew instead of printing them; they have the header hd.replay"),
    )
    .action((name: string, flags: Flags<"replayBridge">) =>
      work("bridge replay", flags, true, async (found, job) => found.replayBridge(job, flags, name)),
    )
}

/** Loads what is needed and does it. */
function work(
  name: string,
  options: { quiet?: true; verbose?: true },
  progress: boolean,
  job: (bridge: Bridge, run: Parameters<Job>[0]) => Promise<boolean>,
  hangup = true,
): Promise<never> {
  return run({ name, options, progress, hangup }, async one => job(await load(), one))
}
