import type { Message } from "./contract.ts"
import type { Consumer, FrameHandler, ReceivingPattern } from "./inbox.ts"
import { defineOptions } from "./options.ts"
import { Socket } from "./socket.ts"
import { RECEIVING_OPTIONS } from "./socket-options.ts"

/**
 * A socket that only receives. `T` is what it gives. Frames are views on larger chunks: they stay valid for as long as
 * you keep them, but keep up to 256 KiB of memory with them; copy (`Buffer.from(frame)`) what you store.
 */
export abstract class ReceivingSocket<T = Message> extends Socket {
  /** Whole messages queued per peer before reading from it stops; 0 = unlimited. Default 1,000. Live. [ZMQ_RCVHWM] */
  declare receiveHighWaterMark: number
  /** Milliseconds before a waiting `receive` rejects with EAGAIN; -1 = never, 0 = at once. Default -1. Live. [ZMQ_RCVTIMEO] */
  declare receiveTimeout: number
  /** Bytes of the operating system's buffer for what is received over tcp; -1 = its default. Needs the native addon. [ZMQ_RCVBUF] */
  declare receiveBufferSize: number

  /** @internal */
  declare protected readonly pattern: ReceivingPattern<T>

  /** True when a message can be received at once. */
  get readable(): boolean {
    return !this.closed && this.pattern.inbox.readable
  }

  /** The next message. Any number may wait; they are served in order. Rejects with EAGAIN (`receiveTimeout`, or the socket was closed) and EBADF. */
  receive(): Promise<T> {
    return this.pattern.inbox.receive()
  }

  /** The next message, or null when none is there. */
  tryReceive(): T | null {
    return this.pattern.inbox.tryReceive()
  }

  /** Waits for one message, and gives all that are there, at most `max`. */
  receiveMany(max?: number): Promise<T[]> {
    return this.pattern.inbox.receiveMany(max)
  }

  /** `for await (const batch of socket.batches())`: everything that is there, each time. Ends when the socket is closed. */
  batches(max?: number): AsyncGenerator<T[], undefined> {
    return this.pattern.inbox.batches(max)
  }

  /** Calls `handler` for each message as it is decoded: the fastest way. The handler must not block. */
  consume(handler: (message: T) => void): Consumer {
    return this.pattern.inbox.consume(handler)
  }

  /**
   * `consume` without views, lists or garbage, for who only looks at what comes or copies from it: the handler gets each frame
   * as a part of memory that the engine uses again as soon as it returns. `const id = bytes.readUInt32LE(start)`. Everything
   * else is as with `consume`: messages whole and in order, one handler at a time, errors of the handler surface as uncaught.
   * A message that had to wait (it was there before, or came while the handler was late) comes in memory of its own. Throws
   * ENOTSUP on a Server, Peer or Dish, which receive more than frames; a Router gives the routing id as the first frame.
   */
  borrow(handler: T extends readonly Buffer[] ? FrameHandler : never): Consumer {
    return this.pattern.inbox.borrow(handler)
  }

  /** Ends when the socket is closed. */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return this.pattern.inbox.iterate()
  }

  protected override waitingMessages(): number {
    return this.pattern.inbox.size
  }

  protected override cancelWaiters(): void {
    this.pattern.inbox.close()
  }
}

defineOptions(ReceivingSocket as unknown as { prototype: Socket }, RECEIVING_OPTIONS)
