import type { Pipe } from "../../../core/contract.ts"
import { TopicChange } from "../../../core/prefix-index.ts"
import { PublisherPattern } from "../../pubsub/publisher-pattern.ts"
import type { FabricMessage } from "../message.ts"
import type { Complaints } from "./complaints.ts"
import { Coverage } from "./coverage.ts"
import type { Payloads } from "./payloads.ts"
import { Relay, type RelayHost } from "./relay.ts"

/** SUB and XSUB clients: an XPUB whose messages are those of the fabric, as `[subject, payload]`. */
export class Followers extends PublisherPattern {
  private readonly complaints: Complaints
  private readonly payloads: Payloads
  private readonly coverage: Coverage

  constructor(host: RelayHost, complaints: Complaints, payloads: Payloads, maxSubscriptions: number) {
    super({
      noDrop: false,
      invertMatching: false,
      maxSubscriptions,
      onlyFirstSubscribe: false,
      sendTimeout: 0,
    })
    this.complaints = complaints
    this.payloads = payloads
    this.coverage = new Coverage(pattern => {
      const relay = Relay.start(host, pattern, "", message => this.pass(message))
      return () => relay.unsubscribe()
    })
  }

  protected override subscribed(pipe: Pipe, prefix: Buffer): void {
    const change = this.admit(this.index, pipe, prefix)
    if (change <= 0) return
    this.grown(pipe)
    if ((change & TopicChange.TOPIC) !== 0) this.coverage.add(prefix)
  }

  protected override cancelled(pipe: Pipe, prefix: Buffer): void {
    const change = this.index.remove(prefix, pipe)
    if (change === 0) return
    this.shrunk(pipe)
    if ((change & TopicChange.TOPIC) !== 0) this.coverage.remove(prefix)
  }

  protected override lost(pipe: Pipe): void {
    this.index.removeOwner(pipe, prefix => this.coverage.remove(prefix))
  }

  /** Whoever is too slow misses it alone, and its pipe counts it: for all others it has been delivered. */
  private pass(message: FabricMessage): boolean {
    const subject = Buffer.from(message.subject)
    const pipes = this.receivers(subject)
    // The pattern of a prefix that ends within a token lets others through.
    if (pipes.length === 0) return true
    let payload: Buffer
    try {
      payload = this.payloads.write(message)
    } catch (error) {
      this.complaints.unreadable(message.subject, error)
      return false
    }
    return this.distribute([subject, payload], pipes)
  }
}
