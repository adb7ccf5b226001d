import type { Fabric } from "../../patterns/fabric/fabric.ts"
import type { BridgeMetrics } from "../metrics/bridge-metrics.ts"
import type { RecordStore } from "./record-store.ts"
import { republisher } from "./republish.ts"
import { ReplayService } from "./service.ts"

export interface ReplaysOptions {
  readonly fabric: Fabric
  /** Id of the fabric in hd.hops. */
  readonly fabricId: string
  /** Name of the bridge. */
  readonly bridge: string
  readonly maxHops: number
  readonly metrics: BridgeMetrics
}

/** The replay service of a bridge whose connectors come and go. */
export class Replays {
  private readonly options: ReplaysOptions
  private service: ReplayService | null = null
  private stores = new Map<string, RecordStore>()
  private offered = ""
  /** Of services that were replaced. */
  private before = 0

  constructor(options: ReplaysOptions) {
    this.options = options
    const { metrics } = options
    metrics.replays.with({}).read = () => this.service?.stats.active ?? 0
    metrics.replayed.with({}).read = () => this.before + (this.service?.stats.records ?? 0)
  }

  /** What may be replayed from now on, by connector. Askers of what runs go on by their cursors. */
  async offer(stores: readonly (readonly [connector: string, store: RecordStore])[]): Promise<void> {
    const offered = JSON.stringify(stores.map(([name, { id }]) => [name, id]))
    const same = offered === this.offered
    this.offered = offered
    // The service keeps the map: a connector that was restarted has a new store of the same name.
    for (const [name, store] of stores) this.stores.set(name, store)
    if (same) return
    this.close()
    if (stores.length === 0) return
    this.stores = new Map(stores)
    const { fabric, bridge } = this.options
    this.service = new ReplayService({
      fabric,
      bridge,
      stores: this.stores,
      republish: republisher(this.options),
    })
    await this.service.start()
  }

  close(): void {
    this.before += this.service?.stats.records ?? 0
    this.service?.close()
    this.service = null
  }
}
