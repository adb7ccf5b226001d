/** One line on a terminal that says what goes on; silent when the output is not a terminal. */
export class Progress {
  private readonly live = process.stderr.isTTY === true
  private readonly begun = performance.now()

  show(text: string): void {
    if (!this.live) return
    const seconds = Math.round((performance.now() - this.begun) / 1000)
    const line = `${String(Math.floor(seconds / 60))}:${String(seconds % 60).padStart(2, "0")}  ${text}`
    process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`)
  }

  clear(): void {
    if (this.live) process.stderr.write("\r\x1b[K")
  }
}
