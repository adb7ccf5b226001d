/** What is held for one key: nothing, one value as it is, or several. A list costs five words, and most keys have one value. */
export type Held<T> = T | Many<T> | undefined

/** Not a plain array, so that a value may be an array. */
class Many<T> {
  readonly values: T[]

  constructor(...values: T[]) {
    this.values = values
  }
}

/** What is held once `value` came too; the same value may be held twice. `undefined` is not a value. */
export function withValue<T>(held: Held<T>, value: T): Held<T> {
  if (held === undefined) return value
  if (!(held instanceof Many)) return new Many(held, value)
  held.values.push(value)
  return held
}

export function holds<T>(held: Held<T>, value: T): boolean {
  return held instanceof Many ? held.values.includes(value) : held !== undefined && held === value
}

/** What is still held once `value`, which `holds` knows, was taken out once. The others keep their order. */
export function withoutValue<T>(held: Held<T>, value: T): Held<T> {
  if (!(held instanceof Many)) return undefined
  held.values.splice(held.values.indexOf(value), 1)
  return held.values.length === 1 ? held.values[0] : held
}

/** Appends what is held to `into`, in the order in which it came. */
export function appendHeld<T>(held: Held<T>, into: T[]): void {
  if (held === undefined) return
  if (held instanceof Many) for (const value of held.values) into.push(value)
  else into.push(held)
}

export function countHeld<T>(held: Held<T>): number {
  if (held === undefined) return 0
  return held instanceof Many ? held.values.length : 1
}

/** A copy: what is held may change while it is read. */
export function listHeld<T>(held: Held<T>): T[] {
  const list: T[] = []
  appendHeld(held, list)
  return list
}
