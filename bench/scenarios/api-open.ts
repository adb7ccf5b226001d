import type { Contestant } from "../peers/peer.ts"
import type { Settings } from "../settings.ts"
import type { Metric, Scenario, Session } from "./scenario.ts"
import { ServicePair } from "./service.ts"

/** Percent of the wanted rate below which a service does not keep up. */
const SUSTAINED = 95

const MEDIAN: Metric = { name: "p50", unit: "us", better: "lower", plotted: true }
const TAIL: Metric = { name: "p99", unit: "us", better: "lower", plotted: true }
const FAR_TAIL: Metric = { name: "p99.9", unit: "us", better: "lower", plotted: true }
const PROCESSOR: Metric = { name: "service cpu", unit: "us/request", better: "lower", plotted: true }
const REACHED: Metric = {
  name: "reached",
  unit: "%",
  better: null,
  plotted: true,
  remark: value => (value < SUSTAINED ? "not sustained" : null),
}
const LOST: Metric = { name: "lost", unit: "requests", better: null, plotted: false }
const LAG: Metric = { name: "sent late (p99)", unit: "us", better: null, plotted: false }

/** A round is so many times as long as others: at 500 requests a second the far tail is one of a thousand. */
const LONGER = 2.5
/** Seconds of an open loop that are not counted: its own code is compiled too. */
const WARM_SECONDS = 0.25

/** What callers feel at a given load, without coordinated omission. */
export class ApiOpenScenario implements Scenario {
  readonly name = "api-open"
  readonly about = "the same service called in different ways at fixed rates, open loop, two processes over tcp"
  readonly sizeUnit = "requests/s"
  readonly metrics = [MEDIAN, TAIL, FAR_TAIL, PROCESSOR, REACHED, LOST, LAG]
  readonly explanation = [
    "An open loop: the times at which requests are due are fixed beforehand (a Poisson process with the same seed for everybody), as by many users who know nothing of each other. A slow answer does not hold back the next request.",
    "Latency counts from when a request was due, not from when it could be sent. A closed loop would ask less while the service is slow and so leave out just the requests that had to wait (coordinated omission): its p99 can be a hundredth of what users feel.",
    `Reached is the share of the rate that was answered within the time of the schedule; below ${SUSTAINED} % the service does not keep up, a queue grows as long as the load lasts, and the latencies say only how long that was. Requests that failed or were not answered a second after the schedule are lost; they count as latencies too, with the time for which they had waited by then.`,
    "At most 1,000 requests are on the way at once, those that are due beyond that wait at the client, and their waiting counts. The client spins between requests, so that they are sent on time (sent late says how well it could, waiting for room included): only the processor time of the service is shown.",
  ]

  sizes(settings: Settings): readonly number[] {
    return settings.rates ?? (settings.quick ? [2_000, 8_000] : [500, 2_000, 8_000, 20_000])
  }

  rounds(settings: Settings): number {
    return settings.rounds
  }

  async open(who: Contestant, rate: number, settings: Settings): Promise<Session> {
    const pair = await ServicePair.start(who)
    try {
      await pair.connect()
      await pair.warmUp()
      await pair.call(`open ${rate} ${WARM_SECONDS} 0`)
    } catch (error) {
      await pair.close()
      throw error
    }
    let rounds = 0
    const round = async () => {
      // The number of the round is the seed: the same arrivals for everybody.
      const result = await pair.call(`open ${rate} ${settings.seconds * LONGER} ${++rounds}`)
      const { p50, p99, p999, reached, lost, lag, answered, serviceCpu } = result
      return {
        p50: Number(p50),
        p99: Number(p99),
        "p99.9": Number(p999),
        "service cpu": serviceCpu / Number(answered),
        reached: (Number(reached) * 100) / rate,
        lost: Number(lost),
        "sent late (p99)": Number(lag),
      }
    }
    return { round, close: () => pair.close() }
  }
}
