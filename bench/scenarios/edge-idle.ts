import { clientCommand, prepareClients } from "../edge/clients.ts"
import type { Contestant } from "../peers/peer.ts"
import { Child } from "../process.ts"
import { type Settings, WATCHDOG } from "../settings.ts"
import { type Metric, type Scenario, type Session, session } from "./scenario.ts"

const WHOLE: Metric = { name: "rss", unit: "MB", better: "lower", plotted: true }
const EACH: Metric = { name: "each", unit: "bytes/client", better: "lower", plotted: false }

const MB = 1_000_000

/** What a server with idle WebSocket clients takes, all of it, and how much of that is theirs. */
export class EdgeIdleScenario implements Scenario {
  readonly name = "edge-idle"
  readonly about =
    "memory of the whole process with so many idle WebSocket clients, each with one subscription, after a collection"
  readonly sizeUnit = "connections"
  readonly metrics = [WHOLE, EACH]

  sizes(settings: Settings): readonly number[] {
    return [settings.connections ?? (settings.quick ? 1_000 : 10_000)]
  }

  rounds(settings: Settings): number {
    return Math.min(settings.rounds, 3)
  }

  async open(who: Contestant, connections: number): Promise<Session> {
    await prepareClients()
    return session(async () => {
      const server = new Child(`${who.label} server`, who.peer.command({ role: "edge-idle", values: {} }, who.way))
      const children = [server]
      try {
        const endpoint = await server.ready(WATCHDOG)
        const before = Number((await server.ask("memory", WATCHDOG)).rss)
        const task = { role: "clients", values: { endpoint, connections, size: 1 } } as const
        const clients = new Child(`${who.label} clients`, clientCommand(who, task))
        children.push(clients)
        await clients.ready(2 * WATCHDOG)
        const after = Number((await server.ask("memory", WATCHDOG)).rss)
        const { lost } = await clients.ask("all there?", WATCHDOG)
        if (Number(lost) > 0) throw new Error(`${who.label} closed ${lost} of the idle clients`)
        return { rss: after / MB, each: (after - before) / connections }
      } finally {
        await Promise.all(children.map(child => child.end()))
      }
    })
  }
}
