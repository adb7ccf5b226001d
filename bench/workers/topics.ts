import { xorshift32 } from "../random.ts"

const REGIONS = ["af", "as", "au", "ca", "eu", "na", "sa", "us"]

/**
 * The same as in bench/c/libzmq_pubsub.c: ids of equal length, so that none is a prefix of another. Subscriptions have
 * even ids and what nobody wants odd ones: neighbours, that only the last character tells apart.
 */
export function topic(index: number, wanted = true): string {
  return `orders.${REGIONS[index & 7]}.${String(2 * index + (wanted ? 0 : 1)).padStart(8, "0")}`
}

/** `count` random topics of `topics`, with repeats. The same list in every run. */
export function randomTopics(topics: number, count: number, wanted: boolean): Buffer[] {
  const next = xorshift32(2463534242)
  return Array.from({ length: count }, () => Buffer.from(topic(next() % topics, wanted)))
}
