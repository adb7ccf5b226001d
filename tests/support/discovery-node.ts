import crypto from "node:crypto"
import { once } from "node:events"
import net from "node:net"
import type { HeddleError } from "../../core/errors.ts"
import type { Announcement, Candidate, Discovery, DiscoveryHost } from "../../patterns/fabric/discovery/discovery.ts"
import { later } from "./cleanup.ts"

/** A node that does nothing but look for others, and writes down what its source tells. */
export class DiscoveryNode implements DiscoveryHost {
  readonly fabric: string
  readonly node = crypto.randomBytes(16).toString("base64url")
  readonly source: Discovery
  endpoints: readonly string[] = []
  candidates: Candidate[] = []
  readonly losses: string[] = []
  readonly warnings: HeddleError[] = []

  constructor(fabric: string, source: Discovery) {
    this.fabric = fabric
    this.source = source
    later(() => source.stop())
  }

  /** Listens where the source wants it, otherwise at `endpoint`, and starts. */
  async join(endpoint: string): Promise<this> {
    await this.listen(endpoint)
    await this.start()
    return this
  }

  async listen(endpoint: string): Promise<void> {
    const wanted = await this.source.endpoint?.(this.fabric, this.node)
    this.endpoints = [wanted ?? endpoint]
    if (!wanted?.startsWith("ipc://")) return
    const server = net.createServer(connection => connection.destroy()).listen(wanted.slice("ipc://".length))
    await once(server, "listening")
    later(() => new Promise(resolve => server.close(resolve)))
  }

  get announcement(): Announcement {
    return { fabric: this.fabric, node: this.node, name: "test", endpoints: this.endpoints }
  }

  start(): Promise<void> {
    return this.source.start(this, this.announcement)
  }

  found(candidate: Candidate): void {
    this.candidates.push(candidate)
  }

  lost(node: string): void {
    this.losses.push(node)
  }

  warn(error: HeddleError): void {
    this.warnings.push(error)
  }

  /** Whether it was told of the other since its candidates were last cleared. */
  has(other: DiscoveryNode): boolean {
    return this.candidates.some(
      one => one.endpoints.includes(other.endpoints[0]) && (one.node === undefined || one.node === other.node),
    )
  }
}
