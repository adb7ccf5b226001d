import {
  CHUNKS_AT,
  ENTRIES,
  entryAt,
  GENERATIONS,
  MOST_CHUNKS,
  PUBLISHED,
  SLOTS,
  slotAt,
  TICKET,
} from "../../../../transports/multicast/near/layout.ts"
import type { Random } from "../../../support/random.ts"

/** The words before the chunks: what the sender says, and what readers say. */
const HEADER_END = GENERATIONS
const SAID = 7

/** Writes a word somewhere into a shared memory: anything, or what could be. */
export function scribble(words: Int32Array, random: Random): void {
  words[place(words, random)] = value(words, random)
}

function place(words: Int32Array, random: Random): number {
  const published = words[PUBLISHED]
  switch (random.int(0, 7)) {
    case 0:
      return random.int(0, HEADER_END - 1)
    case 1:
      return PUBLISHED + random.int(0, SAID - 1)
    case 2:
      return GENERATIONS + random.int(0, random.pick([3, MOST_CHUNKS - 1]))
    case 3:
      return slotAt(random.int(0, random.pick([3, SLOTS - 1]))) + random.int(0, TICKET)
    // Near where both ends are.
    case 4:
    case 5:
      return entryAt(published - random.int(0, 8)) + random.int(0, 3)
    case 6:
      return entryAt(random.int(0, ENTRIES - 1)) + random.int(0, 3)
    default:
      return CHUNKS_AT / 4 + random.int(0, random.pick([2_000, words.length - CHUNKS_AT / 4 - 1]))
  }
}

function value(words: Int32Array, random: Random): number {
  switch (random.int(0, 4)) {
    case 0:
      return random.int(-(2 ** 31), 2 ** 31 - 1)
    case 1:
      return random.int(-2, 3)
    case 2:
      return random.pick([2 ** 31 - 1, -(2 ** 31), -1, 65_507, 65_508, 40, 39, 64, 65, 262_144, 262_143])
    case 3:
      return words[PUBLISHED] + random.int(-3, 3)
    default:
      return words[PUBLISHED] + random.pick([-1, 1]) * random.int(ENTRIES - 2, ENTRIES + 2)
  }
}
