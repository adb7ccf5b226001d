/**
 * Time limits of many things of which most end before: those with the same limit stand in one list in the order of
 * their ends, and one timer of Node's serves the first of each list. To enter and to leave cost a few pointers.
 */

import { clock } from "./clock.ts"
import type { Moment } from "./ticks.ts"

/** Something that has a time limit. The fields belong to `Deadlines`. */
export interface Limited {
  since: Moment
  earlier: Limited | null
  later: Limited | null
  deadlines: DeadlineList | null
}

/** Of what has not entered. */
export const NEVER: Moment = Object.freeze({ at: 0 })

interface DeadlineList {
  readonly milliseconds: number
  first: Limited | null
  last: Limited | null
  timer: NodeJS.Timeout | null
}

/** Milliseconds that `item` has left at `now`, less than nothing when it is late; 0 when it has not entered. */
export function timeLeft({ since, deadlines }: Limited, now: number): number {
  return deadlines === null ? 0 : since.at + deadlines.milliseconds - now
}

export class Deadlines<T extends Limited> {
  private readonly lists = new Map<number, DeadlineList>()
  /** The list used last: most have the same limit. */
  private latest: DeadlineList | null = null
  private readonly expired: (item: T) => void

  /** `expired` is called once for each whose time is up, after it has left. */
  constructor(expired: (item: T) => void) {
    this.expired = expired
  }

  /** `milliseconds` from `since` (default: now), rounded up to a whole number; moments come in their order. */
  enter(item: T, milliseconds: number, since: Moment = { at: clock.now() }): void {
    const { latest } = this
    const list = latest !== null && latest.milliseconds === milliseconds ? latest : this.listOf(Math.ceil(milliseconds))
    item.since = since
    item.deadlines = list
    item.earlier = list.last
    if (list.last === null) list.first = item
    else list.last.later = item
    list.last = item
    if (list.timer === null) this.arm(list, list.milliseconds)
  }

  /** Idempotent. */
  leave(item: T): void {
    const list = item.deadlines
    if (list === null) return
    item.deadlines = null
    if (item.earlier === null) list.first = item.later
    else item.earlier.later = item.later
    if (item.later === null) list.last = item.earlier
    else item.later.earlier = item.earlier
    item.earlier = null
    item.later = null
  }

  /** Lets go of all timers; nothing expires any more. */
  clear(): void {
    for (const list of this.lists.values()) if (list.timer !== null) clearTimeout(list.timer)
    this.lists.clear()
    this.latest = null
  }

  private listOf(milliseconds: number): DeadlineList {
    let list = this.lists.get(milliseconds)
    if (list === undefined) {
      list = { milliseconds, first: null, last: null, timer: null }
      this.lists.set(milliseconds, list)
    }
    this.latest = list
    return list
  }

  private arm(list: DeadlineList, milliseconds: number): void {
    list.timer = setTimeout(() => this.look(list), milliseconds)
    // Whoever waits for an answer keeps the process alive, not the limit.
    list.timer.unref()
  }

  private look(list: DeadlineList): void {
    list.timer = null
    const now = clock.now()
    while (list.first !== null && timeLeft(list.first, now) <= 0) {
      const item = list.first as T
      this.leave(item)
      this.expired(item)
    }
    if (list.first !== null) this.arm(list, Math.max(1, Math.ceil(timeLeft(list.first, now))))
    else if (list.timer === null) {
      this.lists.delete(list.milliseconds)
      if (this.latest === list) this.latest = null
    }
  }
}
