import {
  type GapReason,
  type GroupHost,
  GroupReceiver,
  GroupSender,
  type InboundSession,
  newSessionId,
  type ReceiverSettings,
  type SenderSettings,
  type SessionEnd,
} from "../../../transports/multicast/engine.ts"
import { NAK } from "../../../transports/multicast/wire.ts"
import { Random } from "../../support/random.ts"

interface Event {
  at: number
  order: number
  run: () => void
}

/** What one receiver heard of one life of a session, in order. */
export interface Heard {
  readonly session: InboundSession
  readonly log: Entry[]
  end: SessionEnd | null
}

export type Entry = { message: readonly Buffer[] } | { first: number; count: number; reason: GapReason }

/** A sender in a group, with all that it sent. */
export class TestSender {
  readonly name: string
  readonly id: string
  readonly engine: GroupSender
  drains = 0
  closed = false
  /** What the port answers. */
  open = true
  readonly packets: Buffer[] = []

  constructor(group: Group, name: string, settings: Partial<SenderSettings>) {
    this.name = name
    this.id = newSessionId(() => group.random.next())
    const host = group.host(
      () => this.engine.tick(),
      bytes => {
        this.packets.push(bytes)
        group.multicast(this.name, bytes)
        return this.open
      },
    )
    this.engine = new GroupSender(host, settings, this.id)
    this.engine.onDrain = () => this.drains++
    this.engine.onClosed = () => {
      this.closed = true
    }
  }
}

/** A receiver in a group, with all that it heard. */
export class TestReceiver {
  readonly name: string
  readonly engine: GroupReceiver
  readonly heard: Heard[] = []
  /** NAKs and STATUS that it sent. */
  readonly naks: Buffer[] = []
  readonly reports: Buffer[] = []

  constructor(group: Group, name: string, settings: Partial<ReceiverSettings>) {
    this.name = name
    const host = group.host(
      () => this.engine.tick(),
      bytes => {
        group.multicast(this.name, bytes)
        return true
      },
    )
    host.reply = (bytes, source) => {
      this.reports.push(bytes)
      if (bytes[3] === NAK) this.naks.push(bytes)
      group.unicast(this.name, source, bytes)
    }
    this.engine = new GroupReceiver(host, settings, {
      session: session => {
        const heard: Heard = { session, log: [], end: null }
        this.heard.push(heard)
        session.onMessage = message => heard.log.push({ message: message.map(frame => Buffer.from(frame)) })
        session.onGap = (first, count, reason) => heard.log.push({ first, count, reason })
        session.onEnd = reason => {
          heard.end = reason
        }
      },
    })
  }

  /** Messages of the one sender that there is, first frames as text; gaps as `gap first+count reason`. */
  get texts(): string[] {
    return this.heard.flatMap(({ log }) => log.map(entryText))
  }
}

export function entryText(entry: Entry): string {
  return "message" in entry ? entry.message.join("|") : `gap ${entry.first}+${entry.count} ${entry.reason}`
}

/** A group of engines, a clock that goes as the test says, and a network between them. */
export class Group {
  now = 1_000
  readonly random: Random
  /** Milliseconds on the way. */
  delay: (from: string, to: string) => number = () => 0.1
  /** How often a packet arrives. */
  copies: (from: string, to: string, bytes: Buffer) => number = () => 1
  private readonly senders = new Map<string, TestSender>()
  private readonly receivers = new Map<string, TestReceiver>()
  private readonly removed = new Set<string>()
  private events: Event[] = []
  private order = 0

  constructor(random: Random = new Random(1)) {
    this.random = random
  }

  sender(settings: Partial<SenderSettings> = {}, name = `s${this.senders.size}`): TestSender {
    const sender = new TestSender(this, name, settings)
    this.senders.set(name, sender)
    return sender
  }

  receiver(settings: Partial<ReceiverSettings> = {}, name = `r${this.receivers.size}`): TestReceiver {
    const receiver = new TestReceiver(this, name, settings)
    this.receivers.set(name, receiver)
    return receiver
  }

  /** It hears and says nothing any more. */
  remove(name: string): void {
    this.senders.delete(name)
    this.receivers.delete(name)
    this.removed.add(name)
  }

  host(tick: () => void, send: (bytes: Buffer) => boolean): GroupHost {
    let latest: Event | null = null
    return {
      now: () => this.now,
      random: () => this.random.next(),
      send,
      wake: at => {
        if (latest !== null) latest.run = () => {}
        latest = at === Number.POSITIVE_INFINITY ? null : this.at(Math.max(at, this.now), tick)
      },
    }
  }

  multicast(from: string, bytes: Buffer): void {
    for (const to of this.receivers.keys()) this.carry(from, to, bytes)
  }

  unicast(from: string, to: string, bytes: Buffer): void {
    this.carry(from, to, bytes)
  }

  /** Time passes. */
  run(milliseconds: number): void {
    const end = this.now + milliseconds
    for (;;) {
      let next: Event | null = null
      for (const event of this.events)
        if (
          event.at <= end &&
          (next === null || event.at < next.at || (event.at === next.at && event.order < next.order))
        )
          next = event
      if (next === null) break
      this.events.splice(this.events.indexOf(next), 1)
      this.now = next.at
      next.run()
    }
    this.now = end
  }

  private at(at: number, run: () => void): Event {
    const event = { at, order: this.order++, run }
    this.events.push(event)
    return event
  }

  private carry(from: string, to: string, bytes: Buffer): void {
    if (this.removed.has(from)) return
    for (let copies = this.copies(from, to, bytes); copies > 0; copies--) {
      // As a network does: what is changed afterwards, is not changed on the way.
      const copy = Buffer.from(bytes)
      this.at(this.now + this.delay(from, to), () => {
        this.receivers.get(to)?.engine.received(copy, from)
        this.senders.get(to)?.engine.received(copy, from)
      })
    }
  }
}
