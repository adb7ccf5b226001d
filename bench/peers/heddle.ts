import { whyNoKafka } from "../kafka/cluster.ts"
import { whyNoLossyHosts } from "../multicast/hosts.ts"
import type { Command, Task } from "../task.ts"
import { askVersion, nodeCommand } from "./node.ts"
import type { Peer } from "./peer.ts"

/** Heddle itself. The first way of a scenario is the one that `ratioToHeddle` refers to. */
export class HeddlePeer implements Peer {
  readonly family = "heddle"
  readonly module = "heddle"

  ways(scenario: string): readonly string[] | string {
    if (scenario.startsWith("kafka-")) return kafkaWays(scenario)
    if (scenario === "api-closed") return ["request", "event", "request ipc"]
    if (scenario.startsWith("api-")) return ["request", "event"]
    if (scenario.startsWith("edge-")) return ["edge"]
    if (scenario === "multicast-loss") return whyNoLossyHosts() ?? ["multicast"]
    if (scenario === "multicast-thr") return ["multicast", "multicast datagrams", "tcp", "tcp push"]
    if (scenario === "multicast-fan") return ["multicast", "multicast datagrams", "tcp"]
    if (isOwn(scenario)) return ["fabric"]
    if (scenario.startsWith("fabric-")) return ["fabric", "sockets", "fabric ipc"]
    if (scenario === "inproc-thr") return ["consume", "batches", "await", "worker threads"]
    if (scenario === "inproc-lat") return ["one thread", "worker threads"]
    if (scenario === "ipc-thr") return ["consume", "borrow", "batches", "await", "plain socket"]
    if (scenario === "ipc-lat") return ["", "busyPoll", "plain socket"]
    if (scenario.endsWith("-thr")) return ["consume", "borrow", "batches", "await"]
    return [""]
  }

  prepare(): Promise<string> {
    return askVersion(this.family)
  }

  command(task: Task, way: string): Command {
    return nodeCommand(this.family, task, { way: way.replace(" ", "-") })
  }

  async stop(): Promise<void> {}
}

function kafkaWays(scenario: string): readonly string[] | string {
  if (scenario === "kafka-spool") return ["spool"]
  const why = whyNoKafka()
  if (why !== null) return why
  if (scenario === "kafka-durable") return ["stored", "spooled", "spool off"]
  return scenario === "kafka-sink" ? ["spool always", "spool off"] : ["spool always"]
}

/**
 * Heddle beside itself: a mesh without a server has nothing beside it, NATS matches in its server, and is no way into Kafka; for
 * multicast there is none on Node.
 */
export function isOwn(scenario: string): boolean {
  return /^(kafka|multicast)-/.test(scenario) || scenario === "fabric-mesh" || scenario === "fabric-subjects"
}
