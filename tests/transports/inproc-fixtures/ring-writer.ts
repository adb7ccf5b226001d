/** A worker that fills a ring with seeded messages and spins when it is full: no bell, the ring alone is tested. */
import { workerData } from "node:worker_threads"
import { payloadLength, writeMessage } from "../../../transports/inproc/records.ts"
import { RingWriter } from "../../../transports/shm/ring.ts"
import { generator, randomMessage } from "./ends.ts"

const { memory, capacity, seed, count } = workerData as {
  memory: SharedArrayBuffer
  capacity: number
  seed: number
  count: number
}
const writer = new RingWriter(memory, 0, capacity)
const random = generator(seed)
for (let i = 0; i < count; i++) {
  const message = randomMessage(random, 500).slice(0, 8)
  const length = payloadLength(message)
  while (!writeMessage(writer, message, length)) writer.publish()
  if (i % 7 === 0) writer.publish()
}
writer.publish()
