import type { SocketOptions } from "../../core/construct.ts"
import type { Loan, Message, Pipe } from "../../core/contract.ts"
import { DuplexSocket } from "../../core/duplex-socket.ts"
import type { MessageLike } from "../../core/message.ts"
import { requireOneFrame } from "../one-frame.ts"
import { type PairOptions, PairPattern } from "./pair.ts"

/** A Pair whose messages have one frame. */
export class ChannelPattern extends PairPattern<[Buffer]> {
  constructor(options: PairOptions) {
    super(options, "Channel")
  }

  // CHANNEL-2.
  override receive(pipe: Pipe, message: Message): void {
    if (message.length === 1) super.receive(pipe, message)
    else pipe.drop("malformed")
  }

  override lend(pipe: Pipe, loan: Loan): boolean {
    return loan.count === 1 && super.lend(pipe, loan)
  }

  // CHANNEL-1.
  protected override transmit(message: Message): boolean {
    requireOneFrame(message, "Channel", "Pair")
    return super.transmit(message)
  }
}

/** Exchanges messages of one frame with one other Channel; `receive` gives `[frame]`. Sending several frames throws EINVAL. */
export class Channel extends DuplexSocket<[Buffer], MessageLike> {
  constructor(options: SocketOptions<Channel> = {}) {
    super("CHANNEL", (settings: PairOptions) => new ChannelPattern(settings), options)
  }
}
