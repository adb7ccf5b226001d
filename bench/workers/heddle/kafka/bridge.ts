import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { KafkaDriver } from "../../../../bridge-kafka/driver.ts"
import { platformatic } from "../../../../bridge-kafka/platformatic/index.ts"
import { serveInfo } from "../../../../bridge-kafka/sink/info.ts"
import { SINK_DEFAULTS, type SinkSettings } from "../../../../bridge-kafka/sink/settings.ts"
import { SinkConnector } from "../../../../bridge-kafka/sink/sink-connector.ts"
import { Spool } from "../../../../bridge-kafka/spool/spool.ts"
import { join } from "../../../../index.ts"
import { BATCH_SIZE, BRIDGE, BUFFER_MEMORY, LINGER, PARTITIONS } from "../../../kafka/settings.ts"
import type { Arguments } from "../../../task.ts"
import { ControlSender } from "../../control.ts"
import type { Parent } from "../../parent.ts"
import { ownProcessorTime } from "../../publishing.ts"

/** Milliseconds between two words to the publisher about how far all is. */
const TELL = 5

/** A bridge that mirrors `orders.>` into a topic. It says to the control channel how much is stored, and answers each line of the parent with its state. */
export async function bridge(task: Arguments, parent: Parent): Promise<void> {
  const topic = task.text("topic")
  const spoolMode = task.text("way").startsWith("spool-off") ? "off" : "always"
  const driver = platformatic({ "bootstrap.servers": task.text("bootstrap") })
  const folder = mkdtempSync(path.join(tmpdir(), "heddle-bench-spool-"))
  parent.onHangUp(() => rmSync(folder, { recursive: true, force: true }))
  const spool = spoolMode === "off" ? null : await Spool.open({ folder })
  const fabric = await join("bench", { listen: "tcp://127.0.0.1:0", discovery: [] })
  const settings: SinkSettings = {
    ...SINK_DEFAULTS,
    bridge: BRIDGE,
    connector: topic,
    subjects: ["orders.>"],
    routes: [{ subjects: "orders.>", topic }],
    coordination: "none",
    spoolMode,
    batchSize: BATCH_SIZE,
    lingerMs: LINGER,
    bufferMemoryBytes: BUFFER_MEMORY,
    topicPartitions: PARTITIONS,
  }
  await driver.createTopics([{ name: topic, partitions: PARTITIONS, replicationFactor: 1 }])
  const sink = new SinkConnector({ fabric, driver, settings, spool })
  serveInfo(fabric, BRIDGE, () => [sink.info])
  await sink.start()
  while (sink.status().owned.length < settings.shards) await sleep(10)
  parent.ready(fabric.endpoints[0])

  const meter = new StoreMeter(task.number("warm"), task.number("count"))
  parent.onLine(async line => {
    const { counters, missed, waiting, trouble } = sink.status()
    const { stored, received, full, unreadable } = counters
    const lost = missed + full + unreadable
    const rss = process.memoryUsage.rss()
    if (line === "state")
      parent.result({ stored, received, lost, waiting, rss, trouble: trouble ?? "", ...meter.result })
    // What the broker has, by its own account.
    else if (line === "stored") parent.result({ stored: await endOf(driver, topic) })
    else parent.result({ misplaced: await misplaced(driver, topic) })
  })
  const control = task.text("control") === "" ? null : await ControlSender.connect(task.text("control"))
  let told = 0
  setInterval(() => {
    const { stored } = sink.counters
    meter.look(stored)
    // Silence means that nothing moves any more.
    if (stored > told) control?.tell(stored)
    told = stored
  }, TELL)
  await parent.gone
}

/** When, and at what cost of this process, the records between the warm-up and the end were stored. */
class StoreMeter {
  private readonly warm: number
  private readonly count: number
  private from = { at: 0, cpu: 0, stored: 0 }
  private to = { at: 0, cpu: 0, stored: 0 }

  constructor(warm: number, count: number) {
    this.warm = warm
    this.count = count
  }

  look(stored: number): void {
    if (this.to.at > 0 || stored < this.warm) return
    // To ask for what a process has used takes a hundredth of its time at this pace: twice is enough.
    if (this.from.at > 0 && stored < this.warm + this.count) return
    const now = { at: performance.now(), cpu: ownProcessorTime(), stored }
    if (this.from.at === 0) this.from = now
    else this.to = now
  }

  get result(): { seconds: number; count: number; cpu: number } {
    const { from, to } = this
    if (to.at === 0) return { seconds: 0, count: 0, cpu: 0 }
    return { seconds: (to.at - from.at) / 1000, count: to.stored - from.stored, cpu: to.cpu - from.cpu }
  }
}

async function endOf(driver: KafkaDriver, topic: string): Promise<number> {
  const ends = await driver.offsets(topic, "latest")
  return [...ends.values()].reduce((sum, offset) => sum + offset, 0)
}

/** Records that come behind a later one of their subject; each begins with its number. */
async function misplaced(driver: KafkaDriver, topic: string): Promise<number> {
  let wrong = 0
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const last = new Map<string, number>()
    for await (const { records } of driver.read({ topic, partition }, { from: 0 })) {
      for (const { key, value } of records) {
        const subject = String(key)
        const number = value?.readDoubleLE() ?? -1
        if (number <= (last.get(subject) ?? -1)) wrong++
        last.set(subject, number)
      }
    }
  }
  return wrong
}
