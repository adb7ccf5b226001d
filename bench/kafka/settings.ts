/** The same for all who produce: batches of half a MiB or 5 ms, acknowledged by all replicas, not compressed. */
export const BATCH_SIZE = 512 * 1024
export const LINGER = 5
export const PARTITIONS = 3
/** What may wait in memory. */
export const BUFFER_MEMORY = 64 * 1024 * 1024

/** Names in subjects and topics. */
export const BRIDGE = "bench"
export const SUBJECTS = 100

export function subjectOf(index: number): string {
  return `orders.item${index % SUBJECTS}`
}
