import { freshEndpoint } from "../paths.ts"
import type { Contestant } from "../peers/peer.ts"
import { Child } from "../process.ts"
import { type Settings, WATCHDOG } from "../settings.ts"
import { type Metric, type Sample, type Scenario, type Session, session } from "./scenario.ts"

const HOT: Metric = { name: "recurring", unit: "msg/s", better: "higher", plotted: true }
const RANDOM: Metric = { name: "random", unit: "msg/s", better: "higher", plotted: true }
const TOLD: Metric = { name: "announced", unit: "s", better: "lower", plotted: false }
/** Processor time of a process, all its threads, for a message. */
const used = (name: string): Metric => ({ name, unit: "ns", better: "lower", plotted: false })
const COSTS = ["publisher", "subscriber", "random publisher", "random subscriber", "of it the loop's"].map(used)

/** A publisher whose peer has so many subscriptions, a tenth of them with wildcards, each to subjects of its own. */
export class InterestsScenario implements Scenario {
  readonly name = "fabric-subjects"
  readonly about =
    "publish and deliver 64 bytes while a peer has so many subscriptions: subjects that recur (1,000 of them), and all of them in random order"
  readonly sizeUnit = "subscriptions"
  readonly metrics = [HOT, RANDOM, TOLD, ...COSTS]

  sizes(settings: Settings): readonly number[] {
    return settings.subscriptions ?? (settings.quick ? [1_000] : [1_000, 1_000_000])
  }

  rounds(settings: Settings): number {
    return Math.min(settings.rounds, 3) // A million take several seconds to announce.
  }

  async open(who: Contestant, size: number, settings: Settings): Promise<Session> {
    return session(() => measure(who, size, settings.seconds))
  }
}

async function measure(who: Contestant, subscriptions: number, seconds: number): Promise<Sample> {
  const values = { subscriptions, milliseconds: seconds * 1000, endpoint: freshEndpoint("tcp") }
  const publisher = new Child(`${who.label} publisher`, who.peer.command({ role: "interests-send", values }, who.way))
  const children = [publisher]
  try {
    const endpoint = await publisher.ready(WATCHDOG)
    const task = { role: "interests-receive", values: { ...values, endpoint } } as const
    children.push(new Child(`${who.label} subscriber`, who.peer.command(task, who.way)))
    const result = await publisher.result(2 * WATCHDOG)
    return {
      recurring: Number(result.hot),
      random: Number(result.random),
      announced: Number(result.announced),
      publisher: Number(result.hotPublisher),
      subscriber: Number(result.hotSubscriber),
      "random publisher": Number(result.randomPublisher),
      "random subscriber": Number(result.randomSubscriber),
      "of it the loop's": Number(result.loop),
    }
  } finally {
    await Promise.all(children.map(child => child.end()))
  }
}
