import type { Fabric } from "../../patterns/fabric/fabric.ts"
import type { KafkaToFabric } from "../config/source.ts"
import type { Converter } from "../converters/converter.ts"
import type { KafkaDriver, StoredRecord } from "../driver.ts"
import type { Failure } from "../failure.ts"
import type { TransformChain } from "../transforms/chain.ts"

/** Settings of the configuration file; what else it names is made before: see `SourceParts`. */
export type SourceSettings = Omit<KafkaToFabric, "class" | "transforms" | "keyConverter" | "valueConverter">

/** What a source works with. */
export interface SourceParts {
  readonly fabric: Fabric
  /** Id of the fabric in hd.hops (MAP-4). */
  readonly fabricId: string
  readonly driver: KafkaDriver
  /** Name of the bridge. */
  readonly bridge: string
  readonly clusterId: string
  /** hops.max. Default 8. */
  readonly maxHops?: number
  /** Null = none. */
  readonly transforms?: TransformChain | null
  /** Null = bytes. */
  readonly keyConverter?: Converter | null
  readonly valueConverter?: Converter | null
  /** Told of each record that cannot pass, once it was dropped or `kept` among the dead letters. */
  readonly setAside?: (record: StoredRecord, failure: Failure, kept: boolean) => void
}
