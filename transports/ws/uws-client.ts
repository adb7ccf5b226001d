import type { SendResult, WebClient } from "../../core/web.ts"
import { closeReason } from "./frames.ts"
import type { UwsSocket } from "./uws.ts"

/** What a client needs of its server. */
export interface UwsTopics {
  readonly maxBackpressure: number
  readonly compress: boolean
  /** Clients that have joined a topic. */
  readonly members: Set<UwsClient<unknown>>
  /** Something was published that uWebSockets.js may still hold back. */
  readonly unflushed: boolean
}

const SENT = 1

/** A WebSocket of uWebSockets.js, which throws when it is used after its end: here that is harmless. */
export class UwsClient<Data> implements WebClient<Data> {
  readonly data: Data
  readonly address: string
  readonly protocol: string
  readonly pausable = false
  /** `drain` is owed. */
  waiting = false
  private socket: UwsSocket | null
  private readonly server: UwsTopics
  private topics: Set<string> | null = null

  constructor(socket: UwsSocket, server: UwsTopics, data: Data, address: string, protocol: string) {
    this.socket = socket
    this.server = server
    this.data = data
    this.address = address
    this.protocol = protocol
  }

  get open(): boolean {
    return this.socket !== null
  }

  get buffered(): number {
    return this.socket === null ? 0 : this.socket.getBufferedAmount()
  }

  send(message: Uint8Array | string): SendResult {
    const { socket, server } = this
    if (socket === null) return "dropped"
    if (this.waiting && socket.getBufferedAmount() > server.maxBackpressure) return "dropped"
    if (socket.send(message, typeof message !== "string", server.compress) === SENT) return "sent"
    this.waiting = true
    return "queued"
  }

  cork(run: () => void): void {
    if (this.socket === null) run()
    else this.socket.cork(run)
  }

  ping(bytes?: Uint8Array): void {
    this.socket?.ping(bytes)
  }

  join(topic: string): void {
    if (this.socket === null) return
    this.topics ??= new Set()
    if (this.topics.has(topic)) return
    this.topics.add(topic)
    this.server.members.add(this)
    this.socket.subscribe(topic)
  }

  leave(topic: string): void {
    if (this.socket === null || this.topics === null || !this.topics.delete(topic)) return
    this.flushTopics()
    this.socket.unsubscribe(topic)
    if (this.topics.size === 0) this.server.members.delete(this)
  }

  leaveAll(): void {
    const { topics, socket } = this
    if (topics === null || socket === null) return
    this.flushTopics()
    for (const topic of topics) socket.unsubscribe(topic)
    this.topics = null
    this.server.members.delete(this)
  }

  pause(): void {}

  resume(): void {}

  close(code = 1000, reason = ""): void {
    this.socket?.end(code, closeReason(reason))
  }

  destroy(): void {
    this.socket?.close()
  }

  /** The socket is gone. */
  ended(): void {
    this.socket = null
    this.topics = null
    this.server.members.delete(this)
  }

  /**
   * What was published in this turn waits in the tree of topics, and who leaves a topic loses it. Only a frame sent to the client
   * itself brings it out first.
   */
  private flushTopics(): void {
    if (this.server.unflushed) this.socket?.ping()
  }
}
