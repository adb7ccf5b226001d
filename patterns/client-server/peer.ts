import type { SocketOptions } from "../../core/construct.ts"
import type { Pipe } from "../../core/contract.ts"
import { DuplexSocket } from "../../core/duplex-socket.ts"
import { HeddleError } from "../../core/errors.ts"
import type { MessageLike } from "../../core/message.ts"
import { type ServerOptions, ServerPattern, type ServerRoutingOptions } from "./server.ts"

/** Talks to other Peers as a Server does to its Clients, from both ends (RFC 51). */
export class Peer extends DuplexSocket<[Buffer, ServerRoutingOptions], MessageLike, [ServerRoutingOptions]> {
  /** @internal */
  declare protected readonly pattern: ServerPattern

  constructor(options: SocketOptions<Peer> = {}) {
    super("PEER", (settings: ServerOptions) => new ServerPattern(settings, "Peer"), options)
  }

  /** True when at least one peer has room. */
  override get writable(): boolean {
    return !this.closed && this.pattern.canSend
  }

  /**
   * `connect` that returns the peer's routing id, to which messages can be sent at once; it stays the same when the
   * connection is lost and made again. Throws what `connect` throws, and EINVAL with the option `immediate`.
   */
  connectPeer(address: string): number {
    if (this.immediate) {
      throw new HeddleError(
        "EINVAL",
        "Invalid argument: with the option immediate a peer has no id before it is connected; set immediate to false, or use connect and take the id from its first message",
        { address },
      )
    }
    return this.pattern.idOf(this.dial(address, null) as Pipe)
  }
}
