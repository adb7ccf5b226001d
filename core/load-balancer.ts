import type { Message, Pipe } from "./contract.ts"

/**
 * Round robin over the pipes that have room (RFC 28, RFC 30). The array is kept as [active | full], so that a full
 * pipe costs nothing until it drains.
 */
export class LoadBalancer {
  private readonly pipes: Pipe[] = []
  private activeCount = 0
  private current = 0

  get length(): number {
    return this.pipes.length
  }

  get writable(): boolean {
    while (this.activeCount > 0) {
      if (this.pipes[this.current].writable) return true
      this.deactivate(this.current)
    }
    return false
  }

  attach(pipe: Pipe): void {
    pipe.sendSlot = this.pipes.length
    this.pipes.push(pipe)
    this.activate(pipe)
  }

  /** The pipe has room again. */
  activate(pipe: Pipe): void {
    if (pipe.sendSlot < this.activeCount) return
    this.swap(pipe.sendSlot, this.activeCount)
    this.activeCount++
  }

  detach(pipe: Pipe): void {
    if (pipe.sendSlot < this.activeCount) this.deactivate(pipe.sendSlot)
    const last = this.pipes.length - 1
    this.swap(pipe.sendSlot, last)
    this.pipes.pop()
    pipe.sendSlot = -1
  }

  /** The pipe that took the message; null when none has room. */
  send(message: Message): Pipe | null {
    while (this.activeCount > 0) {
      const pipe = this.pipes[this.current]
      if (pipe.send(message)) {
        if (++this.current >= this.activeCount) this.current = 0
        return pipe
      }
      this.deactivate(this.current)
    }
    return null
  }

  /** `send` of a message of this one frame. */
  sendFrame(frame: Buffer): Pipe | null {
    while (this.activeCount > 0) {
      const pipe = this.pipes[this.current]
      if (pipe.sendFrame === undefined ? pipe.send([frame]) : pipe.sendFrame(frame)) {
        if (++this.current >= this.activeCount) this.current = 0
        return pipe
      }
      this.deactivate(this.current)
    }
    return null
  }

  private deactivate(index: number): void {
    this.activeCount--
    this.swap(index, this.activeCount)
    if (this.current >= this.activeCount) this.current = 0
  }

  private swap(a: number, b: number): void {
    if (a === b) return
    const first = this.pipes[a]
    const second = this.pipes[b]
    this.pipes[a] = second
    this.pipes[b] = first
    second.sendSlot = a
    first.sendSlot = b
  }
}
