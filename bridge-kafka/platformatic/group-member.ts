import type { TopicPartition } from "../driver.ts"
import { KafkaError } from "../errors.ts"
import type { Cluster } from "./cluster.ts"
import {
  type Identity,
  type Membership,
  type MembershipEvents,
  type MembershipOptions,
  Nap,
  Session,
} from "./membership.ts"

/**
 * Longest time that a member tries to tell its group that it leaves (milliseconds). A broker that lives answers within some; one that
 * does not finds out when the session ends, which costs the others that time and nobody anything else.
 */
const GOODBYE_MOST = 2_000

/** What a place in a group is by either protocol: a loop that keeps it, a session that may end, and a way out. */
export abstract class GroupMember implements Membership {
  protected readonly cluster: Cluster
  protected readonly options: MembershipOptions
  protected readonly events: MembershipEvents
  protected readonly nap = new Nap()
  protected readonly session: Session
  protected owned: TopicPartition[] = []
  /** Raised when what we had is lost: work for it that is under way does not count any more. */
  protected life = 0
  protected leaving = false
  private ended: Promise<void> = Promise.resolve()

  constructor(cluster: Cluster, options: MembershipOptions, events: MembershipEvents) {
    this.cluster = cluster
    this.options = options
    this.events = events
    this.session = new Session(options.sessionTimeout, awake => this.lose(awake))
  }

  abstract get identity(): Identity

  /** Keeps the place, until `leaving`. Never rejects. */
  protected abstract run(): Promise<void>

  /** Tells the group that we leave. `ended`: when `run` has come to its end. */
  protected abstract sayGoodbye(ended: Promise<void>): Promise<void>

  /** Forgets the place that we had: the next one is another. */
  protected abstract begin(): void

  start(): void {
    this.ended = this.run()
  }

  check(): void {
    this.session.check()
  }

  async leave(): Promise<void> {
    this.leaving = true
    this.nap.rouse()
    this.session.stop()
    let timer: NodeJS.Timeout | undefined
    const enough = new Promise<void>(resolve => {
      timer = setTimeout(resolve, GOODBYE_MOST).unref()
    })
    await Promise.race([this.sayGoodbye(this.ended).catch(() => {}), enough])
    clearTimeout(timer)
    // What still waits for an answer is told that there will be none.
    await this.cluster.close()
  }

  /** Whether what was ours in that life is, as far as we know. */
  protected lives(life: number): boolean {
    return life === this.life && !this.leaving
  }

  /** It cannot go on. */
  protected give(error: Error): void {
    const found = error instanceof KafkaError ? error : new KafkaError("fatal", error.message, { cause: error })
    this.leaving = true
    this.session.stop()
    this.nap.rouse()
    this.events.failed(found)
  }

  /** `silent`: as in `MembershipEvents.lost`. */
  protected lose(silent: boolean): void {
    const { owned } = this
    this.life++
    this.owned = []
    this.session.stop()
    this.begin()
    if (owned.length > 0) this.events.lost(owned, silent)
    this.nap.rouse()
  }
}
