import { Argument, Command, InvalidArgumentError, Option } from "commander"
import type { Settings } from "./settings.ts"

export interface Options {
  /** Names, in the order in which they run. */
  readonly scenarios: readonly string[]
  readonly json: string | null
  readonly svg: string | null
  readonly html: string | null
  readonly settings: Settings
}

const MIB = 1 << 20

function whole(text: string, least: number, most: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least || value > most)
    throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`)
  return value
}

function list(least: number, most: number): (text: string) => number[] {
  return text => [...new Set(text.split(",").map(part => whole(part, least, most)))].sort((a, b) => a - b)
}

/** Reads the command line; ends the process with a message when it is wrong, or for `--help`. */
export function parseOptions(
  scenarios: readonly string[],
  families: readonly string[],
  argv: readonly string[],
): Options {
  const names = (text: string) => {
    const peers = text.split(",").map(part => part.trim())
    const unknown = peers.find(peer => !families.includes(peer.split(" ")[0]))
    if (unknown !== undefined) throw new InvalidArgumentError(`"${unknown}" is none of ${families.join(", ")}.`)
    return peers
  }
  const program = new Command("bench")
    .description("Measures Heddle beside its peers, in turn, in one run on this machine.")
    .addArgument(
      new Argument("[scenario...]", "what to measure; nothing = everything").choices([
        ...scenarios,
        ...groups(scenarios),
      ]),
    )
    .option("--json <file>", "write header and rows as JSON")
    .option("--svg <file>", "draw the rows")
    .option("--html <file>", "write a page with plots and tables that needs nothing else")
    .option("--rounds <n>", "rounds that medians are taken of (default 5; with --quick 3)", text => whole(text, 1, 100))
    .option("--quick", "fewer sizes, shorter rounds: about two minutes", false)
    .option("--sizes <bytes>", "payload sizes, separated by commas", list(2, 64 * MIB))
    .option("--peers <names>", `some of ${families.join(", ")}, or one way only: "heddle (consume)"`, names)
    .option(
      "--rates <n>",
      "requests a second for api-open, separated by commas; messages a second for kafka-outage (the first)",
      list(1, 1_000_000),
    )
    .addOption(new Option("--seconds <n>", "length of a round of messages").argParser(seconds))
    .option("--subscriptions <n>", "for subjects, separated by commas", list(8, 10_000_000))
    .option("--connections <n>", "for memory", text => whole(text, 100, 1_000_000))
    .option("--minutes <n>", "for kafka-outage", text => whole(text, 1, 60))
    .parse(argv, { from: "user" })
  const given = program.opts()
  const quick: boolean = given.quick
  return {
    scenarios:
      program.args.length > 0 ? [...new Set(program.args.flatMap(asked => namedBy(asked, scenarios)))] : scenarios,
    json: given.json ?? null,
    svg: given.svg ?? null,
    html: given.html ?? null,
    settings: {
      quick,
      rounds: given.rounds ?? (quick ? 3 : 5),
      sizes: given.sizes ?? null,
      peers: given.peers ?? null,
      subscriptions: given.subscriptions ?? null,
      connections: given.connections ?? null,
      rates: given.rates ?? null,
      minutes: given.minutes ?? null,
      seconds: given.seconds ?? (quick ? 0.3 : 0.8),
    },
  }
}

/** The first parts of names that several scenarios share: `api` of `api-closed` and `api-open`. */
function groups(scenarios: readonly string[]): string[] {
  const parts = scenarios.map(name => name.split("-")[0])
  return [...new Set(parts.filter((part, i) => parts.indexOf(part) !== i))]
}

function namedBy(asked: string, scenarios: readonly string[]): string[] {
  return scenarios.filter(name => name === asked || name.startsWith(`${asked}-`))
}

function seconds(text: string): number {
  const value = Number(text)
  if (!(value >= 0.05 && value <= 30)) throw new InvalidArgumentError("Expected seconds from 0.05 to 30.")
  return value
}
