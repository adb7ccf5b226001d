import { HeddleError } from "../../core/errors.ts"
import { type Interest, type InterestSpec, isSameWish, QUEUE, SERVE, WORK } from "./interest.ts"
import type { Link } from "./link/link.ts"

/** Milliseconds after which a peer that is up and does not say that it is through has announced all that it wants. */
const LONGEST = 30_000

/** No answer bears this number. */
const UNASKED = -1

export interface RenewalsHost {
  /** The peer is asked to say when it has read up to here. Returns the number that its answer will bear. */
  ask(link: Link): number
  /** The wish is over, as if the peer had said so. */
  interestWent(link: Link, id: number): void
}

/**
 * What a peer wanted before its direction of the link began anew: it holds until the peer has announced all that it wants
 * now, so that what is published meanwhile is sent to it, or counted.
 */
export class Renewals {
  private readonly host: RenewalsHost
  private readonly timers = new Map<Link, NodeJS.Timeout>()

  constructor(host: RenewalsHost) {
    this.host = host
  }

  /** `sameStream`: numbers of wishes mean what they meant before. `ask` is to be called then. */
  begin(link: Link, sameStream: boolean): void {
    if (link.interests.size === 0) return
    link.life++
    for (const interest of [...link.interests.values()]) {
      const { id, kind, targeted } = interest.spec
      // Word of what was done is lost.
      if (kind === QUEUE) interest.outstanding = interest.waiting
      if (sameStream) continue
      if (kind === SERVE || kind === WORK) this.host.interestWent(link, id)
      else if (targeted || kind === QUEUE) interest.paused = true
    }
    link.renewal = UNASKED
  }

  /** The peer is asked to say when it is through, if it has begun; also again, when our direction began anew with what was asked. */
  ask(link: Link): void {
    if (link.renewal === 0) return
    link.renewal = this.host.ask(link)
    this.wait(link)
  }

  /** The wish of before that a peer announces again; null = it is new. Throws EPROTO. */
  renewed(link: Link, spec: InterestSpec): Interest | null {
    const known = link.interests.get(spec.id)
    if (known === undefined) return null
    if (known.life === link.life) throw new HeddleError("EPROTO", `The peer announced interest ${spec.id} twice`)
    if (isSameWish(known.spec, spec)) {
      known.life = link.life
      return known
    }
    this.setAside(link, known)
    return null
  }

  /** The peer has read all that was said before `token`. */
  answered(link: Link, token: number): void {
    if (token === link.renewal) this.complete(link)
  }

  /** What was not announced again is over. */
  complete(link: Link): void {
    if (link.renewal === 0) return
    this.ended(link)
    for (const [id, { life }] of [...link.interests]) if (life !== link.life) this.host.interestWent(link, id)
  }

  ended(link: Link): void {
    link.renewal = 0
    clearTimeout(this.timers.get(link))
    this.timers.delete(link)
  }

  /** Another wish has its number now, which nothing that is meant for it must name. Other members may come that get what waits. */
  private setAside(link: Link, interest: Interest): void {
    const { id, kind, targeted } = interest.spec
    const aside = -1 - id
    this.host.interestWent(link, aside)
    if (kind === SERVE || kind === WORK) {
      this.host.interestWent(link, id)
      return
    }
    if (targeted || kind === QUEUE) interest.paused = true
    link.interests.delete(id)
    link.interests.set(aside, interest)
  }

  private wait(link: Link): void {
    clearTimeout(this.timers.get(link))
    const timer = setTimeout(() => {
      // A peer that is away has said nothing yet.
      if (link.up) this.complete(link)
      else this.wait(link)
    }, LONGEST)
    timer.unref()
    this.timers.set(link, timer)
  }
}
