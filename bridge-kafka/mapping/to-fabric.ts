/** A record of Kafka as a message of the fabric (REC, SRC-1, SRC-3). */
import { isUtf8 } from "node:buffer"
import { EncodedPayload } from "../../core/codec.ts"
import { MAX_HEADER_NAME, MAX_HEADERS, MAX_HEADERS_SIZE, MessageHeaders } from "../../core/headers.ts"
import { RESERVED } from "../../patterns/fabric/reserved.ts"
import type { Payload } from "../converters/converter.ts"
import type { KafkaHeader } from "../driver.ts"
import type { BridgeRecord } from "../record.ts"
import { unmappable } from "./failure.ts"
import { CODEC, EPOCH, HOPS, KAFKA, KEY, REPLAY, SUBJECT, TIMESTAMP, TOMBSTONE, textOf } from "./headers.ts"
import { Hops } from "./hops.ts"
import { Template } from "./template.ts"
import type { TemplateScope } from "./variables.ts"

/** What a record that says no subject itself is published as. */
export const DEFAULT_SUBJECT = "${header.hd.subject:-${topic}}"

export interface ToFabricOptions {
  /** Id of the fabric in hd.hops. */
  readonly fabricId: string
  readonly bridge: string
  readonly connector: string
  /** Name of the cluster in hd.kafka. */
  readonly cluster: string
  /** Template. Default `${header.hd.subject:-${topic}}`. */
  readonly subject?: string
  /** hops.max. Default 8. */
  readonly maxHops?: number
  /** Messages go to workers: sinks do not hear them, so that the subject may be the one that they were published on here. Default false. */
  readonly toWorkers?: boolean
  /** Messages are marked with hd.replay; they may come back on their own subject, since that was asked for. Default false. */
  readonly replay?: boolean
}

/** For `fabric.publish(subject, data, { headers, codec })`. */
export interface OutgoingMessage {
  readonly subject: string
  readonly data: unknown
  readonly headers: MessageHeaders
  /** Undefined where `data` names its codec itself. */
  readonly codec: string | undefined
}

/** What the wire of the fabric needs for an entry besides its name and value, at most. */
const HEADER_OVERHEAD = 8

/** Bytes of the headers that the bridge adds besides hops and key, at most: topics have 249, names of clusters some 50. */
const OWN_SIZE = 1_024

/** For one connector. Messages hold views of the record's memory. */
export class ToFabric {
  /** Headers that no message can carry: names that are not printable ASCII without colon, or more of them than fit. */
  headersDropped = 0
  /** Records that had been here before, came back into this fabric through another, or to the subject that they were published on here (MAP-4). */
  loops = 0
  readonly template: Template
  private readonly hops: Hops
  private readonly cluster: string
  private readonly replay: boolean
  private readonly echoes: boolean

  /** Throws ERR_CONFIG. */
  constructor(options: ToFabricOptions) {
    const { fabricId: fabric, bridge, connector, cluster, subject = DEFAULT_SUBJECT, maxHops } = options
    const { toWorkers = false, replay = false } = options
    this.template = new Template(subject, {
      use: "subject",
      variables: ["header", "key", "topic", "topic.unescaped", "partition"],
    })
    this.hops = new Hops({ fabric, bridge, connector }, maxHops)
    this.cluster = cluster
    this.replay = replay
    this.echoes = toWorkers
  }

  /**
   * The subject of a record that has come from Kafka, before any transform sees it. Throws poison. `RESERVED` subjects are the fabric's
   * own.
   */
  subjectOf(record: BridgeRecord): string {
    const subject = this.template.render(new RecordScope(record))
    refuseReserved(subject)
    return subject
  }

  /**
   * The message; null = it was dropped as a loop and counted. `payload` is what a converter made of the value; without one the bytes go out with the
   * codec that hd.codec names (default "bytes"). `offset` stands in hd.kafka, with the topic and partition read from.
   * Throws a KafkaError of kind poison.
   */
  message(
    record: BridgeRecord,
    topic: string,
    partition: number,
    offset: number,
    payload?: Payload,
  ): OutgoingMessage | null {
    const { subject, value } = record
    refuseReserved(subject)
    const passed = textOf(record.headers, HOPS)
    const hops = this.hops.add(passed)
    if (hops === null || (!this.replay && this.comesBack(record, passed))) {
      this.loops++
      return null
    }
    const headers = new MessageHeaders()
    headers.append(KAFKA, `${this.cluster}/${topic}/${partition}/${offset}`)
    headers.append(HOPS, hops.text)
    if (this.replay) headers.append(REPLAY, "1")
    if (value === null || payload?.kind === "tombstone") headers.append(TOMBSTONE, "1")
    const key = record.key !== null && !(record.key.length === subject.length && record.key.toString() === subject)
    if (key) headers.append(KEY, textOrBytes(record.key as Buffer))
    this.passOn(record, headers, hops.bytes.length)
    if (payload?.kind === "data") return { subject, data: payload.data, headers, codec: payload.codec }
    return { subject, data: encoded(record, payload), headers, codec: undefined }
  }

  /**
   * It was published in this fabric, and has been in another since; or on this very subject, where its subscribers have had it. Under
   * another subject it is something new: what became of it in Kafka. Durable messages (they have an epoch) go to the bridge alone:
   * subscribers have them from here.
   */
  private comesBack({ subject, headers }: BridgeRecord, passed: string | undefined): boolean {
    const place = this.hops.whereabouts(passed)
    if (place !== "here") return place === "returned"
    return !this.echoes && textOf(headers, EPOCH) === undefined && textOf(headers, SUBJECT) === subject
  }

  /** Headers in their order, as many as a message carries. `own`: bytes of the hops. */
  private passOn({ headers, timestamp, key }: BridgeRecord, into: MessageHeaders, own: number): void {
    let size = OWN_SIZE + own + (into.has(KEY) ? (key?.length ?? 0) : 0)
    let timed = false
    for (const header of headers) {
      const [name, value] = header
      if (name === TIMESTAMP) timed = true
      if (NOT_PASSED.has(name) || (name === TOMBSTONE && into.has(TOMBSTONE))) continue
      size += name.length + value.length + HEADER_OVERHEAD
      // One place is for hd.ts.
      if (!isCarried(header) || size > MAX_HEADERS_SIZE || into.size >= MAX_HEADERS - 1) {
        size -= name.length + value.length + HEADER_OVERHEAD
        this.headersDropped++
      } else into.append(name, textOrBytes(value))
    }
    if (!timed) into.append(TIMESTAMP, String(timestamp))
  }
}

/** Written anew, or said by the message itself. */
const NOT_PASSED: ReadonlySet<string> = new Set([SUBJECT, CODEC, HOPS, KAFKA, KEY, REPLAY])

const CARRIED = /^[!-9;-~]+$/

function isCarried([name]: KafkaHeader): boolean {
  return name.length <= MAX_HEADER_NAME && CARRIED.test(name)
}

/** Subscribers find text where text was, and bytes where it cannot be text. */
function textOrBytes(bytes: Buffer): string | Buffer {
  return isUtf8(bytes) ? bytes.toString() : bytes
}

const NOTHING = new EncodedPayload(Buffer.alloc(0), "none")

function encoded(record: BridgeRecord, payload: Exclude<Payload, { kind: "data" }> | undefined): EncodedPayload {
  if (record.value === null || payload?.kind === "tombstone") return NOTHING
  const bytes = payload === undefined ? record.value : payload.bytes
  const codec = payload === undefined ? (textOf(record.headers, CODEC) ?? "bytes") : payload.codec
  try {
    return new EncodedPayload(bytes, codec)
  } catch (error) {
    throw unmappable(
      `A record for ${record.subject} has the header hd.codec ${JSON.stringify(codec.slice(0, 80))}`,
      error,
    )
  }
}

function refuseReserved(subject: string): void {
  if (subject.startsWith(RESERVED))
    throw unmappable(`A record asks for the subject ${JSON.stringify(subject.slice(0, 80))}, which is the fabric's own`)
}

class RecordScope implements TemplateScope {
  readonly subject: string
  readonly topic: string
  readonly partition: number
  readonly key: Buffer | null
  readonly captures: readonly string[] = []
  private readonly headers: readonly KafkaHeader[]

  constructor(record: BridgeRecord) {
    this.subject = record.subject
    this.topic = record.topic
    this.partition = record.partition
    this.key = record.key
    this.headers = record.headers
  }

  header(name: string): string | undefined {
    return textOf(this.headers, name)
  }
}
