import type { Message, Pattern, Pipe } from "../../../core/contract.ts"
import { LoadBalancer } from "../../../core/load-balancer.ts"
import { Queue } from "../../../core/queue.ts"
import type { Link } from "../link/link.ts"
import type { FabricMessage } from "../message.ts"
import type { Complaints } from "./complaints.ts"
import type { Payloads } from "./payloads.ts"
import { Relay, type RelayHost } from "./relay.ts"

interface Waiting {
  readonly message: Message
  readonly link: Link | null
  /** Whose it was: told when the message is done. */
  readonly relay: Relay
}

/**
 * PULL clients: each message of one subscription goes to one of them, as `[subject, payload]`. The subscription, which may be a
 * member of a queue group, is there while a client is; what none of them has room for waits here.
 */
export class Pullers implements Pattern {
  private readonly host: RelayHost
  private readonly complaints: Complaints
  private readonly payloads: Payloads
  private readonly pattern: string
  private readonly group: string
  private readonly limit: number
  private readonly balancer = new LoadBalancer()
  private readonly waiting = new Queue<Waiting>()
  private relay: Relay | null = null

  constructor(
    host: RelayHost,
    complaints: Complaints,
    payloads: Payloads,
    pattern: string,
    group: string,
    limit: number,
  ) {
    this.host = host
    this.complaints = complaints
    this.payloads = payloads
    this.pattern = pattern
    this.group = group
    this.limit = limit
  }

  attach(): void {}

  online(pipe: Pipe): void {
    this.balancer.attach(pipe)
    // What earlier clients have left.
    this.handOut()
    if (this.relay !== null) return
    const relay = Relay.start(this.host, this.pattern, this.group, (message, link) => this.pass(relay, message, link))
    this.relay = relay
  }

  receive(pipe: Pipe): void {
    pipe.drop("malformed")
  }

  writable(pipe: Pipe): void {
    if (pipe.sendSlot === -1) return
    this.balancer.activate(pipe)
    this.handOut()
  }

  offline(pipe: Pipe): void {
    this.balancer.detach(pipe)
    if (this.balancer.length > 0) return
    // Other members of the group get what is published from now on; what waits is for the next client.
    this.relay?.unsubscribe()
    this.relay = null
  }

  detach(): void {}

  private handOut(): void {
    for (let next = this.waiting.peek(); next !== undefined; next = this.waiting.peek()) {
      if (this.balancer.send(next.message) === null) return
      this.waiting.shift()
      next.relay.held--
      this.done(next)
    }
  }

  private pass(relay: Relay, message: FabricMessage, link: Link | null): boolean {
    let frames: Message
    try {
      frames = [Buffer.from(message.subject), this.payloads.write(message)]
    } catch (error) {
      this.done({ message: [], link, relay })
      this.complaints.unreadable(message.subject, error)
      return false
    }
    const one = { message: frames, link, relay }
    if (this.waiting.length === 0 && this.balancer.send(frames) !== null) {
      this.done(one)
      return true
    }
    if (this.waiting.length < this.limit) {
      this.waiting.push(one)
      relay.held++
      return true
    }
    relay.dropped++
    this.done(one)
    this.host.dropped(relay, "full")
    return false
  }

  private done({ relay, link }: Waiting): void {
    if (relay.spec.group !== "") this.host.done(relay, link)
  }
}
