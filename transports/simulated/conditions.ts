import { HeddleError } from "../../core/errors.ts"

/** Loss that comes in bursts: two states, entered and left by chance with each datagram (Gilbert and Elliott). */
export interface BurstLoss {
  /** Probability to go from the good state to the bad one. */
  readonly enter: number
  /** Probability to leave the bad state: bursts are `1 / leave` datagrams long on average. */
  readonly leave: number
  /** Probability that a datagram is lost in the bad state. Default 1. */
  readonly loss?: number
}

/** How the way from one host to another is. Times in milliseconds, sizes in bytes, probabilities from 0 to 1. */
export interface Conditions {
  /** Of each datagram, on its own. A lost piece of a stream comes later instead. Default 0. */
  readonly loss: number
  /** Default null: none. Datagrams only, and besides `loss`. */
  readonly burst: BurstLoss | null
  /** Probability that a datagram comes twice. Default 0. */
  readonly duplicate: number
  /** Probability that a datagram is held back by `reorderDelay` and overtaken by what follows it. Default 0. */
  readonly reorder: number
  /** One value, or from and to. Default [1, 10]. */
  readonly reorderDelay: number | readonly [number, number]
  /** One value, or from and to; jitter alone keeps the order. Default 0.1. */
  readonly delay: number | readonly [number, number]
  /** Bytes per second; 0 = no limit. Default 0. */
  readonly rate: number
  /** Bytes that wait where `rate` is the limit; what does not fit is lost. Default 256 KiB. */
  readonly queue: number
  /** Largest packet: a larger datagram goes in fragments, and is lost when one of them is. Default 65,535: none is larger. */
  readonly mtu: number
  /** Probability that a read of a stream gives a part only of what is there. Default 0. */
  readonly split: number
}

export const DEFAULT_CONDITIONS: Conditions = {
  loss: 0,
  burst: null,
  duplicate: 0,
  reorder: 0,
  reorderDelay: [1, 10],
  // Between hosts of one switched network.
  delay: 0.1,
  rate: 0,
  // A port of a small switch has about as much.
  queue: 256 * 1024,
  mtu: 65_535,
  split: 0,
}

const PROBABILITIES = ["loss", "duplicate", "reorder", "split"] as const
const TIMES = ["delay", "reorderDelay"] as const

/** An IPv4 header and no data to speak of. */
const SMALLEST_MTU = 68

/** Throws EINVAL. Fields that are undefined keep what they were. */
export function mergeConditions(before: Conditions, given: Partial<Conditions>): Conditions {
  const merged = { ...before } as { -readonly [K in keyof Conditions]: Conditions[K] }
  for (const [name, value] of Object.entries(given)) {
    if (!(name in DEFAULT_CONDITIONS)) throw invalid(name, "there is no such condition of a simulated network")
    if (value !== undefined) Object.assign(merged, { [name]: value })
  }
  for (const name of PROBABILITIES) probability(name, merged[name])
  for (const name of TIMES) {
    const [from, to] = rangeOf(merged[name])
    if (!(from >= 0 && to >= from && to < Number.POSITIVE_INFINITY)) {
      throw invalid(name, "write milliseconds, or [from, to]")
    }
  }
  if (merged.burst !== null) {
    probability("burst.enter", merged.burst.enter)
    probability("burst.leave", merged.burst.leave)
    probability("burst.loss", merged.burst.loss ?? 1)
  }
  if (!(merged.rate >= 0)) throw invalid("rate", "write bytes per second, 0 = no limit")
  if (!(merged.queue >= 0)) throw invalid("queue", "write bytes")
  if (!(merged.mtu >= SMALLEST_MTU)) throw invalid("mtu", `write bytes, at least ${SMALLEST_MTU}`)
  return merged
}

export function rangeOf(value: number | readonly [number, number]): readonly [number, number] {
  return typeof value === "number" ? [value, value] : value
}

function probability(name: string, value: number): void {
  if (!(value >= 0 && value <= 1)) throw invalid(name, "a probability is from 0 to 1")
}

function invalid(name: string, why: string): HeddleError {
  return new HeddleError("EINVAL", `Invalid argument: ${name}: ${why}`)
}
