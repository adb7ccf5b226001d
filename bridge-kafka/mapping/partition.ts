import type { Buffer } from "node:buffer"
import { murmur2 } from "./murmur2.ts"

/** Which of `count` a key belongs to, as Java's producer decides for partitions (MAP-2); shards go the same way (SINK-1). */
export function slotOf(key: Buffer, count: number): number {
  return (murmur2(key) & 0x7fffffff) % count
}
