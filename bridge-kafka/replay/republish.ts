import type { Fabric } from "../../patterns/fabric/fabric.ts"
import { ToFabric } from "../mapping/to-fabric.ts"
import type { StoreRecord } from "./record-store.ts"

export interface RepublishOptions {
  readonly fabric: Pick<Fabric, "publish" | "send">
  /** Id of the fabric in hd.hops. */
  readonly fabricId: string
  /** Name of the bridge. */
  readonly bridge: string
  /** hops.max. Default 8. */
  readonly maxHops?: number
}

/** For `ReplayServiceOptions.republish`: messages go out to their subjects, with `hd.replay`; subscribers that block are waited for. */
export function republisher(options: RepublishOptions): (record: StoreRecord, cluster: string) => Promise<void> | null {
  const { fabric, fabricId, bridge, maxHops } = options
  let mapping: ToFabric | null = null
  let of = ""
  return (record, cluster) => {
    if (mapping === null || of !== cluster) {
      // Another name in the hops than the connector's: what it stored has passed it, and is no loop for that.
      mapping = new ToFabric({ fabricId, bridge, connector: "replay", cluster, maxHops, replay: true })
      of = cluster
    }
    const { topic, partition, offset } = record
    const message = mapping.message(record, topic, partition, offset)
    if (message === null) return null
    if (fabric.publish(message.subject, message.data, message).taken) return null
    const { subject, data, headers, codec } = message
    return fabric.send(subject, data, { headers, codec }).then(() => {})
  }
}
