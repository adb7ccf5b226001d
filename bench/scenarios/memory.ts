import { readFileSync } from "node:fs"
import { freshEndpoint } from "../paths.ts"
import { nodeCommand } from "../peers/node.ts"
import type { Contestant } from "../peers/peer.ts"
import { Child } from "../process.ts"
import { HIGH_WATER_MARK, type Settings, WATCHDOG } from "../settings.ts"
import { type Metric, type Sample, type Scenario, type Session, session } from "./scenario.ts"

const RESIDENT: Metric = { name: "rss", unit: "bytes/connection", better: "lower", plotted: true }
const HEAP: Metric = { name: "heap", unit: "bytes/connection", better: "lower", plotted: false }

/** Connections opened before the first look, so that code and buffers that every listener has are not counted. */
const WARM_CONNECTIONS = 200
/** Files that a Node process has open besides its sockets, with room to spare. */
const OTHER_FILES = 100

/** Memory of a PULL listener for each idle connection, its handshake done; plain sockets of another process dial. */
export class MemoryScenario implements Scenario {
  readonly name = "memory"
  readonly about = "memory of a PULL listener per idle connection, handshake done, after a collection"
  readonly sizeUnit = "connections"
  readonly metrics = [RESIDENT, HEAP]

  sizes(settings: Settings): readonly number[] {
    return [settings.connections ?? (settings.quick ? 2_000 : 10_000)]
  }

  rounds(settings: Settings): number {
    return Math.min(settings.rounds, 3) // It hardly varies.
  }

  async open(who: Contestant, connections: number): Promise<Session> {
    const files = mostFiles()
    if (connections + WARM_CONNECTIONS + OTHER_FILES > files)
      throw new Error(`${connections} connections need more than the ${files} open files allowed (ulimit -Hn)`)
    return session(() => measure(who, connections))
  }
}

/** The hard limit; every process here raises its own to it. */
function mostFiles(): number {
  if (process.platform !== "linux") return Number.POSITIVE_INFINITY
  const limit = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1]
  return limit === undefined || limit === "unlimited" ? Number.POSITIVE_INFINITY : Number(limit)
}

async function measure(who: Contestant, connections: number): Promise<Sample> {
  const values = { endpoint: freshEndpoint("tcp"), hwm: HIGH_WATER_MARK, backlog: 1024 }
  const listener = new Child(`${who.label} idle`, who.peer.command({ role: "idle", values }, who.way))
  const children = [listener]
  try {
    const endpoint = await listener.ready(WATCHDOG)
    const clients = new Child("clients", nodeCommand("zmtp", { role: "clients", values: { endpoint } }))
    children.push(clients)
    await clients.ready(WATCHDOG)
    await clients.ask(WARM_CONNECTIONS, WATCHDOG)
    const before = await listener.ask("memory", WATCHDOG)
    await clients.ask(connections, 2 * WATCHDOG)
    const after = await listener.ask("memory", WATCHDOG)
    const { open, lost } = await clients.ask(0, WATCHDOG)
    if (Number(lost) > 0 || Number(open) !== connections + WARM_CONNECTIONS)
      throw new Error(`${who.label} closed ${lost} of the idle connections`)
    const each = (key: string) => (Number(after[key]) - Number(before[key])) / connections
    return after.heap === undefined ? { rss: each("rss") } : { rss: each("rss"), heap: each("heap") }
  } finally {
    await Promise.all(children.map(child => child.end()))
  }
}
