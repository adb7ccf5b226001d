/** Packets of words that are all the same: their number. */

/** Bytes of a packet: of both kinds that are copied differently, and seldom the same as of those around it. */
export function lengthOf(sequence: number): number {
  const mixed = Math.imul(sequence, 0x9e37_79b1) >>> 0
  return 40 + 4 * (mixed % ((mixed & 7) === 0 ? 6_000 : 600))
}

/** Throws when it is not all of one packet. Returns its number. */
export function numberOf(packet: Buffer): number {
  const words = new Int32Array(packet.buffer, packet.byteOffset, packet.length >> 2)
  const [sequence] = words
  if (packet.length !== lengthOf(sequence)) throw new Error(`${packet.length} bytes of packet ${sequence}`)
  for (const word of words) if (word !== sequence) throw new Error(`packet ${sequence} has words of ${word}`)
  return sequence
}

const NEVER = new Int32Array(new SharedArrayBuffer(4))

/** Lets others have the processor for a moment: who spins where threads outnumber processors keeps the other from it. */
export function nap(): void {
  Atomics.wait(NEVER, 0, 0, 0.05)
}
