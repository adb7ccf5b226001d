/** Milliseconds that a record's time may be ahead of ours; brokers refuse more than an hour (REC-4). */
export const MOST_AHEAD = 50 * 60_000

/** Largest date of JavaScript, in the year 275760: no clock means more. */
const LAST = 8.64e15

/** Milliseconds since 1970 of a header's text; -1 when it says none. */
export function parseTimestamp(text: string | undefined): number {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return -1
  const time = Number(text)
  return time <= LAST ? time : -1
}

/** The publisher's time unless it is absent, nonsense or too far ahead; otherwise that of receipt (REC-4). */
export function timestampOf(published: string | undefined, received: number): number {
  if (published === undefined) return received
  const time = parseTimestamp(published)
  return time < 0 || time > received + MOST_AHEAD ? received : time
}
