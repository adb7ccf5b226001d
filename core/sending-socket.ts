import type { MulticastFlow, MulticastParity } from "./contract.ts"
import type { MessageLike } from "./message.ts"
import { defineOptions } from "./options.ts"
import type { SendingPattern } from "./outbox.ts"
import { Socket } from "./socket.ts"
import { SENDING_OPTIONS } from "./socket-options.ts"

/** A socket that only sends. `M` is what it takes, `O` what `send` needs besides (a group, a routing id). */
export abstract class SendingSocket<
  M = MessageLike | readonly MessageLike[],
  O extends [] | [object] = [],
> extends Socket {
  /** Whole messages queued per peer before `send` waits (or drops, by pattern); 0 = unlimited. Default 1,000. Live. [ZMQ_SNDHWM] */
  declare sendHighWaterMark: number
  /** Milliseconds before a waiting `send` rejects with EAGAIN; -1 = never, 0 = at once. Default -1. Live. [ZMQ_SNDTIMEO] */
  declare sendTimeout: number
  /** Bytes of the operating system's buffer for what is sent over tcp; -1 = its default. Needs the native addon. [ZMQ_SNDBUF] */
  declare sendBufferSize: number
  /** Routers that a multicast datagram may pass; 0 = it stays on this machine. Default 1: the local network. [ZMQ_MULTICAST_HOPS] */
  declare multicastHops: number
  /** This machine hears the multicast datagrams that it sends. Default true. [ZMQ_MULTICAST_LOOP] */
  declare multicastLoopback: boolean
  /**
   * Whom multicast:// waits for: "slowest" (default) = no receiver is left behind unless it is silent for five seconds,
   * "fastest" = who cannot follow the fastest loses, "none" = nobody is waited for. What is lost is counted as "gap" there.
   */
  declare multicastFlow: MulticastFlow
  /**
   * How many packets of multicast:// one more is sent for, from which receivers reckon what they have lost, without asking: 4, 8 or 16 = always,
   * "auto" (default) = while at least two receivers lose packets, the fewer the more they lose; false = never.
   */
  declare multicastParity: MulticastParity

  /** @internal */
  declare protected readonly pattern: SendingPattern<O[0]>

  /** True when `trySend` would take a message. */
  get writable(): boolean {
    return !this.closed && this.pattern.outbox.waiting === 0 && this.pattern.canSend
  }

  /**
   * Resolves when the message is on its way or queued, at once where there is room. Any number may wait; their order is
   * kept. Buffers are taken by reference: do not change them afterwards. Rejects with EAGAIN (`sendTimeout`, or the
   * socket was closed), EBADF, and with what the pattern's SPEC.md says.
   */
  send(message: M, ...option: O): Promise<void>
  send(message: M, option?: O[0]): Promise<void> {
    return this.pattern.outbox.send(message, option)
  }

  /** True = on its way or queued; false = no room, nothing taken. The fast way. Throws what `send` rejects with. */
  trySend(message: M, ...option: O): boolean
  trySend(message: M, option?: O[0]): boolean {
    return this.pattern.outbox.trySend(message, option)
  }

  protected override cancelWaiters(): void {
    this.pattern.outbox.close()
  }
}

defineOptions(SendingSocket as unknown as { prototype: Socket }, SENDING_OPTIONS)
