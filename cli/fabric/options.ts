import { type Command, Option } from "commander"
import { type Discovery, directory, dns, type Fabric, type FabricEvent, join, multicast, seeds } from "heddle"
import { UsageError } from "../exit.ts"
import type { SharedOptions } from "../options.ts"
import type { Run } from "../run.ts"
import { printable } from "../table.ts"
import { plural, whole } from "../units.ts"
import { collect } from "../values.ts"

/** Which fabric, and how its nodes are found; see `withFabric`. */
export interface FabricFlags extends SharedOptions {
  fabric?: string
  name?: string
  seed?: readonly string[]
  dns?: string
  multicast?: string | true
  dir?: string
  listen?: readonly string[]
}

/** Whether a command works on a fabric only, or on sockets too. */
type Need = "required" | "optional"

export function withFabric(command: Command, need: Need): Command {
  return command
    .optionsGroup("Fabric:")
    .addOption(
      new Option(
        "--fabric <name>",
        need === "required" ? "the fabric" : "work on this fabric, not on sockets",
      ).makeOptionMandatory(need === "required"),
    )
    .option("--name <name>", "our name in the fabric (default: that of the command)")
    .option("--seed <addr>", "find the fabric at this node: tcp://10.0.0.7:7000 (repeatable)", collect)
    .option("--dns <name>", "find nodes at the addresses of a name: shop.default.svc:7000, _heddle._tcp.shop.svc")
    .option("--multicast [interface]", "find nodes by beacons on this interface (default: 127.0.0.1)")
    .option("--dir <path>", "find nodes in this folder (default without the three above: $HEDDLE_DIR or the user's)")
    .option("--listen <addr>", "listen there (repeatable; default: as discovery needs it)", collect)
}

const FABRIC_ONLY = ["name", "seed", "dns", "multicast", "dir", "listen"]

/**
 * Whether a command that knows sockets and fabrics is meant for a fabric. Throws a `UsageError` for options of the other kind. `both`:
 * those that mean something on either; `fabricOnly`: those besides the common ones.
 */
export function isForFabric(command: Command, both: readonly string[], fabricOnly: readonly string[]): boolean {
  const forFabric = command.getOptionValue("fabric") !== undefined
  const onFabric = [...FABRIC_ONLY, ...fabricOnly]
  for (const option of command.options) {
    const name = option.attributeName()
    if (command.getOptionValueSource(name) !== "cli" || name === "fabric" || both.includes(name)) continue
    if (onFabric.includes(name) && !forFabric) throw new UsageError(`${option.long} goes with --fabric NAME`)
    if (!onFabric.includes(name) && forFabric)
      throw new UsageError(`${option.long} is for sockets, and does not go with --fabric NAME`)
  }
  return forFabric
}

/** Joins, and reports on stderr what happens there. */
export async function openFabric(flags: FabricFlags, run: Run, codec?: string): Promise<Fabric> {
  const options = {
    name: flags.name ?? `heddle ${run.name}`,
    discovery: discoveryOf(flags),
    listen: flags.listen,
    codec,
  }
  const fabric = await join(flags.fabric as string, options)
  for (const [i, address] of fabric.endpoints.entries()) {
    if (flags.listen !== undefined && flags.listen[i] !== address) run.warn(`listens on ${address}`)
  }
  reportEvents(fabric, run)
  if (run.options.verbose) {
    const { fabric: joined, name, id, peers, endpoints } = fabric
    run.progress.say(
      printable(`joined ${joined} as ${name} ${id}: ${plural(peers.length, "peer")}; ${endpoints.join(" ")}`),
    )
  }
  run.progress.peers = () => fabric.peers.filter(peer => peer.state === "up").length
  return fabric
}

function discoveryOf(flags: FabricFlags): Discovery[] | undefined {
  const found: Discovery[] = []
  if (flags.seed !== undefined) found.push(seeds(flags.seed))
  if (flags.dns !== undefined) {
    const [, name, port] = /^(.*?)(?::(\d+))?$/.exec(flags.dns) as RegExpExecArray
    found.push(dns({ name, port: port === undefined ? undefined : Number(port) }))
  }
  if (flags.multicast !== undefined)
    found.push(multicast(flags.multicast === true ? {} : { interface: flags.multicast }))
  if (flags.dir !== undefined || found.length === 0) found.push(directory({ path: flags.dir }))
  return found
}

function reportEvents(fabric: Fabric, run: Run): void {
  const say = (text: string): void => run.warn(printable(text))
  fabric.events.on("warning", ({ error }) => {
    if (run.options.verbose || !LEFT.has(error.code)) say(`${error.code}: ${error.message}`)
  })
  fabric.events.on("gap", ({ peer, missing }) => {
    say(`${missing === null ? "messages" : whole(missing)} of ${peer.name} missing: the link was away for too long`)
  })
  fabric.events.on("drop", event => {
    // What we drop ourselves in sending, each command sums up at its end.
    if (event.where === "sending") return
    const who = event.where === "peer" ? `by ${event.peer?.name} on the way here` : "here"
    say(
      `${whole(event.count)} of ${event.pattern} dropped ${who} (${event.reason}): they come faster than we take them`,
    )
  })
  if (!run.options.verbose) return
  for (const type of ["join", "leave", "up", "down", "suspect", "recover"] as const) {
    fabric.events.on(type, event => run.progress.say(printable(lineOf(event))))
  }
}

/** A node that leaves while we dial it, as commands like this one do all the time. */
const LEFT: ReadonlySet<string> = new Set(["EPIPE", "ECONNRESET", "ENOENT"])

function lineOf(
  event: Extract<FabricEvent, { type: "join" | "leave" | "up" | "down" | "suspect" | "recover" }>,
): string {
  const parts = [event.type, event.peer.name, event.peer.node]
  if (event.type === "leave") parts.push(event.why)
  if (event.type === "down" && event.error !== undefined) parts.push(`${event.error.code}: ${event.error.message}`)
  return parts.join(" ")
}
