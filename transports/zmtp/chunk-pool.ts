/**
 * Memory that outgoing messages are encoded into, lent to a connection from its first message of a turn to its flush.
 * Small chunks first: ten thousand connections that each send one heartbeat in a turn must not take 64 KiB each.
 */
export const SMALL = 4 * 1024
/** As much as one write should carry: larger gains little, and a peer's read takes about as much at once. */
export const BIG = 64 * 1024

/** Chunks of each size that are kept for later: 4 MiB at most. */
const KEPT = 64

const small: Buffer[] = []
const big: Buffer[] = []

export function borrow(size: typeof SMALL | typeof BIG): Buffer {
  return (size === BIG ? big : small).pop() ?? Buffer.allocUnsafeSlow(size)
}

/** Nobody may hold a view of it any more. */
export function giveBack(chunk: Buffer): void {
  const pool = chunk.length === BIG ? big : small
  if (pool.length < KEPT) pool.push(chunk)
}
