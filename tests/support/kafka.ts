import type { Context } from "mocha"
import { KafkaBroker, stopBrokers } from "./kafka-broker.ts"
import { fetchJars, whyNoJava } from "./kafka-jars.ts"

/** The Kafka that tests share. */
export interface SharedKafka {
  /** host:port, several with commas between. */
  readonly bootstrap: string
  /** Null when it is another's (KAFKA_BOOTSTRAP): it has no SASL and no TLS listeners that we know of, and is never stopped. */
  readonly broker: KafkaBroker | null
}

/** Fetching jars for the first time takes longer than any test (milliseconds). */
const FIRST_TIME = 800_000

let shared: Promise<SharedKafka | string> | null = null

async function find(): Promise<SharedKafka | string> {
  const given = process.env.KAFKA_BOOTSTRAP
  if (given !== undefined && given !== "") return { bootstrap: given, broker: null }
  const why = whyNoJava()
  if (why !== null) return why
  try {
    await fetchJars()
  } catch (error) {
    // A tool that is missing; a broker that does not start is a fault to be seen.
    return `its jars could not be fetched by mvn: ${(error as Error).message}`
  }
  const broker = await KafkaBroker.start({ listeners: ["PLAINTEXT", "SASL_PLAINTEXT", "SSL"] })
  return { bootstrap: broker.bootstrap, broker }
}

/**
 * Call it in `before(async function () { kafka = await kafkaOrSkip(this) })`: one broker for the whole run, started
 * when it is asked for first; or the suite is skipped, and one line says why.
 */
export async function kafkaOrSkip(test: Context): Promise<SharedKafka> {
  const limit = test.timeout()
  test.timeout(FIRST_TIME)
  const first = shared === null
  shared ??= find()
  const found = await shared
  test.timeout(limit)
  if (typeof found !== "string") return found
  if (first) process.stdout.write(`\nKafka tests are skipped: ${found}; name a broker in KAFKA_BOOTSTRAP\n`)
  return test.skip()
}

let toTorment: Promise<KafkaBroker> | null = null

/** A broker that dies is expected back by its controller (milliseconds): 9,000 of them would be most of each test that kills it. */
const AWAY = 3_000

/**
 * Call it as `kafkaOrSkip`, and `mend` of what it resolves with after each test: one broker of our own for all tests that freeze and kill
 * it, by turns. Members of its groups that are silent are forgotten soon. The suite is skipped where no broker can be started.
 */
export async function brokerToTorment(test: Context): Promise<KafkaBroker> {
  const { broker } = await kafkaOrSkip(test)
  if (broker === null) return test.skip()
  toTorment ??= KafkaBroker.start({
    properties: {
      "broker.session.timeout.ms": String(AWAY),
      "broker.heartbeat.interval.ms": "300",
      "group.consumer.session.timeout.ms": "1500",
      "group.consumer.heartbeat.interval.ms": "300",
    },
  })
  return toTorment
}

let names = 0

/** A name for a topic, a group or a transactional id that no other test has. */
export function uniqueName(kind: string): string {
  return `${kind}-${process.pid}-${Date.now().toString(36)}-${++names}`
}

// The root suite's: after all tests of the run.
after(stopBrokers)

export { type BrokerOptions, KafkaBroker, USER } from "./kafka-broker.ts"
