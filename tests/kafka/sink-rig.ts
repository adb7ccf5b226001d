import type { KafkaDriver, StoredRecord } from "../../bridge-kafka/driver.ts"
import { serveInfo } from "../../bridge-kafka/sink/info.ts"
import { SINK_DEFAULTS, type SinkSettings } from "../../bridge-kafka/sink/settings.ts"
import { SinkConnector, type SinkEvent, type SinkOptions } from "../../bridge-kafka/sink/sink-connector.ts"
import { Spool } from "../../bridge-kafka/spool/spool.ts"
import type { Fabric } from "../../index.ts"
import { later } from "../support/cleanup.ts"
import { temporaryFolder } from "../support/folders.ts"
import { watchRequests } from "../support/kafka-requests.ts"
import { pass, until } from "../support/wait.ts"
import { tells } from "../support/where-it-stood.ts"

export interface Rig {
  readonly sink: SinkConnector
  readonly spool: Spool | null
  readonly settings: SinkSettings
  /** Stops it and gives its folder free, as a restart would. */
  close(): Promise<void>
}

export interface RigOptions {
  readonly fabric: Fabric
  readonly driver: KafkaDriver
  readonly settings: Pick<SinkSettings, "bridge" | "routes"> & Partial<SinkSettings>
  readonly folder?: string
  readonly more?: Partial<SinkOptions>
}

/** A connector "out" for `orders.>` with a spool of its own; small shards and short waits. */
export async function startSink({ fabric, driver, settings: given, folder, more }: RigOptions): Promise<Rig> {
  const settings: SinkSettings = {
    ...SINK_DEFAULTS,
    connector: "out",
    subjects: ["orders.>"],
    shards: 4,
    coordination: "none",
    topicPartitions: 3,
    topicMax: 100,
    retryMinMs: 20,
    retryMaxMs: 500,
    ...given,
  }
  const spool =
    settings.spoolMode === "off"
      ? null
      : await Spool.open({ folder: folder ?? temporaryFolder(), maxBytes: 64 * 1024 * 1024 })
  const events: string[] = []
  const onEvent = (event: SinkEvent): void => {
    if (event.type === "state") events.push(`${Math.round(performance.now())} ${event.state} ${event.trouble ?? ""}`)
  }
  const sink = new SinkConnector({ fabric, driver, settings, spool, onEvent, ...more })
  const requests = watchRequests()
  tells(() => ({ ...sink.status(), events: events.slice(-20) }))
  tells(requests)
  const info = serveInfo(fabric, settings.bridge, () => [sink.info])
  let closed = false
  const close = async (): Promise<void> => {
    if (closed) return
    closed = true
    info.close()
    await sink.stop()
    await spool?.close()
  }
  later(close)
  await sink.start()
  if (settings.coordination === "none") await until(() => sink.status().owned.length === settings.shards)
  return { sink, spool, settings, close }
}

/**
 * All that a read_committed consumer sees of a topic, by partition; waits until there are so many: the broker answers a commit before its
 * markers are in the partitions.
 */
export async function readAll(driver: KafkaDriver, topic: string, atLeast = 0): Promise<StoredRecord[]> {
  const count = (await driver.partitions([topic])).get(topic) ?? 0
  for (;;) {
    const records: StoredRecord[] = []
    for (let partition = 0; partition < count; partition++)
      for await (const batch of driver.read({ topic, partition }, { from: 0, isolation: "read_committed" }))
        records.push(...batch.records)
    if (records.length >= atLeast) return records
    await pass(20)
  }
}

export function header(record: StoredRecord, name: string): string | undefined {
  return record.headers.find(([one]) => one === name)?.[1].toString()
}
