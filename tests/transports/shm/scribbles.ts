/** What a hostile peer writes to the memory of rings. */
import {
  DATA_WANTED,
  GOAL_HEAD,
  GOAL_TAKEN,
  HEAD,
  PADDING,
  ROOM_WANTED,
  TAIL,
  TAKEN,
} from "../../../transports/shm/ring-layout.ts"
import type { Random } from "../../support/random.ts"

const WORDS = [TAIL, TAIL, TAIL, HEAD, HEAD, TAKEN, DATA_WANTED, ROOM_WANTED, GOAL_HEAD, GOAL_TAKEN]

/** Numbers at the edges of what is right, and any others. */
function anyNumber(random: Random): number {
  if (random.chance(0.2)) return random.int(-(2 ** 31), 2 ** 31 - 1)
  const edges = [0, 1, 4, 7, 8, 9, 16, 512, 4096, 8192, 2 ** 30, 2 ** 31 - 1, -(2 ** 31)]
  return (random.pick(edges) * random.pick([1, -1]) + random.pick([0, 0, 1, -1, 8, -8])) | 0
}

/** Changes a word of the header that begins at word `at`: anew, or by something. */
export function scribble(words: Int32Array, at: number, random: Random): void {
  const word = at + random.pick(WORDS)
  Atomics.store(words, word, random.chance(0.5) ? anyNumber(random) : (words[word] + anyNumber(random)) | 0)
}

/** Writes a record's header where one may be, or noise anywhere, in the records that begin at word `at`. */
export function scribbleRecord(words: Int32Array, at: number, capacity: number, random: Random): void {
  // Most records of these tests begin near the beginning.
  const most = random.chance(0.7) ? 256 : capacity
  const place = at + random.int(0, most / 8 - 1) * 2
  words[place] = anyNumber(random)
  if (random.chance(0.3)) words[place + 1] = random.pick([PADDING, 0, 1, anyNumber(random)])
}
