/**
 * How far readers may go before records are durable: over records with an origin, which have a name of their own wherever they go. A plain
 * record has only its sequence, which after a crash another one may get: it waits for the disk, and what comes behind it too.
 */
export class ReadAhead {
  /** Somebody reads ahead. */
  wanted = false
  /** All below may be read. */
  end: number
  private lastPlain = -1

  constructor(end: number) {
    this.end = end
  }

  plain(sequence: number): void {
    this.lastPlain = sequence
  }

  /** A record with an origin was appended. False: it is to be read only when it is durable. */
  awaited(sequence: number): boolean {
    if (this.end === sequence) this.end = sequence + 1
    return this.wanted && this.end > sequence
  }

  /** All below `durable` is; `next` is the sequence of the next record. */
  reached(durable: number, next: number): void {
    if (this.lastPlain < durable) this.end = next
    else if (this.end < durable) this.end = durable
  }
}
