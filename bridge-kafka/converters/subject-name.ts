/** Under which subject of the registry a schema stands: Confluent's three strategies, also by their class names. */
import { wrongSetting } from "./failures.ts"

export const STRATEGIES = ["TopicNameStrategy", "RecordNameStrategy", "TopicRecordNameStrategy"] as const

export type SubjectNameStrategy = (typeof STRATEGIES)[number]

function findStrategy(name: string): SubjectNameStrategy | undefined {
  return STRATEGIES.find(one => name === one || name === `io.confluent.kafka.serializers.subject.${one}`)
}

/** What is wrong with a setting, or null. */
export function checkStrategy(value: unknown): string | null {
  return findStrategy(String(value)) === undefined ? `must be one of ${STRATEGIES.join(", ")}` : null
}

/** Throws ERR_CONFIG. */
export function strategyOf(name: string): SubjectNameStrategy {
  const found = findStrategy(name)
  if (found === undefined)
    throw wrongSetting(`subject.name.strategy: there is no ${JSON.stringify(name)}; there are ${STRATEGIES.join(", ")}`)
  return found
}

export function subjectName(strategy: SubjectNameStrategy, topic: string, isKey: boolean, recordName: string): string {
  if (strategy === "TopicNameStrategy") return `${topic}-${isKey ? "key" : "value"}`
  return strategy === "RecordNameStrategy" ? recordName : `${topic}-${recordName}`
}
