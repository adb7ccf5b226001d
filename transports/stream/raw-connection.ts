import type { Connection, ConnectionSink, Message, PeerHello } from "../../core/contract.ts"
import { fromSystem } from "../../core/errors.ts"
import type { ByteReader, ByteStream } from "./byte-stream.ts"

const EMPTY = Buffer.alloc(0)

/** Bytes without ZMTP, for STREAM sockets: each read is a message of one frame. */
export class RawConnection implements Connection, ByteReader {
  readonly peer: PeerHello
  readonly wire = null
  private readonly stream: ByteStream
  private sink: ConnectionSink | null = null
  private early: Buffer[] = []
  private stalled = false
  private ending = false
  private over = false
  private reason: Error | undefined
  private paused = false

  constructor(stream: ByteStream, address: string) {
    this.stream = stream
    this.peer = { socketType: "STREAM", routingId: EMPTY, metadata: new Map(), address, mechanism: "NULL", userId: "" }
    stream.reader = this
  }

  get bytesReceived(): number {
    return this.stream.bytesRead
  }

  get bytesSent(): number {
    return this.stream.bytesWritten
  }

  start(sink: ConnectionSink): void {
    this.sink = sink
    for (const data of this.early) sink.message([data])
    this.early = []
    if (this.over) sink.closed(this.reason)
  }

  send(message: Message): boolean {
    this.stalled = !this.stream.writeAll(message)
    return !this.stalled
  }

  sendEncoded(bytes: Buffer): boolean {
    return this.send([bytes])
  }

  control(): void {}

  pause(): void {
    this.paused = true
    this.stream.pause()
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    setImmediate(() => {
      if (!this.paused) this.stream.resume()
    })
  }

  close(reason?: Error): void {
    this.finish(reason)
  }

  end(): void {
    this.ending = true
    if (!this.stalled) this.stream.end()
  }

  bytes(chunk: Buffer, count: number): boolean {
    const data = Buffer.from(chunk.subarray(0, count))
    if (this.sink === null) this.early.push(data)
    else if (!this.over && !this.ending) this.sink.message([data])
    return !this.paused
  }

  target(): null {
    return null
  }

  drained(): void {
    this.stalled = false
    if (this.ending) this.stream.end()
    else this.sink?.drain()
  }

  ended(error?: Error): void {
    this.finish(this.ending ? undefined : error && fromSystem(error, "connection to", this.peer.address))
  }

  private finish(reason: Error | undefined): void {
    if (this.over) return
    this.over = true
    this.reason = reason
    this.stream.destroy()
    this.sink?.closed(reason)
  }
}
