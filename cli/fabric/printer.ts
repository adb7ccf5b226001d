import type { Format } from "../formats/format.ts"
import { Output } from "../output.ts"
import { watchReader } from "../reader-gone.ts"
import type { Run } from "../run.ts"

/** Lines are made here as a whole, their ends included. */
const WHOLE: Pick<Format, "encode"> = {
  encode: ([line], parts) => parts.push(line) && line.length,
}

/** Lines to stdout, those of one turn in one write. */
export class Printer {
  private readonly output: Output
  private readonly run: Run
  private flushing: Promise<void> | null = null
  private scheduled = false
  private readonly failed: (error: unknown) => void

  /** `failed`: stdout takes nothing any more (a full disk). */
  constructor(run: Run, failed: (error: unknown) => void) {
    this.run = run
    this.failed = failed
    watchReader(process.stdout.fd, () => run.ending.readerGone())
    this.output = new Output(process.stdout, WHOLE as Format)
  }

  /** Undefined: more may come at once; otherwise resolves when it may. Never rejects. */
  line(...parts: readonly (string | Buffer)[]): Promise<void> | undefined {
    const bytes = parts.map(part => (typeof part === "string" ? Buffer.from(part) : part))
    return this.raw(Buffer.concat([...bytes, NEWLINE]))
  }

  /** The same for bytes that bring their ends of lines. */
  raw(bytes: Buffer): Promise<void> | undefined {
    const full = this.output.add([bytes])
    if (full || this.flushing !== null) return this.flush()
    if (!this.scheduled) {
      this.scheduled = true
      setImmediate(() => {
        this.scheduled = false
        void this.flush()
      })
    }
    return undefined
  }

  /** Resolves when what was printed so far is with the operating system. */
  flush(): Promise<void> {
    this.flushing ??= this.write().finally(() => {
      this.flushing = null
    })
    return this.flushing
  }

  /** Rejects when stdout failed. */
  async end(): Promise<void> {
    await this.flushing
    await this.output.end()
  }

  private async write(): Promise<void> {
    this.run.progress.makeRoom()
    try {
      // What came meanwhile is written too: whoever added it waits for this.
      do await this.output.flush()
      while (!this.output.empty)
    } catch (error) {
      this.failed(error)
    }
  }
}

const NEWLINE = Buffer.from("\n")
