import { type Fabric, fabrics, type PeerView } from "heddle"
import { CommandError } from "../exit.ts"
import type { Run } from "../run.ts"
import { tableLines } from "../table.ts"
import { duration, plural, whole } from "../units.ts"
import { type FabricFlags, openFabric } from "./options.ts"
import { Printer } from "./printer.ts"
import { pause, Screen } from "./screen.ts"

export interface PeersFlags extends FabricFlags {
  watch?: true
  json?: true
}

/** Milliseconds between two sheets of --watch. */
const INTERVAL = 1_000

/** The whole life of `heddle peers`. */
export async function listPeers(flags: PeersFlags, run: Run): Promise<boolean> {
  let failure: unknown = null
  const printer = new Printer(run, error => {
    failure = error
  })
  const names = flags.fabric === undefined ? await fabrics({ path: flags.dir }) : [flags.fabric]
  if (names.length === 0)
    throw new CommandError("no fabric on this machine; --fabric NAME with --seed, --dns or --multicast finds others")
  if (flags.watch && names.length > 1) throw new CommandError(`name one with --fabric to watch it: ${names.join(", ")}`)
  const screen = new Screen(printer)
  for (const name of names) {
    if (run.ending.begun) break
    const fabric = await openFabric({ ...flags, fabric: name }, run)
    try {
      await show(fabric, flags, screen, printer)
      while (flags.watch && !run.ending.begun && failure === null) {
        await pause(INTERVAL, run)
        if (!run.ending.begun) await show(fabric, flags, screen, printer)
      }
    } finally {
      await fabric.close()
    }
  }
  await printer.end()
  // To watch has no end of its own.
  return true
}

async function show(fabric: Fabric, { json }: PeersFlags, screen: Screen, printer: Printer): Promise<void> {
  const peers = fabric.peers.sort((a, b) => a.name.localeCompare(b.name) || a.node.localeCompare(b.node))
  if (!json) return screen.show(peersLines(fabric.fabric, peers))
  printer.line(JSON.stringify({ fabric: fabric.fabric, peers }))
  await printer.flush()
}

function peersLines(fabric: string, peers: readonly PeerView[]): string[] {
  const head = `${fabric}: ${plural(peers.length, "node")} besides us`
  if (peers.length === 0) return [head]
  const rows = peers.map(peer => [
    peer.name,
    peer.node,
    peer.state,
    peer.member,
    peer.distance,
    String(peer.pid),
    whole(peer.interests),
    duration(peer.age),
    peer.endpoints.join(" ") || peer.address,
  ])
  return [head, ...tableLines(COLUMNS, rows)]
}

const COLUMNS = [
  { head: "NAME" },
  { head: "NODE" },
  { head: "LINK" },
  { head: "MEMBER" },
  { head: "WHERE" },
  { head: "PID", right: true },
  { head: "WISHES", right: true },
  { head: "LINKED", right: true },
  { head: "ENDPOINTS" },
] as const
