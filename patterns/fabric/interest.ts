import { HeddleError } from "../../core/errors.ts"
import { checkGroup } from "../../core/subject.ts"
import { type Reader, varintSize, writeVarint } from "../../core/varint.ts"
import { Lane, type LanePolicy, type PolicyName } from "./backlog.ts"
import type { Link } from "./link/link.ts"
import type { Outgoing } from "./link/outgoing.ts"
import { INTEREST } from "./link/records.ts"
import { readPattern } from "./link/subjects.ts"
import { writeBytes } from "./link/write.ts"

/** What somebody wants to get. */
export const SUBSCRIBE = 0
export const QUEUE = 1
export const SERVE = 2
export const WORK = 3
export type InterestKind = 0 | 1 | 2 | 3

/** Bit of the kind byte: messages name this interest, the receiver does not look for it by subject. */
const TARGETED = 16

const POLICIES: readonly PolicyName[] = ["drop-new", "drop-old", "conflate", "keep-last", "block"]

let lastId = 0

/** For a new wish of any node in this process. */
export function newInterestId(): number {
  return ++lastId
}

/** What one subscription, service or worker asks of publishers. */
export interface InterestSpec {
  /** Unique in its node. */
  readonly id: number
  readonly kind: InterestKind
  readonly pattern: string
  /** Queue group; "" = none. */
  readonly group: string
  readonly targeted: boolean
  readonly policy: LanePolicy
  /** Kept messages a subject to be sent first; 0 = none. */
  readonly history: number
  /** Workers: tasks that it takes at a time. */
  readonly capacity: number
  /** Wishes of peers with history: number of the last message of this node that it has had; absent = it takes no numbers. */
  readonly after?: number
  /** Workers: milliseconds within which a task must be answered, or said to be in hand; absent or 0 = any time. */
  readonly ackWait?: number
}

/** A timer of Node overflows beyond it: milliseconds. */
export const MOST_ACK_WAIT = 2 ** 31 - 1

/** The lane of an interest, for who hears of what was dropped. */
export class InterestLane extends Lane {
  readonly interest: Interest

  constructor(interest: Interest) {
    super(interest.spec.policy)
    this.interest = interest
  }
}

/** An interest as publishers keep it: the wish of a peer, or of this node itself. */
export class Interest {
  readonly spec: InterestSpec
  /** Null: of this node. */
  readonly link: Link | null
  /** The object that serves it here; null for a peer's. */
  readonly owner: unknown
  private ownLane: InterestLane | null = null
  /** Messages, requests or tasks given to it by this node and not done. */
  outstanding = 0
  /** Tasks and requests that it has from all others, as it last said. */
  load = 0
  /** The subscriber has asked to wait (policy "block"), or nobody knows yet whether the wish still holds. */
  paused = false
  /** When it was announced last, as `Link.life` counts. */
  life = 0

  constructor(spec: InterestSpec, link: Link | null, owner: unknown) {
    this.spec = spec
    this.link = link
    this.owner = owner
  }

  /** Messages that wait for it. */
  get waiting(): number {
    return this.ownLane?.length ?? 0
  }

  /** Where messages for it wait; most never need one. */
  get lane(): InterestLane {
    this.ownLane ??= new InterestLane(this)
    return this.ownLane
  }
}

export function isSameWish(a: InterestSpec, b: InterestSpec): boolean {
  return (
    a.kind === b.kind &&
    a.pattern === b.pattern &&
    a.group === b.group &&
    a.targeted === b.targeted &&
    a.history === b.history &&
    a.capacity === b.capacity &&
    (a.ackWait ?? 0) === (b.ackWait ?? 0) &&
    isSamePolicy(a.policy, b.policy)
  )
}

function isSamePolicy(a: LanePolicy, b: LanePolicy): boolean {
  return a.policy === b.policy && a.limit === b.limit && a.keep === b.keep && a.ttl === b.ttl
}

/** Bytes of a wish besides its pattern and group, with numbers of a usual size. */
const USUAL_NUMBERS = 24

/** What it takes to announce a wish, roughly. */
export function announcedSize({ pattern, group }: InterestSpec): number {
  // Patterns are mostly ASCII.
  return USUAL_NUMBERS + pattern.length + group.length
}

/** `after`: for wishes with history, the number of the last message that came of the peer. */
export function writeInterest(out: Outgoing, spec: InterestSpec, after: number): void {
  const pattern = Buffer.from(spec.pattern)
  const group = Buffer.from(spec.group)
  const { limit, keep, ttl } = spec.policy
  const { ackWait = 0 } = spec
  const numbers = [spec.id, limit, keep, ttl, spec.history, spec.capacity]
  let size = 3 + varintSize(pattern.length) + pattern.length + varintSize(group.length) + group.length
  for (const number of numbers) size += varintSize(number)
  if (spec.history > 0) size += varintSize(after)
  else if (ackWait > 0) size += varintSize(ackWait)
  let at = out.reserve(size)
  const { buffer } = out
  buffer[at++] = INTEREST
  buffer[at++] = spec.kind | (spec.targeted ? TARGETED : 0)
  buffer[at++] = POLICIES.indexOf(spec.policy.policy)
  for (const number of numbers) at = writeVarint(number, buffer, at)
  at = writeBytes(pattern, buffer, at)
  at = writeBytes(group, buffer, at)
  if (spec.history > 0) writeVarint(after, buffer, at)
  else if (ackWait > 0) writeVarint(ackWait, buffer, at)
  out.isControl(size)
}

/** Throws EPROTO. */
export function readInterest(reader: Reader): InterestSpec {
  const flags = reader.byte()
  const kind = (flags & 15) as InterestKind
  const name = POLICIES[reader.byte()]
  if (kind > WORK || name === undefined) throw new HeddleError("EPROTO", "The peer sent an interest of an unknown kind")
  const [id, limit, keep, ttl, history, capacity] = [
    reader.varint(),
    reader.varint(),
    reader.varint(),
    reader.varint(),
    reader.varint(),
    reader.varint(),
  ]
  const pattern = readPattern(reader, reader.varint())
  const group = reader.utf8(reader.varint())
  if (group !== "") {
    try {
      checkGroup(group)
    } catch (error) {
      throw new HeddleError("EPROTO", "The peer sent an invalid queue group", { cause: error })
    }
  }
  const policy = shared({ policy: name, limit: Math.max(1, limit), keep: Math.max(1, keep), ttl })
  return {
    id,
    kind,
    pattern,
    group,
    targeted: (flags & TARGETED) !== 0,
    policy,
    history,
    capacity: Math.max(1, capacity),
    ...(history > 0 && reader.left > 0 && { after: reader.varint() }),
    ...(kind === WORK && history === 0 && reader.left > 0 && { ackWait: Math.min(reader.varint(), MOST_ACK_WAIT) }),
  }
}

let last: LanePolicy | null = null

/** A million subscriptions with the same policy need it once. */
function shared(policy: LanePolicy): LanePolicy {
  if (last === null || !isSamePolicy(last, policy)) last = policy
  return last as LanePolicy
}
