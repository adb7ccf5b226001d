import { freshEndpoint, freshPath } from "../paths.ts"
import type { Contestant } from "../peers/peer.ts"
import { Child } from "../process.ts"
import { type Settings, WARM, WATCHDOG } from "../settings.ts"
import { calibrate, wholeSteps } from "../stats.ts"
import { type Metric, type Sample, type Scenario, type Session, session } from "./scenario.ts"

const DELIVERIES: Metric = { name: "deliveries", unit: "msg/s", better: "higher", plotted: true }
const PROCESSOR: Metric = { name: "sender cpu", unit: "ns/delivery", better: "lower", plotted: true }
const LOSS: Metric = { name: "loss", unit: "msg", better: null, plotted: false }

/**
 * A publisher drops what exceeds a subscriber's high-water mark, and what is dropped is cheap: all publishers are held
 * to the same `window` of messages that not every subscriber has yet, and the mark is twice that. A step is small
 * beside the window, so that the sender seldom waits, and large beside the cost of a notice.
 */
interface Shape {
  readonly name: string
  readonly subscribers: number
  readonly window: number
}

const FAN: Shape = { name: "fanout", subscribers: 50, window: 1000 }
/** One subscriber is further ahead in the same time: with the window above, it is the notices that were measured. */
const SINGLE: Shape = { name: "fabric-thr", subscribers: 1, window: 10_000 }

const STEPS_IN_WINDOW = 10
/** More at once is not asked of any: fifty times as many are delivered. */
const MOST_MESSAGES = 5_000_000

/** One publisher, subscribers that want everything, all of them in one other process, over TCP. */
export class FanoutScenario implements Scenario {
  readonly name: string
  readonly about: string
  readonly sizeUnit = "bytes"
  readonly metrics = [DELIVERIES, PROCESSOR, LOSS]
  private readonly shape: Shape

  constructor(shape = FAN) {
    const { name, subscribers } = shape
    this.shape = shape
    this.name = name
    this.about = `one publisher to ${subscribers === 1 ? "one subscriber" : `${subscribers} subscribers`} in one other process over tcp, nothing lost`
  }

  sizes(settings: Settings): readonly number[] {
    return settings.sizes ?? [64]
  }

  rounds(settings: Settings): number {
    return settings.rounds
  }

  async open(who: Contestant, size: number, settings: Settings): Promise<Session> {
    const count = await calibrate(settings.seconds, this.shape.window, MOST_MESSAGES, async n => {
      const { seconds } = await measure(who, size, n, this.shape)
      if (seconds === 0) throw new Error("not even the warm-up was delivered")
      return seconds
    })
    return session(async () => {
      const { seconds, deliveries, cpu, loss } = await measure(who, size, count, this.shape)
      const sample: Record<string, number> = { loss }
      if (seconds > 0) sample.deliveries = deliveries / seconds
      if (cpu !== null) sample["sender cpu"] = cpu
      return sample satisfies Sample
    })
  }
}

/** By subject: the fabric beside NATS, plain PUB/SUB sockets and those of the npm package `zeromq`. */
export function fabricThroughput(): Scenario {
  return new FanoutScenario(SINGLE)
}

interface FanOut {
  readonly seconds: number
  readonly deliveries: number
  /** Nanoseconds of the sender's processor time for each delivery; null when some were lost. */
  readonly cpu: number | null
  readonly loss: number
}

async function measure(who: Contestant, size: number, wanted: number, shape: Shape): Promise<FanOut> {
  const { subscribers, window } = shape
  const step = window / STEPS_IN_WINDOW
  const count = wholeSteps(wanted, step)
  const warm = wholeSteps(count * WARM, step)
  const control = `ipc://${freshPath()}`
  const values = { size, count, warm, subscribers, window, step, hwm: 2 * window, control }
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
    const loss = Number(out.sent) * subscribers - Number(back.received)
    const cpu = Number(out.stalled) === 0 ? (Number(out.cpu) * 1000) / (count * subscribers) : null
    return { seconds: Number(back.seconds), deliveries: Number(back.deliveries), cpu, loss }
  } finally {
    await Promise.all(children.map(child => child.end()))
  }
}
