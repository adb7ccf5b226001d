import type { Handshake, Hello, LinkOptions, PeerHello, SocketType } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import { compatible } from "../../core/socket-types.ts"

/** Values for what a transport reads: the engine's defaults, without heartbeats. */
export const LINK_OPTIONS: LinkOptions = {
  handshakeInterval: 30_000,
  connectTimeout: 0,
  maxMessageSize: 64 * 1024 * 1024,
  heartbeatInterval: 0,
  heartbeatTimeout: 10_000,
  heartbeatTimeToLive: 0,
  backlog: 511,
  maxHandshakes: 1024,
  sharedMemory: 1024 * 1024,
  busyPoll: 0,
  ipv6: false,
  tcpKeepalive: -1,
  tcpKeepaliveIdle: -1,
  tcpAcceptFilter: [],
  sendHighWaterMark: 1000,
  receiveHighWaterMark: 1000,
}

export interface LocalOptions {
  options?: Partial<LinkOptions>
  routingId?: string | Buffer
  metadata?: ReadonlyMap<string, Buffer>
  adaptive?: boolean
  /** Instead of the fixed hello. */
  answer?: (peer: PeerHello | null) => Hello
  admit?: (peer: PeerHello) => void
}

/** Our side of a handshake, without a socket behind it. */
export function local(socketType: SocketType, given: LocalOptions = {}): Handshake {
  const hello: Hello = {
    socketType,
    routingId: Buffer.from((given.routingId ?? "") as string),
    metadata: given.metadata ?? new Map(),
  }
  return {
    options: { ...LINK_OPTIONS, ...given.options },
    adaptive: given.adaptive ?? false,
    answer: given.answer ?? (() => hello),
    admit:
      given.admit ??
      (peer => {
        if (compatible(socketType, peer.socketType)) return
        throw new HeddleError("ERR_PEER_INCOMPATIBLE", `${socketType} has no use for ${peer.socketType}`, {
          fatal: true,
        })
      }),
  }
}
