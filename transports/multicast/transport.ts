import { randomInt } from "node:crypto"
import type {
  Connection,
  Endpoint,
  Handshake,
  LinkOptions,
  Listener,
  ListenerSink,
  SocketType,
  Transport,
} from "../../core/contract.ts"
import { fromSystem, HeddleError } from "../../core/errors.ts"
import type { Native } from "../native/addon.ts"
import { loadNative } from "../native/native.ts"
import { openPort } from "../udp/open-port.ts"
import type { OpenPort } from "../udp/port.ts"
import { portSettings } from "../udp/udp-options.ts"
import { type MulticastAddress, parseMulticastAddress } from "./address.ts"
import { type Clock, machineClock } from "./clock.ts"
import { forThread } from "./near/thread-memory.ts"
import { type Role, roleOf } from "./roles.ts"
import type { World } from "./world.ts"

/** What nobody can guess: who knows the session of a sender could speak in its name. */
const unguessable = (): number => randomInt(2 ** 32) / 2 ** 32

/**
 * `multicast://group:port?interface=eth0`: reliable multicast (SPEC.md). `listen` and `dial` both send, receive or do both,
 * as the type of the socket says:
 *
 * - PUB, XPUB, RADIO: one connection to the group, which takes messages as soon as its port is open, whoever is there.
 * - SUB, XSUB, DISH: by `listen` one connection for each sender (its `peer.address` says which), by `dial` one that delivers
 *   what all senders say.
 * - BUS: one connection that does both.
 *
 * `ConnectionSink.lost("gap", count, gap)`: so many messages of that sender are lost for good.
 */
export class MulticastTransport implements Transport {
  readonly scheme = "multicast"
  readonly addressed = true
  private readonly world: World

  /** For a simulated network: its ports, its clock, and numbers that are the same in each run. */
  constructor(
    open: OpenPort = openPort,
    clock: Clock = machineClock,
    random: () => number = unguessable,
    native: Native | null = open === openPort ? forThread(loadNative()) : null,
  ) {
    this.world = { open, clock, random, native }
  }

  check(endpoint: Endpoint, side: "listen" | "dial", type: SocketType, options?: LinkOptions): void {
    addressFor(endpoint, side, mustHaveRole(type, endpoint))
    if (options !== undefined) portSettings(options, endpoint)
  }

  async listen(endpoint: Endpoint, local: Handshake, sink: ListenerSink): Promise<Listener> {
    const role = mustHaveRole(local.answer(null).socketType, endpoint)
    const address = addressFor(endpoint, "listen", role)
    // Most programs have no group: the engine is loaded by those that do.
    const { listenIn } = await import("./membership.ts")
    return listenIn({ world: this.world, endpoint, address, role, local }, sink).catch((error: unknown) => {
      throw fromSystem(error, "bind to", endpoint.href)
    })
  }

  async dial(
    endpoint: Endpoint,
    local: Handshake,
    signal: AbortSignal,
    reached?: (address: string) => void,
  ): Promise<Connection> {
    const role = mustHaveRole(local.answer(null).socketType, endpoint)
    const address = addressFor(endpoint, "dial", role)
    const { joinAs } = await import("./membership.ts")
    const connection = await joinAs({ world: this.world, endpoint, address, role, local }).catch((error: unknown) => {
      throw fromSystem(error, "connect to", endpoint.href)
    })
    if (signal.aborted) {
      connection.close()
      throw new HeddleError("ECONNABORTED", `The connection to ${endpoint.href} was given up`, {
        address: endpoint.href,
      })
    }
    reached?.(connection.peer.address)
    return connection
  }
}

function addressFor(endpoint: Endpoint, side: "listen" | "dial", role: Role): MulticastAddress {
  return parseMulticastAddress(endpoint, role.receives ? side : "dial")
}

/** Throws ENOCOMPATPROTO. */
function mustHaveRole(type: SocketType, endpoint: Endpoint): Role {
  const role = roleOf(type)
  if (role !== undefined) return role
  throw new HeddleError(
    "ENOCOMPATPROTO",
    `The protocol is not compatible with the socket type: ${endpoint.href}: a group gives every message to all its members, and ${type} sockets give each to one; use Publisher and Subscriber, Radio and Dish, or Bus`,
    { address: endpoint.href, fatal: true },
  )
}
