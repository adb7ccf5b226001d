import type { PredicateChoice, TransformChoice } from "../../../bridge-kafka/config/classes.ts"
import { type ConfigKey, type ConfigValue, camelCase } from "../../../bridge-kafka/config/keys.ts"
import { TransformChain } from "../../../bridge-kafka/transforms/chain.ts"
import { findPredicate, findTransform } from "../../../bridge-kafka/transforms/registry.ts"
import type { TransformRecord } from "../../../bridge-kafka/transforms/transform.ts"

export type Given = Readonly<Record<string, ConfigValue>>

/** Settings as config/ makes them: camelCase names, defaults filled in. */
export function settingsOf(keys: readonly ConfigKey[], given: Given): Given {
  for (const name of Object.keys(given)) if (!keys.some(key => key.name === name)) throw new Error(`no key ${name}`)
  return Object.fromEntries(keys.map(key => [camelCase(key.name), given[key.name] ?? key.default ?? null]))
}

export function step(type: string, given: Given = {}, predicate: PredicateChoice | null = null): TransformChoice {
  return { alias: "x", type, settings: settingsOf(findTransform(type).keys, given), predicate }
}

export function when(type: string, given: Given = {}, negate = false): PredicateChoice {
  return { alias: "p", type, settings: settingsOf(findPredicate(type).keys, given), negate }
}

export const RECORD: TransformRecord = {
  subject: "orders.eu.created",
  topic: "orders.eu",
  partition: 3,
  key: "k",
  value: "v",
  headers: [],
  timestamp: 1_700_000_000_123,
}

export async function runAll(
  steps: readonly TransformChoice[],
  record: Partial<TransformRecord> = {},
  folder = "/",
): Promise<TransformRecord[]> {
  const chain = await TransformChain.create(steps, { folder })
  const into: TransformRecord[] = []
  chain.apply({ ...RECORD, ...record }, into)
  return into
}

/** One step on one record that is not dropped. */
export async function run(type: string, given: Given, record: Partial<TransformRecord> = {}): Promise<TransformRecord> {
  const [made] = await runAll([step(type, given)], record)
  return made
}
