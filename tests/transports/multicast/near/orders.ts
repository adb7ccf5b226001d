const OPERATIONS = ["load", "store", "exchange", "compareExchange"] as const

/** What happens in which order: 0 = an atomic operation of `main`, 1 = the next step of the first of the others... */
export interface Schedule {
  readonly order: readonly number[]
  /** Steps of the others come at once after an operation, not just before the next one: there is more between the two. */
  readonly early: boolean
}

/** All in which so many operations, and steps of each of the others, can follow each other. */
export function* schedules(counts: readonly number[]): Generator<Schedule> {
  for (const order of orders(counts)) for (const early of [false, true]) yield { order, early }
}

function* orders(counts: readonly number[]): Generator<number[]> {
  if (counts.every(count => count === 0)) yield []
  for (let party = 0; party < counts.length; party++) {
    if (counts[party] === 0) continue
    const rest = counts.map((count, index) => (index === party ? count - 1 : count))
    for (const order of orders(rest)) yield [party, ...order]
  }
}

/** Runs `main`, and the others' steps between its atomic operations: one thread does what processes may do at the same time. */
export function inOrder<T>(
  { order, early }: Schedule,
  main: () => T,
  ...others: readonly (readonly (() => void)[])[]
): T {
  const done = others.map(() => 0)
  let at = 0
  /** The others' steps up to the next operation. */
  const step = (): void => {
    for (; at < order.length && order[at] !== 0; at++) others[order[at] - 1][done[order[at] - 1]++]()
  }
  if (early) step()
  const result = watched(main, {
    before: () => {
      if (!early) step()
      at++
    },
    after: () => {
      if (early) step()
    },
  })
  // It had fewer operations than there were places for.
  for (; at < order.length; at++) step()
  return result
}

/** Atomic operations of `main`. */
export function operationsOf(main: () => void): number {
  let count = 0
  watched(main, { before: () => count++, after: () => {} })
  return count
}

function watched<T>(main: () => T, { before, after }: { before: () => void; after: () => void }): T {
  const real = { ...Object.fromEntries(OPERATIONS.map(name => [name, Atomics[name]])) }
  let within = false
  const alone = (run: () => void): void => {
    within = true
    try {
      run()
    } finally {
      within = false
    }
  }
  for (const name of OPERATIONS) {
    const operation = real[name] as (...given: unknown[]) => number
    const replacement = (...given: unknown[]): number => {
      if (within) return operation(...given)
      alone(before)
      const result = operation(...given)
      alone(after)
      return result
    }
    Object.assign(Atomics, { [name]: replacement })
  }
  try {
    return main()
  } finally {
    Object.assign(Atomics, real)
  }
}
