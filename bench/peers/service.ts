import type { Command, Task } from "../task.ts"
import { askVersion, nodeCommand } from "./node.ts"
import type { Peer } from "./peer.ts"

/** A way to call a service over the network: bench/workers/FAMILY. */
export class ServicePeer implements Peer {
  readonly family: string
  readonly module = null

  constructor(family: string) {
    this.family = family
  }

  ways(scenario: string): readonly string[] {
    if (scenario.startsWith("edge-")) return this.family === "ws" || this.family === "uws" ? [""] : []
    const plays =
      this.family !== "uws" && (scenario.startsWith("api-") || (scenario === "fabric-lat" && this.family === "http1"))
    return plays ? [""] : []
  }

  prepare(): Promise<string> {
    return askVersion(this.family)
  }

  command(task: Task): Command {
    return nodeCommand(this.family, task)
  }

  async stop(): Promise<void> {}
}
