import type { Fabric, FabricMessage, SubscribeOptions, Subscription } from "../../../../index.ts"

/** What the world publishes: who (one `join`), and which of its messages to this kind of subject. */
export interface Numbered {
  readonly from: string
  readonly n: number
}

/** What one subscription has got of one publisher. */
interface Account {
  first: number
  last: number
  /** Numbers that were passed over. */
  missing: number
  /** Told by `gap` events since the first number came. */
  told: number
}

/**
 * One subscription to numbered messages, and what it was told of those that it has not got: a number comes once, in
 * order, and none is passed over in silence.
 */
export class Ledger {
  readonly subscription: Subscription
  readonly faults: string[] = []
  readonly accounts = new Map<string, Account>()
  private readonly name: string
  /** Told by `gap` events, also before the first number was handled: it may have waited. */
  private gaps = 0
  private readonly fabric: Fabric
  /** Numbers count for each of these apart. */
  private readonly key: (message: FabricMessage) => string

  /** `work`: what the handler does with a message. */
  constructor(
    fabric: Fabric,
    pattern: string,
    options: SubscribeOptions,
    work: () => Promise<void> | undefined,
    key: (message: FabricMessage) => string = ({ from }) => from,
  ) {
    this.name = `${fabric.name} ${pattern} ${JSON.stringify(options)}`
    this.fabric = fabric
    this.key = key
    fabric.events.on("gap", this.gap)
    this.subscription = fabric.subscribe(
      pattern,
      message => {
        this.took(message)
        return work()
      },
      options,
    ) as Subscription
  }

  /** Ends the subscription. */
  close(): void {
    this.subscription.unsubscribe()
    this.fabric.events.off("gap", this.gap)
  }

  /** Whose subscription it is. */
  get node(): string {
    return this.fabric.id
  }

  /** The last number of this publisher; -1 = none has come. */
  last(from: string): number {
    return this.accounts.get(from)?.last ?? -1
  }

  /**
   * What is wrong. `exact`: publishers whose last message has come, and of whose gaps each must have been seen: nothing
   * else of theirs was for this node.
   */
  audit(exact: ReadonlySet<string>): string[] {
    const { dropped, droppedBefore } = this.subscription
    const drops = dropped + droppedBefore
    let all = 0
    for (const [key, { missing, told }] of this.accounts) {
      all += missing
      if (exact.has(key) && (missing > told + drops || missing < told))
        this.faults.push(`${this.name}: ${missing} of ${key} passed over, ${told} told, ${drops} dropped`)
    }
    if (all > this.gaps + drops)
      this.faults.push(
        `${this.name}: ${all} passed over, ${this.gaps} told, ${dropped} dropped here, ${droppedBefore} before`,
      )
    return this.faults
  }

  private readonly gap = ({ peer, missing }: { peer: { node: string }; missing: number | null }): void => {
    const count = missing ?? Number.POSITIVE_INFINITY
    this.gaps += count
    for (const [key, account] of this.accounts) if (key.startsWith(peer.node)) account.told += count
  }

  private took(message: FabricMessage): void {
    const { n } = message.data as Numbered
    const key = this.key(message)
    const account = this.accounts.get(key)
    if (account === undefined) {
      this.accounts.set(key, { first: n, last: n, missing: 0, told: 0 })
      return
    }
    if (n <= account.last) this.faults.push(`${this.name}: ${n} of ${key} after ${account.last}`)
    else account.missing += n - account.last - 1
    account.last = Math.max(n, account.last)
  }
}
