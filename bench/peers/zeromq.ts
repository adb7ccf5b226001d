import type { Command, Task } from "../task.ts"
import { askVersion, nodeCommand } from "./node.ts"
import { isService, type Peer } from "./peer.ts"

/** The npm package `zeromq`: libzmq behind a native addon. */
export class ZeromqPeer implements Peer {
  readonly family = "zeromq"
  readonly module = "zeromq"

  ways(scenario: string): readonly string[] {
    return isService(scenario) && scenario !== "fabric-thr" ? [] : [""]
  }

  prepare(): Promise<string> {
    return askVersion(this.family)
  }

  command(task: Task): Command {
    return nodeCommand(this.family, task)
  }

  async stop(): Promise<void> {}
}
