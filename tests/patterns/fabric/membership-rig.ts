import assert from "node:assert/strict"
import { STATES } from "../../../patterns/fabric/membership/member.ts"
import type { MemberUpdate } from "../../../patterns/fabric/membership/notice.ts"
import {
  type MemberInfo,
  Membership,
  type MembershipNotice,
  type MembershipOptions,
} from "../../../patterns/fabric/membership.ts"
import { Random } from "../../support/random.ts"

export const info = (node: string): MemberInfo => ({ node, name: node.toUpperCase(), endpoints: [`tcp://${node}`] })

export const [ALIVE, SUSPECT, DEAD, LEFT] = [0, 1, 2, 3]

export function update(n: string, i: number, s: number): MemberUpdate {
  return s < DEAD ? { n, i, s, a: n.toUpperCase(), e: [`tcp://${n}`] } : { n, i, s }
}

/** One node "me" whose network and clock are the test. */
export class Rig {
  now = 1_000
  readonly sent: { readonly to: string; readonly notice: MembershipNotice }[] = []
  readonly events: string[] = []
  readonly membership: Membership
  /** Nodes that `send` has no link to. */
  readonly cut = new Set<string>()
  /** Bytes that have come over links. */
  readonly came = new Map<string, number>()

  constructor(options: Partial<MembershipOptions> = {}, random = new Random(1)) {
    const log = (event: string): void => {
      this.events.push(event)
    }
    const host = {
      send: (to: string, notice: MembershipNotice): boolean => this.sent.push({ to, notice }) > 0 && !this.cut.has(to),
      traffic: (node: string): number => this.came.get(node) ?? 0,
      joined: ({ node }: MemberInfo): void => log(`joined ${node}`),
      suspected: (node: string): void => log(`suspected ${node}`),
      recovered: (node: string): void => log(`recovered ${node}`),
      left: (node: string, why: string): void => log(`${why} ${node}`),
      wanted: ({ node }: MemberInfo): void => log(`wanted ${node}`),
    }
    this.membership = new Membership(info("me"), host, options, () => random.next())
    this.membership.tick(this.now)
  }

  /** Links to these stand, and all that this caused is forgotten. */
  linked(...nodes: string[]): this {
    for (const node of nodes) assert.equal(this.membership.linkUp(info(node), 0, true, this.now), true)
    this.forget()
    return this
  }

  forget(): void {
    this.sent.length = 0
    this.events.length = 0
  }

  gossip(from: string, ...u: MemberUpdate[]): boolean {
    return this.membership.receive(from, { t: "gossip", u }, this.now)
  }

  /** Lets time pass, ticking when it is asked for; `answer` stands for the others. */
  run(milliseconds: number, answer: (to: string, notice: MembershipNotice) => void = () => {}): void {
    const end = this.now + milliseconds
    for (let at = 0; ; ) {
      for (; at < this.sent.length; at++) answer(this.sent[at].to, this.sent[at].notice)
      const next = this.membership.nextTick(this.now)
      if (next > end) break
      this.now = Math.max(this.now, next)
      this.membership.tick(this.now)
    }
    this.now = end
  }

  /** Others that answer every probe. */
  readonly lively = (to: string, notice: MembershipNotice): void => {
    if (notice.t === "probe") this.membership.receive(to, { t: "ack", s: notice.s, d: 0 }, this.now)
  }

  /** What was told of a node, as "to state incarnation". */
  told(about: string): string[] {
    return this.sent.flatMap(({ to, notice }) =>
      notice.t === "gossip" ? notice.u.filter(({ n }) => n === about).map(({ s, i }) => `${to} ${STATES[s]} ${i}`) : [],
    )
  }

  taken(): string[] {
    return this.events.splice(0)
  }

  sentTo(kind: MembershipNotice["t"]): string[] {
    return this.sent.filter(({ notice }) => notice.t === kind).map(({ to }) => to)
  }
}
