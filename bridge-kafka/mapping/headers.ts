/** The headers of the bridge, in Kafka and on messages (REC-2). */
import { Buffer } from "node:buffer"
import type { KafkaHeader } from "../driver.ts"

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

/** Texts that stay the same from record to record, as bytes. The last ones only: it never grows. */
class Recent {
  private text = ""
  private bytes = Buffer.alloc(0)

  of(text: string): Buffer {
    if (text === this.text) return this.bytes
    this.text = text
    this.bytes = Buffer.from(text)
    return this.bytes
  }
}

/** Makes the headers that a bridge adds to the records of one connector. */
export class HeaderMaker {
  private readonly bridge: KafkaHeader
  private readonly codec = new Recent()
  private readonly publisher = new Recent()
  private readonly epoch = new Recent()

  /** `bridge`: name of the bridge. */
  constructor(bridge: string) {
    this.bridge = [BRIDGE, Buffer.from(bridge)]
  }

  /** Appends to `into`. */
  append(into: KafkaHeader[], subject: Buffer, codec: string, hops: Buffer, publisher: Publisher): void {
    into.push([SUBJECT, subject], [PUBLISHER, this.publisher.of(publisher.id)])
    if (publisher.epoch !== undefined) into.push([EPOCH, this.epoch.of(publisher.epoch)])
    if (publisher.sequence !== undefined) into.push([SEQUENCE, Buffer.from(String(publisher.sequence), "latin1")])
    into.push([HOPS, hops], this.bridge, [CODEC, this.codec.of(codec)])
  }
}
