import type { Contestant } from "../peers/peer.ts"
import { Child, type Result } from "../process.ts"
import { WATCHDOG } from "../settings.ts"

/** Before it, most of what is measured is the compiler: HTTP/2 and gRPC are three times as fast after it. */
const WARM_UP = "closed 100 10000"

/** A service in one process and a client in another, for the scenarios `api-...`. */
export class ServicePair {
  /** Where the service is to be reached. */
  readonly address: string
  private readonly who: Contestant
  private readonly service: Child
  private client: Child | null = null

  private constructor(who: Contestant, service: Child, address: string) {
    this.who = who
    this.service = service
    this.address = address
  }

  static async start(who: Contestant): Promise<ServicePair> {
    const service = new Child(`${who.label} service`, who.peer.command({ role: "api-serve", values: {} }, who.way))
    try {
      return new ServicePair(who, service, await service.ready(WATCHDOG))
    } catch (error) {
      await service.end()
      throw error
    }
  }

  /** Starts the client. One that was there before must have been let go. */
  async connect(endpoint = this.address): Promise<void> {
    const { peer, label, way } = this.who
    this.client = new Child(`${label} client`, peer.command({ role: "api-call", values: { endpoint } }, way))
    await this.client.ready(WATCHDOG)
  }

  /** The client says goodbye and is gone, as a process that ends in good order. */
  async disconnect(): Promise<void> {
    await this.client?.ask("leave", WATCHDOG)
    await this.client?.end()
    this.client = null
  }

  /** Lets the client make calls; microseconds of the service's processor time meanwhile are in `serviceCpu`. */
  async call(command: string): Promise<Result & { readonly serviceCpu: number }> {
    if (!this.client) throw new Error("no client")
    const before = await this.service.ask("cpu", WATCHDOG)
    const result = await this.client.ask(command, 2 * WATCHDOG)
    const after = await this.service.ask("cpu", WATCHDOG)
    return { ...result, serviceCpu: Number(after.cpu) - Number(before.cpu) }
  }

  async warmUp(): Promise<void> {
    await this.call(WARM_UP)
  }

  async close(): Promise<void> {
    // It serves for ever; nothing of it is worth a graceful end.
    this.service.kill()
    await Promise.all([this.service.end(), this.client?.end()])
  }
}
