import type { Message, Pipe, Wire } from "./contract.ts"

/** Bytes of one shared batch. As large as a connection's own chunk: one write to each peer when it is full. */
const CHUNK = 64 * 1024
/** A larger message is passed to each connection by reference: copying it into the batch would gain nothing. */
const LARGE = 8 * 1024

let lastStamp = 0

/**
 * Fan-out. Runs of messages for the same pipes are encoded once into a chunk that all their connections share; a pipe
 * that does not flow (no connection, or its peer is slow) gets its messages one by one, into its own bounded queue.
 */
export class Distributor {
  private source: readonly Pipe[] | null = null
  private sourceLength = 0
  private stamp = 0
  /** Pipes of the open batch, all with the same wire. */
  private members: Pipe[] = []
  private others: Pipe[] = []
  private wire: Wire | null = null
  private chunk: Buffer = Buffer.alloc(0)
  private start = 0
  private end = 0
  private count = 0
  private scheduled = false
  private readonly flushLater = (): void => {
    this.scheduled = false
    this.flush()
  }

  /** Sends to each pipe that has room; the others miss it, and their drop is counted. `pipes` must hold no pipe twice. */
  send(message: Message, pipes: readonly Pipe[]): void {
    if (pipes.length < 2) {
      if (this.count > 0) this.flush()
      if (pipes.length === 1) sendOne(pipes[0], message)
      return
    }
    if (!this.covers(pipes) || (this.count === 0 && !this.flows())) this.open(pipes)
    const others = this.others
    if (others.length > 0) {
      for (let i = 0; i < others.length; i++) sendOne(others[i], message)
      // They are tried again with the next turn's batch, also when this one has no members that would be flushed.
      if (!this.scheduled) this.schedule()
    }
    if (this.wire !== null) this.append(message, this.wire)
  }

  /** Passes the open batch on. Call it before anything else is sent to one of these pipes by another way. */
  flush(): void {
    const { members, count } = this
    // Who did not flow when the batch was opened gets a new chance with the next one.
    let stillFlowing = this.others.length === 0
    if (!stillFlowing) this.source = null
    if (count === 0) return
    const bytes = this.chunk.subarray(this.start, this.end)
    this.start = this.end
    this.count = 0
    for (let i = 0; i < members.length; i++) {
      const pipe = members[i]
      if (pipe.flowing) pipe.sendEncoded(bytes, count)
      else pipe.drop("closed", count)
      if (!pipe.flowing) stillFlowing = false
    }
    if (!stillFlowing) this.source = null
  }

  /** A pipe leaves, or its connection changed: the batch that it was part of ends. */
  forget(): void {
    this.flush()
    this.source = null
    this.members = []
    this.others = []
  }

  private covers(pipes: readonly Pipe[]): boolean {
    if (pipes === this.source && pipes.length === this.sourceLength) return true
    if (this.source === null || pipes.length !== this.members.length || this.others.length > 0) return false
    // Another array may name the same pipes: matches that several subscriptions take part in are built anew.
    for (let i = 0; i < pipes.length; i++) if (pipes[i].batch !== this.stamp) return false
    this.source = pipes
    return true
  }

  /** Whether the members are still fit for another batch: one of them may have been filled by another way in between. */
  private flows(): boolean {
    for (let i = 0; i < this.members.length; i++) if (!this.members[i].flowing) return false
    return true
  }

  private open(pipes: readonly Pipe[]): void {
    this.flush()
    this.source = pipes
    this.sourceLength = pipes.length
    this.members = []
    this.others = []
    this.wire = null
    this.stamp = ++lastStamp
    for (let i = 0; i < pipes.length; i++) {
      const pipe = pipes[i]
      if (pipe.flowing && pipe.wire !== null && (this.wire === null || this.wire === pipe.wire)) {
        this.wire = pipe.wire
        pipe.batch = this.stamp
        this.members.push(pipe)
      } else this.others.push(pipe)
    }
  }

  private append(message: Message, wire: Wire): void {
    const size = wire.size(message)
    if (size > LARGE) {
      const source = this.source
      this.flush()
      for (let i = 0; i < this.members.length; i++) sendOne(this.members[i], message)
      if (source !== null) this.source = this.members.every(pipe => pipe.flowing) ? source : null
      return
    }
    if (this.end + size > this.chunk.length) {
      this.flush()
      // The connections may still be writing the old chunk: it is left to them and to the garbage collector.
      this.chunk = Buffer.allocUnsafeSlow(CHUNK)
      this.start = 0
      this.end = 0
      if (this.source === null) {
        // The flush filled somebody: they leave the batch, and this message goes to each in its own way.
        for (let i = 0; i < this.members.length; i++) sendOne(this.members[i], message)
        return
      }
    }
    this.end = wire.encode(message, this.chunk, this.end)
    this.count++
    if (!this.scheduled) this.schedule()
  }

  private schedule(): void {
    this.scheduled = true
    process.nextTick(this.flushLater)
  }
}

function sendOne(pipe: Pipe, message: Message): void {
  if (!pipe.send(message)) pipe.drop("full")
}
