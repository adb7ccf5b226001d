/**
 * Time limits of many things of which most end before: those with the same limit stand in one list in the order of
 * their ends, and one timer of Node's serves the first of each list. To enter and to leave cost a few pointers.
 */

import { clock } from "./clock.ts"

/** Something that has a time limit. The fields belong to `Deadlines`. */
export interface Limited {
  deadline: number
  earlier: Limited | null
  later: Limited | null
  deadlines: DeadlineList | null
}

interface DeadlineList {
  readonly milliseconds: number
  first: Limited | null
  last: Limited | null
  timer: NodeJS.Timeout | null
}

export class Deadlines<T extends Limited> {
  private readonly lists = new Map<number, DeadlineList>()
  private readonly expired: (item: T) => void

  /** `expired` is called once for each whose time is up, after it has left. */
  constructor(expired: (item: T) => void) {
    this.expired = expired
  }

  /** `milliseconds` from now, rounded up to a whole number. The timers keep the process alive while something waits. */
  enter(item: T, milliseconds: number): void {
    const limit = Math.ceil(milliseconds)
    let list = this.lists.get(limit)
    if (list === undefined) {
      list = { milliseconds: limit, first: null, last: null, timer: null }
      this.lists.set(limit, list)
    }
    item.deadline = clock.now() + limit
    item.deadlines = list
    item.earlier = list.last
    if (list.last === null) list.first = item
    else list.last.later = item
    list.last = item
    if (list.timer === null) this.arm(list, limit)
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
  }

  private arm(list: DeadlineList, milliseconds: number): void {
    list.timer = setTimeout(() => this.look(list), milliseconds)
    // Whoever waits for an answer keeps the process alive, not the limit.
    list.timer.unref()
  }

  private look(list: DeadlineList): void {
    list.timer = null
    const now = clock.now()
    while (list.first !== null && list.first.deadline <= now) {
      const item = list.first as T
      this.leave(item)
      this.expired(item)
    }
    if (list.first !== null) this.arm(list, Math.max(1, Math.ceil(list.first.deadline - now)))
    else if (list.timer === null) this.lists.delete(list.milliseconds)
  }
}
