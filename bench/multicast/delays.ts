/** A message of an even pace, in milliseconds: when it was sent, and how long it took to be delivered. */
export interface Passage {
  readonly sent: number
  readonly delay: number
}

/** What messages took at an even pace. */
export interface Delays {
  /** Milliseconds of those that nothing held up, in the middle. */
  readonly usual: number
  /** Milliseconds of each repair: from when the loss could be noticed until it was delivered. */
  readonly late: readonly number[]
}

/**
 * A loss is noticed by the message that was sent next, when that arrives: whatever came later than that was lost, or held up by the machine, which
 * cannot be told apart (so this errs upwards, as where the next one was lost, too). Of those that come late together the first was
 * lost; the others wait for it.
 */
export function stalls(passages: readonly Passage[]): Delays {
  const usual = passages.map(({ delay }) => delay).sort((a, b) => a - b)[passages.length >> 1]
  const beyond = passages.slice(0, -1).map(({ sent, delay }, i) => delay - usual - (passages[i + 1].sent - sent))
  return { usual, late: beyond.filter((late, i) => late > 0 && (i === 0 || beyond[i - 1] <= 0)) }
}
