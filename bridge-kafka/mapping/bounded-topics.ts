import { badMapping } from "./failure.ts"
import type { Template } from "./template.ts"

/** Throws ERR_CONFIG for a template whose topics come from the network, unless a bound was given. */
export function checkBounded(topic: Template, pattern: string, max: number | null): void {
  if (max !== null || topic.isBounded({ pattern })) return
  throw badMapping(
    `The topic ${JSON.stringify(topic.source)} for ${pattern} makes as many topics as publishers have names; say how many there may be at most with topic.max`,
  )
}
