import { inspect } from "node:util"

export const MASK = "********"

/** Names of Kafka properties, and of settings of others, that hold secrets: these have no definition with a type. */
const SECRET = /password|secret|token|jaas|credential|user\.info|(?:^|\.)ssl\.key$|private/i

export function looksSecret(name: string): boolean {
  return SECRET.test(name)
}

const SHOWN = new WeakMap<object, ReadonlyMap<string, string>>()

/**
 * Freezes an object of settings so that console.log, util.inspect, JSON.stringify and errors show `shown` in place of some
 * values, while programs read the real ones. `shown` maps the object's own names: MASK for a password, `${env:X}` as written.
 */
export function hushed<T extends object>(settings: T, shown: ReadonlyMap<string, string>): Readonly<T> {
  if (shown.size > 0) {
    const printable = (): object =>
      Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, shown.get(name) ?? value]))
    Object.defineProperty(settings, "toJSON", { value: printable })
    Object.defineProperty(settings, inspect.custom, { value: printable })
    SHOWN.set(settings, shown)
  }
  return Object.freeze(settings)
}

/** `{ ...base, ...more }`, frozen; what `base` hushes up stays so, unless `more` replaces it. */
export function extended<A extends object, B extends object>(base: A, more: B): Readonly<Omit<A, keyof B> & B> {
  const shown = [...(SHOWN.get(base) ?? [])].filter(([name]) => !Object.hasOwn(more, name))
  return hushed({ ...base, ...more }, new Map(shown))
}
