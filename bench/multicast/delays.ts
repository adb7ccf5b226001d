/** A message of an even pace, in milliseconds: when it was sent, and how long it took to be delivered. */
export interface Passage {
  readonly sent: number
  readonly delay: number
  /** Lost datagrams that have come, by a repair or reckoned from others, since the message before was delivered. */
  readonly mended: number
  /** Milliseconds that these were missed by the receiver's transport, all together. */
  readonly missed: number
}

/** What messages took at an even pace. */
export interface Delays {
  /** Milliseconds of the message in the middle. */
  readonly usual: number
  /** Milliseconds of each that was lost: from when that could be noticed until it was delivered; 0 = it came before. */
  readonly late: readonly number[]
  /** The same from when the receiver noticed it until the lost one came: without what held up both ends beside the repair. */
  readonly repaired: readonly number[]
}

/**
 * Which messages were lost the receiver knows: each is a datagram. A loss can be noticed when the message that was sent next arrives. Where several
 * have been mended before the first of them could be delivered, that one and as many behind it count: none of these waited
 * less than the one that was lost.
 */
export function repairs(passages: readonly Passage[]): Delays {
  const usual = passages.map(({ delay }) => delay).sort((a, b) => a - b)[passages.length >> 1]
  const late: number[] = []
  const repaired: number[] = []
  let owed = 0
  for (const [i, { sent, delay, mended, missed }] of passages.entries()) {
    owed += mended
    // Of several only the sum is known: one is taken to be all of it, so that none counts for less than it took.
    for (let k = 0; k < mended; k++) repaired.push(k === 0 ? missed : missed / mended)
    if (owed === 0) continue
    owed--
    const next = i + 1 < passages.length ? passages[i + 1].sent : sent
    late.push(Math.max(0, sent + delay - (next + usual)))
  }
  return { usual, late, repaired }
}
