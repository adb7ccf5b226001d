import type { Handshake, ListenerSink, PeerHello, SocketType } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import { formatSender } from "./address.ts"
import type { InboundSession } from "./engine.ts"
import { senderOf } from "./roles.ts"
import { SessionConnection } from "./session-connection.ts"
import { partsOf } from "./source.ts"
import type { Station } from "./station.ts"

const NO_BYTES = Buffer.alloc(0)
const NO_METADATA: ReadonlyMap<string, Buffer> = new Map()

export function peerHello(socketType: SocketType, address: string): PeerHello {
  return { socketType, routingId: NO_BYTES, metadata: NO_METADATA, address, mechanism: "NULL", userId: "" }
}

/** The connection of a sender that was heard for the first time; null = it is not let in. */
export function admitted(
  session: InboundSession,
  local: Handshake,
  failed: (address: string, error: Error) => void,
): SessionConnection | null {
  const { host, port } = partsOf(session.source)
  const address = formatSender(host, port)
  try {
    const type = senderOf(session.kind)
    if (type === undefined) {
      throw new HeddleError(
        "ERR_PEER_INCOMPATIBLE",
        `The sender at ${address} is of the unknown kind ${session.kind}; use another group or port`,
        { address, fatal: true },
      )
    }
    const peer = peerHello(type, address)
    local.admit(peer)
    return new SessionConnection(session, peer)
  } catch (error) {
    session.close()
    failed(address, error as Error)
    return null
  }
}

/** Hands each sender of a group to the listener's owner, and keeps the ports open until the last of them has ended. */
export class Entrance {
  private readonly station: Station
  private readonly connections = new Set<SessionConnection>()
  private open = true

  constructor(station: Station, local: Handshake, sink: ListenerSink) {
    this.station = station
    const inlet = station.inlet
    if (inlet === null) throw new TypeError("An entrance needs a port in the group")
    inlet.onSession = session => {
      if (!this.open) {
        session.close()
        return
      }
      const connection = admitted(session, local, (address, error) => sink.failed(address, error))
      if (connection === null) return
      this.connections.add(connection)
      connection.onOver = () => this.left(connection)
      sink.accepted(connection.peer.address)
      sink.connection(connection)
      connection.hold()
    }
    const failed = (error: Error): void => {
      for (const connection of this.connections) connection.close(error)
    }
    inlet.onFailed = failed
    station.outlet.onFailed = failed
  }

  close(): Promise<void> {
    this.open = false
    if (this.connections.size === 0) this.station.close()
    return this.station.closed
  }

  private left(connection: SessionConnection): void {
    this.connections.delete(connection)
    if (!this.open && this.connections.size === 0) this.station.close()
  }
}
