import { CommandError } from "../exit.ts"

const NEWLINE = 10

/** Cuts bytes at "\n", which is not part of the line; all other bytes stay as they are. */
export class LineSplitter {
  private readonly maxSize: number
  /** The beginning of a line whose end has not come. */
  private pieces: Buffer[] = []
  private held = 0

  constructor(maxSize: number) {
    this.maxSize = maxSize
  }

  push(chunk: Buffer): Buffer[] {
    const lines: Buffer[] = []
    let start = 0
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, start)) {
      lines.push(this.joined(chunk.subarray(start, at)))
      start = at + 1
    }
    if (start < chunk.length) this.hold(chunk.subarray(start))
    return lines
  }

  /** A last line may lack its "\n". */
  end(): Buffer[] {
    return this.held === 0 ? [] : [this.joined(Buffer.alloc(0))]
  }

  private joined(last: Buffer): Buffer {
    if (this.held === 0) return last
    this.hold(last)
    const line = Buffer.concat(this.pieces)
    this.pieces = []
    this.held = 0
    return line
  }

  private hold(piece: Buffer): void {
    this.held += piece.length
    if (this.held > this.maxSize) {
      throw new CommandError(`input: a line is longer than ${this.maxSize} bytes; raise --max-size, or use --frames`)
    }
    this.pieces.push(piece)
  }
}
