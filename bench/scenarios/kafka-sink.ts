import { freshTopic, kafkaBroker } from "../kafka/cluster.ts"
import { freshPath } from "../paths.ts"
import type { Contestant } from "../peers/peer.ts"
import { Child } from "../process.ts"
import { type Settings, WARM, WATCHDOG } from "../settings.ts"
import { calibrate } from "../stats.ts"
import type { Values } from "../task.ts"
import { type Metric, type Sample, type Scenario, type Session, session } from "./scenario.ts"

const RATE: Metric = { name: "records", unit: "records/s", better: "higher", plotted: true }
const VOLUME: Metric = { name: "volume", unit: "MB/s", better: "higher", plotted: false }
const PROCESSOR: Metric = { name: "bridge cpu", unit: "us/record", better: "lower", plotted: true }

/** Seconds of a round at least: two virtual machines compile their code at first. */
const SECONDS = 3
/** Messages, and bytes, that a publisher may be ahead of Kafka: a quarter of a second of them, and less than the bridge's memory. */
const WINDOW = 50_000
const WINDOW_BYTES = 16 << 20
const FIRST = 20_000
const FIRST_AWAITED = 500
const MOST = 20_000_000

/** From the fabric into a topic with acks=all; both processes and the broker share the machine. */
export class KafkaSinkScenario implements Scenario {
  readonly name = "kafka-sink"
  readonly about =
    "messages of a publisher process through a bridge process into a topic of 3 partitions, acks=all, counted by the broker; beside kafka-producer-perf-test with the same batch settings, and a produce awaited for each record"
  readonly sizeUnit = "bytes"
  readonly metrics = [RATE, VOLUME, PROCESSOR]

  sizes(settings: Settings): readonly number[] {
    return settings.sizes ?? [64, 1024]
  }

  rounds(settings: Settings): number {
    return settings.rounds
  }

  async open(who: Contestant, size: number, settings: Settings): Promise<Session> {
    const { bootstrap } = await kafkaBroker()
    const measure = async (wanted: number): Promise<Flow> => {
      const count = Math.ceil(wanted)
      const values = { bootstrap, topic: freshTopic(), size, count, warm: Math.ceil(count * WARM), outstanding: 1 }
      const flow = who.peer.family === "heddle" ? await bridged(who, values) : await produced(who, values)
      const { count: sent, warm } = values
      if (flow.stored !== sent + warm) throw new Error(`the broker has ${flow.stored} of ${sent + warm} records`)
      return flow
    }
    const first = who.way === "awaited" ? FIRST_AWAITED : FIRST
    const count = await calibrate(
      Math.max(settings.seconds, SECONDS),
      first,
      MOST,
      async n => (await measure(n)).seconds,
    )
    return session(async () => {
      const { count: records, seconds, cpu } = await measure(count)
      const sample: Record<string, number> = { records: records / seconds, volume: (records * size) / seconds / 1e6 }
      if (cpu > 0) sample["bridge cpu"] = cpu / records
      return sample satisfies Sample
    })
  }
}

interface Flow {
  readonly seconds: number
  readonly count: number
  /** Microseconds of the process that produces; 0 = not known. */
  readonly cpu: number
  /** By the broker's end offsets, the warm-up included. */
  readonly stored: number
}

async function produced(who: Contestant, values: Values): Promise<Flow> {
  const child = new Child(who.label, who.peer.command({ role: "kafka-produce", values }, who.way))
  try {
    const { seconds, count, cpu, stored } = await child.result(2 * WATCHDOG)
    return { seconds: Number(seconds), count: Number(count), cpu: Number(cpu), stored: Number(stored) }
  } finally {
    await child.end()
  }
}

async function bridged(who: Contestant, values: Values): Promise<Flow> {
  const control = `ipc://${freshPath()}`
  const bridge = new Child(
    `${who.label} bridge`,
    who.peer.command({ role: "kafka-bridge", values: { ...values, control } }, who.way),
  )
  const children = [bridge]
  try {
    const endpoint = await bridge.ready(WATCHDOG)
    const window = Math.min(WINDOW, Math.floor(WINDOW_BYTES / Number(values.size)))
    const task = { role: "kafka-publish", values: { ...values, endpoint, control, window } } as const
    const publisher = new Child(`${who.label} publisher`, who.peer.command(task, who.way))
    children.push(publisher)
    await publisher.ready(WATCHDOG)
    const { whole } = await publisher.result(2 * WATCHDOG)
    const { seconds, count, cpu, lost, trouble } = await bridge.ask("state", WATCHDOG)
    if (whole !== 1 || Number(lost) > 0) throw new Error(`${lost} messages were lost on the way; ${trouble}`)
    const { stored } = await bridge.ask("stored", WATCHDOG)
    return { seconds: Number(seconds), count: Number(count), cpu: Number(cpu), stored: Number(stored) }
  } finally {
    await Promise.all(children.map(child => child.end()))
  }
}
