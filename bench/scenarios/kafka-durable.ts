import { freshTopic, kafkaBroker } from "../kafka/cluster.ts"
import type { Contestant } from "../peers/peer.ts"
import { Child, type Result } from "../process.ts"
import { type Settings, WATCHDOG } from "../settings.ts"
import { calibrate } from "../stats.ts"
import type { Values } from "../task.ts"
import { type Metric, type Scenario, type Session, session } from "./scenario.ts"

const MEDIAN: Metric = { name: "p50", unit: "us", better: "lower", plotted: true }
const TAIL: Metric = { name: "p99", unit: "us", better: "lower", plotted: false }
const RATE: Metric = { name: "messages", unit: "msg/s", better: "higher", plotted: true }

const SIZE = 64
/**
 * Code is compiled after so many calls, not after so much time. Each call runs most of its code once only: after 1,000 of
 * them half of what was measured was the interpreter, and three times as long as a little later.
 */
const WARM = 10_000
const MOST = 2_000_000
/** Without an answer, where throughput is asked for. */
const MANY = 1_000

/** durablePublish of a process through a bridge process: its answer comes when the message is safe. */
export class KafkaDurableScenario implements Scenario {
  readonly name = "kafka-durable"
  readonly about =
    "durablePublish through a bridge, 64 bytes: answered when Kafka has it (stored, acks=all) or when it is on the bridge's disk (spooled); spool off: stored, without the disk in between; beside a produce by the same driver without a bridge, one call at a time"
  readonly sizeUnit = "outstanding"
  readonly metrics = [MEDIAN, TAIL, RATE]

  sizes(settings: Settings): readonly number[] {
    return settings.quick ? [1] : [1, MANY]
  }

  rounds(settings: Settings): number {
    return settings.rounds
  }

  async open(who: Contestant, outstanding: number, settings: Settings): Promise<Session> {
    const { bootstrap } = await kafkaBroker()
    const measure = (count: number): Promise<Result> => {
      const values = { bootstrap, topic: freshTopic(), size: SIZE, count, warm: WARM, outstanding, control: "" }
      return who.peer.family === "heddle" ? bridged(who, values) : alone(who, values)
    }
    const count = await calibrate(settings.seconds, 1_000, MOST, async n => Number((await measure(n)).seconds))
    return session(async () => {
      const { p50, p99, seconds } = await measure(count)
      return { p50: Number(p50), p99: Number(p99), messages: count / Number(seconds) }
    })
  }
}

async function alone(who: Contestant, values: Values): Promise<Result> {
  const child = new Child(who.label, who.peer.command({ role: "kafka-durable", values }, who.way))
  try {
    return await child.result(WATCHDOG)
  } finally {
    await child.end()
  }
}

async function bridged(who: Contestant, values: Values): Promise<Result> {
  const bridge = new Child(`${who.label} bridge`, who.peer.command({ role: "kafka-bridge", values }, who.way))
  let client: Child | null = null
  try {
    const endpoint = await bridge.ready(WATCHDOG)
    const task = { role: "kafka-durable", values: { ...values, endpoint } } as const
    client = new Child(`${who.label} client`, who.peer.command(task, who.way))
    return await client.result(WATCHDOG)
  } finally {
    await Promise.all([client?.end(), bridge.end()])
  }
}
