/**
 * Messages are read in runs: the bytes that are there are copied at once into memory of this thread, and the messages
 * are views of it, as with bytes from a network. All connections of a thread share it.
 */
import type { RingReader } from "../shm/ring.ts"
import { align } from "../shm/ring-layout.ts"

/** A view keeps its slab alive, so a slab should be small; taking one costs some microseconds, so not too small. */
const SLAB = 64 * 1024
/** A new slab is begun rather than cutting a run to less than this. */
const SHORT = 4 * 1024

let slabBytes = new Uint8Array(0)
let slabWords = new Int32Array(0)
let slabMemory: ArrayBufferLike = slabWords.buffer
let slabAt = 0

/** Records in memory of this thread: those from `at` to `end`, the last of which may be cut off. */
export class Run {
  words = slabWords
  /** That of `words`: to ask for it costs nearly as much as to make a view. */
  memory = slabMemory
  at = 0
  end = 0
  private begin = 0

  /** Copies what the ring has, at least the next record, which has `least` bytes. */
  fetch(ring: RingReader, least: number): void {
    const there = Math.min(ring.available, ring.beforeEnd)
    const wanted = Math.min(there, Math.max(align(least), SHORT))
    if (slabBytes.length - slabAt < wanted) {
      slabBytes = Buffer.allocUnsafeSlow(Math.max(SLAB, wanted))
      slabMemory = slabBytes.buffer
      slabWords = new Int32Array(slabMemory)
      slabAt = 0
    }
    const count = Math.min(there, slabBytes.length - slabAt)
    const from = ring.position
    slabBytes.set(ring.bytes.subarray(from, from + count), slabAt)
    this.words = slabWords
    this.memory = slabMemory
    this.begin = slabAt
    this.at = slabAt
    slabAt += count
    this.end = slabAt
  }

  /** The next record is not whole in here. */
  get cut(): boolean {
    return align(this.words[this.at >> 2]) > this.end - this.at
  }

  /** Gives back to the ring what was read; the rest is fetched again. */
  finish(ring: RingReader): void {
    if (this.at > this.begin) ring.release(this.at - this.begin)
    this.begin = this.at
    this.end = this.at
  }
}
