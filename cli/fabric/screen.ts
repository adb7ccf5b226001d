import type { Run } from "../run.ts"
import type { Printer } from "./printer.ts"

/** Sheets of lines on stdout: on a terminal each takes the place of the one before, elsewhere they follow one another. */
export class Screen {
  private readonly printer: Printer
  private readonly terminal = process.stdout.isTTY === true
  private first = true

  constructor(printer: Printer) {
    this.printer = printer
  }

  /** Lines that a sheet can have; more are cut off. */
  get height(): number {
    return this.terminal ? (process.stdout.rows || 24) - 1 : Number.POSITIVE_INFINITY
  }

  async show(lines: readonly string[]): Promise<void> {
    if (this.terminal) {
      const width = process.stdout.columns || 80
      const sheet = lines.slice(0, this.height).map(line => `${line.slice(0, width)}${CLEAR_LINE}\n`)
      // From the upper left corner; what is left of an older, longer sheet goes.
      await this.printer.raw(Buffer.from(`${this.first ? CLEAR_ALL : ""}${HOME}${sheet.join("")}${CLEAR_BELOW}`))
    } else {
      if (!this.first) this.printer.line("")
      for (const line of lines) this.printer.line(line)
    }
    this.first = false
    await this.printer.flush()
  }
}

const HOME = "\x1b[H"
const CLEAR_ALL = "\x1b[2J"
const CLEAR_LINE = "\x1b[K"
const CLEAR_BELOW = "\x1b[J"

/** Resolves after so many milliseconds, or when the command shall end. */
export function pause(milliseconds: number, { ending: { signal } }: Run): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener("abort", done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    signal.addEventListener("abort", done)
  })
}
