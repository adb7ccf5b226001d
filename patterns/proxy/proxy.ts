import type { Message } from "../../core/contract.ts"
import { closedError, HeddleError } from "../../core/errors.ts"
import type { Consumer } from "../../core/inbox.ts"
import { Socket } from "../../core/socket.ts"
import { type ControlSocket, obey, type Steerable } from "./control.ts"
import { Flow, type FlowHost, type SideStatistics, type Source, type Target } from "./flow.ts"

/** Any socket whose messages are frames and nothing else: not Server, Peer, Radio and Dish. */
export type ProxySocket = Socket & (Source | Target)

export interface ProxyStatistics {
  /** `In` is what was received from the side, `Out` what was sent to it. */
  front: SideStatistics
  back: SideStatistics
  /** Copies that the capture socket had no room for. */
  captureDropped: number
  /** Messages that the other side refused (a Router with `mandatory` whose peer has left), or that the end overtook. */
  undeliverable: number
}

/** SERVER, RADIO, DISH, DGRAM, PEER: a message alone does not say where it goes. */
const ADDRESSED: ReadonlySet<number> = new Set([12, 14, 15, 18, 19])

/**
 * Connects two sockets: what one receives the other sends. A streamer is Pull and Push, a forwarder XSubscriber and
 * XPublisher, a queue Router and Dealer. Both sockets belong to the proxy from `run` on; at the end it closes them.
 */
// biome-ignore lint/suspicious/noShadowRestrictedNames: users of the npm package zeromq know it by this name.
export class Proxy implements FlowHost, Steerable {
  readonly frontEnd: ProxySocket
  readonly backEnd: ProxySocket
  private readonly capture: Target | null
  private readonly controller: ControlSocket | null
  private readonly flows: readonly Flow[]
  private readonly counters: ProxyStatistics = {
    front: { messagesIn: 0, bytesIn: 0, messagesOut: 0, bytesOut: 0 },
    back: { messagesIn: 0, bytesIn: 0, messagesOut: 0, bytesOut: 0 },
    captureDropped: 0,
    undeliverable: 0,
  }
  private state: "new" | "running" | "over" = "new"
  private finish: () => void = () => {}
  private fail: (error: unknown) => void = () => {}

  /**
   * `capture` gets a copy of every message, as far as it has room. `control` takes the commands PAUSE, RESUME, TERMINATE
   * and STATISTICS; neither is closed by the proxy. Throws a TypeError for what is no socket, EINVAL for two sockets
   * between which nothing can flow.
   */
  constructor(
    front: ProxySocket,
    back: ProxySocket,
    capture: (Socket & Target) | null = null,
    control: (Socket & ControlSocket) | null = null,
  ) {
    if (!(front instanceof Socket)) throw new TypeError("Front-end must be a socket object")
    if (!(back instanceof Socket)) throw new TypeError("Back-end must be a socket object")
    if (capture !== null && !isTarget(capture)) throw new TypeError("Capture must be a socket that sends")
    if (control !== null && !isSource(control)) throw new TypeError("Control must be a socket that receives")
    for (const socket of [front, back]) mustCarryFrames(socket)
    this.frontEnd = front
    this.backEnd = back
    this.capture = capture
    this.controller = control
    this.flows = this.makeFlows()
    if (this.flows.length === 0) {
      throw new HeddleError(
        "EINVAL",
        `Invalid argument: nothing can flow between ${front.constructor.name} and ${back.constructor.name}; one must receive and the other send`,
      )
    }
  }

  /**
   * Forwards until `terminate`, then closes both sockets and resolves. Rejects with EINVAL when a socket has no endpoint,
   * EBUSY when the proxy runs already, and EBADF when it is over or when one of its sockets is closed by somebody else
   * (the other is then closed, too). Keeps the process alive.
   */
  async run(): Promise<void> {
    if (this.state === "over") throw closedError()
    if (this.state === "running") throw new HeddleError("EBUSY", "The proxy runs already; terminate() ends it")
    for (const [name, socket] of [
      ["Front-end", this.frontEnd],
      ["Back-end", this.backEnd],
    ] as const) {
      if (socket.lastEndpoint === null) throw new HeddleError("EINVAL", `${name} socket must be bound or connected`)
    }
    this.state = "running"
    let steering: Consumer | null = null
    try {
      const ended = new Promise<void>((resolve, reject) => {
        this.finish = resolve
        this.fail = reject
      })
      if (this.controller !== null) steering = obey(this.controller, this)
      for (const flow of this.flows) flow.start()
      await Promise.race([ended, closing(this.frontEnd), closing(this.backEnd)])
    } finally {
      this.state = "over"
      steering?.stop()
      for (const flow of this.flows) flow.stop()
      await Promise.all([this.frontEnd.close(), this.backEnd.close()])
    }
  }

  /** Takes no more messages until `resume`; they wait in the sockets, and then at their senders. Throws EBADF when it does not run. */
  pause(): void {
    this.mustRun()
    for (const flow of this.flows) flow.stop()
  }

  /** Throws EBADF when it does not run. */
  resume(): void {
    this.mustRun()
    for (const flow of this.flows) flow.start()
  }

  /** Ends `run`, and closes both sockets within their `linger`. Throws EBADF when it does not run. */
  terminate(): void {
    this.mustRun()
    this.finish()
  }

  /** What passed since `run`. */
  statistics(): ProxyStatistics {
    return structuredClone(this.counters)
  }

  /** @internal PROXY-7: looking on never holds up the flow. */
  captured(message: Message): void {
    if (this.capture === null) return
    try {
      if (this.capture.trySend(message)) return
    } catch {
      // A closed capture socket, or one that cannot send such a message: counted below.
    }
    this.counters.captureDropped++
  }

  /** @internal */
  undeliverable(): void {
    this.counters.undeliverable++
  }

  /** @internal */
  failed(error: unknown): void {
    this.fail(error)
  }

  private makeFlows(): Flow[] {
    const { frontEnd, backEnd, counters } = this
    const flows: Flow[] = []
    if (isSource(frontEnd) && isTarget(backEnd)) {
      flows.push(new Flow(frontEnd, backEnd, counters.front, counters.back, this))
    }
    if (frontEnd !== backEnd && isSource(backEnd) && isTarget(frontEnd)) {
      flows.push(new Flow(backEnd, frontEnd, counters.back, counters.front, this))
    }
    return flows
  }

  private mustRun(): void {
    if (this.state !== "running") throw closedError()
  }
}

function isSource(socket: object): socket is Source {
  return socket instanceof Socket && "consume" in socket
}

function isTarget(socket: object): socket is Target {
  return socket instanceof Socket && "trySend" in socket
}

function mustCarryFrames(socket: Socket): void {
  if (!ADDRESSED.has(socket.type)) return
  throw new HeddleError(
    "EINVAL",
    `Invalid argument: a proxy cannot forward the messages of ${socket.constructor.name}, which carry more than frames; use Router and Dealer, or XSubscriber and XPublisher`,
  )
}

/** Rejects with EBADF when the socket is closed: so many peers will never be there, and nothing else ends this wait. */
function closing(socket: Socket): Promise<void> {
  return socket.ready({ peers: Number.POSITIVE_INFINITY })
}
