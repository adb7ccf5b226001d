import type { Clock } from "../../../../transports/multicast/clock.ts"
import type { DatagramPort } from "../../../../transports/udp/port.ts"

export interface Sent {
  readonly bytes: Buffer
  readonly host: string
  readonly port: number
}

/** A port that keeps what it was given. */
export class FakePort implements DatagramPort {
  readonly host = "127.0.0.1"
  readonly port = 6_999
  readonly closed = Promise.resolve()
  sent: Sent[] = []
  flushes = 0

  start(): void {}

  send(bytes: Buffer, host: string, port: number): boolean {
    this.sent.push({ bytes: Buffer.from(bytes), host, port })
    return true
  }

  flush(): void {
    this.flushes++
  }

  close(): void {}

  /** What was sent since the last time. */
  taken(): Sent[] {
    const { sent } = this
    this.sent = []
    return sent
  }
}

/** Time that a test sets. */
export class TestTime implements Clock {
  time = 1_000

  now(): number {
    return this.time
  }

  after(): { cancel(): void } {
    return { cancel: () => {} }
  }
}
