/** Those who wait until a record is durable, in the order of the records. */
export class DurableWaiters {
  private readonly waiters: { sequence: number; resolve: () => void; reject: (error: Error) => void }[] = []

  wait(sequence: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const { waiters } = this
      let at = waiters.length
      // Mostly the newest record is asked for.
      while (at > 0 && waiters[at - 1].sequence > sequence) at--
      waiters.splice(at, 0, { sequence, resolve, reject })
    })
  }

  /** All records below `durable` are. */
  reached(durable: number): void {
    const { waiters } = this
    let count = 0
    while (count < waiters.length && waiters[count].sequence < durable) count++
    if (count > 0) for (const waiter of waiters.splice(0, count)) waiter.resolve()
  }

  fail(error: Error): void {
    for (const waiter of this.waiters.splice(0)) waiter.reject(error)
  }
}
