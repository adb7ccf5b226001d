/**
 * The hash of the subscription index. Peers choose topics, so the hash is secret: four tables of random words, drawn once
 * per process, replace every byte by a value that nobody outside can predict, before anything is multiplied. Knowing this
 * source does not help to make topics collide.
 */

/** One table per byte of a word: simple tabulation hashing, 4 KiB, which stays in the nearest cache. */
const substitutes = crypto.getRandomValues(new Int32Array(4 * 256))

/** Where every hash starts. Any value will do, the secret is in the tables. */
export const HASH_START = 0

/** Takes four bytes (a little-endian word) into a hash. Words must come in order; the order counts. */
export function hashWord(hash: number, word: number): number {
  const mixed = Math.imul(
    hash ^
      substitutes[word & 255] ^
      substitutes[256 + ((word >>> 8) & 255)] ^
      substitutes[512 + ((word >>> 16) & 255)] ^
      substitutes[768 + (word >>> 24)],
    0x9e3779b1, // 2^32 divided by the golden ratio, odd: spreads every bit upwards
  )
  return mixed ^ (mixed >>> 15) // and the upper half back down, because tables use the low bits
}

/** The hash of `count` words. */
export function hashWords(words: Int32Array, from: number, count: number): number {
  let hash = HASH_START
  for (let i = from; i < from + count; i++) hash = hashWord(hash, words[i])
  return hash
}
