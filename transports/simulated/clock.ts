/** Where a simulated network takes its time from. */
export interface Clock {
  /** Milliseconds, with fractions; only differences mean something. */
  now(): number
  /** Calls `run` once, so many milliseconds from now; 0 = as soon as the caller has returned. */
  after(milliseconds: number, run: () => void): Timer
}

export interface Timer {
  /** Idempotent; nothing happens when it ran already. */
  cancel(): void
}
