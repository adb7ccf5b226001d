import type { Push } from "../../index.ts"
import { Random } from "../support/random.ts"

/** Messages of all shapes, mostly small ones of one frame; the same for the same seed. */
export function messagesOf(seed: number, count: number): Buffer[][] {
  const random = new Random(seed)
  const size = (): number => {
    if (random.chance(0.01)) return random.int(1_000, 70_000)
    return random.chance(0.1) ? random.int(0, 300) : random.int(0, 80)
  }
  return Array.from({ length: count }, () => {
    const frames = random.chance(0.2) ? random.int(2, 6) : 1
    return Array.from({ length: frames }, () => random.bytes(size()))
  })
}

export async function sendAll(push: Push, messages: readonly Buffer[][]): Promise<void> {
  // Without a promise while there is room: so that many are in one read.
  for (const message of messages) if (!push.trySend(message)) await push.send(message)
}
