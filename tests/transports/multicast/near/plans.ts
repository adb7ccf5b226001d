import type { LinkOptions, MulticastFlow } from "../../../../core/contract.ts"
import type { Conditions } from "../../../../transports/simulated/conditions.ts"
import { SeededRandom } from "../../../../transports/simulated/random.ts"

/** A time without traffic, then messages. Milliseconds. */
export interface Phase {
  readonly wait: number
  readonly messages: number
  readonly largest: number
  /** So many at a time, and so long between two of these. */
  readonly burst: number
  readonly pause: number
  /** Each message leaves alone. */
  readonly flushed: boolean
}

export interface Span {
  readonly from: number
  readonly to: number
}

export interface ProcessPlan {
  readonly startsAt: number
  /** Stands still, as by SIGSTOP. */
  readonly frozen: Span | null
  /** Killed without a word. */
  readonly diesAt: number | null
  /** Memory cannot be had, or opened, so often (a probability). */
  readonly refuses: number
}

export interface SenderPlan extends ProcessPlan {
  readonly type: "PUB" | "BUS"
  readonly phases: readonly Phase[]
  /** It is closed behind its last message, and waits so long for receivers; null = it stays to the end. */
  readonly linger: number | null
}

export interface ReceiverPlan extends ProcessPlan {
  /** On the sender's machine with shared memory, there without it, or on another machine. */
  readonly place: "near" | "stranger" | "remote"
  readonly leavesAt: number | null
  /** Its user does not read. */
  readonly paused: Span | null
  /** How often its user pauses for a moment in the midst of a message (a probability). */
  readonly nervous: number
  /** Milliseconds for each datagram. */
  readonly cost: number
}

export interface NearScenario {
  readonly seed: number
  readonly senders: readonly SenderPlan[]
  readonly receivers: readonly ReceiverPlan[]
  readonly conditions: Partial<Conditions>
  readonly options: Partial<LinkOptions>
  /** Nothing is lost, and nobody is ever away: there is no reason for a gap. */
  readonly clean: boolean
}

const KB = 1024
const QUIET: ProcessPlan = { startsAt: 0, frozen: null, diesAt: null, refuses: 0 }
/** Longer than a sender keeps memory that nobody needs. */
export const IDLE = 31_000

export function makeNearScenario(seed: number): NearScenario {
  const random = new SeededRandom(seed)
  const calm = random.chance(0.4)
  const flow = random.pick(["slowest", "slowest", "fastest", "none"] as const)
  const loss = calm || random.chance(0.3) ? 0 : random.between(0, 0.2)
  const senders = random.pick([1, 1, 1, 2, 3])
  const receivers = random.int(1, 8)
  const bytes = (random.pick([1, 2, 4]) * KB * KB) / senders
  const duration = random.pick([20, 300, 3_000])
  const unit = random.pick([1_500, 9_000, 20_000, 20_000, 65_535])
  const strangers = random.chance(0.3)
  return {
    seed,
    senders: Array.from({ length: senders }, () => makeSender(random, calm, { bytes, duration, unit })),
    receivers: Array.from({ length: receivers }, (_none, index) => ({
      ...makeReceiver(random, calm, duration),
      // One is always there to share memory with.
      place: index > 0 && strangers && random.chance(0.4) ? random.pick(["stranger", "remote"] as const) : "near",
    })),
    conditions: {
      loss,
      delay: random.pick([0.02, [0.02, 0.2], [0.1, 1]] as const),
      duplicate: calm || random.chance(0.7) ? 0 : random.between(0, 0.2),
      reorder: calm || random.chance(0.7) ? 0 : random.between(0, 0.2),
      reorderDelay: [0.1, random.pick([1, 10])],
    },
    options: {
      multicastMaxTransportDataUnit: unit,
      multicastFlow: flow,
      multicastWindow: random.pick([96, 256, 256, 1_024, 4_096]) * KB,
      multicastParity: random.pick(["auto", "auto", false] as const),
      recoveryInterval: calm ? 10_000 : random.pick([300, 1_000, 10_000]),
      receiveBufferSize: random.pick([256, 8_192]) * KB,
    },
    clean: calm && flow === "slowest",
  }
}

interface Load {
  readonly bytes: number
  readonly duration: number
  readonly unit: number
}

function makeSender(random: SeededRandom, calm: boolean, { bytes, duration, unit }: Load): SenderPlan {
  const phases = Array.from({ length: random.pick([1, 2, 2, 3]) }, (_none, index): Phase => {
    const largest = random.pick(index === 0 ? [200, 2_000, unit, 200_000] : [200, unit, unit, 50_000])
    const flushed = random.chance(0.25)
    const burst = random.pick([1, 10, 100, 10_000])
    const messages = Math.min(Math.ceil(bytes / largest), flushed || burst === 1 ? 200 : 2_000)
    return {
      wait: index === 0 ? random.pick([0, 0, 5]) : random.pick([1, 100, 1_500, IDLE]),
      messages,
      largest,
      burst,
      pause: duration / Math.max(1, messages / burst),
      flushed,
    }
  })
  return {
    ...makeProcess(random, calm, duration),
    type: random.pick(["PUB", "PUB", "BUS"]),
    startsAt: random.pick([1, 20]),
    phases,
    linger: random.chance(0.2) ? random.pick([100, 20_000]) : null,
  }
}

function makeReceiver(random: SeededRandom, calm: boolean, duration: number): Omit<ReceiverPlan, "place"> {
  const away = !calm && random.chance(0.2)
  return {
    ...makeProcess(random, calm, duration),
    startsAt: random.chance(0.7) ? 0 : random.between(0, 1.5 * duration),
    leavesAt: random.chance(0.1) ? random.between(0, 1.5 * duration) : null,
    paused: random.chance(0.2) ? span(random, duration, [20, 300, 3_000, 12_000]) : null,
    nervous: random.chance(0.2) ? random.between(0, 0.1) : 0,
    cost: away ? random.between(0.01, 1) : 0,
  }
}

function makeProcess(random: SeededRandom, calm: boolean, duration: number): ProcessPlan {
  const fate = calm ? 1 : random.next()
  return {
    ...QUIET,
    diesAt: fate < 0.05 ? random.between(0, 1.5 * duration) : null,
    frozen: fate > 0.05 && fate < 0.15 ? span(random, duration, [20, 300, 4_000, 8_000]) : null,
    refuses: random.chance(0.9) ? 0 : random.pick([0.5, 1]),
  }
}

function span(random: SeededRandom, duration: number, lengths: readonly number[]): Span {
  const from = random.between(0, duration)
  return { from, to: from + random.pick(lengths) * random.next() }
}

/** Everybody is there from the beginning, and there is traffic that is worth memory. */
export function makeCrowd(
  seed: number,
  { strangers = 0, loss = 0, flow = "slowest" as MulticastFlow } = {},
): NearScenario {
  const random = new SeededRandom(seed)
  const unit = random.pick([9_000, 20_000, 65_535])
  const receivers = random.int(1, 8)
  return {
    seed,
    senders: [
      {
        ...QUIET,
        type: random.pick(["PUB", "BUS"]),
        startsAt: 1,
        phases: [{ wait: 0, messages: 800, largest: 20_000, burst: random.pick([10, 800]), pause: 1, flushed: false }],
        linger: null,
      },
    ],
    receivers: Array.from({ length: receivers + strangers }, (_none, index) => ({
      ...QUIET,
      place: index < receivers ? "near" : "stranger",
      leavesAt: null,
      paused: null,
      nervous: 0,
      cost: 0,
    })),
    conditions: { loss, delay: 0.05 },
    options: {
      multicastMaxTransportDataUnit: unit,
      multicastFlow: flow,
      multicastWindow: random.pick([256, 512]) * KB,
    },
    clean: false,
  }
}

/** Those that nobody waits for stand still while the memory that they read is used again and again. */
export function makeOverrun(seed: number): NearScenario {
  const random = new SeededRandom(seed)
  const crowd = makeCrowd(seed)
  const { phases } = crowd.senders[0]
  return {
    ...crowd,
    senders: [
      {
        ...crowd.senders[0],
        phases: [{ ...phases[0], messages: 1_500, burst: 20, flushed: true }],
      },
    ],
    receivers: Array.from({ length: 4 }, (_none, index) => ({
      ...crowd.receivers[0],
      frozen: index === 0 ? null : span(random, 60, [20, 50, 100]),
    })),
    options: { ...crowd.options, multicastFlow: random.pick(["fastest", "none"]), multicastWindow: 96 * KB },
  }
}
