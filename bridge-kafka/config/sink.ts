import { matches } from "../../core/subject.ts"
import { Routes } from "../mapping/routes.ts"
import { type Choice, chain, converter, type Registries, type TransformChoice } from "./classes.ts"
import { ERROR_KEYS, REFUSED } from "./error-keys.ts"
import { retries } from "./errors.ts"
import type { Settings } from "./keys.ts"
import { extended } from "./secrets.ts"
import { Section } from "./section.ts"
import { PRODUCER_KEYS, PRODUCER_REFUSED, ROUTE_KEYS, SINK_KEYS } from "./sink-keys.ts"

/** A file with more is made by a program that should use templates. */
const MOST_ROUTES = 1_000

/** One rule, with what it left out filled in from the connector. */
export interface RouteSettings {
  readonly subjects: readonly string[]
  readonly topic: string
  readonly key: string
  readonly partition: string
  /** Templates of headers to add, by name. */
  readonly headers: Readonly<Record<string, string>>
  readonly continue: boolean
}

const KEYS = [...SINK_KEYS, ...ERROR_KEYS] as const
type Keys = Settings<typeof KEYS>

export interface FabricToKafka extends Omit<Keys, "subjects" | "headerConverter"> {
  readonly class: "FabricToKafka"
  readonly name: string
  /** What to subscribe to: all patterns of all routes. */
  readonly subjects: readonly string[]
  /** In the order in which they are tried (MAP-1). */
  readonly routes: readonly RouteSettings[]
  readonly producer: Settings<typeof PRODUCER_KEYS>
  /** Settings of topics that are made: cleanup.policy, retention.ms, ... */
  readonly topicConfig: Readonly<Record<string, string>>
  readonly keyConverter: Choice
  readonly valueConverter: Choice
  readonly transforms: readonly TransformChoice[]
}

/** Takes all that a sink knows out of the section, and reports what does not fit together. */
export function fabricToKafka(section: Section, name: string, registries: Registries): FabricToKafka {
  const settings = section.settings(KEYS)
  const routes = routesOf(section, settings)
  const producer = section.settings(PRODUCER_KEYS, "producer.override.")
  const topicConfig = section.properties("topic.creation.default.")
  const made = extended(settings, {
    class: "FabricToKafka" as const,
    name,
    subjects: Object.freeze([...new Set(routes.flatMap(route => route.subjects))]),
    routes,
    producer,
    topicConfig,
    keyConverter: converter(section, "key.converter", registries.converters),
    valueConverter: converter(section, "value.converter", registries.converters),
    transforms: chain(section, registries),
  })
  section.refuse(REFUSED)
  section.refuse(PRODUCER_REFUSED, "producer.override.")
  retries(section, settings)
  routable(section, made)
  creation(section, settings, topicConfig)
  acknowledgements(section, made)
  const { errorsDeadletterqueueSubject: notices, subjects } = made
  const back = notices === null ? undefined : subjects.find(pattern => matches(pattern, notices))
  if (back !== undefined)
    section.complain(
      "errors.deadletterqueue.subject",
      `is matched by ${back}: notices would be mirrored, and fail again`,
    )
  return made
}

function routesOf(section: Section, own: Keys): readonly RouteSettings[] {
  const rest = { topic: own.topic, key: own.key, partition: own.partition }
  const routes = entries(section).map((entry, index) => {
    const route = new Section(entry, `${section.path}.routes[${index}]`, section.context)
    const { subjects, topic, key, partition, continue: goesOn } = route.settings(ROUTE_KEYS)
    const headers = new Section(route.take("headers"), `${route.path}.headers`, section.context).properties()
    route.finish()
    return Object.freeze({
      subjects: subjects ?? [],
      topic: topic ?? rest.topic,
      key: key ?? rest.key,
      partition: partition ?? rest.partition,
      headers,
      continue: goesOn,
    })
  })
  if (own.subjects !== null) {
    routes.push(Object.freeze({ subjects: own.subjects, ...rest, headers: Object.freeze({}), continue: false }))
  } else if (routes.length === 0 && !section.has("subjects")) {
    section.complain("subjects", "is missing: name the subjects to mirror, or give routes")
  }
  return Object.freeze(routes)
}

/** An array, or, since Connect's settings are all text, an array written as text. */
function entries(section: Section): readonly unknown[] {
  const given = section.take("routes")
  if (given === undefined) return []
  const routes = typeof given === "string" ? parsed(given) : given
  if (!Array.isArray(routes) || routes.length === 0 || routes.length > MOST_ROUTES) {
    section.complain("routes", `must be a list of 1 to ${MOST_ROUTES} objects`)
    return []
  }
  return routes
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Templates, keys and the number of topics, judged by the part that will use them. */
function routable(section: Section, { routes, topicMax, topicPrefix }: FabricToKafka): void {
  routes.forEach(({ subjects, topic, key, partition, headers }, index) => {
    // What was wrong already is null, or an empty list, and was reported.
    if (subjects.length === 0) return
    const route = {
      subjects,
      topic: topic ?? undefined,
      key: key ?? undefined,
      partition: partition ?? undefined,
      headers,
    }
    try {
      new Routes([route], { maxTopics: topicMax, topicPrefix: topicPrefix ?? "", cache: 1 })
    } catch (error) {
      const name = section.has("routes") ? `routes[${index}]` : "topic"
      const words = (error as Error).message.replace(/^routes\[0\]: /, "")
      section.complain(name, section.untold("routes", "subjects", "topic", "key", "partition", "topic.prefix") ?? words)
    }
  })
}

function creation(section: Section, settings: Keys, topicConfig: Readonly<Record<string, string>>): void {
  if (settings.topicCreationDefaultPartitions !== null) return
  const other = [
    ...["replication.factor"].filter(name => section.has(`topic.creation.default.${name}`)),
    ...Object.keys(topicConfig),
  ]
  if (other.length === 0) return
  section.complain(`topic.creation.default.${other[0]}`, "is not used without topic.creation.default.partitions")
}

function acknowledgements(section: Section, { guarantee, producer }: FabricToKafka): void {
  const all = producer.acks !== "0" && producer.acks !== "1"
  const complain = (name: string, text: string): void => section.complain(`producer.override.${name}`, text)
  if (guarantee === "exactly-once") {
    if (!all) complain("acks", "must be all with exactly-once")
    if (!producer.enableIdempotence) complain("enable.idempotence", "must be true with exactly-once")
    if (producer.deliveryTimeoutMs > producer.transactionTimeoutMs) {
      complain(
        "delivery.timeout.ms",
        "must not be longer than transaction.timeout.ms: the broker would abort what still runs",
      )
    }
  } else if (!all && producer.enableIdempotence) {
    complain("acks", "other than all needs producer.override.enable.idempotence: false")
  }
}
