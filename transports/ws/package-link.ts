import type net from "node:net"
import type { WebSocket } from "ws"
import { closeReason } from "./frames.ts"
import { FLUSH_LIMIT, type LinkReader, NO_READER, type WebLink } from "./link.ts"

/** Without masking in place: the bytes stay the sender's. */
const BINARY = { binary: true, compress: false, mask: true }
/** How long the peer may take to answer our close frame (milliseconds). */
const GOODBYE = 2_000

/** A WebSocket that we opened by the package `ws`, over a TCP or TLS socket of our own. */
export class PackageLink implements WebLink {
  reader: LinkReader = NO_READER
  readonly protocol: string
  readonly stable = true
  readonly pausable = true
  readonly pings = true
  full = false
  private readonly socket: WebSocket
  private readonly stream: net.Socket
  private over = false
  private error: Error | undefined
  private readonly written = (error?: Error): void => {
    if (error || this.over || !this.full || this.stream.writableLength > 0) return
    this.full = false
    this.reader.drained()
  }

  constructor(socket: WebSocket, stream: net.Socket) {
    this.socket = socket
    this.stream = stream
    this.protocol = socket.protocol
    socket.on("message", (message, binary) => {
      if (!this.over) this.reader.message(message as Buffer, !binary)
    })
    socket.on("pong", bytes => {
      if (!this.over) this.reader.pong(bytes)
    })
    socket.on("error", error => {
      this.error = error
    })
    socket.on("close", (code, reason) => this.finish(code, reason.toString()))
  }

  send(message: Uint8Array): void {
    this.socket.send(message, BINARY, this.written)
    if (this.stream.writableLength > FLUSH_LIMIT) this.full = true
  }

  cork(run: () => void): void {
    this.stream.cork()
    run()
    this.stream.uncork()
    if (this.stream.writableLength > 0) this.full = true
  }

  ping(bytes: Uint8Array): void {
    if (this.socket.readyState === this.socket.OPEN) this.socket.ping(bytes)
  }

  pause(): void {
    if (!this.over) this.socket.pause()
  }

  resume(): void {
    if (!this.over) this.socket.resume()
  }

  close(code: number, reason: string): void {
    if (this.over) return
    this.socket.resume()
    this.socket.close(code, closeReason(reason))
    const timer = setTimeout(() => this.socket.terminate(), GOODBYE)
    timer.unref()
    this.socket.once("close", () => clearTimeout(timer))
  }

  destroy(): void {
    this.over = true
    this.socket.terminate()
  }

  private finish(code: number, reason: string): void {
    if (this.over) return
    this.over = true
    this.reader.ended(code, reason, this.error)
  }
}
