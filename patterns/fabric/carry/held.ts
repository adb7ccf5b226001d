/** A batch of carried messages as it came. */
export interface Batch {
  /** Number of its first message. */
  readonly first: number
  readonly count: number
  /** Structures of MessagePack that the reader must know. */
  readonly structures: number
  readonly bytes: Buffer
  readonly payload: Buffer | null
  /** It came by link: what is wrong with it is the peer's fault. */
  readonly byLink: boolean
}

export function lastOf({ first, count }: Batch): number {
  return first + count - 1
}

/** Batches that wait for their turn, in the order of their numbers, bounded by bytes. */
export class HeldBatches {
  private readonly batches: Batch[] = []
  private readonly limit: number
  private bytes = 0

  constructor(limit: number) {
    this.limit = limit
  }

  get first(): Batch | undefined {
    return this.batches[0]
  }

  /** Number of the last message that is here; 0 = none. */
  get last(): number {
    const last = this.batches.at(-1)
    return last === undefined ? 0 : lastOf(last)
  }

  get isEmpty(): boolean {
    return this.batches.length === 0
  }

  /**
   * False: it is here already. What came by the group and finds no room is not kept, or, with `newest`, the oldest goes:
   * who has it can be asked for it.
   */
  add(batch: Batch, newest: boolean): boolean {
    const { batches } = this
    const size = sizeOf(batch)
    if (!batch.byLink && this.bytes + size > this.limit) {
      if (!newest) return true
      while (batches.length > 0 && this.bytes + size > this.limit) this.shift()
    }
    let at = batches.length
    while (at > 0 && batches[at - 1].first > batch.first) at--
    const before = batches[at - 1]
    if (before !== undefined && before.first === batch.first && before.count >= batch.count) return false
    // A copy: what came is a view of a larger chunk, which must not be held by what waits.
    const payload = batch.payload === null ? null : Buffer.from(batch.payload)
    batches.splice(at, 0, { ...batch, bytes: Buffer.from(batch.bytes), payload })
    this.bytes += size
    return true
  }

  shift(): void {
    const batch = this.batches.shift()
    if (batch !== undefined) this.bytes -= sizeOf(batch)
  }

  /** Forgets every batch that reaches beyond `last`. */
  cut(last: number): void {
    const kept = this.batches.filter(batch => lastOf(batch) <= last)
    this.clear()
    for (const batch of kept) {
      this.batches.push(batch)
      this.bytes += sizeOf(batch)
    }
  }

  clear(): void {
    this.batches.length = 0
    this.bytes = 0
  }
}

function sizeOf({ bytes, payload }: Batch): number {
  return bytes.length + (payload === null ? 0 : payload.length)
}
