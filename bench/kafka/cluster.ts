import { existsSync } from "node:fs"
import { delimiter, join } from "node:path"
import { KafkaBroker } from "../../tests/support/kafka-broker.ts"
import { whyNoJava } from "../../tests/support/kafka-jars.ts"

let broker: Promise<KafkaBroker> | null = null

/** Why there can be no broker, or null. */
export function whyNoKafka(): string | null {
  const java = whyNoJava()
  if (java !== null) return `a real Kafka is needed: ${java}`
  const folders = (process.env.PATH ?? "").split(delimiter)
  if (!folders.some(folder => existsSync(join(folder, "mvn"))))
    return "a real Kafka is needed: Maven (mvn) is not there"
  return null
}

/** The one broker of this run, started when it is asked for first: that of the tests, with Java's full compiler. */
export function kafkaBroker(): Promise<KafkaBroker> {
  broker ??= KafkaBroker.start({ javaOptions: [], properties: { "log.segment.bytes": "268435456" } })
  return broker
}

export async function stopKafka(): Promise<void> {
  const started = broker
  broker = null
  await (await started?.catch(() => null))?.stop()
}

let topics = 0

/** A name that nobody has used in this run. */
export function freshTopic(): string {
  return `bench-${++topics}`
}
