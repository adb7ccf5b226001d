/** Who reads a stream. */
export interface ByteReader {
  /**
   * `count` bytes have arrived at the start of `chunk`: either what `target` gave, or memory that is reused after the
   * call. False = stop reading until `resume`.
   */
  bytes(chunk: Buffer, count: number): boolean
  /** Where the next bytes shall go, so that large frames need no copy; null = shared memory. */
  target(): Buffer | null
  /** `write` answered false; now everything is with the operating system. */
  drained(): void
  /** Exactly once: the peer said goodbye, or (with an error) the link broke. */
  ended(error?: Error): void
}

export const NO_READER: ByteReader = { bytes: () => true, target: () => null, drained: () => {}, ended: () => {} }

/**
 * What counters of bytes begin with: zero, but not a small integer. V8 would compile the counting as one of 31 bits, and throw
 * away everything that it was inlined into at 2 GiB, in the middle of the traffic.
 */
export const NO_BYTES = -0

/** Bytes both ways, in order: a socket, or rings in shared memory. */
export interface ByteStream {
  reader: ByteReader
  readonly bytesRead: number
  readonly bytesWritten: number
  /** As `Connection.vigilant`. */
  readonly vigilant?: boolean
  /** True = it has it all, `bytes` may be reused. False = wait for `drained`. */
  write(bytes: Buffer): boolean
  /** The same for several pieces at once. */
  writeAll(pieces: readonly Buffer[]): boolean
  pause(): void
  /** Goes on, never from within the call. */
  resume(): void
  /**
   * Says goodbye after what was written, and waits for the peer's, at most `patience` milliseconds. Only the peer's
   * goodbye proves that it has read everything: what the operating system still holds is lost when the peer writes to a
   * socket that is closed already.
   */
  end(patience?: number): void
  destroy(): void
}
