import { closedError, HeddleError } from "../../../core/errors.ts"
import { Queue } from "../../../core/queue.ts"
import { OF_PUBLISH, PUB_RESULT, PUBLISH, PUBLISH_RESULT, PUBLISHED } from "../edge/protocol.ts"
import type { RecordReader } from "../edge/wire.ts"
import type { ClientEvents } from "./events.ts"
import type { Payload } from "./payload.ts"
import type { Part, Session, Welcome } from "./session.ts"

/** The answer to `publish`. */
export interface PublishResult {
  /** False: the outbox is full, and nothing was kept. `send` waits for room instead. */
  readonly taken: boolean
  /** Messages, this one included, that the node has not acknowledged yet, or that wait for a connection. */
  readonly waiting: number
}

/** The answer to `send`: the node has published it. */
export interface SendResult {
  /** Nodes that it was queued for; null = not known, because the answer was lost with a connection. */
  readonly peers: number | null
  /** Messages that had to be dropped for it. */
  readonly dropped: number | null
}

/** A message to publish, encoded. */
export interface Parcel {
  readonly subject: string
  readonly payload: Payload
  /** As on the wire; null = none. */
  readonly headers: Uint8Array | null
}

interface Wanted {
  resolve(result: SendResult): void
  reject(error: HeddleError): void
}

/** One message of the outbox. */
class Item {
  /** Counts all that were ever put in. */
  readonly serial: number
  readonly parcel: Parcel
  readonly size: number
  readonly wanted: Wanted | null
  /** 0 = never sent in this session of the node. */
  number = 0
  /** Who wanted an answer has one, or waits no longer. */
  over = false

  constructor(serial: number, parcel: Parcel, size: number, wanted: Wanted | null) {
    this.serial = serial
    this.parcel = parcel
    this.size = size
    this.wanted = wanted
  }
}

/** Bytes under way without an acknowledgement. What is behind them waits here, where it is bounded, and not in the browser, where nothing is. */
const WINDOW = 512 * 1024

/** What an entry takes besides its payload, about. */
const OVERHEAD = 128

const UNKNOWN: SendResult = Object.freeze({ peers: null, dropped: null })

/** What was published and is not acknowledged: it survives connections, and is sent again where the node has not handled it. */
export class Outbox implements Part {
  private readonly session: Session
  private readonly events: ClientEvents
  private readonly maxMessages: number
  private readonly maxBytes: number
  private readonly items = new Queue<Item>()
  /** Acknowledged, but their results have not come. */
  private readonly results = new Map<number, Item>()
  private bytes = 0
  /** The first so many items are sent; their bytes. */
  private sent = 0
  private sentBytes = 0
  /** Of the last message that was given a number. */
  private last = 0
  private serial = 0
  /** It waits for the pace. */
  private paused = false
  private readonly flushes: { at: number; resolve(): void; reject(error: HeddleError): void }[] = []
  private readonly waiters: (() => void)[] = []

  constructor(session: Session, events: ClientEvents, maxMessages: number, maxBytes: number) {
    this.session = session
    this.events = events
    this.maxMessages = maxMessages
    this.maxBytes = maxBytes
  }

  /** Messages that are not acknowledged. */
  get length(): number {
    return this.items.length
  }

  /** Null = there is no room. `wanted` hears of the node's answer. */
  push(parcel: Parcel, wanted: Wanted | null): Item | null {
    const size = parcel.payload.payload.length + (parcel.headers?.length ?? 0) + parcel.subject.length + OVERHEAD
    if (this.items.length >= this.maxMessages || (this.items.length > 0 && this.bytes + size > this.maxBytes))
      return null
    const item = new Item(++this.serial, parcel, size, wanted)
    this.items.push(item)
    this.bytes += size
    this.pump()
    return item
  }

  /** Nobody waits for its answer any more. True = it was never sent, and never will be. */
  takeBack(item: Item): boolean {
    item.over = true
    if (item.number > 0) return false
    const { items } = this
    for (let left = items.length; left > 0; left--) {
      const one = items.shift() as Item
      if (one === item) this.bytes -= item.size
      else items.push(one)
    }
    this.wake()
    return true
  }

  /** Calls once when there may be room. */
  whenRoom(wake: () => void): void {
    this.waiters.push(wake)
  }

  /** Resolves when all that is in it now was handled by the node. Rejects when the client is closed before. */
  flush(): Promise<void> {
    if (this.items.length === 0) return Promise.resolve()
    return new Promise((resolve, reject) => this.flushes.push({ at: this.serial, resolve, reject }))
  }

  up({ resumed, publishes }: Welcome): void {
    this.sent = 0
    this.sentBytes = 0
    if (resumed) {
      this.acknowledge(publishes)
      for (const item of this.results.values()) item.wanted?.resolve(UNKNOWN)
    } else this.startAnew()
    this.results.clear()
    this.pump()
    this.wake()
  }

  down(): void {
    // The numbers stay: the node may have handled some of them. `up` says which.
  }

  closed(error: HeddleError): void {
    for (let item = this.items.shift(); item !== undefined; item = this.items.shift()) {
      if (!item.over) item.wanted?.reject(item.number === 0 ? error : unconfirmed(item))
    }
    for (const item of this.results.values()) item.wanted?.resolve(UNKNOWN)
    this.results.clear()
    for (const { reject } of this.flushes.splice(0)) reject(closedError("Fabric"))
    this.wake()
  }

  record(type: number, reader: RecordReader): boolean {
    if (type === PUBLISHED) {
      this.acknowledge(reader.varint())
      this.pump()
      this.wake()
      return true
    }
    if (type !== PUBLISH_RESULT) return false
    const item = this.find(reader.varint())
    if (item !== undefined && !item.over) {
      item.over = true
      item.wanted?.resolve({ peers: reader.varint(), dropped: reader.varint() })
    }
    return true
  }

  refused(of: number, number: number, error: HeddleError): void {
    const item = of === OF_PUBLISH ? this.find(number) : undefined
    if (item === undefined || item.over) return
    item.over = true
    if (item.wanted !== null) item.wanted.reject(error)
    else this.events.emit({ type: "error", subject: item.parcel.subject, error })
  }

  private pump(): void {
    const { items, session } = this
    while (session.up && this.sent < items.length) {
      const item = items.at(this.sent)
      if (this.sent > 0 && this.sentBytes + item.size > WINDOW) return
      if (!session.pace.free) {
        this.pause()
        return
      }
      this.sent++
      this.sentBytes += item.size
      if (item.number === 0) item.number = ++this.last
      const { subject, payload, headers } = item.parcel
      session
        .begin(PUBLISH)
        .varint(item.number)
        .byte(item.wanted === null ? 0 : PUB_RESULT)
        .content(subject, payload.codec, payload.codecName, headers, payload.payload)
      session.end()
    }
  }

  private pause(): void {
    if (this.paused) return
    this.paused = true
    this.session.pace.whenFree(() => {
      this.paused = false
      this.pump()
    })
  }

  /** All numbers up to this one were handled. */
  private acknowledge(number: number): void {
    for (let first = this.items.peek(); first !== undefined; first = this.items.peek()) {
      if (first.number === 0 || first.number > number) break
      if (!first.over && first.wanted !== null) this.results.set(first.number, first)
      this.shift()
    }
  }

  /** A node that knows nothing of what was sent before: what was never sent goes to it, the rest may or may not have been handled. */
  private startAnew(): void {
    let count = 0
    for (let left = this.items.length; left > 0; left--) {
      const item = this.items.peek() as Item
      this.shift()
      if (item.number === 0) {
        this.items.push(item)
        this.bytes += item.size
      } else {
        count++
        if (!item.over) item.wanted?.reject(unconfirmed(item))
        item.over = true
      }
    }
    for (const item of this.results.values()) item.wanted?.resolve(UNKNOWN)
    this.last = 0
    if (count === 0) return
    this.events.emit({ type: "unconfirmed", count })
    const error = new HeddleError(
      "ECONNRESET",
      `${count} messages may or may not have been published: the connection broke`,
    )
    for (const { reject } of this.flushes.splice(0)) reject(error)
  }

  private shift(): void {
    const item = this.items.shift() as Item
    this.bytes -= item.size
    if (this.sent > 0) {
      this.sent--
      this.sentBytes -= item.size
    }
  }

  private find(number: number): Item | undefined {
    const acknowledged = this.results.get(number)
    if (acknowledged !== undefined) {
      this.results.delete(number)
      return acknowledged
    }
    for (let i = 0; i < this.sent; i++) if (this.items.at(i).number === number) return this.items.at(i)
    return undefined
  }

  private wake(): void {
    for (const wake of this.waiters.splice(0)) wake()
    const first = this.items.peek()?.serial ?? Number.POSITIVE_INFINITY
    while (this.flushes.length > 0 && this.flushes[0].at < first) this.flushes.shift()?.resolve()
  }
}

export type OutboxItem = Item

function unconfirmed({ parcel }: Item): HeddleError {
  const text = `${parcel.subject} was on the way when the connection broke: it may or may not have been published`
  return new HeddleError("ECONNRESET", text)
}
