import type { TopicPartition } from "../driver.ts"
import type { KafkaError } from "../errors.ts"
import type { Cluster } from "./cluster.ts"

/** What a member of a group tells its consumer. */
export interface MembershipEvents {
  /**
   * Gained; resolves when records of them may be fetched. `current`: whether they still are ours; what is lost meanwhile was never told
   * of, so nobody would be told that it is lost.
   */
  assigned(partitions: readonly TopicPartition[], current: () => boolean): Promise<void>
  /** To be given up: the group waits until it resolves, but not longer than the rebalance timeout. */
  revoked(partitions: readonly TopicPartition[]): Promise<void>
  /**
   * Gone already. `silent`: nobody answered for a whole session, in which this process was awake; otherwise the group has said so, or may
   * have given them to others while we stood still.
   */
  lost(partitions: readonly TopicPartition[], silent: boolean): void
  /** After each attempt to be heard by the group: null = it has answered. */
  heard(error: unknown): void
  /** It cannot go on. */
  failed(error: KafkaError): void
}

/** Who commits: the epoch of KIP-848, or the generation of a classic group. */
export interface Identity {
  readonly id: string
  readonly epoch: number
}

/** A place in a group: by KIP-848 or by the classic protocol. */
export interface Membership {
  readonly identity: Identity
  /** Begins to belong to the group; what comes of it is told by the events. */
  start(): void
  /** Finds out at once whether the session has ended while this process stood still. */
  check(): void
  leave(): Promise<void>
}

export interface MembershipOptions {
  readonly group: string
  readonly topics: readonly string[]
  /** Milliseconds without an answer after which the group has given our partitions to others. */
  readonly sessionTimeout: number
  /** A way to the brokers on which no request waits for other members. */
  readonly besides: Cluster
}

/** Longest time that a group waits for one member to give partitions up (milliseconds): commits have half of it. */
export const REBALANCE_TIMEOUT = 60_000

/** Those of `all` that are not in `others`. */
export function without(all: readonly TopicPartition[], others: readonly TopicPartition[]): TopicPartition[] {
  const gone = new Set(others.map(({ topic, partition }) => `${topic}/${partition}`))
  return all.filter(({ topic, partition }) => !gone.has(`${topic}/${partition}`))
}

/** A timer that comes so much later than it should (milliseconds): the process was frozen, or very busy. */
const STOOD_STILL = 1_000

/**
 * The watch over a member's session: a group that does not hear of us gives our partitions away, and nobody tells us (kafka.md 1.3: the
 * library's heartbeats go on for ever). It runs from when the last answered request was sent.
 */
export class Session {
  private readonly timeout: number
  private readonly expired: (awake: boolean) => void
  private timer: NodeJS.Timeout | null = null
  private end = Number.POSITIVE_INFINITY

  /** `expired` is told whether this process was awake all the time: who stood still does not know what others did meanwhile. */
  constructor(timeout: number, expired: (awake: boolean) => void) {
    this.timeout = timeout
    this.expired = expired
  }

  /** The group has heard of us: a request that was sent then was answered. `grace`: that it waits longer now, in milliseconds. */
  heard(sent: number, grace = 0): void {
    this.stop()
    this.end = sent + this.timeout + grace
    this.watch()
  }

  check(): void {
    const late = performance.now() - this.end
    if (late < 0) return
    this.stop()
    this.expired(late < STOOD_STILL)
  }

  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    this.end = Number.POSITIVE_INFINITY
  }

  private watch(): void {
    const left = Math.max(0, this.end - performance.now()) + 1
    this.timer = setTimeout(() => {
      // Timers count whole milliseconds: now and then one comes a part of one too early.
      if (performance.now() < this.end) this.watch()
      else this.check()
    }, left).unref()
  }
}

/** A sleep that something else may end. */
export class Nap {
  private wake: (() => void) | null = null
  private roused = false

  async sleep(milliseconds: number): Promise<void> {
    if (!this.roused) {
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, milliseconds).unref()
        this.wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    this.wake = null
    this.roused = false
  }

  /** Also the next one, when nobody sleeps now. */
  rouse(): void {
    this.roused = true
    this.wake?.()
  }
}
