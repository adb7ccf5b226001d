import type { Writable } from "node:stream"
import { setImmediate as nextTurn } from "node:timers/promises"
import type { Message } from "heddle"
import { CommandError } from "./exit.ts"
import type { Format } from "./formats/format.ts"

/** Bytes gathered for one write: few enough to keep latency and memory low, enough that writes cost little. */
const CHUNK = 64 * 1024

/** Messages to stdout, many in one write. Whoever writes waits for `flush`: that is how a slow reader is felt. */
export class Output {
  private readonly stream: Writable
  private readonly format: Format
  private parts: Buffer[] = []
  private held = 0
  private failure: Error | null = null
  private wake: (() => void) | null = null

  constructor(stream: Writable, format: Format) {
    this.stream = stream
    this.format = format
    stream.on("drain", () => this.proceed())
    stream.on("error", (error: NodeJS.ErrnoException) => {
      // A reader that has left wants nothing more: that is no error, and ends the command elsewhere.
      if (error.code !== "EPIPE") this.failure = new CommandError(`cannot write to stdout: ${error.message}`)
      this.proceed()
    })
  }

  /** Nothing is gathered, or nobody wants it any more. */
  get empty(): boolean {
    return this.held === 0 || this.stream.destroyed
  }

  /** True = enough is gathered, call `flush` before the next one. */
  add(message: Message): boolean {
    this.held += this.format.encode(message, this.parts)
    return this.held >= CHUNK
  }

  /** Writes what is gathered; resolves when more may be written. Rejects when stdout takes nothing (a full disk). */
  async flush(): Promise<void> {
    if (this.failure !== null) throw this.failure
    if (this.held === 0 || this.stream.destroyed) return
    // Copied, because frames are views: a slow reader must not keep the engine's chunks alive.
    const chunk = Buffer.concat(this.parts, this.held)
    this.parts = []
    this.held = 0
    if (this.stream.write(chunk)) return
    await new Promise<void>(resolve => {
      this.wake = resolve
    })
    if (this.failure !== null) throw this.failure
  }

  /** Resolves when everything is with the operating system, or nobody wants it. Rejects as `flush` does. */
  async end(): Promise<void> {
    await this.flush()
    if (!this.stream.destroyed && this.stream.writableLength > 0) {
      await new Promise<void>(resolve => {
        this.wake = resolve
        this.stream.write("", () => resolve())
      })
    }
    // A write that failed at once is reported in a later turn.
    await nextTurn()
    if (this.failure !== null) throw this.failure
  }

  private proceed(): void {
    const wake = this.wake
    this.wake = null
    wake?.()
  }
}
