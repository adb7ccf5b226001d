/** Scribbles in the memory of two rings until it is ended; now and then it looks as if it were in order. */
import { parentPort, workerData } from "node:worker_threads"
import { HEAD, RECORD_HEADER, RING_HEADER, ringSize, TAIL } from "../../../transports/shm/ring-layout.ts"
import { Random } from "../../support/random.ts"
import { scribble, scribbleRecord } from "./scribbles.ts"

const { memory, capacity } = workerData as { memory: SharedArrayBuffer; capacity: number }
const words = new Int32Array(memory, 0, (2 * ringSize(capacity)) / 4)
const random = Random.fresh()
parentPort?.postMessage("there")
for (;;) {
  const ring = random.chance(0.5) ? 0 : ringSize(capacity) >> 2
  const records = ring + (RING_HEADER >> 2)
  const kind = random.int(0, 9)
  if (kind === 0) scribble(words, ring, random)
  else if (kind < 4) scribbleRecord(words, records, capacity, random)
  else {
    // A record that could be, where the reader is.
    const head = Atomics.load(words, ring + HEAD)
    const at = records + ((head & (capacity - 1) & ~7) >> 2)
    const length = random.int(RECORD_HEADER, 300)
    words[at] = length
    if (at + 1 < words.length) words[at + 1] = 1
    Atomics.store(words, ring + TAIL, head + ((length + 7) & ~7))
  }
}
