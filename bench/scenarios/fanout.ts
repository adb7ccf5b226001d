import { freshEndpoint, freshPath } from "../paths.ts"
import type { Contestant } from "../peers/peer.ts"
import { Child } from "../process.ts"
import { type Settings, WARM, WATCHDOG } from "../settings.ts"
import { calibrate, wholeSteps } from "../stats.ts"
import { type Metric, type Sample, type Scenario, type Session, session } from "./scenario.ts"

const DELIVERIES: Metric = { name: "deliveries", unit: "msg/s", better: "higher", plotted: true }
const PROCESSOR: Metric = { name: "sender cpu", unit: "ns/delivery", better: "lower", plotted: true }
const LOSS: Metric = { name: "loss", unit: "msg", better: null, plotted: false }

const SUBSCRIBERS = 50

/**
 * A publisher drops what exceeds a subscriber's high-water mark, and what is dropped is cheap: all publishers are held
 * to the same window of messages that not every subscriber has yet, and the mark is twice that. `STEP` is small beside
 * the window, so that the sender seldom waits, and large beside the cost of a notice.
 */
const WINDOW = 1000
const MARK = 2 * WINDOW
const STEP = 100
/** More at once is not asked of any: fifty times as many are delivered. */
const MOST_MESSAGES = 5_000_000

/** One publisher, fifty subscribers that want everything, all of them in one other process, over TCP. */
export class FanoutScenario implements Scenario {
  readonly name = "fanout"
  readonly about = `one publisher to ${SUBSCRIBERS} subscribers in one other process over tcp, nothing lost`
  readonly sizeUnit = "bytes"
  readonly metrics = [DELIVERIES, PROCESSOR, LOSS]

  sizes(settings: Settings): readonly number[] {
    return settings.sizes ?? [64]
  }

  rounds(settings: Settings): number {
    return settings.rounds
  }

  async open(who: Contestant, size: number, settings: Settings): Promise<Session> {
    const count = await calibrate(settings.seconds, WINDOW, MOST_MESSAGES, async n => {
      const { seconds } = await measure(who, size, n)
      if (seconds === 0) throw new Error("not even the warm-up was delivered")
      return seconds
    })
    return session(async () => {
      const { seconds, deliveries, cpu, loss } = await measure(who, size, count)
      const sample: Record<string, number> = { loss }
      if (seconds > 0) sample.deliveries = deliveries / seconds
      if (cpu !== null) sample["sender cpu"] = cpu
      return sample satisfies Sample
    })
  }
}

interface FanOut {
  readonly seconds: number
  readonly deliveries: number
  /** Nanoseconds of the sender's processor time for each delivery; null when some were lost. */
  readonly cpu: number | null
  readonly loss: number
}

async function measure(who: Contestant, size: number, wanted: number): Promise<FanOut> {
  const count = wholeSteps(wanted, STEP)
  const warm = wholeSteps(count * WARM, STEP)
  const control = `ipc://${freshPath()}`
  const values = { size, count, warm, subscribers: SUBSCRIBERS, window: WINDOW, step: STEP, hwm: MARK, control }
  const start = (role: "fan-send" | "fan-receive", endpoint: string) =>
    new Child(`${who.label} ${role}`, who.peer.command({ role, values: { ...values, endpoint } }, who.way))
  const sender = start("fan-send", freshEndpoint("tcp"))
  const children = [sender]
  try {
    const receiver = start("fan-receive", await sender.ready(WATCHDOG))
    children.push(receiver)
    await receiver.ready(WATCHDOG)
    const out = await sender.result(WATCHDOG)
    // It has everything and answers, or it is asked to stop waiting.
    receiver.hangUp()
    const back = await receiver.result(WATCHDOG)
    const loss = Number(out.sent) * SUBSCRIBERS - Number(back.received)
    const cpu = Number(out.stalled) === 0 ? (Number(out.cpu) * 1000) / (count * SUBSCRIBERS) : null
    return { seconds: Number(back.seconds), deliveries: Number(back.deliveries), cpu, loss }
  } finally {
    await Promise.all(children.map(child => child.end()))
  }
}
