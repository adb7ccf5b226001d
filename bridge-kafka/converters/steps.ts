import type { Maybe } from "./converter.ts"

/** Work whose steps mostly are done at once, and sometimes have to wait. Written as a generator it is written once for both. */
export type Steps<T> = Generator<Promise<unknown>, T, unknown>

/** In such a generator: `const value = yield* done(maybe)`. */
export function* done<T>(value: Maybe<T>): Steps<T> {
  return isPromise(value) ? ((yield value) as T) : value
}

/** The result, or a promise of it when a step has to wait. Throws what a step throws before any has waited. */
export function run<T>(steps: Steps<T>): Maybe<T> {
  const first = steps.next()
  return first.done === true ? first.value : goOn(steps, first.value)
}

async function goOn<T>(steps: Steps<T>, waiting: Promise<unknown>): Promise<T> {
  for (;;) {
    let result: IteratorResult<Promise<unknown>, T>
    try {
      const value = await waiting
      result = steps.next(value)
    } catch (error) {
      // A step's own mistake comes here too: the generator has ended then, and throws it again.
      result = steps.throw(error)
    }
    if (result.done === true) return result.value
    waiting = result.value
  }
}

export function isPromise<T>(value: Maybe<T>): value is Promise<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function"
}
