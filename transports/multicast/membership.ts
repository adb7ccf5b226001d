import type { Connection, Endpoint, Handshake, Listener, ListenerSink } from "../../core/contract.ts"
import { formatMulticastAddress, type MulticastAddress } from "./address.ts"
import { GroupConnection } from "./connection.ts"
import { admitted, Entrance, peerHello } from "./entrance.ts"
import type { Role } from "./roles.ts"
import { Station } from "./station.ts"
import type { World } from "./world.ts"

/** Who wants to be a member of which group. */
export interface Membership {
  readonly world: World
  readonly endpoint: Endpoint
  readonly address: MulticastAddress
  readonly role: Role
  readonly local: Handshake
}

/** Who sends gets the one connection at once; who only receives, one for each sender. */
export async function listenIn(membership: Membership, sink: ListenerSink): Promise<Listener> {
  const station = await stationOf(membership)
  const endpoint = formatMulticastAddress(membership.address, station.port)
  if (!membership.role.sends) {
    const entrance = new Entrance(station, membership.local, sink)
    return { endpoint, close: () => entrance.close() }
  }
  // MCT-3 the address is that of the connection: it is free when both have ended, in whichever order.
  sink.connection(connectionOf(station, membership))
  return { endpoint, close: () => station.closed }
}

export async function joinAs(membership: Membership): Promise<Connection> {
  return connectionOf(await stationOf(membership), membership)
}

function stationOf({ world, endpoint, address, role, local }: Membership): Promise<Station> {
  // Whether anybody is admitted at all: a group has no answer that would say so later.
  local.admit(peerHello(role.partner, endpoint.href))
  return Station.open(world, endpoint, address, role, local.options)
}

function connectionOf(station: Station, { address, role, local }: Membership): GroupConnection {
  const { outlet, inlet } = station
  const peer = peerHello(role.partner, formatMulticastAddress(address, station.port))
  const connection = new GroupConnection(peer, outlet, inlet)
  if (inlet !== null) {
    inlet.onSession = session => {
      const one = admitted(session, local, () => {})
      if (one !== null) connection.add(one)
    }
  }
  return connection
}
