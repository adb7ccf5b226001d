import type { Contestant } from "../peers/peer.ts"
import { CountingRelay } from "../relay.ts"
import { type Settings, WARM } from "../settings.ts"
import { calibrate } from "../stats.ts"
import type { Metric, Scenario, Session } from "./scenario.ts"
import { ServicePair } from "./service.ts"

const RATE: Metric = { name: "requests", unit: "1/s", better: "higher", plotted: true }
const MEDIAN: Metric = { name: "p50", unit: "us", better: "lower", plotted: true }
const PROCESSOR: Metric = { name: "cpu", unit: "us/request", better: "lower", plotted: true }
const WIRE: Metric = { name: "wire", unit: "bytes/request", better: "lower", plotted: true }

/** Requests whose bytes are counted, after as many that are not: connections and compression tables are set up. */
const COUNTED = 1000
const MOST_REQUESTS = 10_000_000

/** What a service can do: callers that ask again as soon as they have their answer. */
export class ApiClosedScenario implements Scenario {
  readonly name = "api-closed"
  readonly about = "the same service called in different ways, closed loop, two processes over tcp"
  readonly sizeUnit = "outstanding"
  readonly metrics = [RATE, MEDIAN, PROCESSOR, WIRE]
  readonly explanation = [
    "A closed loop: so many callers, each of which asks again as soon as it has its answer. With 100 outstanding it shows the capacity; with one outstanding the time of a single request when there is nothing else to do.",
    "The service says how much is left of an article: a request { sku, quantity } and a reply { left, price }, encoded as each technology would: JSON over HTTP/1.1 (undici with 100 kept connections, node:http), HTTP/2 (node:http2, one connection) and WebSocket (ws, one connection, a number tells the answers apart), Protocol Buffers over gRPC (@grpc/grpc-js, one channel), msgpack over Heddle, as a request or as two events.",
    "The measuring loop is the same for everybody and does little: one asynchronous function for each caller, texts of the requests made before, every answer checked, and every 17th request timed (two readings of the clock and a histogram cost 0.2 us, a fifth of the quickest request).",
    "cpu is the processor time of service and client together. wire is what TCP carried in both directions, headers of TCP and IP not counted, after the first requests.",
  ]

  sizes(): readonly number[] {
    return [1, 100]
  }

  rounds(settings: Settings): number {
    return settings.rounds
  }

  async open(who: Contestant, outstanding: number, settings: Settings): Promise<Session> {
    const pair = await ServicePair.start(who)
    try {
      const wire = await bytesEach(pair, outstanding)
      await pair.connect()
      await pair.warmUp()
      const measure = (count: number) => pair.call(`closed ${outstanding} ${count}`)
      const count = await calibrate(settings.seconds, 1000, MOST_REQUESTS, async n =>
        Number((await measure(n)).seconds),
      )
      const round = async () => {
        await measure(Math.ceil(count * WARM))
        const { seconds, p50, cpu, serviceCpu } = await measure(count)
        return { requests: count / Number(seconds), p50: Number(p50), cpu: (Number(cpu) + serviceCpu) / count, wire }
      }
      return { round, close: () => pair.close() }
    } catch (error) {
      await pair.close()
      throw error
    }
  }
}

/** Bytes on the wire for each request, by a client of its own behind a relay. */
async function bytesEach(pair: ServicePair, outstanding: number): Promise<number> {
  // Shared memory has no wire.
  if (pair.address.startsWith("ipc:")) return 0
  const relay = await CountingRelay.open(pair.address)
  try {
    await pair.connect(relay.address)
    await pair.call(`closed ${outstanding} ${COUNTED}`)
    const before = relay.bytes
    await pair.call(`closed ${outstanding} ${COUNTED}`)
    const each = (relay.bytes - before) / COUNTED
    if (each === 0) throw new Error("the requests did not go through the relay")
    await pair.disconnect()
    return each
  } finally {
    await relay.close()
  }
}
