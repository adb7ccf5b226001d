import { ApiClosedScenario } from "./api-closed.ts"
import { ApiOpenScenario } from "./api-open.ts"
import { EdgeFanoutScenario } from "./edge-fanout.ts"
import { EdgeIdleScenario } from "./edge-idle.ts"
import { EdgeLatencyScenario } from "./edge-lat.ts"
import { FanoutScenario, fabricThroughput } from "./fanout.ts"
import { InterestsScenario } from "./interests.ts"
import { KafkaDurableScenario } from "./kafka-durable.ts"
import { KafkaOutageScenario } from "./kafka-outage.ts"
import { KafkaSinkScenario } from "./kafka-sink.ts"
import { KafkaSpoolScenario } from "./kafka-spool.ts"
import { fabricLatency, LatencyScenario } from "./latency.ts"
import { MemoryScenario } from "./memory.ts"
import { MeshScenario } from "./mesh.ts"
import { multicastFan, multicastThroughput } from "./multicast.ts"
import { MulticastLossScenario } from "./multicast-loss.ts"
import type { Scenario } from "./scenario.ts"
import { StartupScenario } from "./startup.ts"
import { StreamScenario } from "./stream.ts"
import { SubjectsScenario } from "./subjects.ts"

export function allScenarios(): Scenario[] {
  return [
    new StreamScenario("tcp"),
    new StreamScenario("ipc"),
    new StreamScenario("inproc"),
    new LatencyScenario("tcp"),
    new LatencyScenario("ipc"),
    new LatencyScenario("inproc"),
    new FanoutScenario(),
    fabricThroughput(),
    fabricLatency(),
    new InterestsScenario(),
    new MeshScenario(),
    new ApiClosedScenario(),
    new ApiOpenScenario(),
    new EdgeFanoutScenario(),
    new EdgeLatencyScenario(),
    new EdgeIdleScenario(),
    multicastFan(),
    multicastThroughput(),
    new MulticastLossScenario(),
    new SubjectsScenario(),
    new MemoryScenario(),
    new StartupScenario(),
    new KafkaSinkScenario(),
    new KafkaDurableScenario(),
    new KafkaSpoolScenario(),
    new KafkaOutageScenario(),
  ]
}
