import type { Member } from "./member.ts"
import type { MembershipNotice } from "./notice.ts"
import { type Roster, shuffle } from "./roster.ts"

export interface ProberOptions {
  readonly period: number
  readonly probeTimeout: number
  readonly helpers: number
}

export interface ProberHost {
  send(node: string, notice: MembershipNotice): boolean
  /** Its turn to be probed has come. */
  probing(member: Member): void
  /** Whether anything has come from it since it was probed. */
  showsLife(member: Member): boolean
}

interface Probe {
  readonly member: Member
  readonly number: number
  readonly begun: number
  /** Others were asked. */
  indirect: boolean
  deadline: number
}

/** A probe that somebody else asked us for. */
interface Errand {
  readonly origin: string
  /** What the origin calls it. */
  readonly number: number
  readonly node: string
  readonly expires: number
}

/**
 * Periods that others have to link with us of whom only somebody else has told: when many join at once, each has many to link with,
 * and to ask about those who have not come yet would make them suspects everywhere.
 */
const ON_THE_WAY = 5

/** Errands at a time: a period's worth of what a few hundred members may ask. Beyond it, the others they ask must do. */
const MAX_ERRANDS = 1_024

/** Asks one member per period whether it is there (SWIM, sections 3.1 and 4.3). */
export class Prober {
  /** When the next period begins. */
  next = Number.NaN
  private number = 0
  private probe: Probe | null = null
  /** The order of this round. Who comes in the meantime is in the next one. */
  private round: string[] = []
  private readonly errands = new Map<number, Errand>()
  private readonly roster: Roster
  private readonly host: ProberHost
  private readonly options: ProberOptions
  private readonly random: () => number

  constructor(roster: Roster, host: ProberHost, options: ProberOptions, random: () => number) {
    this.roster = roster
    this.host = host
    this.options = options
    this.random = random
  }

  /** When `tick` has something to do. */
  get due(): number {
    return this.probe?.deadline ?? this.next
  }

  /** The first period begins somewhere in the first one, so that nodes that start together do not probe together. */
  start(now: number): void {
    this.next = now + this.random() * this.options.period
  }

  /** Gives the member that has not answered, neither us nor those we asked. */
  tick(now: number): Member | null {
    const silent = this.probe !== null && now >= this.probe.deadline ? this.overdue(this.probe, now) : null
    if (this.probe !== null || now < this.next) return silent
    this.next = Math.max(this.next + this.options.period, now)
    for (const [number, { expires }] of this.errands) {
      if (expires > now) break
      this.errands.delete(number)
    }
    const member = this.choose(now)
    if (member !== null) this.begin(member, now)
    return silent
  }

  /** This node was asleep: what came due meanwhile was not missed by others. */
  excuse(late: number, now: number): void {
    this.next = now
    if (this.probe !== null) this.probe.deadline += late
  }

  acked(from: string, number: number): void {
    if (this.probe?.number === number && this.probe.member.node === from) {
      this.probe = null
      return
    }
    const errand = this.errands.get(number)
    if (errand === undefined || errand.node !== from) return
    this.errands.delete(number)
    this.host.send(errand.origin, { t: "vouch", s: errand.number, n: from })
  }

  vouched(number: number, node: string): void {
    if (this.probe?.number === number && this.probe.indirect && this.probe.member.node === node) this.probe = null
  }

  /** Probes `member` because `origin` asks for it. */
  run(origin: string, number: number, member: Member, now: number): void {
    if (!member.linked || this.errands.size >= MAX_ERRANDS) return
    const own = ++this.number
    this.errands.set(own, { origin, number, node: member.node, expires: now + this.options.period })
    this.host.probing(member)
    this.host.send(member.node, { t: "probe", s: own })
  }

  /** Has others probe it; they say so when it answers. */
  ask(member: Member, number = ++this.number): void {
    const helpers = this.roster.pick(
      this.options.helpers,
      this.random,
      helper => helper !== member && helper.state === "alive",
    )
    for (const helper of helpers) this.host.send(helper.node, { t: "ask", s: number, n: member.node })
  }

  private choose(now: number): Member | null {
    if (this.round.length === 0) {
      for (const { node } of this.roster.members()) this.round.push(node)
      shuffle(this.round, this.random)
    }
    for (let node = this.round.pop(); node !== undefined; node = this.round.pop()) {
      const member = this.roster.get(node)
      // Who was heard of in this period is there.
      if (member?.living && now - member.heard >= this.options.period && !this.isOnTheWay(member, now)) return member
    }
    return null
  }

  private isOnTheWay({ heard, met }: Member, now: number): boolean {
    return heard === Number.NEGATIVE_INFINITY && now - met < ON_THE_WAY * this.options.period
  }

  private begin(member: Member, now: number): void {
    const { probeTimeout } = this.options
    const number = ++this.number
    this.probe = { member, number, begun: now, indirect: false, deadline: now + probeTimeout }
    this.host.probing(member)
    if (!this.host.send(member.node, { t: "probe", s: number })) this.askOthers(this.probe)
  }

  private askOthers(probe: Probe): void {
    probe.indirect = true
    // Before the next one begins.
    probe.deadline = Math.max(probe.deadline, this.next)
    this.ask(probe.member, probe.number)
  }

  private overdue(probe: Probe, now: number): Member | null {
    const { member } = probe
    // On an overloaded host answers queue behind other traffic, which is as good a sign.
    if (member.linked && this.host.showsLife(member)) member.heard = now
    const answered = (member.linked && member.heard >= probe.begun) || !member.living
    if (!answered && !probe.indirect) {
      this.askOthers(probe)
      // Late ourselves, beyond the period: the others have their time all the same.
      if (probe.deadline <= now) probe.deadline = now + this.options.probeTimeout
      return null
    }
    this.probe = null
    return answered ? null : member
  }
}
