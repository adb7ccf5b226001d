import { type Choice, chain, converter, type Registries, type TransformChoice } from "./classes.ts"
import { ERROR_KEYS, REFUSED } from "./error-keys.ts"
import { retries } from "./errors.ts"
import type { Settings } from "./keys.ts"
import { extended } from "./secrets.ts"
import type { Section } from "./section.ts"
import { CONSUMER_KEYS, CONSUMER_REFUSED, SOURCE_KEYS, SOURCE_REFUSED } from "./source-keys.ts"

const KEYS = [...SOURCE_KEYS, ...ERROR_KEYS] as const
type Keys = Settings<typeof KEYS>

export interface KafkaToFabric extends Omit<Keys, "groupId" | "headerConverter"> {
  readonly class: "KafkaToFabric"
  readonly name: string
  readonly groupId: string
  readonly consumer: Settings<typeof CONSUMER_KEYS>
  readonly keyConverter: Choice
  readonly valueConverter: Choice
  readonly transforms: readonly TransformChoice[]
}

/** Takes all that a source knows out of the section, and reports what does not fit together. */
export function kafkaToFabric(section: Section, bridge: string, name: string, registries: Registries): KafkaToFabric {
  section.refuse(SOURCE_REFUSED)
  const settings = section.settings(KEYS)
  const made = extended(settings, {
    class: "KafkaToFabric" as const,
    name,
    topics: settings.topics ?? [],
    groupId: settings.groupId ?? `hd.${bridge}.${name}`,
    consumer: section.settings(CONSUMER_KEYS, "consumer.override."),
    keyConverter: converter(section, "key.converter", registries.converters),
    valueConverter: converter(section, "value.converter", registries.converters),
    transforms: chain(section, registries),
  })
  section.refuse(REFUSED)
  section.refuse(CONSUMER_REFUSED, "consumer.override.")
  retries(section, settings)
  const letters = settings.errorsDeadletterqueueTopicName
  if (letters !== null && made.topics.includes(letters)) {
    section.complain(
      "errors.deadletterqueue.topic.name",
      "is one of the topics read: dead letters would come back for ever",
    )
  }
  return made
}
