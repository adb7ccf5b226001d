import assert from "node:assert/strict"
import { fileURLToPath } from "node:url"
import type { KafkaDriver, StoredRecord } from "../../bridge-kafka/driver.ts"
import type { Fabric } from "../../index.ts"
import { temporaryFolder } from "../support/folders.ts"
import { Program } from "../support/processes.ts"
import { pass } from "../support/wait.ts"
import type { BridgeLife, BridgeReport, Place, PublisherLife, PublisherReport } from "./children/lives.ts"
import { header } from "./sink-rig.ts"

export type Config = Readonly<Record<string, unknown>>
type Connector = BridgeReport["connectors"][number]

/** A program of children/, which answers lines. */
class Child {
  readonly program: Program
  private asked = 0

  constructor(name: string, life: object) {
    const file = fileURLToPath(new URL(`./children/${name}.js`, import.meta.url))
    this.program = Program.run(process.execPath, ["--expose-gc", file, JSON.stringify(life)])
  }

  async ready(): Promise<this> {
    await this.program.says(/^ready$/m)
    return this
  }

  protected async ask(command: string, argument: string | number = ""): Promise<unknown> {
    const number = ++this.asked
    this.program.tell(`${number} ${command} ${argument}`)
    const [, answer] = await this.program.says(new RegExp(`^${number} (.*)$`, "m"))
    return JSON.parse(answer)
  }
}

/** A whole bridge in a process of its own. */
export class BridgeProcess extends Child {
  static start(life: Pick<BridgeLife, "config" | keyof Place> & Partial<BridgeLife>): BridgeProcess {
    return new BridgeProcess("bridge", { point: "", times: 1, held: false, ...life })
  }

  async report(): Promise<BridgeReport> {
    return (await this.ask("status")) as BridgeReport
  }

  /** Bytes that it has resident, after a collection. */
  async memory(): Promise<number> {
    return (await this.ask("memory")) as number
  }

  async connector(name = "out"): Promise<Connector> {
    const { connectors } = await this.report()
    return connectors.find(one => one.name === name) as Connector
  }

  /** Asks until it is as wanted. */
  async comesTo(wanted: (connector: Connector) => boolean, name = "out"): Promise<Connector> {
    for (;;) {
      const connector = await this.connector(name)
      if (wanted(connector)) return connector
      await pass(GLANCE)
    }
  }

  async pause(connector = "out"): Promise<void> {
    await this.ask("pause", connector)
  }

  async resume(connector = "out"): Promise<void> {
    await this.ask("resume", connector)
  }

  async restart(connector = "out"): Promise<void> {
    await this.ask("restart", connector)
  }
}

/** How often a child is asked (milliseconds). */
const GLANCE = 20

/** A publisher in a process of its own. */
export class PublisherProcess extends Child {
  static start(life: Pick<PublisherLife, "bridge" | keyof Place> & Partial<PublisherLife>): PublisherProcess {
    const rest = { ack: "stored", prefix: "orders", subjects: 11, size: 1, maxInFlight: 200, ahead: 0 } as const
    return new PublisherProcess("publisher", { ...rest, ...life })
  }

  async publish(count: number): Promise<void> {
    await this.ask("publish", count)
  }

  async plain(count: number): Promise<void> {
    await this.ask("plain", count)
  }

  /** Publishes until `stop`. */
  async flow(): Promise<void> {
    await this.ask("flow")
  }

  async stop(): Promise<void> {
    await this.ask("stop")
  }

  async report(): Promise<PublisherReport> {
    return (await this.ask("report")) as PublisherReport
  }

  /** When nothing is without an answer. */
  async settled(): Promise<PublisherReport> {
    return (await this.ask("settled")) as PublisherReport
  }

  async comesTo(wanted: (report: PublisherReport) => boolean): Promise<PublisherReport> {
    for (;;) {
      const report = await this.report()
      if (wanted(report)) return report
      await pass(GLANCE)
    }
  }
}

/** Where children find a fabric. */
export function placeOf(node: Fabric, suspicion?: number): Place {
  return { fabric: node.fabric, node: node.endpoints[0], suspicion }
}

export interface SinkFile {
  readonly bridge: string
  readonly bootstrap: string
  readonly topic: string
  readonly kafka?: Config
  /** Settings of the connector "out". */
  readonly out?: Config
  readonly spool?: Config
  readonly more?: readonly Config[]
}

/** The file of a bridge with a sink "out" for `orders.>`, with short waits. */
export function sinkFile({ bridge, bootstrap, topic, kafka, out, spool, more = [] }: SinkFile): Config {
  return {
    name: bridge,
    kafka: { "bootstrap.servers": bootstrap, "retry.backoff.max.ms": "200", ...kafka },
    spool: { dir: temporaryFolder(), "max.bytes": "256MiB", ...spool },
    connectors: [
      {
        name: "out",
        config: {
          "connector.class": "FabricToKafka",
          subjects: "orders.>",
          topic,
          shards: 3,
          coordination: "none",
          "topic.creation.default.partitions": 2,
          "errors.retry.delay.min.ms": 20,
          "errors.retry.delay.max.ms": 300,
          "hand.over.ms": 1_000,
          ...out,
        },
      },
      ...more,
    ],
  }
}

export function numberOf(record: StoredRecord): number {
  return Number(record.value?.toString())
}

export function acknowledgedBy({ acknowledged }: PublisherReport): number[] {
  return acknowledged.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i))
}

/** How many numbers were acknowledged. */
export function countOf({ acknowledged }: PublisherReport): number {
  return acknowledged.reduce((sum, [first, last]) => sum + last - first + 1, 0)
}

export interface Promises {
  /** No record twice. */
  readonly once: boolean
  /** Of each subject, by first appearances. */
  readonly inOrder: boolean
}

/** Compares what was acknowledged with what a read_committed consumer sees: nothing acknowledged is lost, whatever was promised besides. */
export function compare(
  records: readonly StoredRecord[],
  acknowledged: readonly number[],
  { once, inOrder }: Promises,
): void {
  const numbers = records.map(numberOf)
  const seen = new Set(numbers)
  const lost = acknowledged.filter(number => !seen.has(number))
  assert.deepEqual(lost.slice(0, 20), [], `${lost.length} of ${acknowledged.length} acknowledged are lost`)
  if (once) assert.equal(numbers.length, seen.size, "each once")
  if (!inOrder) return
  const last = new Map<string, number>()
  const before = new Set<number>()
  for (const [i, record] of records.entries()) {
    const number = numbers[i]
    if (before.has(number)) continue
    before.add(number)
    const subject = header(record, "hd.subject") as string
    assert.ok(number > (last.get(subject) ?? -1), `${subject}: ${number} after ${last.get(subject)}`)
    last.set(subject, number)
  }
}

/** The sum of a metric over its series. */
export function sumOf({ samples }: BridgeReport, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const those = samples.filter(
    one => one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value),
  )
  return those.reduce((sum, { value }) => sum + value, 0)
}

/** Numbers of partitions; retried while a broker is on its way back. */
export async function end(driver: KafkaDriver, topic: string): Promise<number> {
  let sum = 0
  for (const offset of (await driver.offsets(topic, "latest")).values()) sum += offset
  return sum
}
