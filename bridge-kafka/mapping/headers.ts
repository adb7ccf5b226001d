/** The headers of the bridge, in Kafka and on messages (REC-2). */
import { Buffer } from "node:buffer"
import { viewOf } from "../../core/view.ts"
import type { KafkaHeader } from "../driver.ts"
import { SharedHeaders } from "../shared-headers.ts"

export const PREFIX = "hd."
export const SUBJECT = "hd.subject"
export const ID = "hd.id"
export const PUBLISHER = "hd.pub"
export const EPOCH = "hd.epoch"
export const SEQUENCE = "hd.seq"
export const TIMESTAMP = "hd.ts"
export const HOPS = "hd.hops"
export const BRIDGE = "hd.bridge"
export const CODEC = "hd.codec"
/** A publisher's own key (the rule `publisher-key`); towards subscribers the record's key. */
export const KEY = "hd.key"
/** `cluster/topic/partition/offset`: where a message came from, and a stable id to know duplicates by. */
export const KAFKA = "hd.kafka"
export const REPLAY = "hd.replay"
/** On dead letters: bytes that the payload had. Only its beginning is there. */
export const CUT = "hd.cut"
/** On messages: stands for a record without a value. */
export const TOMBSTONE = "tombstone"

/** What a publisher may say itself; all else that begins with `hd.` is dropped on the way in. */
const PUBLISHERS: ReadonlySet<string> = new Set([TIMESTAMP, HOPS, ID])

export function isOwn(name: string): boolean {
  return name.startsWith(PREFIX)
}

/** Whether a publisher's header goes into the record as it is. */
export function isKept(name: string): boolean {
  return !name.startsWith(PREFIX) || PUBLISHERS.has(name)
}

/** The last value of that name as text: of duplicates the last was added by the last hand. */
export function textOf(headers: readonly KafkaHeader[], name: string): string | undefined {
  for (let i = headers.length - 1; i >= 0; i--) if (headers[i][0] === name) return headers[i][1].toString()
  return undefined
}

/** Who published a message, as far as it is known. */
export interface Publisher {
  readonly id: string
  /** Of a durable publisher: which of its processes (DUR-1). */
  readonly epoch?: string
  readonly sequence?: number
}

/** A header that stays the same from record to record. The last one only: it never grows. */
class Recent {
  private readonly name: string
  private text: string | null = null
  private header: KafkaHeader

  constructor(name: string) {
    this.name = name
    this.header = [name, NOTHING]
  }

  of(text: string): KafkaHeader {
    if (text === this.text) return this.header
    this.text = text
    this.header = [this.name, Buffer.from(text)]
    return this.header
  }
}

const NOTHING = Buffer.alloc(0)

/** What is the same for messages of one subject, codec and way, together. */
export interface SharedOfSubject {
  readonly codec: string
  readonly hops: Buffer
  readonly publisher: string
  readonly headers: SharedHeaders
}

/** Makes the headers that a bridge adds to the records of one connector. */
export class HeaderMaker {
  private readonly bridge: KafkaHeader
  private readonly codec = new Recent(CODEC)
  private readonly publisher = new Recent(PUBLISHER)
  private readonly epoch = new Recent(EPOCH)
  private readonly digits = new Digits()

  /** `bridge`: name of the bridge. */
  constructor(bridge: string) {
    this.bridge = [BRIDGE, Buffer.from(bridge)]
  }

  /** Appends to `into`. */
  append(into: KafkaHeader[], subject: Buffer, codec: string, hops: Buffer, publisher: Publisher): void {
    into.push([SUBJECT, subject], this.publisher.of(publisher.id))
    this.appendOwn(into, publisher)
    into.push([HOPS, hops], this.bridge, this.codec.of(codec))
  }

  /** All but epoch and number; `known` where it is that. */
  share(
    known: SharedOfSubject | null,
    subject: Buffer,
    codec: string,
    hops: Buffer,
    publisher: string,
  ): SharedOfSubject {
    if (known !== null && known.codec === codec && known.hops === hops && known.publisher === publisher) return known
    const list: KafkaHeader[] = [[SUBJECT, subject], this.publisher.of(publisher), [HOPS, hops], this.bridge]
    list.push(this.codec.of(codec))
    return { codec, hops, publisher, headers: new SharedHeaders(list, SEQUENCE) }
  }

  /** What messages of a publisher's process have in common, and no others. */
  epochOf(epoch: string): KafkaHeader {
    return this.epoch.of(epoch)
  }

  private appendOwn(into: KafkaHeader[], { epoch, sequence }: Publisher): void {
    if (epoch !== undefined) into.push(this.epoch.of(epoch))
    if (sequence !== undefined) into.push([SEQUENCE, this.digits.of(sequence)])
  }
}

/** Bytes that views of numbers are cut from. */
const SLAB = 16_384
/** Digits of 2^53. */
const LONGEST = 16

/** Whole numbers as text, as views of one memory: a Buffer of its own for each is far slower to make. */
class Digits {
  private slab = Buffer.allocUnsafeSlow(SLAB)
  private free = SLAB

  of(number: number): Buffer {
    if (this.free < LONGEST) {
      this.slab = Buffer.allocUnsafeSlow(SLAB)
      this.free = SLAB
    }
    const end = this.free
    let at = end
    let rest = number
    // Beyond 32 bits the remainder is slow, and few get there.
    while (rest > 0x7fffffff) {
      const higher = Math.floor(rest / 10)
      this.slab[--at] = 48 + (rest - higher * 10)
      rest = higher
    }
    do {
      const higher = (rest / 10) | 0
      this.slab[--at] = 48 + (rest - higher * 10)
      rest = higher
    } while (rest > 0)
    this.free = at
    return viewOf(this.slab, at, end)
  }
}
