/** What a dial is, where it goes first, and how long it waits. */

/** Milliseconds between attempts: doubling from the first to the last, with jitter. */
export const FIRST_RETRY = 50
const LAST_RETRY = 2_000
/** Attempts at an address that nobody has a link with: some seconds. Discovery names it again if it is still there. */
export const GIVE_UP = 8

/** An attempt to reach one node, or one address whose node is not known, again and again until it succeeds. */
export interface Dial {
  readonly key: string
  node: string | null
  endpoints: readonly string[]
  failures: number
  timer: NodeJS.Timeout | undefined
  abort: AbortController | null
  startedAt: number
  /** Whoever asked does not ask again: we go on trying. */
  readonly persistent: boolean
  /** It is left to the peer for a while. */
  leaves: boolean
  /** Called once, when the first attempt is over. */
  tried: (() => void) | null
}

export function pauseAfter(failures: number): number {
  const grown = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** Math.min(failures, 10))
  return Math.round(grown * (0.5 + Math.random() / 2))
}

/** Unix sockets before the network: they are nearer, and fail at once when they are not of this machine. */
export function byNearness(endpoints: readonly string[]): readonly string[] {
  if (endpoints.length < 2) return endpoints
  const rank = (endpoint: string): number =>
    endpoint.startsWith("inproc://") ? 0 : endpoint.startsWith("ipc://") ? 1 : 2
  return [...endpoints].sort((a, b) => rank(a) - rank(b))
}
