import type { Connection, PeerHello, SocketType } from "../../../core/contract.ts"

/** Plain ZeroMQ peers that connect to a node's listener. */
export interface ForeignClients {
  /** The socket type by which this peer is answered. Throws a fatal HeddleError when it has no place here. */
  partnerOf(peer: PeerHello): SocketType
  /** The handshake is done. */
  take(connection: Connection): void
  /** Ends their connections in order. */
  close(): void
}
