import { HeddleError } from "../../core/errors.ts"
import { Gossip, type Self } from "./membership/gossip.ts"
import {
  type Claim,
  MAX_INCARNATION,
  Member,
  type MemberInfo,
  type MemberState,
  overrides,
} from "./membership/member.ts"
import {
  flawOf,
  isIncarnation,
  type MembershipNotice,
  type MemberUpdate,
  readNotice,
  stateOf,
} from "./membership/notice.ts"
import { type MembershipOptions, membershipOptions } from "./membership/options.ts"
import { Prober } from "./membership/prober.ts"
import { Roster } from "./membership/roster.ts"

export type { MemberInfo, MemberState } from "./membership/member.ts"
export type { MembershipNotice } from "./membership/notice.ts"
export type { MembershipOptions } from "./membership/options.ts"

/** What the fabric does for its membership. All of these may be called during any call of `Membership`. */
export interface MembershipHost {
  /** Sends this to a member over its link; false = there is no link now. */
  send(node: string, notice: MembershipNotice): boolean
  /** Bytes that have come over the link of a member: more than before is a sign of life. */
  traffic(node: string): number
  /** A member is new, or back from the dead. There need not be a link to it. */
  joined(member: MemberInfo): void
  suspected(node: string): void
  /** It was suspected, and lives. */
  recovered(node: string): void
  /** It is no member any more. A link that still stands may be kept: if it lives after all, it comes back over it. */
  left(node: string, why: "left" | "dead"): void
  /** There is no link to this one: dial it. Comes again from time to time while there is none. */
  wanted(member: MemberInfo): void
}

export interface MemberView extends Claim {
  readonly info: MemberInfo
  /** There is a connection to it. */
  readonly linked: boolean
}

/**
 * Who is in the fabric, by SWIM (Das, Gupta, Motivala, 2002) with suspicion and incarnations: each node probes one member
 * per period, so that the traffic per node does not depend on how many there are.
 *
 * How news travels: who finds out tells all it has links to (in a large mesh some log2 n of them), who hears something new
 * tells log2(n) + 1 others, once. What got lost on the way is mended when digests differ, which are compared with one other
 * after each change and with every acknowledgement.
 *
 * It has neither a clock nor a network: `now` is any clock that only goes forward, in milliseconds, and the host calls
 * `tick` when `nextTick` says, which any other call may bring forward.
 */
export class Membership {
  /** Notices that were no such. */
  malformed = 0
  /** Members that were not taken, because there were too many. */
  refused = 0
  private leaving = false
  private redialAt = Number.POSITIVE_INFINITY
  private readonly self: { readonly info: MemberInfo; state: MemberState; incarnation: number }
  private readonly host: MembershipHost
  private readonly options: MembershipOptions
  private readonly random: () => number
  private readonly roster: Roster
  private readonly prober: Prober
  private readonly gossip: Gossip

  /**
   * @param random gives numbers from 0 to 1
   * @throws HeddleError EINVAL for a `self` that other nodes would not accept, or times that make no sense
   */
  constructor(
    self: MemberInfo,
    host: MembershipHost,
    options: Partial<MembershipOptions> = {},
    random: () => number = Math.random,
  ) {
    const flaw = flawOf(self)
    if (flaw !== null) throw new HeddleError("EINVAL", `Node "${self.node}" cannot join: ${flaw}`)
    this.self = { info: self, state: "alive", incarnation: 0 }
    this.host = host
    this.options = membershipOptions(options)
    this.random = random
    this.roster = new Roster(this.options)
    this.roster.count(self.node, this.self)
    const send = (node: string, notice: MembershipNotice): boolean => host.send(node, notice)
    this.gossip = new Gossip(this.self, this.roster, send, this.options, random)
    const probing = (member: Member): void => {
      member.traffic = host.traffic(member.node)
      if (!member.linked) host.wanted(member.info)
      // It is to object before it answers.
      else if (member.state === "suspect") this.gossip.send(member.node, [member])
    }
    const showsLife = (member: Member): boolean => this.showsLife(member)
    this.prober = new Prober(this.roster, { send, probing, showsLife }, this.options, random)
  }

  /** Ours; the hello of a link says it. */
  get incarnation(): number {
    return this.self.incarnation
  }

  /** Members without this node, suspects included. */
  get size(): number {
    return this.roster.size
  }

  members(): MemberView[] {
    return Array.from(this.roster.members(), ({ info, state, incarnation, linked }) => ({
      info,
      state,
      incarnation,
      linked,
    }))
  }

  /** Living or departed; undefined = never heard of, or forgotten. */
  stateOf(node: string): MemberState | undefined {
    return this.roster.get(node)?.state
  }

  /**
   * A link stands, this is what its hello said. `dialled`: by this node, which then asks the other one whom it knows. False = not to
   * be kept: the hello makes no sense, that node has left, or there are too many.
   */
  linkUp(info: MemberInfo, incarnation: number, dialled: boolean, now: number): boolean {
    if (this.leaving || info.node === this.self.info.node || flawOf(info) !== null) return false
    if (!isIncarnation(incarnation)) return false
    const known = this.roster.get(info.node)
    if (known?.state === "left") return false
    const alive: Claim = { state: "alive", incarnation }
    const member = known ?? this.meet(info, alive, now)
    if (member === null) return false
    member.linked = true
    member.heard = now
    member.info = info
    if (known === undefined) {
      // It introduces itself to all whom we name to it. A few are told besides, in case it cannot reach them; later, with
      // all others who come at this time: when a mesh forms, everybody meets everybody.
      this.gossip.rumours.add(info.node, false, this.soon(now), null)
      // One side asks: both would read what they know. Who comes into a mesh dials all of it at once.
      if (dialled) this.gossip.ask(info.node, now)
    } else {
      if (overrides(alive, known) && this.change(known, alive, now)) this.gossip.rumours.add(info.node, true, now, null)
      // If it is thought dead or suspect, it has to object itself: others think so too.
      this.tell(known, now)
    }
    this.gossip.flush(now)
    return true
  }

  /** The connection broke. That is no proof of death, others may still have theirs: they are asked. */
  linkDown(node: string, now: number): void {
    const member = this.roster.get(node)
    if (member === undefined || !member.linked) return
    member.linked = false
    if (this.leaving || !member.living) return
    if (member.doomed) this.declare(member, "dead", now)
    else {
      this.suspect(member, now)
      this.prober.ask(member)
    }
    this.gossip.flush(now)
  }

  /** It is dead beyond doubt, as when its own endpoint on this host refuses connections. No effect while linked. */
  provenDead(node: string, now: number): void {
    const member = this.roster.get(node)
    if (member === undefined || member.linked) return
    member.proven = true
    if (member.living) this.declare(member, "dead", now)
    this.gossip.flush(now)
  }

  /** It said that it leaves. */
  goodbye(node: string, now: number): void {
    const member = this.roster.get(node)
    if (member === undefined || member.state === "left") return
    this.change(member, { state: "left", incarnation: member.incarnation }, now)
    // It has told all itself.
    this.gossip.rumours.add(node, false, now, node)
    this.gossip.flush(now)
  }

  /** Takes what came over the link of `from`, which need not be a notice at all. False = malformed, or a stranger. */
  receive(from: string, notice: unknown, now: number): boolean {
    const read = readNotice(notice)
    const sender = this.roster.get(from)
    if (read === null || sender === undefined) {
      this.malformed++
      return false
    }
    if (this.leaving) return true
    sender.heard = now
    this.tell(sender, now)
    if (read.t === "probe") this.host.send(from, { t: "ack", s: read.s, d: this.roster.digest })
    else if (read.t === "ack") {
      this.prober.acked(from, read.s)
      if (this.gossip.differs(read.d, now)) this.gossip.sendAll(from, true)
    } else if (read.t === "vouch") this.prober.vouched(read.s, read.n)
    else if (read.t === "ask") {
      const member = this.roster.get(read.n)
      if (member !== undefined) this.prober.run(from, read.s, member, now)
    } else {
      this.learn(from, read.u, now)
      // Who asks and says nothing is new here, and may know others that we do not; with a whole list it has told us.
      if (read.d !== undefined && read.d !== this.roster.digest) this.gossip.sendAll(from, read.u.length === 0)
    }
    this.gossip.flush(now)
    return true
  }

  /** Does what is due. */
  tick(now: number): void {
    if (this.leaving) return
    if (Number.isNaN(this.prober.next)) {
      this.prober.start(now)
      this.redialAt = now + this.options.redial
    }
    const late = now - this.nextTick(now)
    if (late > this.options.period) this.excuse(late, now)
    this.roster.sweep(now)
    const silent = this.prober.tick(now)
    if (silent !== null) this.suspect(silent, now)
    for (const suspect of this.roster.suspects) if (suspect.deadline <= now) this.expire(suspect, now)
    if (now >= this.redialAt) this.redial(now)
    this.gossip.flush(now)
  }

  /** When `tick` is to be called: a time in the clock of `now`, which may be past; Infinity after `leave`. */
  nextTick(now: number): number {
    if (this.leaving) return Number.POSITIVE_INFINITY
    if (Number.isNaN(this.prober.next)) return now
    let next = Math.min(this.prober.due, this.redialAt, this.gossip.due)
    for (const { deadline } of this.roster.suspects) next = Math.min(next, deadline)
    return next
  }

  /** Tells everybody that this node leaves. Nothing happens here any more. */
  leave(): void {
    if (this.leaving) return
    this.leaving = true
    this.self.state = "left"
    for (const { node } of this.roster.pick(Number.POSITIVE_INFINITY, this.random)) this.gossip.send(node, [this.self])
  }

  private learn(from: string, updates: readonly MemberUpdate[], now: number): void {
    const corrections: (Member | Self)[] = []
    for (const update of updates) {
      if (update.n === this.self.info.node) {
        if (this.refute(update, now)) corrections.push(this.self)
        continue
      }
      const known = this.roster.get(update.n)
      const claim: Claim = { incarnation: update.i, state: stateOf(update) }
      if (known === undefined) this.hearOf(from, update, claim, now)
      else if (overrides(claim, known)) this.update(from, known, update, claim, now)
      else if (overrides(known, claim)) corrections.push(known)
      else this.gossip.rumours.heard(update.n)
    }
    if (corrections.length > 0) this.gossip.send(from, corrections)
  }

  private showsLife(member: Member): boolean {
    return this.host.traffic(member.node) !== member.traffic
  }

  private soon(now: number): number {
    return now + this.options.gossipDelay * (1 + this.random())
  }

  private hearOf(from: string, update: MemberUpdate, claim: Claim, now: number): void {
    const info: MemberInfo = { node: update.n, name: update.a ?? "", endpoints: update.e ?? [] }
    const member = this.meet(info, claim, now)
    // The death of somebody unknown is remembered, but not passed on: it would go round for ever among nodes that have to
    // forget some of the dead.
    if (member?.living !== true) return
    this.gossip.rumours.add(update.n, false, this.soon(now), from)
    this.host.wanted(info)
  }

  private update(from: string, known: Member, update: MemberUpdate, claim: Claim, now: number): void {
    // To us it may be alive, as when a cut network is one again: it gets the time of a suspect to object.
    const doomed = claim.state === "dead" && known.linked && known.living
    const taken: Claim = doomed ? { state: "suspect", incarnation: claim.incarnation } : claim
    if (overrides(taken, known)) {
      const { n: node, a: name, e: endpoints } = update
      if (name !== undefined && endpoints !== undefined) known.info = { node, name, endpoints }
      if (!this.change(known, taken, now)) return
      this.gossip.rumours.add(node, false, now, from)
      if (known.state === "alive" && !known.linked) this.host.wanted(known.info)
    }
    if (doomed) known.doomed = true
  }

  /** Somebody speaks of this node. Objects when it must; true = the other one has old news. */
  private refute(update: MemberUpdate, now: number): boolean {
    const { self } = this
    if (update.i < self.incarnation) return true
    if (stateOf(update) === "alive" && update.i === self.incarnation) return false
    this.roster.count(self.info.node, self)
    self.incarnation = Math.min(update.i + 1, MAX_INCARNATION)
    this.roster.count(self.info.node, self)
    this.gossip.changed(now)
    this.gossip.rumours.add(self.info.node, true, now, null)
    return false
  }

  /** Null = there are too many. */
  private meet(info: MemberInfo, claim: Claim, now: number): Member | null {
    const member = new Member(info, claim.incarnation)
    member.state = "dead"
    member.met = now
    return this.change(member, claim, now) ? member : null
  }

  /** Makes this the truth, and tells the host what it means. False = there are too many members for one more. */
  private change(member: Member, claim: Claim, now: number): boolean {
    const { living, state } = member
    const { node } = member
    const lives = claim.state === "alive" || claim.state === "suspect"
    if (lives && !living && this.roster.full) {
      this.refused++
      return false
    }
    this.roster.set(member, claim, now)
    this.gossip.changed(now)
    if (lives) member.proven = false
    member.doomed = false
    if (lives && !living) this.host.joined(member.info)
    if (claim.state === "suspect") {
      this.wait(member, now)
      if (state !== "suspect") this.host.suspected(node)
    } else if (claim.state === "alive" && state === "suspect") this.host.recovered(node)
    else if (living && !lives) this.host.left(node, claim.state === "left" ? "left" : "dead")
    return true
  }

  /** Gives a suspect its time: news takes time in proportion to the logarithm of the members (SWIM, section 5). */
  private wait(suspect: Member, now: number): void {
    suspect.suspected = now
    suspect.traffic = this.host.traffic(suspect.node)
    suspect.deadline = now + this.options.suspicionTimeout * Math.max(1, Math.log10(this.roster.size + 1))
  }

  private suspect(member: Member, now: number): void {
    if (member.state === "alive") this.declare(member, "suspect", now)
  }

  /** Something that this node has found out, as others probably do in this moment. */
  private declare(member: Member, state: MemberState, now: number): void {
    this.change(member, { state, incarnation: member.incarnation }, now)
    this.gossip.rumours.add(member.node, true, now + this.random() * this.options.gossipDelay, null)
  }

  private expire(suspect: Member, now: number): void {
    if (suspect.linked && (suspect.heard > suspect.suspected || this.showsLife(suspect))) {
      // It lives, and does not know: it is told once more.
      this.wait(suspect, now)
      this.tell(suspect, now)
    } else this.declare(suspect, "dead", now)
  }

  /** This process was stopped, or its event loop blocked: it cannot say who was silent meanwhile. */
  private excuse(late: number, now: number): void {
    this.prober.excuse(late, now)
    for (const suspect of this.roster.suspects)
      suspect.deadline = Math.max(suspect.deadline + late, now + this.options.period)
  }

  private redial(now: number): void {
    this.redialAt = now + this.options.redial
    const lost = Array.from(this.roster.departed()).filter(one => one.state === "dead" && !one.linked && !one.proven)
    if (lost.length > 0) this.host.wanted(lost[Math.floor(this.random() * lost.length)].info)
  }

  /** Tells a node what is thought of it, if that is no good, once per period. */
  private tell(member: Member, now: number): void {
    if (member.state === "alive" || !member.linked || now - member.told < this.options.period) return
    member.told = now
    this.gossip.send(member.node, [member])
  }
}
