import { freshEndpoint, freshPath } from "../paths.ts"
import type { Contestant } from "../peers/peer.ts"
import { Child } from "../process.ts"
import { type Settings, WATCHDOG } from "../settings.ts"
import { calibrate, wholeSteps } from "../stats.ts"
import type { Metric, Scenario, Session } from "./scenario.ts"

const WANTED: Metric = { name: "wanted", unit: "ns/publish", better: "lower", plotted: true }
const UNWANTED: Metric = { name: "unwanted", unit: "ns/publish", better: "lower", plotted: true }
const GROWTHS = [WANTED, UNWANTED].map(({ name }) => ({
  of: name,
  metric: { name: `${name} growth`, unit: "x", better: null, plotted: false } satisfies Metric,
}))

/** The subscriptions are dealt out to so many subscribers, all in one other process. */
const SUBSCRIBERS = 4
/** As in the fan-out: what is in flight stays below the high-water mark, so that nothing is dropped. */
const WINDOW = 5000
const MARK = 2 * WINDOW
const STEP = 500
const MOST_MESSAGES = 1_000_000
/** Milliseconds in which a million subscriptions must have reached the publisher. */
const SET_UP = 180_000

/**
 * What it costs a publisher to find out who wants a message: publishing random topics that one subscriber has each
 * subscribed to (with delivery), and random topics of the same shape that nobody has (matching alone).
 */
export class SubjectsScenario implements Scenario {
  readonly name = "subjects"
  readonly about = `publishing with many subscriptions (orders.<region>.<id>, spread over ${SUBSCRIBERS} subscribers)`
  readonly sizeUnit = "subscriptions"
  readonly metrics = [WANTED, UNWANTED]
  readonly growths = GROWTHS

  sizes(settings: Settings): readonly number[] {
    return settings.subscriptions ?? (settings.quick ? [1_000, 100_000] : [1_000, 10_000, 100_000, 1_000_000])
  }

  rounds(settings: Settings): number {
    return settings.rounds
  }

  async open(who: Contestant, topics: number, settings: Settings): Promise<Session> {
    const control = `ipc://${freshPath()}`
    const values = { topics, subscribers: SUBSCRIBERS, window: WINDOW, step: STEP, hwm: MARK, control }
    const start = (role: "subjects-send" | "subjects-receive", endpoint: string) =>
      new Child(`${who.label} ${role}`, who.peer.command({ role, values: { ...values, endpoint } }, who.way))
    const sender = start("subjects-send", freshEndpoint("tcp"))
    const children = [sender]
    const close = async () => {
      await Promise.all(children.map(child => child.end()))
    }
    try {
      const receiver = start("subjects-receive", await sender.ready(WATCHDOG))
      children.push(receiver)
      await receiver.ready(SET_UP)
      await sender.result(SET_UP)
      const round = async (wanted: number) => {
        const count = wholeSteps(wanted, STEP)
        const result = await sender.ask(count, WATCHDOG)
        return { wanted: Number(result.wanted), unwanted: Number(result.unwanted) }
      }
      const count = await calibrate(settings.seconds, 20 * STEP, MOST_MESSAGES, async n => {
        const sample = await round(n)
        return (wholeSteps(n, STEP) * (sample.wanted + sample.unwanted)) / 1e9
      })
      return { round: () => round(count), close }
    } catch (error) {
      await close()
      throw error
    }
  }
}
