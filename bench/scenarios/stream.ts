import { freshEndpoint, freshPath } from "../paths.ts"
import type { Contestant } from "../peers/peer.ts"
import { Child, type Result } from "../process.ts"
import { HIGH_WATER_MARK, type Settings, WARM, WATCHDOG } from "../settings.ts"
import { calibrate, wholeSteps } from "../stats.ts"
import type { Values } from "../task.ts"
import { type Metric, type Sample, type Scenario, type Session, session } from "./scenario.ts"

const RATE: Metric = { name: "messages", unit: "msg/s", better: "higher", plotted: true }
const VOLUME: Metric = { name: "volume", unit: "MB/s", better: "higher", plotted: false }

/** For peers without flow control of their own (NATS): bytes and messages in flight at most. */
const WINDOW_BYTES = 16 << 20
const WINDOW_MESSAGES = 32_768

/** First try of the calibration: some tens of milliseconds for the slowest peer, at most 32 MiB. */
const FIRST_MESSAGES = 20_000
const FIRST_BYTES = 32 << 20
/** Enough for the floor at the smallest size. */
const MOST_MESSAGES = 200_000_000

export type Place = "tcp" | "ipc" | "inproc"

const DEFAULT_SIZES: Record<Place, readonly number[]> = {
  tcp: [16, 64, 256, 1024, 16384, 65536, 1048576],
  ipc: [64, 1024, 65536],
  inproc: [64, 65536],
}

/** One-way PUSH to PULL, from the first message after the warm-up to the last, on the receiver's clock. */
export class StreamScenario implements Scenario {
  readonly name: string
  readonly about: string
  readonly sizeUnit = "bytes"
  readonly metrics = [RATE, VOLUME]
  private readonly place: Place

  constructor(place: Place) {
    this.place = place
    this.name = `${place}-thr`
    this.about = `one-way throughput, PUSH to PULL, ${place === "inproc" ? "one process" : `two processes over ${place}`}`
  }

  sizes(settings: Settings): readonly number[] {
    if (settings.sizes) return settings.sizes
    if (settings.quick) return this.place === "tcp" ? [64, 65536] : [64]
    return DEFAULT_SIZES[this.place]
  }

  rounds(settings: Settings): number {
    return settings.rounds
  }

  async open(who: Contestant, size: number, settings: Settings): Promise<Session> {
    const window = Math.max(8, Math.min(WINDOW_MESSAGES, Math.floor(WINDOW_BYTES / size)))
    const step = window >> 3
    const first = Math.max(step, Math.min(FIRST_MESSAGES, Math.floor(FIRST_BYTES / size)))
    const measure = (wanted: number) => {
      const count = wholeSteps(wanted, step)
      const warm = wholeSteps(count * WARM, step)
      const values = { size, count, warm, hwm: HIGH_WATER_MARK, window, step, subscribers: 1 }
      return this.place === "inproc" ? inside(who, values) : between(who, this.place, values)
    }
    const count = await calibrate(settings.seconds, first, MOST_MESSAGES, async n => (await measure(n)).seconds)
    return session(async () => {
      const { seconds, count: messages } = await measure(count)
      return { messages: messages / seconds, volume: (messages * size) / seconds / 1e6 } satisfies Sample
    })
  }
}

interface Flow {
  readonly seconds: number
  readonly count: number
}

async function inside(who: Contestant, values: Values): Promise<Flow> {
  const command = who.peer.command({ role: "stream-inside", values }, who.way)
  const child = new Child(who.label, command)
  try {
    return flow(await child.result(WATCHDOG))
  } finally {
    await child.end()
  }
}

async function between(who: Contestant, place: "tcp" | "ipc", values: Values): Promise<Flow> {
  const control = `ipc://${freshPath()}`
  const start = (role: "stream-receive" | "stream-send", endpoint: string) =>
    new Child(`${who.label} ${role}`, who.peer.command({ role, values: { ...values, endpoint, control } }, who.way))
  const receiver = start("stream-receive", freshEndpoint(place))
  const children = [receiver]
  try {
    const endpoint = await receiver.ready(WATCHDOG)
    children.push(start("stream-send", endpoint))
    return flow(await receiver.result(WATCHDOG))
  } finally {
    await Promise.all(children.map(child => child.end()))
  }
}

function flow(result: Result): Flow {
  return { seconds: Number(result.seconds), count: Number(result.count) }
}
