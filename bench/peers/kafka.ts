import { stopKafka, whyNoKafka } from "../kafka/cluster.ts"
import type { Command, Task } from "../task.ts"
import { askVersion, nodeCommand } from "./node.ts"
import type { Peer } from "./peer.ts"

/** Kafka without a bridge: its own tool for producers, and the driver by itself. */
export class KafkaPeer implements Peer {
  readonly family = "kafka"
  readonly module = "@platformatic/kafka"

  ways(scenario: string): readonly string[] | string {
    if (scenario === "kafka-sink") return ["ProducerPerformance", "awaited"]
    return scenario === "kafka-durable" ? ["produce"] : []
  }

  prepare(): Promise<string> {
    const why = whyNoKafka()
    return why === null ? askVersion(this.family) : Promise.reject(new Error(why))
  }

  command(task: Task, way: string): Command {
    return nodeCommand(this.family, task, { way })
  }

  stop(): Promise<void> {
    return stopKafka()
  }
}
