import os from "node:os"

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const

/** Why a command must end before its job is done: a signal, or nobody reads its output any more. */
export class Ending {
  private readonly controller = new AbortController()
  private exitCode = 0

  /** Fires when the command shall stop taking more and finish what it has. */
  get signal(): AbortSignal {
    return this.controller.signal
  }

  get begun(): boolean {
    return this.controller.signal.aborted
  }

  /** What to exit with when the job was not done. */
  get code(): number {
    return this.exitCode
  }

  /** The first signal ends in order; the second ends at once, whatever is left. `hangup` false: SIGHUP means something else. */
  listenForSignals({ hangup = true } = {}): void {
    for (const name of SIGNALS) {
      if (name === "SIGHUP" && !hangup) continue
      process.on(name, () => {
        const code = 128 + os.constants.signals[name]
        if (this.begun) process.exit(code)
        this.begin(code)
      })
    }
  }

  /** `heddle sub | head -1` has what it wanted: that is no failure. */
  readerGone(): void {
    this.begin(0)
  }

  /** Resolves when it begins. */
  wait(): Promise<void> {
    return new Promise(resolve => {
      if (this.begun) resolve()
      else this.signal.addEventListener("abort", () => resolve(), { once: true })
    })
  }

  private begin(code: number): void {
    if (this.begun) return
    this.exitCode = code
    this.controller.abort()
  }
}
