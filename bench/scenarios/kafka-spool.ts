import type { Contestant } from "../peers/peer.ts"
import { Child } from "../process.ts"
import { type Settings, WARM, WATCHDOG } from "../settings.ts"
import { calibrate } from "../stats.ts"
import { type Metric, type Scenario, type Session, session } from "./scenario.ts"

const RATE: Metric = { name: "records", unit: "records/s", better: "higher", plotted: true }
const PROCESSOR: Metric = { name: "cpu", unit: "us/record", better: "lower", plotted: false }

const FIRST = 200_000
const MOST = 50_000_000

/** The log on disk by itself, without fabric and Kafka. */
export class KafkaSpoolScenario implements Scenario {
  readonly name = "kafka-spool"
  readonly about =
    "the bridge's spool by itself: records appended, forced to the disk in groups (every 5 ms), read back by a reader that keeps up, and released"
  readonly sizeUnit = "bytes"
  readonly metrics = [RATE, PROCESSOR]

  sizes(settings: Settings): readonly number[] {
    return settings.sizes ?? (settings.quick ? [64] : [64, 1024])
  }

  rounds(settings: Settings): number {
    return settings.rounds
  }

  async open(who: Contestant, size: number, settings: Settings): Promise<Session> {
    const measure = async (count: number) => {
      const values = { size, count, warm: Math.ceil(count * WARM) }
      const child = new Child(who.label, who.peer.command({ role: "kafka-spool", values }, who.way))
      try {
        const result = await child.result(WATCHDOG)
        return { seconds: Number(result.seconds), records: Number(result.count), cpu: Number(result.cpu) }
      } finally {
        await child.end()
      }
    }
    const count = await calibrate(settings.seconds, FIRST, MOST, async n => (await measure(n)).seconds)
    return session(async () => {
      const { seconds, records, cpu } = await measure(count)
      return { records: records / seconds, cpu: cpu / records }
    })
  }
}
