import type { Message, MulticastFlow, MulticastParity } from "./contract.ts"
import type { ReceivingPattern } from "./inbox.ts"
import type { MessageLike } from "./message.ts"
import { defineOptions } from "./options.ts"
import type { SendingPattern } from "./outbox.ts"
import { ReceivingSocket } from "./receiving-socket.ts"
import type { Socket } from "./socket.ts"
import { SENDING_OPTIONS } from "./socket-options.ts"

/** A socket that sends and receives; see `SendingSocket` and `ReceivingSocket`. */
export abstract class DuplexSocket<
  T = Message,
  M = MessageLike | readonly MessageLike[],
  O extends [] | [object] = [],
> extends ReceivingSocket<T> {
  /** See `SendingSocket`. Live. */
  declare sendHighWaterMark: number
  /** See `SendingSocket`. Live. */
  declare sendTimeout: number
  /** See `SendingSocket`. */
  declare sendBufferSize: number
  /** See `SendingSocket`. */
  declare multicastHops: number
  /** See `SendingSocket`. */
  declare multicastLoopback: boolean
  /** See `SendingSocket`. */
  declare multicastFlow: MulticastFlow
  /** See `SendingSocket`. */
  declare multicastParity: MulticastParity

  /** @internal */
  declare protected readonly pattern: ReceivingPattern<T> & SendingPattern<O[0]>

  /** True when `trySend` would take a message. */
  get writable(): boolean {
    return !this.closed && this.pattern.outbox.waiting === 0 && this.pattern.canSend
  }

  /** See `SendingSocket.send`. */
  send(message: M, ...option: O): Promise<void>
  send(message: M, option?: O[0]): Promise<void> {
    return this.pattern.outbox.send(message, option)
  }

  /** See `SendingSocket.trySend`. */
  trySend(message: M, ...option: O): boolean
  trySend(message: M, option?: O[0]): boolean {
    return this.pattern.outbox.trySend(message, option)
  }

  protected override cancelWaiters(): void {
    super.cancelWaiters()
    this.pattern.outbox.close()
  }
}

defineOptions(DuplexSocket as unknown as { prototype: Socket }, SENDING_OPTIONS)
