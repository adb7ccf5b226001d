/**
 * xorshift32 (Marsaglia, "Xorshift RNGs", 2003): whole numbers from 1 to 2^32 - 1, the same for the same seed. Enough
 * to visit a table without order and to draw arrivals.
 */
export function xorshift32(seed: number): () => number {
  let state = seed | 0 || 1 // Zero would stay zero for ever.
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}
