import type { Message } from "../../core/contract.ts"
import type { Consumer } from "../../core/inbox.ts"

/** A socket that gives messages. */
export interface Source {
  readonly closed: boolean
  consume(handler: (message: Message) => void): Consumer
}

/** A socket that takes messages. */
export interface Target {
  sendTimeout: number
  trySend(message: Message): boolean
  send(message: Message): Promise<void>
}

/** What passed one socket of a proxy since it began to run; bytes are those of the frames, without framing. */
export interface SideStatistics {
  messagesIn: number
  bytesIn: number
  messagesOut: number
  bytesOut: number
}

export interface FlowHost {
  /** A copy for whoever looks on. */
  captured(message: Message): void
  /** The target will not have this message, now or later. */
  undeliverable(): void
  failed(error: unknown): void
}

/**
 * One direction of a proxy. Messages go from the decoder of one socket to the encoder of the other without a stop
 * between; when there is no room, the source is not read until there is (PROXY-3).
 */
export class Flow {
  private readonly source: Source
  private readonly target: Target
  private readonly from: SideStatistics
  private readonly to: SideStatistics
  private readonly host: FlowHost
  private consumer: Consumer | null = null
  private wanted = false
  /** A message waits for room in the target. */
  private waiting = false
  private readonly take = (message: Message): void => this.forward(message)

  constructor(source: Source, target: Target, from: SideStatistics, to: SideStatistics, host: FlowHost) {
    this.source = source
    this.target = target
    this.from = from
    this.to = to
    this.host = host
  }

  start(): void {
    // A message that waits for room must not be given up: the proxy has nobody to tell.
    this.target.sendTimeout = -1
    this.wanted = true
    this.listen()
  }

  stop(): void {
    this.wanted = false
    this.deafen()
  }

  private listen(): void {
    if (this.consumer === null && !this.waiting) this.consumer = this.source.consume(this.take)
  }

  private deafen(): void {
    this.consumer?.stop()
    this.consumer = null
  }

  private forward(message: Message): void {
    const size = sizeOf(message)
    this.from.messagesIn++
    this.from.bytesIn += size
    this.host.captured(message)
    try {
      if (this.target.trySend(message)) {
        this.to.messagesOut++
        this.to.bytesOut += size
        return
      }
    } catch {
      this.host.undeliverable() // PROXY-5
      return
    }
    this.deafen()
    void this.waitForRoom(message, size)
  }

  private async waitForRoom(message: Message, size: number): Promise<void> {
    this.waiting = true
    try {
      await this.target.send(message)
      this.to.messagesOut++
      this.to.bytesOut += size
    } catch {
      this.host.undeliverable()
    }
    this.waiting = false
    if (!this.wanted || this.source.closed) return
    try {
      this.listen()
    } catch (error) {
      this.host.failed(error)
    }
  }
}

function sizeOf(message: Message): number {
  if (message.length === 1) return message[0].length
  let size = 0
  for (let i = 0; i < message.length; i++) size += message[i].length
  return size
}
