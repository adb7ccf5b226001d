import type { Buffer } from "node:buffer"
import { batchMemory } from "./encode-batch.ts"

/** Bytes that are kept: batches of half a MiB for eight partitions. */
const MOST = 4 * 1024 * 1024
/** Smaller ones are as quickly made. */
const SMALL = 16 * 1024

/** Memory that batches are written into, again and again: new memory for each would be fetched from the system, cleared, and given back. */
export class BatchMemory {
  private readonly free: Buffer[] = []
  private bytes = 0

  take(): Buffer {
    const memory = this.free.pop()
    if (memory === undefined) return batchMemory()
    this.bytes -= memory.length
    return memory
  }

  /** Nobody reads it any more. */
  give(memory: Buffer): void {
    if (memory.length < SMALL || this.bytes + memory.length > MOST) return
    this.bytes += memory.length
    this.free.push(memory)
  }
}
