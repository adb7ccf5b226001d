/** Calls that come at the same moment in every node would come to all files, servers and networks at once. */
const JITTER = 0.1

/** A job done again and again, never twice at a time. Its timer does not keep the process alive. */
export class Repeat {
  private readonly job: () => void | Promise<void>
  private readonly interval: () => number
  private timer: NodeJS.Timeout | undefined
  private running: Promise<void> | null = null
  private again = false
  private stopped = false

  /** `job` handles its own errors. `interval`: milliseconds from the end of one run to the next, asked each time. */
  constructor(job: () => void | Promise<void>, interval: () => number) {
    this.job = job
    this.interval = interval
  }

  /** Runs now, or once more after the run that is under way. Resolves when that is done. */
  now(): Promise<void> {
    if (this.stopped) return Promise.resolve()
    if (this.running !== null) {
      this.again = true
      return this.running
    }
    clearTimeout(this.timer)
    // Not at once: what the job calls may ask for it again.
    this.running = Promise.resolve().then(() => this.run())
    return this.running
  }

  /** No run begins after this. Resolves when the one that is under way is done. */
  async stop(): Promise<void> {
    this.stopped = true
    clearTimeout(this.timer)
    await this.running
  }

  private async run(): Promise<void> {
    do {
      this.again = false
      if (!this.stopped) await this.job()
    } while (this.again && !this.stopped)
    this.running = null
    if (this.stopped) return
    this.timer = setTimeout(() => void this.now(), this.interval() * (1 + JITTER * (2 * Math.random() - 1)))
    this.timer.unref()
  }
}
