import { type InterestSpec, newInterestId, QUEUE, SUBSCRIBE } from "../interest.ts"
import type { Link } from "../link/link.ts"
import type { FabricMessage } from "../message.ts"
import { Subscription, type SubscriptionHost } from "../subscription.ts"

export interface RelayHost extends SubscriptionHost {
  readonly settings: { readonly highWaterMark: number }
  /** Announces it to all peers. */
  add(relay: Relay): void
}

/** False = dropped. */
export type Take = (message: FabricMessage, link: Link | null) => boolean

/**
 * A subscription on behalf of ZeroMQ clients. It passes messages on at once, and does not keep the process alive: that is for
 * the node's own program to decide.
 */
export class Relay extends Subscription {
  /** Messages that wait for a client that takes them. */
  held = 0
  private readonly node: RelayHost
  private readonly take: Take

  private constructor(host: RelayHost, spec: InterestSpec, take: Take) {
    super(host, spec, null, 1, 0)
    this.node = host
    this.take = take
  }

  static start(host: RelayHost, pattern: string, group: string, take: Take): Relay {
    const limit = host.settings.highWaterMark
    const relay = new Relay(
      host,
      {
        id: newInterestId(),
        kind: group === "" ? SUBSCRIBE : QUEUE,
        pattern,
        group,
        targeted: false,
        policy: { policy: "drop-new", limit, keep: 1, ttl: 0 },
        history: 0,
        capacity: 1,
      },
      take,
    )
    host.add(relay)
    return relay
  }

  override get queued(): number {
    return this.held
  }

  override deliver(message: FabricMessage, link: Link | null): void {
    this.delivered++
    this.take(message, link)
  }

  /** Within `publish`, unlike a handler: it only queues, and calls nobody. */
  override post(message: FabricMessage): boolean {
    this.delivered++
    return this.take(message, null)
  }

  /** Peers are told to send no more; what this node itself publishes while it leaves goes to its clients until the end. */
  override drain(): Promise<void> {
    return this.node.retire(this)
  }
}
