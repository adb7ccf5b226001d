import type { Connection, ConnectionSink, ControlName, Message, PeerHello, Wire } from "../../core/contract.ts"
import { zmtpWire } from "../../transports/zmtp/frame.ts"

export const FAKE_PEER: PeerHello = {
  socketType: "PAIR",
  routingId: Buffer.alloc(0),
  metadata: new Map(),
  address: "fake://peer",
  mechanism: "NULL",
  userId: "",
}

/** A connection whose other end is the test. */
export class FakeConnection implements Connection {
  readonly peer: PeerHello
  readonly wire: Wire | null = zmtpWire
  bytesReceived = 0
  bytesSent = 0
  sink: ConnectionSink | null = null
  /** Messages that `send` takes before it says stop. */
  room: number
  paused = false
  ending = false
  over = false
  reason: Error | undefined
  /** Messages (frames joined by "|"), batches ("bytes of N") and notices ("/NAME body") in the order they came. */
  readonly sent: string[] = []

  constructor(room = Number.POSITIVE_INFINITY, peer = FAKE_PEER) {
    this.room = room
    this.peer = peer
  }

  start(sink: ConnectionSink): void {
    this.sink = sink
    if (this.over) sink.closed(this.reason)
  }

  send(message: Message): boolean {
    this.sent.push(message.map(frame => frame.toString("latin1")).join("|"))
    this.bytesSent += zmtpWire.size(message)
    return --this.room > 0
  }

  sendEncoded(bytes: Buffer, count: number): boolean {
    this.sent.push(`${bytes.length} bytes of ${count}`)
    this.bytesSent += bytes.length
    this.room -= count
    return this.room > 0
  }

  control(name: ControlName, body: Buffer): void {
    this.sent.push(`/${name} ${body.toString("latin1")}`)
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  close(reason?: Error): void {
    if (this.over) return
    this.over = true
    this.reason = reason
    this.sink?.closed(reason)
  }

  end(): void {
    this.ending = true
  }

  /** The peer reads: there is room for so many more. */
  drains(room: number): void {
    this.room = room
    this.sink?.drain()
  }

  says(...frames: string[]): void {
    this.sink?.message(frames.map(frame => Buffer.from(frame)))
  }
}
