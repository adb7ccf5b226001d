/** Publishes as fast as it can until it is ended, and writes to its few chunks again and again, whoever reads there. */
import { parentPort, workerData } from "node:worker_threads"
import { CHUNK, PROGRESS, slotAt } from "../../../../transports/multicast/near/layout.ts"
import { NearWriter } from "../../../../transports/multicast/near/writer.ts"
import { loadNative } from "../../../../transports/native/native.ts"
import { Random } from "../../../support/random.ts"
import { KEY } from "./fixtures.ts"
import { lengthOf, nap } from "./words.ts"

/** Packets that the reader may be behind before it is waited for, if it is; and how often, at most. */
const BEHIND = 64
const NAPS = 10

const { chunks, seed } = workerData as { chunks: number; seed: number }
const native = loadNative()
if (native === null) throw new Error("no addon")
const random = new Random(seed)
const writer = new NearWriter(native, chunks, KEY, false)
const words = new Int32Array(writer.memory, 0, slotAt(1))
const progress = slotAt(writer.offer("127.0.0.1", 1, 1)) + PROGRESS
const used = Array.from({ length: chunks }, () => writer.take() as Buffer)
writer.open = true
const { descriptor, size, nonce } = writer
parentPort?.postMessage({ pid: process.pid, descriptor, size, slot: 0, ticket: 1, nonce: Uint8Array.from(nonce) })
while (!writer.opened(0)) nap()
for (let sequence = 1; ; ) {
  const chunk = used[random.int(0, chunks - 1)]
  // Now the reader gets most packets, now hardly any.
  const waits = random.chance(0.5)
  writer.renew(chunk)
  for (let at = 0; at + lengthOf(sequence) <= CHUNK; sequence++) {
    const length = lengthOf(sequence)
    new Int32Array(chunk.buffer, chunk.byteOffset + at, length / 4).fill(sequence)
    writer.publish(chunk.subarray(at, at + length))
    at += length
    for (let naps = NAPS; waits && naps > 0 && sequence - Atomics.load(words, progress) > BEHIND; naps--) nap()
  }
}
