/**
 * Where things lie in the memory of one ring: one producer, one consumer, records after the manner of Agrona. Words are
 * 32 bits, in the order of the machine. Positions count bytes since the beginning and wrap at 2^32; only their
 * differences mean something.
 *
 *      byte 0          128              256              384
 *      +---------------+----------------+----------------+------------------------------+
 *      | TAIL          | HEAD           | DATA_WANTED    | capacity bytes of records    |
 *      |               | TAKEN          | ROOM_WANTED .. |                              |
 *      +---------------+----------------+----------------+------------------------------+
 *        producer        consumer         whoever sleeps
 *
 * A record begins at a multiple of 8 and never wraps: a record of type PADDING fills the end when it would.
 *
 *      +----------------+----------------+-------------------------- - -
 *      | length: int32  | type: int32    | payload, padded to 8
 *      +----------------+----------------+-------------------------- - -
 *        header included
 */

/** Two cache lines: processors fetch lines in pairs, and what one side writes must not slow the other one down. */
const LINE = 128

/** Bytes before the records. */
export const RING_HEADER = 3 * LINE

/** Indexes of words. */
export const TAIL = 0
export const HEAD = LINE / 4
/** Messages that the consumer has handed on. */
export const TAKEN = HEAD + 1
/** 1 = the consumer sleeps: whoever publishes rings. */
export const DATA_WANTED = (2 * LINE) / 4
/** 1 = the producer waits until the consumer has got as far as the two goals say. */
export const ROOM_WANTED = DATA_WANTED + 1
export const GOAL_HEAD = DATA_WANTED + 2
export const GOAL_TAKEN = DATA_WANTED + 3
/** Between processes, in the first ring: proves that this is the memory that was offered (bytes, from the ring's beginning). */
export const NONCE_AT = RING_HEADER - 16
export const NONCE_SIZE = 16

/** Largest ring that a peer may have us share with it. */
export const MAX_RING = 64 * 1024 * 1024

export const RECORD_HEADER = 8
export const PADDING = -1

/** Smallest and largest capacity. Positions of 32 bits could count more, but nobody has use for it. */
export const MIN_CAPACITY = 4096
export const MAX_CAPACITY = 2 ** 28

/** Bytes of memory for a ring. */
export function ringSize(capacity: number): number {
  return RING_HEADER + capacity
}

/** A record may fill an eighth, as in Agrona: otherwise padding could eat half of the ring. */
export function largestRecord(capacity: number): number {
  return capacity >> 3
}

export function align(length: number): number {
  return (length + 7) & ~7
}

export function validCapacity(capacity: number): boolean {
  return (
    Number.isInteger(capacity) &&
    capacity >= MIN_CAPACITY &&
    capacity <= MAX_CAPACITY &&
    (capacity & (capacity - 1)) === 0
  )
}
