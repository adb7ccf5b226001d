import type { Connection, Endpoint, Gap, Handshake, Pattern, Transport } from "./contract.ts"
import { fromSystem, type HeddleError } from "./errors.ts"
import type { SocketEvent } from "./observer.ts"
import { type PipeOptions, type PipeOwner, SocketPipe } from "./pipe.ts"
import type { ReconnectStop } from "./socket-options.ts"

/** Options that decide when to dial again; see `CommonOptions`. */
export interface ConnectorOptions extends PipeOptions {
  readonly reconnectInterval: number
  readonly reconnectMaxInterval: number
  readonly reconnectStop: ReconnectStop
  readonly immediate: boolean
}

/** What connectors and acceptors need of their socket. */
export interface SocketHost {
  readonly pattern: Pattern
  readonly handshake: Handshake
  emit(event: SocketEvent): void
  attach(pipe: SocketPipe): void
  detach(pipe: SocketPipe): void
  /** Whether somebody waits for a peer to come or go. */
  peersChanged(): void
}

/** A connection that lived this long (milliseconds) was a good one: the interval begins anew. An accept-then-close server must not be hammered. */
const PROVEN = 3_000

/** One `connect()`: dials, keeps the pipe, dials again. */
export class Connector implements PipeOwner {
  readonly endpoint: Endpoint
  /** The pipe of this endpoint; with `immediate` only while connected. */
  pipe: SocketPipe | null = null
  private readonly host: SocketHost
  private readonly transport: Transport
  private readonly options: ConnectorOptions
  private readonly assignedId: Buffer | null
  private readonly abort = new AbortController()
  private timer: NodeJS.Timeout | undefined
  private failures = 0
  private connectedAt = 0
  private stopped = false
  private whenFinished: (() => void) | null = null

  constructor(
    host: SocketHost,
    endpoint: Endpoint,
    transport: Transport,
    options: ConnectorOptions,
    assignedId: Buffer | null,
  ) {
    this.host = host
    this.endpoint = endpoint
    this.transport = transport
    this.options = options
    this.assignedId = assignedId
    if (!options.immediate) this.makePipe()
    void this.dial()
  }

  /** Sends what is queued, as long as `finish`'s caller waits, then ends. */
  finish(done: () => void): void {
    // `close` may follow `disconnect`: both wait for the same end.
    const before = this.whenFinished
    this.whenFinished = () => {
      before?.()
      done()
    }
    if (this.stopped) done()
    else if (this.pipe === null) this.stop()
    else this.pipe.finish()
  }

  /** Ends now. What is queued is dropped. */
  stop(): void {
    if (this.stopped) return
    this.stopped = true
    this.abort.abort()
    clearTimeout(this.timer)
    const pipe = this.pipe
    if (pipe !== null) {
      pipe.discard()
      pipe.close()
      this.dropPipe()
    }
    this.whenFinished?.()
  }

  connectionClosed(pipe: SocketPipe, reason: Error | undefined): void {
    const address = this.endpoint.href
    const error = reason && fromSystem(reason, "connection to", address)
    this.host.emit({ type: "disconnect", address, ...(error && { error }) })
    this.host.peersChanged()
    if (this.stopped) return
    if (this.options.immediate) {
      pipe.discard()
      this.dropPipe()
    }
    if (this.whenFinished !== null && (this.pipe === null || this.pipe.queued === 0)) {
      // It was to end when everything is sent, and nothing is left that a new connection could send.
      this.stop()
      return
    }
    if (performance.now() - this.connectedAt >= PROVEN) this.failures = 0
    else this.failures++
    if (this.options.reconnectStop === "after-disconnect") this.stop()
    else this.retry(error)
  }

  refused(_pipe: SocketPipe, reason: Error): void {
    const address = this.endpoint.href
    this.host.emit({ type: "refuse", address, error: fromSystem(reason, "peer", address) })
  }

  missed(_pipe: SocketPipe, gap: Gap, count: number): void {
    this.host.emit({ type: "gap", address: this.endpoint.href, ...gap, count })
  }

  finished(): void {
    this.stop()
  }

  private makePipe(): SocketPipe {
    const { assignedId, transport } = this
    const pipe = new SocketPipe(this.host.pattern, this.options, this, assignedId, transport)
    this.pipe = pipe
    this.host.attach(pipe)
    return pipe
  }

  private dropPipe(): void {
    if (this.pipe === null) return
    const pipe = this.pipe
    this.pipe = null
    this.host.detach(pipe)
  }

  private async dial(): Promise<void> {
    const address = this.endpoint.href
    this.host.emit({ type: "connect:delay", address })
    let connection: Connection
    let reached = false
    try {
      connection = await this.transport.dial(this.endpoint, this.host.handshake, this.abort.signal, () => {
        reached = true
        this.host.emit({ type: "connect", address })
      })
    } catch (error) {
      if (!this.stopped) this.failed(fromSystem(error, "connect to", address), reached)
      return
    }
    if (this.stopped) {
      connection.close()
      return
    }
    this.connectedAt = performance.now()
    const pipe = this.pipe ?? this.makePipe()
    this.host.emit({ type: "handshake", address })
    pipe.attachConnection(connection)
    this.host.peersChanged()
  }

  /** `reached`: somebody answered, and the handshake failed. */
  private failed(error: HeddleError, reached: boolean): void {
    const address = this.endpoint.href
    this.failures++
    if (reached) this.host.emit({ type: handshakeErrorType(error), address, error })
    const stop = this.options.reconnectStop
    const refused = error.code === "ECONNREFUSED"
    if ((stop === "connection-refused" && refused) || (stop === "handshake-failed" && reached)) this.stop()
    else this.retry(error)
  }

  private retry(error: HeddleError | undefined): void {
    const { reconnectInterval: base } = this.options
    if (base <= 0) {
      this.stop()
      return
    }
    const fatal = error?.fatal === true
    const interval = reconnectDelay(this.failures, base, this.options.reconnectMaxInterval, fatal, Math.random())
    this.host.emit({ type: "connect:retry", address: this.endpoint.href, interval, ...(error && { error }) })
    this.timer = setTimeout(() => void this.dial(), interval)
    this.timer.unref()
  }
}

/**
 * Milliseconds until the next attempt after `failures` in a row. With `max` 0 as libzmq: `base` plus up to as much
 * again. Otherwise doubling up to `max`, between half and all of it, so that many clients do not come at once. A peer
 * that refused us for good is asked at the longest interval only (RFC 37: do not reconnect automatically after ERROR).
 */
export function reconnectDelay(failures: number, base: number, max: number, fatal: boolean, random: number): number {
  if (max === 0) return Math.round(base + random * base)
  const ceiling = Math.max(max, base)
  const grown = fatal ? ceiling : Math.min(ceiling, base * 2 ** Math.min(Math.max(failures - 1, 0), 30))
  return Math.round(Math.max(base, grown * (0.5 + random / 2)))
}

export function handshakeErrorType(error: HeddleError): "handshake:error:protocol" | "handshake:error:other" {
  return error.code.startsWith("ERR_ZMTP") || error.code.startsWith("ERR_PEER")
    ? "handshake:error:protocol"
    : "handshake:error:other"
}
