/** Murmur hash 2 of 32 bits as Kafka's Java client computes it (org.apache.kafka.common.utils.Utils.murmur2). */
import type { Buffer } from "node:buffer"

/** Kafka's own choice; any other number would put keys where no other client looks for them. */
const SEED = 0x9747b28c
const M = 0x5bd1e995

/** A signed number of 32 bits. */
export function murmur2(bytes: Buffer): number {
  const { length } = bytes
  let hash = SEED ^ length
  let at = 0
  for (const end = length & ~3; at < end; at += 4) {
    let word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
    word = Math.imul(word, M)
    word ^= word >>> 24
    hash = Math.imul(hash, M) ^ Math.imul(word, M)
  }
  const over = length & 3
  if (over > 0) {
    if (over === 3) hash ^= bytes[at + 2] << 16
    if (over >= 2) hash ^= bytes[at + 1] << 8
    hash = Math.imul(hash ^ bytes[at], M)
  }
  hash ^= hash >>> 13
  hash = Math.imul(hash, M)
  return (hash ^ (hash >>> 15)) | 0
}
