import type { SimulatedHost } from "./host.ts"
import { SimulatedStream } from "./stream.ts"
import { systemError } from "./system-error.ts"

/** The streams of a host: who listens, and who is connected. */
export class StreamPorts {
  private readonly host: SimulatedHost
  private readonly listeners = new Map<number, (stream: SimulatedStream) => void>()
  private readonly open = new Set<SimulatedStream>()

  constructor(host: SimulatedHost) {
    this.host = host
  }

  /** Connections that are open or being made at this end. */
  get count(): number {
    return this.open.size
  }

  /** Port 0 = any free one; the answer is the real one. Throws EADDRINUSE. */
  listen(port: number, accept: (stream: SimulatedStream) => void): number {
    const real = port === 0 ? this.host.freePort(number => this.listeners.has(number)) : port
    if (this.listeners.has(real)) throw systemError("EADDRINUSE", `port ${real} of ${this.host.name}`)
    this.listeners.set(real, accept)
    return real
  }

  unlisten(port: number): void {
    this.listeners.delete(port)
  }

  /** Throws EHOSTUNREACH where there is no such host. */
  dial(target: string, port: number, connected: () => void): SimulatedStream {
    const remote = this.host.resolve(target)
    if (remote === null) throw systemError("EHOSTUNREACH", `there is no host ${target} in the simulated network`)
    const stream = new SimulatedStream(
      this.host,
      this.host.freePort(() => false),
      remote,
    )
    this.open.add(stream)
    stream.dial(port, connected)
    return stream
  }

  /** Both ends of all streams hear that they were reset. */
  reset(): void {
    for (const stream of [...this.open]) stream.reset()
  }

  // From streams and from the host

  /** The end at this host of a stream that is being dialled; null = nobody listens. */
  accept(port: number, from: SimulatedHost): SimulatedStream | null {
    if (!this.listeners.has(port)) return null
    const stream = new SimulatedStream(this.host, port, from)
    this.open.add(stream)
    return stream
  }

  arrived(port: number, stream: SimulatedStream): void {
    this.listeners.get(port)?.(stream)
  }

  release(stream: SimulatedStream): void {
    this.open.delete(stream)
  }

  /** The host has crashed. */
  forget(): void {
    this.listeners.clear()
    for (const stream of this.open) stream.forget()
    this.open.clear()
  }
}
