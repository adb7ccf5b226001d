import type { Connection, ConnectionSink, ControlName, ListenerSink, Message } from "../../core/contract.ts"
import { until } from "./wait.ts"

/** Keeps what a connection delivers. */
export class Collector implements ConnectionSink {
  readonly messages: Message[] = []
  readonly controls: [ControlName, string][] = []
  drains = 0
  closes = 0
  reason: Error | undefined
  /** Called with each message, after it was kept. */
  onMessage: ((message: Message) => void) | null = null
  onDrain: (() => void) | null = null
  /** False = messages are counted only. */
  keeps = true
  count = 0
  /** Something was delivered after `closed`: never allowed. */
  late = 0
  private readonly owner: Connection | null

  /** With a connection: starts it. */
  constructor(owner: Connection | null = null) {
    this.owner = owner
    owner?.start(this)
  }

  /** Messages as text, frames joined by "|". */
  get texts(): string[] {
    return this.messages.map(message => message.map(frame => frame.toString("latin1")).join("|"))
  }

  message(message: Message): void {
    if (this.closes > 0) this.late++
    this.count++
    if (this.keeps) this.messages.push(message)
    this.onMessage?.(message)
  }

  controlReceived(name: ControlName, body: Buffer): void {
    if (this.closes > 0) this.late++
    this.controls.push([name, body.toString("latin1")])
  }

  drain(): void {
    if (this.closes > 0) this.late++
    this.drains++
    this.onDrain?.()
  }

  closed(reason?: Error): void {
    this.closes++
    this.reason = reason
  }

  async gone(): Promise<this> {
    await until(() => this.closes > 0)
    return this
  }

  async has(count: number): Promise<this> {
    await until(() => this.count >= count || (this.closes > 0 && this.owner !== null))
    return this
  }
}

/** Keeps what a listener reports. */
export class Door implements ListenerSink {
  readonly addresses: string[] = []
  readonly connections: Connection[] = []
  readonly failures: { address: string; error: Error }[] = []
  onConnection: ((connection: Connection) => void) | null = null
  private taken = 0

  accepted(address: string): void {
    this.addresses.push(address)
  }

  connection(connection: Connection): void {
    this.connections.push(connection)
    this.onConnection?.(connection)
  }

  failed(address: string, error: Error): void {
    this.failures.push({ address, error })
  }

  /** The next connection that nobody has asked for yet. */
  async next(): Promise<Connection> {
    await until(() => this.connections.length > this.taken)
    return this.connections[this.taken++]
  }
}
