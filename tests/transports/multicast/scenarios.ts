import type { FlowControlName, ReceiverSettings, SenderSettings } from "../../../transports/multicast/engine.ts"
import type { Conditions } from "../../../transports/simulated/conditions.ts"
import { SeededRandom } from "../../../transports/simulated/random.ts"

/** What one sender sends, and what becomes of it. Times in virtual milliseconds from the start. */
export interface SenderPlan {
  readonly startsAt: number
  readonly messages: number
  /** Bytes of a message at most, all frames together; most are shorter. */
  readonly largest: number
  readonly frames: number
  /** So many messages at once, then a pause. */
  readonly burst: number
  readonly pause: number
  /** The process is killed, and another one starts in its place at once. */
  readonly restartsAt: number | null
}

export interface ReceiverPlan {
  readonly joinsAt: number
  /** Killed, without a word; null = lives. */
  readonly diesAt: number | null
  /** Leaves in order. */
  readonly leavesAt: number | null
  /** Pauses and resumes its sessions from within deliveries, so often. */
  readonly nervous: number
  /** Milliseconds that each datagram takes. */
  readonly cost: number
  /** It understands PARITY. */
  readonly parity: boolean
}

/**
 * What an attacker sends: noise; packets of a real session from his own address; NAKs and reports; packets of sessions that
 * there are not; and "lies", packets of a real session in the name of its real sender, against which there is no protection.
 */
export type AttackKind = "garbage" | "spoof" | "naks" | "sessions" | "lies"

/** Something that happens to the network or to a host. `who`: number of a receiver, or of a sender after those. */
export type Incident =
  | { readonly kind: "partition"; readonly from: number; readonly to: number; readonly who: readonly number[] }
  | { readonly kind: "deaf" | "mute"; readonly from: number; readonly to: number; readonly who: number }
  | { readonly kind: "freeze" | "pause"; readonly from: number; readonly to: number; readonly who: number }
  | {
      readonly kind: AttackKind
      readonly from: number
      readonly to: number
      readonly every: number
    }

export interface Scenario {
  readonly seed: number
  readonly senders: readonly SenderPlan[]
  readonly receivers: readonly ReceiverPlan[]
  readonly conditions: Partial<Conditions>
  /** Of datagrams that are lost to everybody. */
  readonly groupLoss: number
  /** Bytes per second that the interface of a sender sends; 0 = no limit. */
  readonly uplink: number
  /** Receivers can answer the sender alone. */
  readonly replies: boolean
  readonly sender: Partial<SenderSettings>
  readonly receiver: Partial<ReceiverSettings>
  readonly incidents: readonly Incident[]
  /** Nothing is there that could lose a message for good: not one gap is allowed. */
  readonly gentle: boolean
  /** Every datagram arrives, and in order. */
  readonly clean: boolean
  /** Somebody lies in the name of senders: what is delivered means nothing, but all must go on and come to an end. */
  readonly hostile: boolean
}

/** Bytes that all receivers of a scenario together are given at most: what a run costs is this, and the packets. */
const MOST_BYTES = 3_000_000
const MOST_PACKETS = 4_000

const SIZES = [8, 40, 64, 200, 1_000, 1_400, 5_000, 40_000, 300_000] as const
const DATAGRAMS = [512, 1_452, 1_452, 1_452, 8_192, 65_507] as const

/** Whole numbers from 1 to `most`, of which small ones are as likely as large ones. */
function several(random: SeededRandom, most: number): number {
  return Math.min(most, Math.floor(Math.exp(random.between(0, Math.log(most + 1)))))
}

const PARITIES = ["auto", "auto", false, 4, 8, 16] as const

/** Always the same for the same seed. */
export function makeScenario(seed: number): Scenario {
  const random = new SeededRandom(seed)
  // Of its own: seeds stay what they were before there was PARITY.
  const parities = new SeededRandom(seed ^ 0x9a417)
  const parity = parities.pick(PARITIES)
  const understood = parities.pick([1, 1, 1, 0.5, 0])
  const receivers = several(random, 30)
  const senders = random.chance(0.6) ? 1 : random.int(2, 4)
  const datagram = random.pick(DATAGRAMS)
  const calm = random.chance(0.3)
  const gentle = calm && random.chance(0.7)
  const recoveryInterval = random.pick(gentle ? [3_000, 10_000] : [300, 1_000, 3_000, 10_000])
  const conditions = makeConditions(random, calm)
  const duration = random.pick([50, 500, 3_000])
  const plans = Array.from({ length: senders }, () =>
    makeSender(random, { calm, duration, datagram, shares: senders * receivers }),
  )
  const sender = makeSenderSettings(random, plans, { datagram, recoveryInterval, gentle })
  const incidents = calm ? [] : makeIncidents(random, receivers, senders, duration)
  const groupLoss = calm || random.chance(0.7) ? 0 : random.between(0, 0.2)
  const uplink = calm || random.chance(0.8) ? 0 : random.pick([200_000, 2_000_000])
  const { loss, burst, rate, reorder } = conditions
  const receiving = Array.from({ length: receivers }, () => ({
    ...makeReceiver(random, calm, duration),
    parity: parities.chance(understood),
  }))
  const quick = receiving.every(({ cost }) => cost === 0)
  return {
    seed,
    senders: plans,
    receivers: receiving,
    conditions,
    groupLoss,
    uplink,
    replies: random.chance(0.7),
    sender: { ...sender, parity },
    receiver: {
      recoveryInterval,
      receiveWindow: random.pick(gentle ? [256, 2_048, 8_192] : [64, 256, 2_048, 8_192]) * 1024,
      memory: gentle || random.chance(0.8) ? 256 * 1024 * 1024 : 1024 * 1024,
      sessionTimeout: random.pick([3_000, 10_000]),
      nakBackoff: random.pick([2, 10, 10, 50]),
      maxMessageSize: random.chance(0.9) ? 64 * 1024 * 1024 : 20_000,
    },
    incidents,
    gentle,
    clean: !loss && !burst && !rate && !reorder && groupLoss === 0 && quick && incidents.length === 0,
    hostile: incidents.some(({ kind }) => kind === "lies"),
  }
}

function makeConditions(random: SeededRandom, calm: boolean): Partial<Conditions> {
  const maybe = <T>(probability: number, value: () => T): T | undefined =>
    random.chance(probability) ? value() : undefined
  // A sender takes the group for empty when nobody answers within 100 ms: in a gentle network several answers can be lost.
  const near = random.pick(calm ? [0.05, 0.5, 2] : [0.05, 0.5, 2, 20])
  return {
    loss: random.chance(0.25) ? 0 : random.between(0, calm ? 0.1 : random.pick([0.02, 0.1, 0.4])),
    delay: random.chance(0.5) ? near : [near, near * random.between(1, 5)],
    duplicate: maybe(0.3, () => random.between(0, 0.3)),
    reorder: maybe(0.4, () => random.between(0, 0.3)),
    reorderDelay: [0.1, random.pick([1, 5, 30])],
    burst: calm
      ? undefined
      : maybe(0.3, () => ({ enter: random.between(0.001, 0.05), leave: random.between(0.05, 0.5) })),
    rate: calm ? undefined : maybe(0.2, () => random.pick([200_000, 1_000_000, 10_000_000])),
    queue: random.pick([16, 64, 256]) * 1024,
    mtu: calm ? undefined : maybe(0.2, () => 1_500),
  }
}

interface Load {
  readonly calm: boolean
  readonly duration: number
  readonly datagram: number
  /** Copies of each message that the scenario makes. */
  readonly shares: number
}

function makeSender(random: SeededRandom, { calm, duration, datagram, shares }: Load): SenderPlan {
  const largest = random.pick(SIZES)
  // Sizes are drawn so that small ones prevail.
  const mean = largest / 3
  const packets = Math.max(1, mean / (datagram - 60))
  const most = Math.min(2_000, MOST_BYTES / shares / mean, MOST_PACKETS / shares / Math.min(packets, 50))
  const messages = several(random, Math.max(3, Math.floor(most)))
  const burst = random.pick([1, 1, 10, 100, 10_000])
  return {
    startsAt: random.chance(0.5) ? 0 : random.int(0, 200),
    messages,
    largest,
    frames: random.pick([1, 1, 2, 4]),
    burst,
    pause: duration / Math.max(1, messages / burst),
    restartsAt: !calm && random.chance(0.2) ? random.int(0, duration) : null,
  }
}

interface Given {
  readonly datagram: number
  readonly recoveryInterval: number
  /** What is lost can be repaired in any case. */
  readonly gentle: boolean
}

function makeSenderSettings(
  random: SeededRandom,
  plans: readonly SenderPlan[],
  { datagram, recoveryInterval, gentle }: Given,
): Partial<SenderSettings> {
  const flow: FlowControlName = gentle ? "slowest" : random.pick(["slowest", "slowest", "fastest", "none"])
  const bytes = Math.max(...plans.map(({ messages, largest }) => (messages * largest) / 3))
  return {
    datagram,
    recoveryInterval,
    flow,
    window: random.pick(gentle ? [512, 8_192] : [64, 512, 8_192]) * 1024,
    // Everything within some twenty seconds, headers included.
    rate: gentle || random.chance(0.6) ? 0 : Math.ceil(50_000 + bytes / 5),
    initialWindow: random.pick([16, 128]) * 1024,
    receiverTimeout: random.pick(gentle ? [5_000] : [1_000, 5_000]),
    linger: random.pick([500, 5_000]),
  }
}

function makeReceiver(random: SeededRandom, calm: boolean, duration: number): Omit<ReceiverPlan, "parity"> {
  const fate = calm ? 1 : random.next()
  return {
    joinsAt: random.chance(0.6) ? 0 : random.int(0, duration),
    diesAt: fate < 0.07 ? random.int(0, duration) : null,
    leavesAt: fate >= 0.07 && fate < 0.12 ? random.int(0, duration) : null,
    nervous: random.chance(0.2) ? random.between(0, 0.3) : 0,
    cost: calm || random.chance(0.9) ? 0 : random.between(0.01, 1),
  }
}

function makeIncidents(random: SeededRandom, receivers: number, senders: number, duration: number): Incident[] {
  const incidents: Incident[] = []
  const span = (): { from: number; to: number } => {
    const from = random.int(0, duration)
    // Longer than any time-out now and then.
    return { from, to: from + random.pick([20, 300, 2_000, 2_000, 15_000]) * random.next() }
  }
  const hosts = receivers + senders
  while (random.chance(0.5) && incidents.length < 6) {
    const kind = random.pick([
      "partition",
      "deaf",
      "mute",
      "freeze",
      "freeze",
      "pause",
      "pause",
      "garbage",
      "spoof",
      "naks",
      "sessions",
      ...(random.chance(0.3) ? (["lies"] as const) : []),
    ] as const)
    if (kind === "partition") {
      const who = Array.from({ length: hosts }, (_, number) => number).filter(() => random.chance(0.4))
      incidents.push({ kind, ...span(), who })
    } else if (kind === "pause") incidents.push({ kind, ...span(), who: random.int(0, receivers - 1) })
    else if (kind === "deaf" || kind === "mute" || kind === "freeze") {
      incidents.push({ kind, ...span(), who: random.int(0, hosts - 1) })
    } else {
      const { from, to } = span()
      // Each forged session makes every receiver report to it for a while: a hundred now and then are enough.
      const dear = (kind === "sessions" || kind === "lies") && !random.chance(0.05)
      const every = random.pick(dear ? [1, 10] : [0.2, 1, 10])
      incidents.push({ kind, from, to: Math.min(to, from + (dear ? 30 : 300)), every })
    }
  }
  return incidents
}
