import { freshEndpoint } from "../paths.ts"
import type { Contestant } from "../peers/peer.ts"
import { Child, type Result } from "../process.ts"
import { HIGH_WATER_MARK, type Settings, WARM, WATCHDOG } from "../settings.ts"
import { calibrate } from "../stats.ts"
import type { Values } from "../task.ts"
import { type Metric, type Scenario, type Session, session } from "./scenario.ts"
import type { Place } from "./stream.ts"

const MEDIAN: Metric = { name: "p50", unit: "us", better: "lower", plotted: true }
const TAIL: Metric = { name: "p99", unit: "us", better: "lower", plotted: false }

/** Every round trip of a round is kept in memory, four octets each. */
const MOST_TRIPS = 5_000_000

/** There and back with one request outstanding; each round trip is timed by itself. */
export class LatencyScenario implements Scenario {
  readonly name: string
  readonly about: string
  readonly sizeUnit = "bytes"
  readonly metrics = [MEDIAN, TAIL]
  private readonly place: Place

  constructor(place: Place, name = `${place}-lat`, what = "REQ to REP") {
    this.place = place
    this.name = name
    this.about = `round trip, ${what}, ${place === "inproc" ? "one process" : `two processes over ${place}`}`
  }

  sizes(settings: Settings): readonly number[] {
    if (settings.sizes) return settings.sizes
    return settings.quick || this.place === "inproc" ? [64] : [64, 65536]
  }

  rounds(settings: Settings): number {
    return settings.rounds
  }

  async open(who: Contestant, size: number, settings: Settings): Promise<Session> {
    const measure = (count: number) => {
      // Not fewer than a thousand, however slow: code is compiled after so many calls, not after so much time.
      const values = { size, count, warm: Math.max(1000, Math.ceil(count * WARM)), hwm: HIGH_WATER_MARK }
      return this.place === "inproc" ? inside(who, values) : between(who, this.place, values)
    }
    const count = await calibrate(settings.seconds, 1000, MOST_TRIPS, async n => Number((await measure(n)).seconds))
    return session(async () => {
      const { p50, p99 } = await measure(count)
      return { p50: Number(p50), p99: Number(p99) }
    })
  }
}

/** Requests by subject, beside those of NATS and of HTTP/1.1. */
export function fabricLatency(): Scenario {
  return new LatencyScenario("tcp", "fabric-lat", "one request by subject and its reply")
}

async function inside(who: Contestant, values: Values): Promise<Result> {
  const child = new Child(who.label, who.peer.command({ role: "request-inside", values }, who.way))
  try {
    return await child.result(WATCHDOG)
  } finally {
    await child.end()
  }
}

async function between(who: Contestant, place: "tcp" | "ipc", values: Values): Promise<Result> {
  const start = (role: "reply" | "request", endpoint: string) =>
    new Child(`${who.label} ${role}`, who.peer.command({ role, values: { ...values, endpoint } }, who.way))
  const server = start("reply", freshEndpoint(place))
  let client: Child | null = null
  try {
    client = start("request", await server.ready(WATCHDOG))
    return await client.result(WATCHDOG)
  } finally {
    // It answers for ever; nothing of it is worth a graceful end.
    server.kill()
    await Promise.all([client?.end(), server.end()])
  }
}
