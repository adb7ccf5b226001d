import assert from "node:assert/strict"
import type { GapReason, SessionEnd } from "../../../transports/multicast/engine.ts"

/** What a sender has sent so far: the truth that receivers are measured by. */
export interface Sent {
  readonly id: string
  readonly source: string
  readonly messages: readonly (readonly Buffer[])[]
}

type Item = { readonly frames: readonly Buffer[] } | { readonly first: number; readonly count: number }

/**
 * What one receiver hears of one sender session, checked as it comes: numbers go up by one, each message is what was sent,
 * and each gap says exactly how many there are in it.
 */
export class Follower {
  /** Number of the next message; null = nothing has come that told. */
  next: number | null = null
  /** Number of the first message or gap. */
  first: number | null = null
  delivered = 0
  /** Messages in gaps, by reason. */
  readonly missed: Partial<Record<GapReason, number>> = {}
  /** How the session ended at last; null = it goes on. */
  end: SessionEnd | null = null
  private readonly name: string
  private readonly sent: Sent
  private readonly maxMessageSize: number
  /** What came before the first number was known: messages too short to tell theirs. */
  private early: Item[] = []

  constructor(name: string, sent: Sent, maxMessageSize: number) {
    this.name = name
    this.sent = sent
    this.maxMessageSize = maxMessageSize
  }

  get gaps(): number {
    return Object.values(this.missed).reduce((sum, count) => sum + count, 0)
  }

  /** A session of this sender begins, the first or another one. `crowded`: there were more sessions than can be remembered. */
  begin(crowded: boolean): void {
    assert.notEqual(this.end, "ended", `${this.name}: the session comes back although its sender has ended it`)
    assert.notEqual(this.end, "closed", `${this.name}: the session comes back although it was closed here`)
    // Who was thrown out for others is forgotten: it comes as a new one.
    if (this.end === "evicted" || (this.end === "timeout" && crowded)) this.next = null
    this.end = null
  }

  message(frames: readonly Buffer[]): void {
    this.going("a message")
    this.delivered++
    this.take({ frames })
  }

  gap(first: number, count: number, reason: GapReason): void {
    this.going("a gap")
    assert.ok(Number.isInteger(count) && count > 0, `${this.name}: a gap of ${count} messages`)
    assert.ok(
      first >= 0 && first + count <= this.sent.messages.length,
      `${this.name}: a gap of ${count} from ${first} on, of ${this.sent.messages.length} messages`,
    )
    this.missed[reason] = (this.missed[reason] ?? 0) + count
    if (reason === "size") {
      for (let number = first; number < first + count; number++) {
        assert.ok(sizeOf(this.sent.messages[number]) > this.maxMessageSize, `${this.name}: ${number} is not too long`)
      }
    }
    this.take({ first, count })
  }

  ended(reason: SessionEnd): void {
    this.going("the end")
    this.end = reason
  }

  private going(what: string): void {
    assert.equal(this.end, null, `${this.name}: ${what} after the end (${this.end})`)
  }

  private take(item: Item): void {
    if (this.next !== null) {
      this.check(item)
      return
    }
    this.early.push(item)
    const number = "first" in item ? item.first : numberOf(item.frames)
    if (number === null) return
    // Each item before it was one message: a gap would have told the number.
    this.next = number - (this.early.length - 1)
    this.first ??= this.next
    const early = this.early
    this.early = []
    for (const one of early) this.check(one)
  }

  private check(item: Item): void {
    const next = this.next as number
    if ("first" in item) {
      assert.equal(item.first, next, `${this.name}: a gap begins at ${item.first}, but message ${next} was due`)
      this.next = next + item.count
      return
    }
    const expected = this.sent.messages[next]
    assert.ok(expected !== undefined, `${this.name}: message ${next} comes and was never sent`)
    if (!same(item.frames, expected)) {
      const came = numberOf(item.frames)
      assert.fail(`${this.name}: message ${next} was due, ${came === null ? "another" : `message ${came}`} came`)
    }
    this.next = next + 1
  }
}

export function sizeOf(message: readonly Buffer[]): number {
  return message.reduce((sum, frame) => sum + frame.length, 0)
}

/** Messages begin with their number where they have room for it; null = this one has not. */
export function numberOf(message: readonly Buffer[]): number | null {
  return message[0].length >= 4 ? message[0].readUInt32BE(0) : null
}

function same(one: readonly Buffer[], other: readonly Buffer[]): boolean {
  return one.length === other.length && one.every((frame, i) => frame.equals(other[i]))
}
