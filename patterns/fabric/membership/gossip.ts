import { type Claim, type Member, type MemberInfo, STATES } from "./member.ts"
import { MAX_UPDATES, type MembershipNotice, type MemberUpdate } from "./notice.ts"
import type { Roster } from "./roster.ts"
import { type News, Rumours } from "./rumours.ts"

/** In a mesh smaller than this, who finds something out tells everybody, which is fastest; else a few, who pass it on. */
const SMALL = 64

/** This node. */
export interface Self extends Claim {
  readonly info: MemberInfo
}

/**
 * Whole lists that are asked for within one `gossipDelay` of new links, and within ever longer times while these go on: more than one,
 * since the first to answer may be as new as we are, or of a part of the mesh that was cut off; few, since a newcomer of a mesh of N
 * nodes would otherwise read N times N updates.
 */
const ASKED = 2

/** Differences between two nodes are mended after so many periods without change; before it, news may be on its way. */
const SETTLED = 2

export interface GossipOptions {
  readonly period: number
  readonly gossipDelay: number
}

export type Send = (node: string, notice: MembershipNotice) => void

/** Brings news to the others. */
export class Gossip {
  readonly rumours = new Rumours()
  /** When anything last changed. */
  private changedAt = Number.NEGATIVE_INFINITY
  private compareAt = Number.POSITIVE_INFINITY
  /** It is not put off any further. */
  private compareBy = 0
  /** Since when, and how often, new links were asked, and how long that time is. */
  private askedSince = Number.NEGATIVE_INFINITY
  private asked = 0
  private pause = 0
  private readonly self: Self
  private readonly roster: Roster
  private readonly deliver: Send
  private readonly options: GossipOptions
  private readonly random: () => number

  constructor(self: Self, roster: Roster, deliver: Send, options: GossipOptions, random: () => number) {
    this.self = self
    this.roster = roster
    this.deliver = deliver
    this.options = options
    this.random = random
  }

  /** When `flush` has something to do. */
  get due(): number {
    return Math.min(this.rumours.due, this.compareAt)
  }

  /**
   * Something changed. Soon after it another member, any, is asked whether it knows more: when many join at once, news
   * misses those that do not have their links yet. Once for all changes that follow one another, because the answer is a whole list,
   * but within a period.
   */
  changed(now: number): void {
    const { gossipDelay, period } = this.options
    this.changedAt = now
    if (this.compareAt === Number.POSITIVE_INFINITY) this.compareBy = now + Math.max(period, 2 * gossipDelay)
    this.compareAt = Math.min(now + gossipDelay * (1 + this.random()), this.compareBy)
  }

  /** Whether `digest`, which another node gave, shows a difference that will not go away by itself. */
  differs(digest: number, now: number): boolean {
    return digest !== this.roster.digest && now - this.changedAt >= SETTLED * this.options.period
  }

  /** Tells what is due. */
  flush(now: number): void {
    if (now >= this.compareAt) {
      this.compareAt = Number.POSITIVE_INFINITY
      for (const { node } of this.roster.pick(1, this.random))
        this.deliver(node, { t: "gossip", u: [], d: this.roster.digest })
    }
    if (now < this.rumours.due) return
    const news = this.rumours.take(now, this.options.gossipDelay)
    const few = Math.floor(Math.log2(this.roster.size + 1)) + 1
    const everybody = this.roster.size < SMALL ? Number.POSITIVE_INFINITY : few
    const own = news.filter(rumour => rumour.own)
    this.spread(own, everybody)
    this.spread(
      news.filter(rumour => !rumour.own),
      few,
    )
  }

  /** Has a node that we have just met send all that it knows, unless others were asked just now. `changed` makes up for those. */
  ask(node: string, now: number): void {
    const { gossipDelay, period } = this.options
    const since = now - this.askedSince
    if (since >= this.pause) {
      // Where new links come all the time, a mesh forms, and all of them know as little as we do.
      this.pause = since < 2 * this.pause ? Math.min(2 * this.pause, period) : gossipDelay
      this.askedSince = now
      this.asked = 0
    }
    if (this.asked >= ASKED) return
    this.asked++
    this.deliver(node, { t: "gossip", u: [], d: this.roster.digest })
  }

  /** @param asking the other one shall send all that it knows, if that is not the same */
  sendAll(to: string, asking: boolean): void {
    this.send(to, [this.self, ...this.roster.members()], asking)
  }

  send(to: string, about: readonly (Member | Self)[], asking = false): void {
    for (let at = 0; at < about.length; at += MAX_UPDATES) {
      const u = about.slice(at, at + MAX_UPDATES).map(updateOf)
      const last = at + MAX_UPDATES >= about.length
      this.deliver(to, asking && last ? { t: "gossip", u, d: this.roster.digest } : { t: "gossip", u })
    }
  }

  private spread(rumours: readonly News[], count: number): void {
    const news: { readonly one: Member | Self; readonly source: string | null }[] = []
    for (const { about, source } of rumours) {
      const one = about === this.self.info.node ? this.self : this.roster.get(about)
      if (one !== undefined) news.push({ one, source })
    }
    if (news.length === 0) return
    // From one source, as a rule: another is told instead.
    const [{ source }] = news
    const wanted = (member: Member): boolean => news.length > 1 || member.node !== source
    for (const { node } of this.roster.pick(count, this.random, wanted)) {
      const about = news.filter(each => each.source !== node).map(each => each.one)
      this.send(node, about)
    }
  }
}

function updateOf({ info, incarnation, state }: Member | Self): MemberUpdate {
  const { node, name, endpoints } = info
  const update: MemberUpdate = { n: node, i: incarnation, s: STATES.indexOf(state) }
  return state === "alive" || state === "suspect" ? { ...update, a: name, e: endpoints } : update
}
