import type { Fabric } from "../../patterns/fabric/fabric.ts"
import type { Service } from "../../patterns/fabric/requests/service.ts"

/** What publishers need to know of a sink (`durable.ts`). */
export interface SinkInfo {
  readonly name: string
  readonly shards: number
  /** Patterns of the subjects that it stores. */
  readonly subjects: readonly string[]
  /** Whether it can answer "spooled". */
  readonly spooled: boolean
  /** Whether it can answer "stored": there is a Kafka. */
  readonly stored: boolean
  readonly guarantee: "at-least-once" | "exactly-once"
}

export interface BridgeInfo {
  readonly bridge: string
  readonly connectors: readonly SinkInfo[]
}

export function infoSubject(bridge: string): string {
  return `$BRIDGE.${bridge}.info`
}

/** Answers `$BRIDGE.<bridge>.info`, in each instance: one subject for all its connectors. */
export function serveInfo(fabric: Fabric, bridge: string, connectors: () => readonly SinkInfo[]): Service {
  return fabric.serve(infoSubject(bridge), (): BridgeInfo => ({ bridge, connectors: connectors() }))
}
