/** Bytes as they arrived, to be taken in other portions. What lies in one piece is taken as a view, else copied once. */
export class ByteQueue {
  private pieces: Buffer[] = []
  /** Bytes of the first piece that are taken already. */
  private offset = 0
  private held = 0

  get length(): number {
    return this.held
  }

  push(piece: Buffer): void {
    if (piece.length === 0) return
    this.pieces.push(piece)
    this.held += piece.length
  }

  /** Exactly `size` bytes, or null while so many are not there. */
  take(size: number): Buffer | null {
    if (size > this.held) return null
    this.held -= size
    if (size === 0) return Buffer.alloc(0)
    const first = this.pieces[0]
    if (first.length - this.offset >= size) return this.view(size)
    const whole = Buffer.allocUnsafe(size)
    for (let filled = 0; filled < size; ) {
      const part = this.view(Math.min(size - filled, this.pieces[0].length - this.offset))
      filled += part.copy(whole, filled)
    }
    return whole
  }

  /** The next `size` bytes, all of the first piece. */
  private view(size: number): Buffer {
    const view = this.pieces[0].subarray(this.offset, this.offset + size)
    this.offset += size
    if (this.offset === this.pieces[0].length) {
      this.pieces.shift()
      this.offset = 0
    }
    return view
  }
}
