import type { SocketOptions } from "../../core/construct.ts"
import { DuplexSocket } from "../../core/duplex-socket.ts"
import { type Bytes, choice, defineOptions, flag, routingIdOption, toBytes } from "../../core/options.ts"
import { PRESENCE_OPTIONS } from "./presence.ts"
import { type RouterNotify, type RouterOptions, RouterPattern } from "./router-pattern.ts"
import { idInUse } from "./routing-errors.ts"

export type { RouterNotify }

export interface RouterConnectOptions {
  /** Routing id for the peer at this address, whatever it calls itself: 1 to 255 bytes, the first not 0. [ZMQ_CONNECT_ROUTING_ID] */
  routingId?: string | Buffer
}

/**
 * Talks to each of its peers by name. What it receives begins with the peer's routing id, and what it sends goes to the
 * peer whose id the first frame is: `await router.send([id, "", "reply"])`.
 */
export class Router extends DuplexSocket {
  /** How another Router knows this socket: 1 to 255 bytes, the first not 0. Default null: it makes one up. [ZMQ_ROUTING_ID] */
  declare routingId: Bytes
  /**
   * Reject with EHOSTUNREACH when no peer has the id, and wait while the peer has no room. Default false: such messages
   * are dropped, and counted. Live. [ZMQ_ROUTER_MANDATORY]
   */
  declare mandatory: boolean
  /** A new peer takes over a routing id in use, and the old connection is closed. Default false: the new one is. Live. [ZMQ_ROUTER_HANDOVER] */
  declare handover: boolean
  /** Send an empty message to each new Router, so that it knows us. Default false. Live. [ZMQ_PROBE_ROUTER] */
  declare probeRouter: boolean
  /** Receive `[id, ""]` when a peer connects, disconnects, or both. Default null: neither. Live. [ZMQ_ROUTER_NOTIFY] */
  declare routerNotify: RouterNotify
  /** One frame, sent first on each new connection, unless to a Request. Default null. Live. [ZMQ_HELLO_MSG] */
  declare helloMessage: Bytes
  /** `receive` gives `[id, disconnectMessage]` when a peer that had connected to us is gone. Default null. Live. [ZMQ_DISCONNECT_MSG] */
  declare disconnectMessage: Bytes
  /** `receive` gives `[id, hiccupMessage]` when a connection that we made is lost. Default null. Live. [ZMQ_HICCUP_MSG] */
  declare hiccupMessage: Bytes

  /** @internal */
  declare protected readonly pattern: RouterPattern

  constructor(options: SocketOptions<Router> = {}) {
    super("ROUTER", (settings: RouterOptions) => new RouterPattern(settings), options)
  }

  /** True when `send` would take a message: with `mandatory`, when some peer has room. */
  override get writable(): boolean {
    return !this.closed && this.pattern.canSend
  }

  /** As every socket's; with a routing id, messages to it may be sent at once. Throws EINVAL also when the id is in use. */
  override connect(address: string, { routingId }: RouterConnectOptions = {}): void {
    const id = toBytes(routingIdOption.check(routingId ?? null, "routingId"))
    if (id.length > 0 && this.pattern.knows(id)) throw idInUse(id, address)
    this.dial(address, id.length > 0 ? id : null)
  }
}

defineOptions(Router, {
  ...PRESENCE_OPTIONS,
  routingId: routingIdOption,
  mandatory: flag(false, true),
  handover: flag(false, true),
  probeRouter: flag(false, true),
  routerNotify: choice<RouterNotify>(null, [null, "connect", "disconnect", "both"], true),
})
