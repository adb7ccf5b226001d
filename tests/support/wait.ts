import type { EventOfType, EventType, Observer } from "../../core/observer.ts"

/** How often a condition that has no event is looked at (milliseconds). */
const GLANCE = 2

const unmet = new Set<() => boolean>()

/** Resolves when `condition` holds. It has no limit of its own: mocha's watchdog names the test that hangs, and the reporter the condition. */
export async function until(condition: () => boolean): Promise<void> {
  unmet.add(condition)
  try {
    while (!condition()) await new Promise(resolve => setTimeout(resolve, GLANCE))
  } finally {
    unmet.delete(condition)
  }
}

/** Conditions that somebody waits for now, as they are written. */
export function awaited(): string[] {
  return [...unmet].map(String)
}

/** Lets everything that is due in this turn of the event loop, and in `turns` more, happen. */
export async function turns(count = 1): Promise<void> {
  for (let left = count; left > 0; left--) await new Promise(resolve => setImmediate(resolve))
}

/**
 * Lets time pass where a test shows that something does NOT happen, or where the passing of time is the subject. Never
 * used to wait for something to happen.
 */
export function pass(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds))
}

/** The next event of this type. Ask before what causes it: earlier events do not count. */
export function event<E extends EventType>(
  events: Observer,
  type: E,
  wanted: (event: EventOfType<E>) => boolean = () => true,
): Promise<EventOfType<E>> {
  return new Promise(resolve => {
    const listener = (found: EventOfType<E>): void => {
      if (!wanted(found)) return
      events.off(type, listener)
      resolve(found)
    }
    events.on(type, listener)
  })
}
