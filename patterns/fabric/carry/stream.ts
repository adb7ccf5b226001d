import { clock } from "../../../core/clock.ts"
import { fromSystem, HeddleError } from "../../../core/errors.ts"
import { turnIsSpent } from "../../../core/turn.ts"
import type { Link } from "../link/link.ts"
import type { Head } from "./batch.ts"
import * as C from "./control.ts"
import { type Batch, HeldBatches, lastOf } from "./held.ts"
import { Losses } from "./losses.ts"
import type { CarryGroup } from "./options.ts"
import type { CarryPort } from "./port.ts"
import { BatchReader } from "./reader.ts"
import { Retry } from "./retry.ts"

/** The publisher serves us by link, and we have not asked for more. */
const OFFERED = 0
/** We have said that we hear it. */
const ASKING = 1
const IS_ON = 2
/** We have said how far we came, and wait for the rest by link. */
const LEAVING = 3

/** Beacons of which one at least must come. */
const BEACONS = 3
/** A beacon that announces the next for later than this is none. */
const LONGEST_BEAT = 60_000
/** Milliseconds that the group has to bring what a publisher says by link to be on the way. */
const GRACE = 50
/** What waits for us to come as far as a publisher says: a `flush` each. */
const MAX_WAITS = 1_000

/** Messages, but `malformed`: batches. */
export interface StreamCounts {
  /** Delivered, by whichever way. */
  messages: number
  /** Of these, sent again by link. */
  repaired: number
  missing: number
  duplicates: number
  malformed: number
}

/** What one peer publishes to one group, as it is received: put in order, and completed by link. */
export class CarriedStream implements StreamCounts {
  readonly link: Link
  readonly token: string
  readonly group: CarryGroup
  messages = 0
  repaired = 0
  missing = 0
  duplicates = 0
  malformed = 0
  /** The turn's budget is spent: whoever feeds us should wait. Reset by whoever looks. */
  spent = false
  readonly reader: BatchReader
  private readonly port: CarryPort
  private readonly tokenBytes: Buffer
  private state = OFFERED
  /** All up to this number were delivered, or are told as missing. */
  private delivered = 0
  /** The link was broken: whether we are still carried for, the publisher has yet to say. */
  private suspended = false
  /** Asked for by FETCH up to here. */
  private asked = 0
  /** What the publisher said to have published before it said something else. */
  private goal = 0
  private readonly held: HeldBatches
  private heardAt = Number.NEGATIVE_INFINITY
  private offeredAt = clock.now()
  private interval = 0
  private readonly retry: Retry
  /** Somebody was told that it does not come. */
  private told = false
  private waits: (() => void)[] = []
  private grace: NodeJS.Timeout | undefined
  private readonly losses: Losses
  private over = false

  constructor(link: Link, group: CarryGroup, token: Buffer, key: string, port: CarryPort) {
    this.link = link
    this.group = group
    this.tokenBytes = token
    this.token = key
    this.port = port
    this.reader = new BatchReader(link, port)
    this.held = new HeldBatches(port.settings.resumeBytes)
    this.retry = new Retry(group.probe)
    this.losses = new Losses(group.probe)
  }

  get isOn(): boolean {
    return this.state === IS_ON
  }

  /** Messages are on the way by the group, or what it has not brought by link. */
  get expects(): boolean {
    return this.state >= IS_ON
  }

  // From the group

  /** Never throws. */
  take(head: Head, bytes: Buffer, payload: Buffer | null): void {
    this.heardAt = clock.now()
    if (this.state === OFFERED || this.over) return
    const { number, count, structures } = head
    if (number + count - 1 <= this.delivered) {
      this.duplicates += count
      return
    }
    this.accept({ first: number, count, structures, bytes, payload, byLink: false })
  }

  /** `wanted`: somebody here subscribes. */
  beacon(head: Head, wanted: boolean): void {
    const now = clock.now()
    this.heardAt = now
    this.interval = Math.min(head.count, LONGEST_BEAT)
    if (this.over) return
    if (this.state === OFFERED && wanted && this.retry.isDue) {
      this.state = ASKING
      C.writeControl(this.link, C.HEAR, this.group.keyBytes, [], this.tokenBytes)
    } else if (this.flows && head.number > this.delivered && this.held.isEmpty) {
      // What the group brings comes in order: it is not on the way any more.
      this.want(this.delivered + 1, head.number)
    }
  }

  // From the publisher, by link. Throws EPROTO for what is malformed.

  on(number: number, wanted: boolean): void {
    if (this.state >= IS_ON) throw new HeddleError("EPROTO", "The peer began twice to carry for us")
    const asked = this.state === ASKING
    this.state = IS_ON
    this.delivered = number
    this.asked = 0
    this.goal = 0
    this.retry.works()
    this.losses.begin(clock.now())
    this.suspended = false
    if (!asked || !wanted) {
      this.leave(wanted ? C.ASKED : C.UNWANTED)
      return
    }
    this.told = false
    this.port.tell(this.group, this.link, "receiving", "group", "its beacons come through")
    this.work()
  }

  /** Nothing above `last` comes by the group, and nothing up to it comes any more. */
  off(last: number): void {
    if (this.state < IS_ON) {
      // It has forgotten that it was asked.
      this.state = OFFERED
      this.forget()
      return
    }
    const surprise = this.state === IS_ON
    this.suspended = false
    // For others: it comes by link.
    this.held.cut(last)
    this.skipTo(last)
    this.state = OFFERED
    this.forget()
    if (surprise) this.fallBack(C.ANEW)
    this.caughtUp()
  }

  batch(head: Head, bytes: Buffer, payload: Buffer | null): void {
    if (this.state < IS_ON) return
    const { number, count, structures } = head
    if (number + count - 1 > this.delivered)
      this.accept({ first: number, count, structures, bytes, payload, byLink: true })
  }

  /** Nobody has them any more. */
  lacks(to: number): void {
    if (this.state < IS_ON) return
    this.skipTo(to)
    this.work()
  }

  /** All that was asked for up to `to` has come; the publisher has published `last` so far. */
  fetched(to: number, last: number): void {
    if (this.state !== IS_ON) return
    if (this.asked <= to) this.asked = 0
    if (last < to) {
      // Whatever made us ask is not the publisher's.
      this.held.cut(last)
      this.leave(C.DISTURBED)
      return
    }
    this.work()
  }

  /** The publisher gives the group up. */
  end(why: number): void {
    if (this.state === IS_ON) this.leave(C.ASKED, why)
  }

  /** Something that the publisher says next comes after this message. */
  tail(last: number): void {
    if (this.state < IS_ON || last <= this.delivered) return
    this.goal = Math.max(this.goal, last)
    if (this.grace !== undefined) return
    this.grace = setTimeout(() => {
      this.grace = undefined
      if (this.state === IS_ON && this.goal > this.delivered) this.want(this.delivered + 1, this.goal)
    }, GRACE)
    this.grace.unref()
  }

  /** The link is back, and the group goes on. */
  still(): void {
    this.suspended = false
    this.work()
  }

  /** Calls `then` when all that the publisher has told of by TAIL is delivered; at once when nothing is missing. */
  whenCaughtUp(then: () => void): void {
    if (this.state < IS_ON || this.goal <= this.delivered || this.waits.length >= MAX_WAITS) then()
    else this.waits.push(then)
  }

  // From the node

  /** Once in each beat; `rested` = this process has not stood still. */
  tick(now: number, rested: boolean): void {
    const limit = Math.max(this.group.probe, BEACONS * this.interval)
    if (!rested) {
      // Those who had spoken meanwhile had nobody to hear them.
      this.heardAt = Math.max(this.heardAt, now - limit / 2)
      return
    }
    if (this.flows) {
      if (now - this.heardAt > limit) this.leave(C.SILENT)
      else if (this.losses.tooMany(now)) this.leave(C.LOSSY)
    } else if (!this.told && this.state === OFFERED && now - Math.max(this.heardAt, this.offeredAt) > limit) {
      this.fallBack(C.SILENT)
    }
  }

  /** Nobody here wants it any more, or the group is left. */
  stop(): void {
    if (this.state === IS_ON) this.leave(C.UNWANTED)
  }

  /**
   * The link is down, or has just come back. When it was away for too long the publisher no longer counts on the group to
   * reach us, and what comes by it may come by link as well.
   */
  suspend(): void {
    this.suspended = true
  }

  /** What we had said by link is forgotten. */
  begunAnew(): void {
    if (this.state === ASKING) this.state = OFFERED
  }

  /** Nothing comes any more: its link is gone for good. `quietly`: we leave ourselves. */
  finish(quietly: boolean): void {
    if (!quietly && this.state >= IS_ON) this.skipTo(this.held.last)
    this.over = true
    this.forget()
    this.caughtUp()
  }

  // Order

  private accept(batch: Batch): void {
    // While we leave, only the link says what is meant for us: later messages of the group come by it, too.
    const free = batch.byLink ? this.state === LEAVING || this.held.isEmpty : this.flows && this.held.isEmpty
    if (free && batch.first <= this.delivered + 1 && this.knows(batch)) {
      this.deliver(batch)
      this.caughtUp()
      return
    }
    // Before its beginning is known, the oldest is the least likely to be needed; later, what comes next is waited for.
    if (!this.held.add(batch, this.state === ASKING)) this.duplicates += batch.count
    this.work()
  }

  /** What comes by the group is for us, and its place is known. */
  private get flows(): boolean {
    return this.state === IS_ON && !this.suspended
  }

  private knows({ structures }: Batch): boolean {
    return structures <= this.link.incoming.origin.structures
  }

  /** Delivers what is next, as far as it is here, and can be read: structures may have been learnt meanwhile. */
  work(): void {
    if (!this.flows) return
    for (let batch = this.held.first; batch !== undefined && !this.over; batch = this.held.first) {
      if (lastOf(batch) > this.delivered) {
        if (batch.first > this.delivered + 1) {
          this.want(this.delivered + 1, batch.first - 1)
          break
        }
        if (!this.knows(batch)) break
      }
      this.held.shift()
      if (lastOf(batch) > this.delivered) this.deliver(batch)
    }
    this.caughtUp()
  }

  /** Asks for what has not been asked for. */
  private want(from: number, to: number): void {
    const first = Math.max(from, this.asked + 1)
    if (this.state !== IS_ON || first > to) return
    this.asked = to
    C.writeControl(this.link, C.FETCH, this.group.keyBytes, [first, to])
  }

  /** Up to `last` nothing more comes: what is held is delivered, the rest is a gap. */
  private skipTo(last: number): void {
    let missing = 0
    for (
      let batch = this.held.first;
      batch !== undefined && batch.first <= last && !this.over;
      batch = this.held.first
    ) {
      this.held.shift()
      if (lastOf(batch) <= this.delivered || !this.knows(batch)) continue
      missing += Math.max(0, batch.first - 1 - this.delivered)
      this.delivered = Math.max(this.delivered, batch.first - 1)
      this.deliver(batch)
    }
    if (this.delivered < last) {
      missing += last - this.delivered
      this.delivered = last
    }
    if (missing === 0) return
    this.missing += missing
    this.port.gap(this.link, missing)
  }

  /** Never throws: it may be the group that has brought the one that it waited for. */
  private deliver(batch: Batch): void {
    const before = this.delivered
    try {
      this.reader.read(batch, this.isNext)
    } catch (error) {
      if (batch.byLink) this.link.breach(fromSystem(error, "link with", this.link.name))
      else {
        this.malformed++
        // The publisher has the true one.
        this.want(this.delivered + 1, lastOf(batch))
      }
    }
    const count = this.delivered - before
    this.messages += count
    if (batch.byLink) this.repaired += count
    this.losses.note(count, batch.byLink)
  }

  /** A message is next. Whoever handled the one before may have ended the link. */
  private readonly isNext = (number: number): boolean => {
    if (number <= this.delivered || this.over) return false
    this.delivered = number
    if (turnIsSpent()) this.spent = true
    return true
  }

  // Ways

  private leave(why: number, because = why): void {
    this.state = LEAVING
    C.writeControl(this.link, C.LOST, this.group.keyBytes, [this.delivered, why])
    // The publisher knows when it can go on.
    if (why !== C.ASKED && why !== C.UNWANTED) this.retry.later()
    this.fallBack(because)
  }

  private fallBack(why: number): void {
    this.told = true
    this.port.tell(this.group, this.link, "receiving", "link", C.reasonText(why))
  }

  private forget(): void {
    this.held.clear()
    this.asked = 0
    clearTimeout(this.grace)
    this.grace = undefined
  }

  private caughtUp(): void {
    if (this.waits.length === 0) return
    if (this.state >= IS_ON && !this.over && this.goal > this.delivered) return
    const { waits } = this
    this.waits = []
    for (const then of waits) then()
  }
}
