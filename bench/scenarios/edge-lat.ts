import { clientCommand, prepareClients } from "../edge/clients.ts"
import type { Contestant } from "../peers/peer.ts"
import { Child } from "../process.ts"
import { type Settings, WARM, WATCHDOG } from "../settings.ts"
import { calibrate } from "../stats.ts"
import { type Metric, type Scenario, type Session, session } from "./scenario.ts"

const MEDIAN: Metric = { name: "p50", unit: "us", better: "lower", plotted: true }
const TAIL: Metric = { name: "p99", unit: "us", better: "lower", plotted: false }

const SIZE = 64
/** Code is compiled after so many calls, not after so much time. */
const LEAST_WARM = 10_000
const MOST_TRIPS = 5_000_000

/** There and back, one at a time. */
export class EdgeLatencyScenario implements Scenario {
  readonly name = "edge-lat"
  readonly about = "round trip from a WebSocket client: a request to a service of the node, beside a bare echo"
  readonly sizeUnit = "bytes"
  readonly metrics = [MEDIAN, TAIL]

  sizes(): readonly number[] {
    return [SIZE]
  }

  rounds(settings: Settings): number {
    return settings.rounds
  }

  async open(who: Contestant, size: number, settings: Settings): Promise<Session> {
    await prepareClients()
    const measure = async (count: number) => {
      const server = new Child(`${who.label} server`, who.peer.command({ role: "edge-echo", values: {} }, who.way))
      let client: Child | null = null
      try {
        const values = {
          endpoint: await server.ready(WATCHDOG),
          size,
          count,
          warm: Math.max(LEAST_WARM, Math.ceil(count * WARM)),
        }
        client = new Child(`${who.label} client`, clientCommand(who, { role: "request", values }))
        return await client.result(WATCHDOG)
      } finally {
        server.kill()
        await Promise.all([client?.end(), server.end()])
      }
    }
    const count = await calibrate(settings.seconds, 1000, MOST_TRIPS, async n => Number((await measure(n)).seconds))
    return session(async () => {
      const { p50, p99 } = await measure(count)
      return { p50: Number(p50), p99: Number(p99) }
    })
  }
}
