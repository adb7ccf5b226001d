import type { Endpoint, LinkOptions } from "../../core/contract.ts"
import { groupHost, multicastInterface, sourceHost } from "../udp/address.ts"
import type { DatagramPort } from "../udp/port.ts"
import { portSettings } from "../udp/udp-options.ts"
import type { MulticastAddress } from "./address.ts"
import { ORDINARY } from "./chunks.ts"
import { GroupSender, newSessionId, SENDER_DEFAULTS } from "./engine.ts"
import { datagramSize } from "./mtu.ts"
import { NearMembers } from "./near/members.ts"
import { NearSenders } from "./near/senders.ts"
import { inletBuffer, outletBuffer, receiverSettings, senderSettings } from "./options.ts"
import { Inlet, Outlet, TURN_BYTES } from "./ports.ts"
import type { Role } from "./roles.ts"
import type { World } from "./world.ts"

/** The ports of one endpoint, and the engines behind them: a sender, a receiver, or both. */
export class Station {
  readonly outlet: Outlet
  readonly inlet: Inlet | null
  /** Of the group. */
  readonly port: number
  readonly closed: Promise<void>

  /** Rejects with the system's error. */
  static async open(
    world: World,
    endpoint: Endpoint,
    address: MulticastAddress,
    role: Role,
    options: LinkOptions,
  ): Promise<Station> {
    const { family, group } = address
    const via = multicastInterface(address.interface, family, endpoint)
    const datagram = await datagramSize(address.interface, family, options.multicastMaxTransportDataUnit ?? 0)
    const settings = { ...portSettings(options, endpoint), family, interface: via }
    const outlet = await world.open({
      ...settings,
      host: sourceHost(group, via),
      port: 0,
      shared: false,
      group: null,
      receiveBuffer: outletBuffer(options),
      turnBytes: TURN_BYTES,
    })
    if (!role.receives) return new Station(world, address, role, options, datagram, outlet, null)
    try {
      const inlet = await world.open({
        ...settings,
        host: groupHost(group, via),
        port: address.port,
        shared: true,
        group,
        receiveBuffer: inletBuffer(options),
      })
      return new Station(world, address, role, options, datagram, outlet, inlet)
    } catch (error) {
      outlet.close()
      throw error
    }
  }

  private constructor(
    { clock, random, native, isOurs }: World,
    address: MulticastAddress,
    role: Role,
    options: LinkOptions,
    datagram: number,
    outlet: DatagramPort,
    inlet: DatagramPort | null,
  ) {
    this.port = inlet?.port ?? address.port
    const surroundings = { group: { host: address.group, port: this.port }, clock, random }
    const shared = options.sharedMemory > 0 ? native : null
    const session = newSessionId(random)
    const members =
      shared === null || !role.sends
        ? null
        : new NearMembers(shared, {
            port: outlet,
            clock,
            session,
            window: options.multicastWindow ?? SENDER_DEFAULTS.window,
            any: options.multicastFlow === "fastest",
            isOurs,
          })
    this.outlet = new Outlet(outlet, surroundings, members)
    this.inlet =
      inlet === null
        ? null
        : new Inlet(inlet, this.outlet, surroundings, receiverSettings(options, inlet.receiveBuffer))
    if (this.inlet !== null && shared !== null)
      this.inlet.senders = this.outlet.senders = new NearSenders(shared, clock, this.inlet.receiver, outlet)
    if (role.sends) {
      const settings = senderSettings(options, role.kind, datagram, members ?? ORDINARY)
      this.outlet.sender = new GroupSender(this.outlet.host, settings, session)
      members?.serve(this.outlet.sender)
      // MCT-8 a Bus hears its own datagrams, too.
      this.inlet?.receiver.ignore(session)
    }
    this.closed = Promise.all([outlet.closed, inlet?.closed]).then(() => {})
  }

  close(): void {
    this.outlet.sender?.close()
    this.inlet?.close()
    this.outlet.close()
  }
}
