/** A message of the fabric as records for Kafka (REC, MAP). */
import { Buffer } from "node:buffer"
import type { MessageHeaders } from "../../core/headers.ts"
import type { KafkaHeader } from "../driver.ts"
import { KafkaError } from "../errors.ts"
import type { BridgeRecord } from "../record.ts"
import { RecordShape } from "../record-shape.ts"
import type { SharedHeaders } from "../shared-headers.ts"
import { unmappable } from "./failure.ts"
import { HeaderMaker, HOPS, ID, isKept, KAFKA, type Publisher, TIMESTAMP, TOMBSTONE } from "./headers.ts"
import { Hops } from "./hops.ts"
import type { KeyScope } from "./key.ts"
import type { Match, Route, Routes } from "./routes.ts"
import { timestampOf } from "./timestamp.ts"
import type { TemplateScope } from "./variables.ts"

/** What of a FabricMessage is needed; whoever has kept one in another form gives this. */
export interface MappableMessage {
  readonly subject: string
  readonly headers: MessageHeaders
  /** Name of the codec, and the payload that needs nothing else to be read. */
  readonly encoding: string
  readonly plainBytes: Buffer
  /** Bytes of the payload as it came; 0 only where `plainBytes` has none. */
  readonly size: number
  /** Id of the node that sent it. */
  readonly from: string
  /** The decoded payload. Throws ERR_CODEC. */
  readonly data: unknown
}

export interface FromFabricOptions {
  /** Id of the fabric in hd.hops. */
  readonly fabricId: string
  /** Name of the bridge (hd.bridge). */
  readonly bridge: string
  readonly connector: string
  readonly routes: Routes
  /** hops.max. Default 8. */
  readonly maxHops?: number
  /**
   * Id of the cluster that is written to, once it is known: a message that came out of a topic there (hd.kafka) does not go back into it.
   * Default: this is not looked at.
   */
  readonly cluster?: () => string | null
  /** Headers that records have in common are put into `shared`: for those who look at none. Default false. */
  readonly shareHeaders?: boolean
}

/** What is known of a message besides itself. */
export interface Received {
  /** Milliseconds since 1970. */
  readonly at: number
  /** Durable publishers say who they are; default: the node that sent it. */
  readonly publisher?: Publisher
  /** The id that a durable publisher gave it (hd.id). */
  readonly id?: string
}

const MSGPACK_NIL = 0xc0

const NO_HEADERS: readonly KafkaHeader[] = Object.freeze([])

/** For one connector. Records hold views of the message's memory: who keeps them for long copies them. */
export class FromFabric {
  /** Messages that no route wanted. */
  unrouted = 0
  /** Messages that had been here before, passed too many bridges, or would go back into the topic that they came out of (MAP-4). */
  loops = 0
  private readonly routes: Routes
  private readonly hops: Hops
  private readonly made: HeaderMaker
  private readonly shareHeaders: boolean
  private readonly cluster: () => string | null

  /** Throws ERR_CONFIG. */
  constructor(options: FromFabricOptions) {
    const { fabricId: fabric, bridge, connector, routes, maxHops, shareHeaders = false, cluster } = options
    this.routes = routes
    this.hops = new Hops({ fabric, bridge, connector }, maxHops)
    this.cluster = cluster ?? (() => null)
    this.made = new HeaderMaker(bridge)
    this.shareHeaders = shareHeaders
  }

  /**
   * Appends one record for each route to `into`, and returns how many; 0 = it was dropped and counted. Partitions are -1 unless the route
   * says one. Throws a KafkaError of kind poison, and appends nothing then.
   */
  map(message: MappableMessage, received: Received, into: BridgeRecord[]): number {
    const before = into.length
    try {
      return this.mapAll(message, received, into)
    } catch (error) {
      into.length = before
      throw error instanceof KafkaError ? error : unmappable(`A message of ${message.subject} cannot be mapped`, error)
    }
  }

  /**
   * What `map` makes of each message of that subject, codec and publisher that has no headers and comes with a number: one record, of
   * which only value, time and number differ. Null: there are none or several, or more of the message decides. Throws as `map`.
   */
  shapeOf(subject: string, codec: string, publisher: string): RecordShape | null {
    const routed = this.routes.of(subject)
    const hops = this.hops.add(undefined)
    if (routed.matches.length !== 1 || hops === null || !this.shareHeaders) return null
    const { route, topic, key } = routed.matches[0]
    if (topic === null || key === undefined || typeof route.partition !== "number" || route.fixedHeaders?.length !== 0)
      return null
    const { headers } = this.made.share(routed.shared, routed.bytes, codec, hops.bytes, publisher)
    return new RecordShape(subject, topic, route.partition, key, headers, route)
  }

  private mapAll(message: MappableMessage, received: Received, into: BridgeRecord[]): number {
    const { subject, headers } = message
    const routed = this.routes.of(subject)
    const { bytes, matches } = routed
    if (matches.length === 0) {
      this.unrouted++
      return 0
    }
    const some = headers.size > 0
    const hops = this.hops.add(some ? headers.get(HOPS) : undefined)
    if (hops === null) {
      this.loops++
      return 0
    }
    const value = isTombstone(message) ? null : message.plainBytes
    const publisher = received.publisher ?? { id: message.from }
    const { epoch, sequence } = publisher
    let own = NO_HEADERS
    if (some || received.id !== undefined || epoch !== undefined || !this.shareHeaders) {
      const kept: KafkaHeader[] = []
      if (some) keepHeaders(message, value === null, received.id !== undefined, kept)
      if (received.id !== undefined) kept.push([ID, Buffer.from(received.id)])
      if (!this.shareHeaders) this.made.append(kept, bytes, message.encoding, hops.bytes, publisher)
      else if (epoch !== undefined) kept.push(this.made.epochOf(epoch))
      own = kept
    }
    let shared: SharedHeaders | undefined
    if (this.shareHeaders) {
      routed.shared = this.made.share(routed.shared, bytes, message.encoding, hops.bytes, publisher.id)
      shared = routed.shared.headers
    }
    const number = shared === undefined ? undefined : sequence
    const timestamp = timestampOf(some ? headers.get(TIMESTAMP) : undefined, received.at)
    const origin = some ? this.originOf(message) : null
    const before = into.length
    for (let i = 0; i < matches.length; i++) {
      const record = recordOf(message, matches[i], bytes, value, own, shared, number, timestamp)
      if (origin?.startsWith(record.topic) && origin[record.topic.length] === "/") {
        this.loops++
        continue
      }
      matches[i].route.records++
      into.push(record)
    }
    return into.length - before
  }

  /** `topic/partition/offset` of a message that came out of this cluster; null = it did not, or the cluster is not known. */
  private originOf({ headers }: MappableMessage): string | null {
    const place = headers.get(KAFKA)
    if (place === undefined) return null
    const cluster = this.cluster()
    return cluster !== null && place.startsWith(cluster) && place[cluster.length] === "/"
      ? place.slice(cluster.length + 1)
      : null
  }
}

function recordOf(
  message: MappableMessage,
  match: Match,
  subjectBytes: Buffer,
  value: Buffer | null,
  headers: readonly KafkaHeader[],
  shared: SharedHeaders | undefined,
  number: number | undefined,
  timestamp: number,
): BridgeRecord {
  const { subject } = message
  const { route } = match
  let { topic, key } = match
  let partition = -1
  let all = headers
  // Most routes need nothing of this: the subject decides.
  if (key === undefined) key = route.key.keyOf(new MessageKeyScope(message, subjectBytes))
  if (topic === null || typeof route.partition !== "number" || route.fixedHeaders === null) {
    const scope = new MessageScope(message, match.captures, key)
    topic ??= route.topic.render(scope)
    if (typeof route.partition !== "number") partition = partitionOf(route.partition.render(scope), route)
    if (route.fixedHeaders === null)
      all = [...headers, ...route.headers.map(([name, text]): KafkaHeader => [name, Buffer.from(text.render(scope))])]
  }
  if (typeof route.partition === "number") partition = route.partition
  if (route.fixedHeaders !== null && route.fixedHeaders.length > 0) all = [...headers, ...route.fixedHeaders]
  return { subject, topic, partition, key, value, headers: all, shared, number, timestamp }
}

/** `tombstone: 1` on nothing: no bytes at all, or null as msgpack and JSON write it. */
function isTombstone(message: MappableMessage): boolean {
  const { size } = message
  if (size > 4 || message.headers.size === 0 || message.headers.get(TOMBSTONE) !== "1") return false
  if (size === 0) return true
  const { encoding, plainBytes } = message
  return encoding === "msgpack"
    ? size === 1 && plainBytes[0] === MSGPACK_NIL
    : encoding === "json" && plainBytes.toString() === "null"
}

function keepHeaders(message: MappableMessage, tombstone: boolean, ownId: boolean, into: KafkaHeader[]): void {
  for (const [name, value] of message.headers) {
    // The list of hops is written anew, with this connector at its end.
    if (!isKept(name) || name === HOPS || (tombstone && name === TOMBSTONE) || (ownId && name === ID)) continue
    into.push([name, typeof value === "string" ? Buffer.from(value) : value])
  }
}

function partitionOf(text: string, route: Route): number {
  const partition = Number(text)
  if (/^\d{1,10}$/.test(text) && partition < 2 ** 31) return partition
  throw unmappable(
    `The route for ${route.pattern} made the partition ${JSON.stringify(text)}, which is no whole number`,
  )
}

class MessageKeyScope implements KeyScope {
  readonly subject: string
  readonly subjectBytes: Buffer
  private readonly message: MappableMessage

  constructor(message: MappableMessage, subjectBytes: Buffer) {
    this.subject = message.subject
    this.subjectBytes = subjectBytes
    this.message = message
  }

  headerBytes(name: string): Buffer | undefined {
    return this.message.headers.getBytes(name)
  }

  payload(): unknown {
    return this.message.data
  }
}

class MessageScope implements TemplateScope {
  readonly subject: string
  readonly topic = ""
  readonly partition = -1
  readonly key: Buffer | null
  readonly captures: readonly string[]
  private readonly message: MappableMessage

  constructor(message: MappableMessage, captures: readonly string[], key: Buffer | null) {
    this.subject = message.subject
    this.captures = captures
    this.key = key
    this.message = message
  }

  header(name: string): string | undefined {
    const all = this.message.headers.getAll(name)
    return all.at(-1)?.toString()
  }
}
