import type { Connection, PeerHello, SocketType } from "../../../core/contract.ts"

/** A plain ZeroMQ client, as events show it. */
export interface ClientName {
  /** Its own socket type: SUB, PUSH... */
  readonly type: SocketType
  readonly address: string
}

export interface ClientStats extends ClientName {
  /** To the client, and from it; what waits does not count. */
  readonly messagesSent: number
  readonly messagesReceived: number
  readonly bytesSent: number
  readonly bytesReceived: number
  /** Messages that wait for it. */
  readonly queued: number
  /** Messages for it that it was too slow for, and messages of it that could not be used. */
  readonly dropped: number
}

/** Plain ZeroMQ peers that connect to a node's listener. */
export interface ForeignClients {
  /** The socket type by which this peer is answered. Throws a fatal HeddleError when it has no place here. */
  partnerOf(peer: PeerHello): SocketType
  /** The handshake is done. */
  take(connection: Connection): void
  stats(): ClientStats[]
  /** The node leaves: nothing new is taken of clients, what is under way is finished. */
  drain(): void
  /** Ends their connections in order; resolves when all are gone. */
  close(): Promise<void>
}
