import { HeddleError } from "../../../core/errors.ts"
import { checkGroup } from "../../../core/subject.ts"
import { checkUserPattern } from "../reserved.ts"
import type { Channel } from "./channel.ts"
import type { EdgeClient } from "./client.ts"
import { feedOf, Membership, QueueFeed } from "./membership.ts"
import { forbidden, mayTake } from "./permissions.ts"
import * as P from "./protocol.ts"
import type { RecordReader } from "./wire.ts"

/** What a SUBSCRIBE asks for. */
interface Wish {
  readonly sub: number
  readonly pattern: string
  readonly history: number
  readonly group: string
  readonly capacity: number
  /** Channel to go on with; 0 = none. */
  readonly channel: number
  readonly position: number
  readonly latest: number
}

/** Subscriptions of one client. */
export class Subscriptions {
  private readonly client: EdgeClient
  private readonly bySub = new Map<number, Membership>()
  /** Those that have something to send before they are live. */
  private behind = new Set<Membership>()

  constructor(client: EdgeClient) {
    this.client = client
  }

  get size(): number {
    return this.bySub.size
  }

  /** Throws what is to be told to the client. */
  subscribe(wish: Wish): void {
    const { client } = this
    const { edge } = client
    const { settings } = edge
    const { sub, pattern, history, group } = wish
    if (this.bySub.has(sub)) throw invalid(`this client has a subscription with the number ${sub} already`)
    if (this.bySub.size >= settings.maxSubscriptions) {
      throw new HeddleError(
        "EAGAIN",
        `A client may have ${settings.maxSubscriptions} subscriptions (edge.maxSubscriptions); end some first`,
      )
    }
    checkUserPattern(pattern)
    if (!mayTake(client.permissions, "subscribe", pattern)) throw forbidden("subscribe", pattern)
    if (history > settings.maxHistory)
      throw invalid(`history is ${history}; this edge gives ${settings.maxHistory} at most (edge.maxHistory)`)
    if (group !== "") {
      checkGroup(group)
      if (history > 0) throw invalid("a member of a queue group cannot ask for history")
    }
    const resumed = this.resumable(wish)
    const membership = resumed === null ? this.begin(wish) : this.resume(wish, resumed)
    this.bySub.set(sub, membership)
    this.behind.add(membership)
    this.tellReady(membership)
  }

  unsubscribe(sub: number): void {
    const membership = this.bySub.get(sub)
    if (membership === undefined) return
    this.bySub.delete(sub)
    this.behind.delete(membership)
    this.drop(membership, 0)
  }

  done(sub: number, total: number): void {
    this.bySub.get(sub)?.member?.doneInAll(total)
  }

  /** Sends what is due, as long as the client reads. */
  pump(): void {
    for (const membership of this.behind) {
      if (!membership.pump(this.client)) break
      this.behind.delete(membership)
    }
  }

  get waits(): boolean {
    return this.behind.size > 0
  }

  /** The client was too slow: it has left all topics. */
  slow(): void {
    for (const membership of this.bySub.values()) {
      membership.slow()
      this.behind.add(membership)
    }
  }

  /** What the client may not have any more; their numbers. */
  forbiddenNow(): [sub: number, pattern: string][] {
    return [...this.bySub]
      .filter(([, { channel }]) => !mayTake(this.client.permissions, "subscribe", channel.pattern))
      .map(([sub, { channel }]) => [sub, channel.pattern])
  }

  /** The connection is gone; `until`: how long the client may come back, by performance.now(), 0 = it will not. */
  end(until: number): void {
    for (const membership of this.bySub.values()) this.drop(membership, until)
    this.bySub.clear()
    this.behind = new Set()
  }

  private drop(membership: Membership, until: number): void {
    const { client } = this
    const { channel, member } = membership
    membership.end(client)
    if (channel.owner !== "") {
      if (until > 0) member?.leave()
      else client.session?.channels.delete(channel)
    }
    client.edge.channels.left(channel, until, performance.now())
  }

  /** The channel that the client has had, if it is still what is asked for. */
  private resumable({ channel: id, pattern, history, group, position }: Wish): Channel | null {
    const channel = id === 0 ? undefined : this.client.edge.channels.get(id)
    if (channel === undefined || channel.pattern !== pattern || channel.history !== history) return null
    if (channel.group !== group || position > channel.sent) return null
    if (channel.owner !== "" && channel.owner !== this.client.session?.id) return null
    for (const one of this.bySub.values()) if (one.channel === channel) return null
    return channel
  }

  private resume(wish: Wish, channel: Channel): Membership {
    const { sub, position, latest } = wish
    channel.flush()
    const missing = Math.max(0, channel.ring.oldest(channel.sent + 1) - 1 - position)
    const member = channel.group === "" ? null : this.queueFeed(wish, channel, channel.sent)
    if (member !== null) channel.start(member)
    const from = position + missing
    this.client
      .out(P.SUBSCRIBED)
      .varint(sub)
      .varint(channel.id)
      .varint(from)
      .byte(P.RESUMED)
      .varint(missing + 1)
      .end()
    if (missing > 0) this.client.missed(channel, missing)
    return new Membership(sub, channel, member, from, [], latest)
  }

  private begin(wish: Wish): Membership {
    const { client } = this
    const { edge } = client
    const { sub, pattern, history, group, latest } = wish
    let member: QueueFeed | null = null
    let channel = group === "" ? edge.channels.find(pattern, history) : undefined
    if (channel !== undefined) for (const one of this.bySub.values()) if (one.channel === channel) channel = undefined
    if (channel === undefined) {
      const own = group !== "" || edge.channels.find(pattern, history) !== undefined
      const owner = own ? (client.session?.id ?? "") : ""
      channel = edge.channels.open({ pattern, history, group, owner }, fresh => {
        if (group === "") return feedOf(edge.subscribe(pattern, message => fresh.take(message), history))
        member = this.queueFeed(wish, fresh, 0)
        return member
      })
      if (own) client.session?.channels.add(channel)
    }
    const pieces = channel.recall(sub)
    const resumed = wish.channel === 0 ? 1 : 0
    client.out(P.SUBSCRIBED).varint(sub).varint(channel.id).varint(channel.sent).byte(0).varint(resumed).end()
    return new Membership(sub, channel, member, channel.sent, pieces, latest)
  }

  private queueFeed({ pattern, group, capacity }: Wish, channel: Channel, done: number): QueueFeed {
    return new QueueFeed(channel, done, handler =>
      this.client.edge.subscribeAsMember(pattern, handler, group, Math.max(1, capacity)),
    )
  }

  private tellReady({ id, channel }: Membership): void {
    const { client } = this
    const tell = (): void => {
      if (this.bySub.get(id)?.channel === channel) client.out(P.READY).varint(id).end()
    }
    if (channel.ready) tell()
    else void channel.whenReady().then(tell)
  }
}

/** Throws EPROTO. */
export function readWish(reader: RecordReader): Wish {
  const sub = reader.varint()
  const pattern = reader.text()
  const flags = reader.byte()
  const history = (flags & P.SUB_HISTORY) === 0 ? 0 : reader.varint()
  const group = (flags & P.SUB_QUEUE) === 0 ? "" : reader.text()
  const capacity = (flags & P.SUB_QUEUE) === 0 ? 1 : reader.varint()
  const channel = (flags & P.SUB_RESUME) === 0 ? 0 : reader.varint()
  const position = (flags & P.SUB_RESUME) === 0 ? 0 : reader.varint()
  const slow = (flags & P.SUB_SLOW) === 0 ? P.SLOW_ALL : reader.byte()
  const keep = (flags & P.SUB_SLOW) === 0 ? 1 : reader.varint()
  const latest = slow === P.SLOW_LATEST ? Math.max(1, keep) : 0
  return { sub, pattern, history, group, capacity, channel, position, latest }
}

function invalid(why: string): HeddleError {
  return new HeddleError("EINVAL", `Invalid subscription: ${why}`)
}
