import type { BurstLoss, Conditions } from "./conditions.ts"
import { mergeConditions, rangeOf } from "./conditions.ts"
import type { SeededRandom } from "./random.ts"

/** What happened on a way, or on all ways together. In datagrams, but for the bytes. */
export interface Traffic {
  /** Put on the way; a datagram to a group counts once for each host that is in it. */
  sent: number
  /** Handed to a socket. */
  delivered: number
  /** By `loss` or `burst`. */
  lost: number
  /** By the queue of `rate`. */
  queueFull: number
  /** By a cut or a partition. */
  cut: number
  /** By the buffer of a socket that was not read. */
  overflowed: number
  /** Nobody listened at the port. */
  unheard: number
  duplicated: number
  /** Held back, so that others could overtake. */
  reordered: number
  bytesSent: number
  bytesDelivered: number
  /** Of streams, both ends' headers left out. */
  streamBytes: number
}

export function noTraffic(): Traffic {
  return {
    sent: 0,
    delivered: 0,
    lost: 0,
    queueFull: 0,
    cut: 0,
    overflowed: 0,
    unheard: 0,
    duplicated: 0,
    reordered: 0,
    bytesSent: 0,
    bytesDelivered: 0,
    streamBytes: 0,
  }
}

/** IPv4 and UDP headers: what `rate` counts and `mtu` holds besides the bytes of a datagram. */
const HEADERS = 28
/** Linux waits at least so long (milliseconds) until it sends a lost piece of a stream again. */
const RETRANSMISSION = 200

/** The way from one host to another, in this direction. */
export class Path {
  readonly traffic = noTraffic()
  /** By `cut` or a partition. */
  blocked = false
  private conditions: Conditions
  private own: Partial<Conditions> = {}
  private readonly random: SeededRandom
  private bad = false
  /** When the last datagram that was not held back arrives: jitter does not change the order. */
  private lastArrival = Number.NEGATIVE_INFINITY
  /** When the bottleneck has sent all that it has. */
  private idleAt = Number.NEGATIVE_INFINITY

  constructor(conditions: Conditions, random: SeededRandom) {
    this.conditions = conditions
    this.random = random
  }

  get split(): number {
    return this.conditions.split
  }

  /** Conditions of all ways; those that this one has of its own stay. */
  inherit(conditions: Conditions): void {
    this.conditions = mergeConditions(conditions, this.own)
  }

  set(given: Partial<Conditions>): void {
    this.conditions = mergeConditions(this.conditions, given)
    this.own = { ...this.own, ...given }
  }

  /** Not even a stream gets through. */
  get stopped(): boolean {
    return this.blocked || this.conditions.loss >= 1
  }

  /** When a datagram that is sent now arrives; NaN = never. */
  arrival(now: number, bytes: number): number {
    const { conditions, random, traffic } = this
    traffic.sent++
    traffic.bytesSent += bytes
    if (this.blocked) {
      traffic.cut++
      return Number.NaN
    }
    const fragments = Math.max(1, Math.ceil((bytes + HEADERS) / conditions.mtu))
    let lost = false
    for (let left = fragments; left > 0; left--) if (this.loses(conditions.burst)) lost = true
    if (lost) {
      traffic.lost++
      return Number.NaN
    }
    const leaves = this.leave(now, bytes + HEADERS * fragments)
    if (Number.isNaN(leaves)) {
      traffic.queueFull++
      return leaves
    }
    const usual = Math.max(this.lastArrival, leaves + this.draw(conditions.delay))
    if (conditions.reorder > 0 && random.chance(conditions.reorder)) {
      traffic.reordered++
      return usual + this.draw(conditions.reorderDelay)
    }
    this.lastArrival = usual
    return usual
  }

  duplicates(): boolean {
    const { duplicate } = this.conditions
    if (duplicate === 0 || !this.random.chance(duplicate)) return false
    this.traffic.duplicated++
    return true
  }

  /** How long a duplicate comes behind the first. */
  echo(): number {
    return this.draw(this.conditions.reorderDelay)
  }

  /** When a piece of a stream that is sent now arrives. Nothing of a stream is lost: it waits at the bottleneck, or comes again. */
  streamArrival(now: number, bytes: number): number {
    const { conditions, random } = this
    this.traffic.streamBytes += bytes
    let at = now
    if (conditions.rate > 0) {
      at = Math.max(now, this.idleAt) + ((bytes + HEADERS) / conditions.rate) * 1000
      this.idleAt = at
    }
    at += this.draw(conditions.delay)
    if (conditions.loss < 1) while (conditions.loss > 0 && random.chance(conditions.loss)) at += RETRANSMISSION
    return at
  }

  /** When a piece of a stream that came to a cut is tried again. */
  retry(now: number): number {
    return now + RETRANSMISSION
  }

  /** How many bytes of so many a read gives. */
  portion(bytes: number): number {
    const { split } = this.conditions
    return split > 0 && bytes > 1 && this.random.chance(split) ? this.random.int(1, bytes - 1) : bytes
  }

  private loses(burst: BurstLoss | null): boolean {
    const { random } = this
    const { loss } = this.conditions
    let lost = loss > 0 && random.chance(loss)
    if (burst !== null) {
      this.bad = random.chance(this.bad ? 1 - burst.leave : burst.enter)
      if (this.bad && random.chance(burst.loss ?? 1)) lost = true
    }
    return lost
  }

  /** When the bottleneck has let it pass; NaN = its queue is full. */
  private leave(now: number, bytes: number): number {
    const { rate, queue } = this.conditions
    if (rate === 0) return now
    const waits = Math.max(0, this.idleAt - now)
    if ((waits * rate) / 1000 + bytes > queue && waits > 0) return Number.NaN
    this.idleAt = now + waits + (bytes / rate) * 1000
    return this.idleAt
  }

  private draw(time: number | readonly [number, number]): number {
    if (typeof time === "number") return time
    const [from, to] = rangeOf(time)
    return from === to ? from : this.random.between(from, to)
  }
}
