/**
 * Lets a few calls run at a time. Node has four threads for all files and names: many replays at once would make the sync of new records wait.
 */
export class Gate {
  private readonly width: number
  private running = 0
  private readonly waiting: (() => void)[] = []

  constructor(width: number) {
    this.width = width
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= this.width) await new Promise<void>(resolve => this.waiting.push(resolve))
    else this.running++
    try {
      return await work()
    } finally {
      const next = this.waiting.shift()
      // The place is handed on: nobody who comes in between takes it.
      if (next === undefined) this.running--
      else next()
    }
  }
}
