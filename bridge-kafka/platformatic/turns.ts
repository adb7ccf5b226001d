/** One after the other, in the order of the calls: the protocol's steps of one producer must not mix (kafka.md 1.3, 2). */
export class Turns {
  private last: Promise<unknown> = Promise.resolve()

  take<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.last.then(work, work)
    this.last = mine.catch(() => {})
    return mine
  }
}
