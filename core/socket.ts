import { Acceptor } from "./acceptor.ts"
import { Connector, type ConnectorOptions, type SocketHost } from "./connector.ts"
import type { Context } from "./context.ts"
import type { Handshake, Hello, LinkOptions, Pattern, PeerHello, SocketType } from "./contract.ts"
import { parseEndpoint } from "./endpoint.ts"
import { closedError, HeddleError, wouldBlock } from "./errors.ts"
import { hold, release } from "./keep-alive.ts"
import { Observer, type SocketEvent } from "./observer.ts"
import { applyOptions, type Bytes, defaultsOf, defineOptions, toBytes } from "./options.ts"
import type { SocketPipe } from "./pipe.ts"
import { COMMON_OPTIONS, type CommonOptions } from "./socket-options.ts"
import { compatible, partnersOf, SOCKET_TYPE_NUMBER } from "./socket-types.ts"
import { countDrops, type SocketStats, StatsLedger } from "./stats.ts"

export interface CloseOptions {
  /** Milliseconds to go on sending what is queued; default: the option `linger`. -1 = for ever, 0 = drop it. */
  linger?: number
}

export interface ReadyOptions {
  /** Peers that must be connected, handshake done. Default 1. */
  peers?: number
  /** Milliseconds; rejects with EAGAIN afterwards. Default: waits for ever. */
  timeout?: number
}

/** A socket's class and the sides of it that users see less. */
export interface SocketParts {
  type: SocketType
  pattern: Pattern
  context: Context
}

export interface Socket extends CommonOptions {}

/**
 * Life cycle of a socket: where it listens, whom it dials, when it ends. It moves connections, never messages; those
 * pass between pipes and the pattern.
 */
export abstract class Socket {
  /** @internal Values of the options. */
  readonly settings: Record<string, unknown>
  readonly context: Context
  /** @internal */
  protected readonly pattern: Pattern
  private readonly socketType: SocketType
  private readonly host: SocketHost
  private readonly ledger = new StatsLedger()
  private readonly acceptors: Acceptor[] = []
  private readonly connectors: Connector[] = []
  /** Disconnected, and still sending what they have. */
  private readonly leaving: Connector[] = []
  private readonly pipes = new Set<SocketPipe>()
  private observer: Observer | null = null
  private address: string | null = null
  private closing: Promise<void> | null = null
  private waitingForPeers: (() => void)[] = []

  /** `make` builds the pattern from the socket's live option values. */
  protected constructor(type: SocketType, make: (settings: never) => Pattern, options: object & { context?: Context }) {
    const { context, ...values } = options
    if (context === undefined)
      throw new TypeError("A socket needs a context; the classes of the package's front door have one")
    this.context = context
    this.socketType = type
    this.settings = defaultsOf(new.target.prototype)
    this.settings.ipv6 = context.ipv6
    this.pattern = make(this.settings as never)
    this.host = this.makeHost()
    applyOptions(this, values)
    context.add(this)
  }

  /** libzmq's number of the socket type; Heddle's own types count from 100. */
  get type(): number {
    return SOCKET_TYPE_NUMBER[this.socketType]
  }

  get closed(): boolean {
    return this.closing !== null
  }

  /** Where the socket was last bound or connected to, wildcards resolved; null before. */
  get lastEndpoint(): string | null {
    return this.address
  }

  /** Always null in this version: no mechanism but NULL. */
  get securityMechanism(): null {
    return null
  }

  /** Heddle's sockets live in one thread. */
  get threadSafe(): false {
    return false
  }

  /** What happens to the connections. Made when first used: earlier events are not kept. */
  get events(): Observer {
    this.observer ??= new Observer()
    return this.observer
  }

  /** @internal */
  get unsent(): boolean {
    for (const pipe of this.pipes) if (pipe.queued > 0) return true
    return false
  }

  /**
   * Listens. Resolves when peers can connect; `lastEndpoint` then has the real address.
   * Rejects with EADDRINUSE, EADDRNOTAVAIL, EACCES, EINVAL, EPROTONOSUPPORT, ENOCOMPATPROTO.
   */
  async bind(address: string): Promise<void> {
    this.mustBeOpen()
    const endpoint = parseEndpoint(address)
    const transport = this.context.transportOf(endpoint.scheme, address)
    transport.check(endpoint, "listen", this.socketType, this.settings as unknown as LinkOptions)
    const acceptor = new Acceptor(this.host, this.settings as unknown as ConnectorOptions)
    this.acceptors.push(acceptor)
    hold()
    try {
      await acceptor.listen(endpoint, transport)
      this.address = acceptor.address
    } catch (error) {
      this.forget(this.acceptors, acceptor)
      throw error
    } finally {
      release()
    }
    if (this.closed) throw closedError()
  }

  /** Stops listening there and ends the connections that came through it. Resolves when the address is free. Rejects with ENOENT. */
  async unbind(address: string): Promise<void> {
    this.mustBeOpen()
    const acceptor = this.acceptors.find(one => one.address === address)
    if (acceptor === undefined) throw this.unknown(address)
    this.forget(this.acceptors, acceptor)
    hold()
    try {
      await acceptor.stop()
    } finally {
      release()
    }
  }

  /** Dials, now and whenever the connection is lost. Returns at once; throws EINVAL, EPROTONOSUPPORT, EBADF. */
  connect(address: string): void {
    this.dial(address, null)
  }

  /** Ends the connection and the dialling; what is queued for it goes out within `linger`. Throws ENOENT. */
  disconnect(address: string): void {
    this.mustBeOpen()
    const connector = this.connectors.find(one => one.endpoint.href === address)
    if (connector === undefined) throw this.unknown(address)
    this.forget(this.connectors, connector)
    this.leaving.push(connector)
    void this.wind([connector], this.linger).then(() => this.forget(this.leaving, connector))
  }

  /** Resolves when so many peers are connected. */
  async ready({ peers = 1, timeout }: ReadyOptions = {}): Promise<void> {
    await this.until(
      () => this.connectedPeers >= peers,
      timeout,
      () => `${this.connectedPeers} of ${peers} peers are connected`,
    )
  }

  /** Counters since the socket was made, by peer and in all. */
  stats(): SocketStats {
    const named = [...this.pipes].map((pipe): [SocketPipe, string] => [pipe, this.addressOf(pipe)])
    const report = this.ledger.report(named, this.waitingMessages())
    if (this.pattern.dropped !== undefined) countDrops(report.dropped, this.pattern.dropped)
    return report
  }

  /**
   * Ends the socket. `closed` is true at once; waiting sends and receives reject. Resolves when what could be sent
   * within `linger` was sent and the addresses are free again.
   */
  close({ linger = this.linger }: CloseOptions = {}): Promise<void> {
    this.closing ??= this.shutDown(linger)
    return this.closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal */
  optionChanged(name: string, live: boolean): void {
    if (live || this.acceptors === undefined || this.acceptors.length + this.connectors.length === 0) return
    process.emitWarning(`Socket option ${name} will not take effect until next connect/bind.`)
  }

  protected dial(address: string, assignedId: Buffer | null): SocketPipe | null {
    this.mustBeOpen()
    const endpoint = parseEndpoint(address)
    const transport = this.context.transportOf(endpoint.scheme, address)
    transport.check(endpoint, "dial", this.socketType, this.settings as unknown as LinkOptions)
    this.address = address
    if (CONNECTS_ONCE.has(this.socketType) && this.connectors.some(one => one.endpoint.href === address)) return null
    const options = this.settings as unknown as ConnectorOptions
    const connector = new Connector(this.host, endpoint, transport, options, assignedId)
    this.connectors.push(connector)
    return connector.pipe
  }

  /** Messages that wait to be received; sockets that receive say so. */
  protected waitingMessages(): number {
    return 0
  }

  /** Rejects those who wait; sockets that send or receive do so. */
  protected cancelWaiters(): void {}

  protected get connectedPeers(): number {
    let count = 0
    for (const pipe of this.pipes) if (pipe.online) count++
    return count
  }

  /** Checks again, whenever peers or their wishes change, until `reached`. */
  protected async until(reached: () => boolean, timeout: number | undefined, state: () => string): Promise<void> {
    this.mustBeOpen()
    if (reached()) return
    hold()
    let timer: NodeJS.Timeout | undefined
    let over = false
    try {
      await new Promise<void>((resolve, reject) => {
        const check = (): void => {
          if (over) return
          if (this.closed) reject(closedError())
          else if (reached()) resolve()
          else this.waitingForPeers.push(check)
        }
        this.waitingForPeers.push(check)
        if (timeout !== undefined) {
          timer = setTimeout(() => reject(wouldBlock(`not ready within ${timeout} ms: ${state()}`)), timeout)
        }
      })
    } finally {
      over = true
      clearTimeout(timer)
      release()
    }
  }

  /** Something that `until` may wait for has changed. */
  protected peersChanged(): void {
    if (this.waitingForPeers.length === 0) return
    const waiting = this.waitingForPeers
    this.waitingForPeers = []
    for (const check of waiting) check()
  }

  protected emit(event: SocketEvent): void {
    this.observer?.emit(event)
  }

  protected mustBeOpen(): void {
    if (this.closed) throw closedError()
  }

  private async shutDown(linger: number): Promise<void> {
    hold()
    try {
      this.cancelWaiters()
      const listeners = this.acceptors.map(one => one.closeListener())
      await this.wind([...this.acceptors, ...this.connectors, ...this.leaving], linger)
      await Promise.all(listeners)
    } finally {
      this.context.remove(this)
      this.peersChanged()
      this.emit({ type: "end" })
      release()
    }
  }

  /** Lets these finish for `linger` milliseconds, then ends them. */
  private async wind(links: readonly (Acceptor | Connector)[], linger: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    hold()
    const finished = Promise.all(links.map(one => new Promise<void>(resolve => one.finish(resolve))))
    if (linger < 0) await finished
    else if (linger > 0) {
      const late = new Promise<void>(resolve => {
        timer = setTimeout(resolve, linger)
      })
      await Promise.race([finished, late])
    }
    clearTimeout(timer)
    await Promise.all(links.map(one => one.stop()))
    release()
  }

  private makeHost(): SocketHost {
    const handshake: Handshake = {
      options: this.settings as unknown as LinkOptions,
      adaptive: this.pattern.screen !== undefined,
      answer: peer => {
        if (peer !== null) this.pattern.screen?.(peer)
        return this.hello()
      },
      admit: peer => this.admit(peer),
    }
    return {
      pattern: this.pattern,
      handshake,
      emit: event => this.emit(event),
      attach: pipe => {
        this.pipes.add(pipe)
        this.pattern.attach(pipe)
      },
      detach: pipe => {
        this.pattern.detach(pipe)
        this.pipes.delete(pipe)
        this.ledger.close(pipe)
      },
      peersChanged: () => this.peersChanged(),
    }
  }

  private hello(): Hello {
    const metadata = new Map<string, Buffer>()
    for (const [name, value] of Object.entries(this.metadata)) metadata.set(name, Buffer.from(value))
    return { socketType: this.socketType, routingId: toBytes((this.settings.routingId as Bytes) ?? null), metadata }
  }

  private admit(peer: PeerHello): void {
    if (compatible(this.socketType, peer.socketType)) return
    const wanted = partnersOf(this.socketType).join(" or ")
    throw new HeddleError(
      "ERR_PEER_INCOMPATIBLE",
      `A ${this.socketType} socket cannot talk to the ${peer.socketType} socket at ${peer.address}; connect it to ${wanted}`,
      { address: peer.address, fatal: true },
    )
  }

  private addressOf(pipe: SocketPipe): string {
    return [...this.connectors, ...this.leaving].find(one => one.pipe === pipe)?.endpoint.href ?? ""
  }

  private unknown(address: string): HeddleError {
    return new HeddleError(
      "ENOENT",
      `No such endpoint: ${address}; give the address as it was given to connect, or lastEndpoint for bind`,
      { address },
    )
  }

  private forget<T>(list: T[], one: T): void {
    const index = list.indexOf(one)
    if (index >= 0) list.splice(index, 1)
  }
}

/** A second `connect` of these to the same endpoint does nothing, as in libzmq (zmtp.md 2.1). */
const CONNECTS_ONCE: ReadonlySet<SocketType> = new Set(["DEALER", "SUB", "PUB", "REQ"])

defineOptions(Socket as unknown as { prototype: Socket }, COMMON_OPTIONS)
