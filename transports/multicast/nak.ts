/**
 * In a group of so many NAKs go to the sender alone, and at once: everybody would be woken by each to be spared one of few, and
 * if all ask for the same packet it is less than the packet itself.
 */
export const SMALL_GROUP = 32

/** Back-off in round trips: K_sender of RFC 5401, section 5.2, so that the others hear the first NAK before they ask. */
const BACKOFF_TRIPS = 4
/** Timers count whole milliseconds: within less all would ask at once. */
const SHORTEST_BACKOFF = 4
/** What a repair takes under load is no distance: the back-off grows to so many times `nakBackoff` at most. */
const MOST_BACKOFFS = 5

/** Longest random wait before a NAK (MC-42), milliseconds. `trip`: from a NAK to the repair, 0 = not known. */
export function longestBackoff(receivers: number, trip: number, nakBackoff: number): number {
  if (receivers <= SMALL_GROUP) return 0
  if (trip === 0) return nakBackoff
  return Math.min(MOST_BACKOFFS * nakBackoff, Math.max(SHORTEST_BACKOFF, BACKOFF_TRIPS * trip))
}

/**
 * Random wait before a NAK: most receivers of a group draw a long one, few a short one, so that the first to ask is heard by
 * the others in time. Truncated exponential as in RFC 5401, section 5.2 (MC-42). Milliseconds, 0 to `longest`.
 */
export function drawBackoff(random: () => number, receivers: number, longest: number): number {
  if (receivers < 2 || longest === 0) return 0
  const lambda = Math.log(receivers) + 1
  const scale = (longest / lambda) * (Math.exp(lambda) - 1)
  const x = (random() * lambda) / longest + 1 / scale
  return (longest / lambda) * Math.log(x * scale)
}

/** Longest wait between two NAKs for one packet; less where there is little time: ten more are to fit in. */
const LONGEST_RETRY = 1_000
const MOST_RETRIES = 10
/** Chance loses a NAK or a repair, and the next; when so many in a row stay without an answer, there is another cause. */
const PATIENT = 3

/** Wait for an answer after the NAK of this number (from 1): it doubles when the sender seems to be held up. */
export function nakRetry(tries: number, first: number, recoveryInterval: number): number {
  return Math.min(LONGEST_RETRY, recoveryInterval / MOST_RETRIES, first * 2 ** Math.max(0, tries - PATIENT))
}
