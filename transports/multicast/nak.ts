/**
 * Random wait before a NAK: most receivers of a group draw a long one, few a short one, so that the first to ask is heard by
 * the others in time. Truncated exponential as in RFC 5401, section 5.2 (MC-42). Milliseconds, 0 to `longest`.
 */
export function nakBackoff(random: () => number, receivers: number, longest: number): number {
  if (receivers < 2) return 0
  const lambda = Math.log(receivers) + 1
  const scale = (longest / lambda) * (Math.exp(lambda) - 1)
  const x = (random() * lambda) / longest + 1 / scale
  return (longest / lambda) * Math.log(x * scale)
}

/** Longest wait between two NAKs for one packet; less where there is little time: ten more are to fit in. */
const LONGEST_RETRY = 1_000
const MOST_RETRIES = 10

/** Wait for an answer after the NAK of this number (from 1): it doubles, because the sender may be held up. */
export function nakRetry(tries: number, first: number, recoveryInterval: number): number {
  return Math.min(LONGEST_RETRY, recoveryInterval / MOST_RETRIES, first * 2 ** (tries - 1))
}
