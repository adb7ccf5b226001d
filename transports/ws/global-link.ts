import { NORMAL, PAGE_OFFSET } from "./close-codes.ts"
import { closeReason } from "./frames.ts"
import { FLUSH_LIMIT, type LinkReader, NO_READER, type WebLink } from "./link.ts"

/** The WebSocket of browsers, of Node from version 22 on, of Bun and Deno, as far as it is used. */
export interface RuntimeWebSocket {
  binaryType: string
  readonly protocol: string
  readonly readyState: number
  readonly bufferedAmount: number
  onopen: (() => void) | null
  onmessage: ((event: { data: unknown }) => void) | null
  onerror: ((event: unknown) => void) | null
  onclose: ((event: { code: number; reason: string }) => void) | null
  send(data: Uint8Array): void
  close(code?: number, reason?: string): void
}

export type WebSocketClass = new (address: string, protocols: string[]) => RuntimeWebSocket

const OPEN = 1
/** How often a full WebSocket is asked whether it has room again: it has no event for it (milliseconds). */
const GLANCE = 5

/** A WebSocket of the runtime: it cannot be stopped reading, has no pings, and says only when asked how much waits. */
export class GlobalLink implements WebLink {
  reader: LinkReader = NO_READER
  readonly protocol: string
  readonly stable = true
  readonly pausable = false
  readonly pings = false
  full = false
  private readonly socket: RuntimeWebSocket
  private over = false
  private timer: NodeJS.Timeout | undefined

  constructor(socket: RuntimeWebSocket) {
    this.socket = socket
    this.protocol = socket.protocol
    socket.onmessage = ({ data }) => {
      if (this.over) return
      if (data instanceof ArrayBuffer) this.reader.message(Buffer.from(data), false)
      else this.reader.message(Buffer.from(String(data)), true)
    }
    socket.onerror = null
    socket.onclose = ({ code, reason }) => this.finish(code, reason)
  }

  send(message: Uint8Array): void {
    if (this.socket.readyState !== OPEN) return
    // Some runtimes keep the bytes until they have sent them.
    this.socket.send(Uint8Array.prototype.slice.call(message))
    if (this.socket.bufferedAmount > FLUSH_LIMIT) this.watch()
  }

  cork(run: () => void): void {
    run()
  }

  ping(): void {}

  pause(): void {}

  resume(): void {}

  close(code: number, reason: string): void {
    // Of the protocol's codes a page may say this one only.
    if (!this.over) this.socket.close(code === NORMAL ? code : code + PAGE_OFFSET, closeReason(reason))
  }

  destroy(): void {
    this.over = true
    clearInterval(this.timer)
    this.socket.close()
  }

  private watch(): void {
    if (this.full) return
    this.full = true
    this.timer = setInterval(() => {
      if (this.socket.bufferedAmount > 0 || this.over) return
      clearInterval(this.timer)
      this.full = false
      this.reader.drained()
    }, GLANCE)
    this.timer.unref()
  }

  private finish(code: number, reason: string): void {
    if (this.over) return
    this.over = true
    clearInterval(this.timer)
    this.reader.ended(code, reason)
  }
}
