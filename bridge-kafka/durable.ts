/**
 * `durable(fabric, bridge).publish(subject, data)`: a publish that is answered when the message is safe. The bridge stores it once, however
 * often it has to be sent (DUR-1 to DUR-4).
 */
import { randomInt } from "node:crypto"
import { CODEC_OWN, Codecs } from "../core/codec.ts"
import { Deadlines } from "../core/deadlines.ts"
import { closedError, HeddleError } from "../core/errors.ts"
import { type HeadersInit, MessageHeaders } from "../core/headers.ts"
import { hold, release } from "../core/keep-alive.ts"
import { checkSubject, matches } from "../core/subject.ts"
import type { Fabric } from "../patterns/fabric/fabric.ts"
import { Backoff } from "./backoff.ts"
import type { KafkaHeader } from "./driver.ts"
import { DurableChannel } from "./durable-channel.ts"
import { DurableMessage, type DurableResult } from "./durable-message.ts"
import { CODEC } from "./mapping/headers.ts"
import { slotOf } from "./mapping/partition.ts"
import { type BridgeInfo, infoSubject, type SinkInfo } from "./sink/info.ts"
import { SPOOL } from "./sink/ledger.ts"
import { storeSubject } from "./sink/settings.ts"
import type { Ack } from "./sink/store-protocol.ts"

export type { DurableResult } from "./durable-message.ts"
export type { Ack } from "./sink/store-protocol.ts"

export interface DurableOptions {
  /** Of the bridge; default: the first whose subjects match. */
  connector?: string
  /** `spooled` = forced onto the bridge's disk; `stored` = acknowledged by Kafka, and committed in exactly-once. Default "stored". */
  ack?: Ack
  /** Milliseconds for a publish, attempts through all instances included. Default 30,000. */
  timeout?: number
  /** Messages without an answer; further ones wait, ten times as many at most. Default 10,000. */
  maxInFlight?: number
  /** Who publishes, for people and in hd.pub; each process has an epoch of its own besides. Default: the node's name. */
  publisher?: string
  /** With codecs of your own, for `codec`. */
  codecs?: Codecs
}

export interface DurablePublishOptions {
  /** Your own: the bridge remembers the last 100,000 of each shard (dedup.ids), over restarts of the publisher too. */
  id?: string
  ack?: Ack
  timeout?: number
  headers?: HeadersInit
  /** Default: bytes as they are, all else as msgpack. */
  codec?: string
  signal?: AbortSignal
}

const TIMEOUT = 30_000
const IN_FLIGHT = 10_000
/** Waiting publishes for each that may be in flight. */
const WAITING = 10

const CODEC_NAMES = ["bytes", "string", "json", "msgpack", "msgpack", "none"]

/** Publishes through one bridge. Messages to one subject are stored in the order of the calls. */
export class DurablePublisher {
  private readonly fabric: Fabric
  private readonly bridge: string
  private readonly options: DurableOptions
  private readonly publisher: string
  /** New for each publisher: microseconds, so that a restart has a higher one, and some chance for two at once. */
  private readonly epoch = Date.now() * 1_000 + randomInt(1_000)
  private readonly codecs: Codecs
  private readonly channels = new Map<string, DurableChannel>()
  private readonly limits = new Deadlines<DurableMessage>(one => this.expire(one))
  private info: BridgeInfo | null = null
  private finding: Promise<void> | null = null
  private inFlight = 0
  private readonly waiting: DurableMessage[] = []
  private advancing = false
  private closed = false
  private whenIdle: (() => void)[] = []

  constructor(fabric: Fabric, bridge: string, options: DurableOptions) {
    this.fabric = fabric
    this.bridge = bridge
    this.options = options
    this.publisher = options.publisher ?? fabric.name
    if (this.publisher === "" || this.publisher.startsWith(SPOOL))
      throw new HeddleError(
        "EINVAL",
        `Invalid argument: a publisher cannot be called ${JSON.stringify(this.publisher)}`,
      )
    this.codecs = options.codecs ?? new Codecs()
  }

  /** Messages without an answer. */
  get pending(): number {
    return this.inFlight + this.waiting.length
  }

  /**
   * Rejects with ETIMEDOUT: it is unknown whether the message is stored, publish it again with the id that the error names; with ECANCELED:
   * the same; EINVAL, EMSGSIZE, ENOTSUP, ERR_KAFKA: it was refused; EAGAIN: too many wait; EBADF: closed.
   */
  publish(subject: string, data: unknown, options: DurablePublishOptions = {}): Promise<DurableResult> {
    return new Promise((resolve, reject) => {
      this.mustBeOpen()
      checkSubject(subject)
      const { ack = this.options.ack ?? "stored", timeout = this.options.timeout ?? TIMEOUT, id = "", signal } = options
      if (ack !== "stored" && ack !== "spooled")
        throw new HeddleError("EINVAL", `Invalid argument: ack is ${String(ack)}; it takes "spooled" or "stored"`)
      if (!(timeout >= 1))
        throw new HeddleError("EINVAL", `Invalid argument: timeout is ${timeout}; it takes milliseconds`)
      const most = this.options.maxInFlight ?? IN_FLIGHT
      if (this.waiting.length >= most * WAITING)
        throw new HeddleError("EAGAIN", `${this.pending} messages wait for the bridge ${this.bridge}; wait for answers`)
      const value = this.codecs.encodePlain(data, options.codec)
      const { number, name } = this.codecs
      const message = {
        number: 0,
        id,
        subject,
        timestamp: Date.now(),
        headers: headersOf(options, number, name),
        value,
      }
      const one = new DurableMessage(message, ack, timeout, signal, resolve, reject)
      if (signal?.aborted === true) throw cancelled(one, signal.reason)
      if (signal !== undefined) {
        one.aborted = () => this.drop(one, cancelled(one, signal.reason))
        signal.addEventListener("abort", one.aborted, { once: true })
      }
      if (this.pending === 0) hold()
      this.limits.enter(one, timeout)
      this.waiting.push(one)
      this.advance()
    })
  }

  /** Resolves when all messages have their answers; nothing is taken any more. */
  async close(): Promise<void> {
    this.closed = true
    if (this.pending > 0) await new Promise<void>(resolve => this.whenIdle.push(resolve))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  private advance(): void {
    if (this.info === null) {
      this.finding ??= this.find().finally(() => {
        this.finding = null
        if (this.waiting.length > 0) this.advance()
      })
      return
    }
    // One that fails at once comes back here.
    if (this.advancing) return
    this.advancing = true
    const most = this.options.maxInFlight ?? IN_FLIGHT
    while (this.waiting.length > 0 && this.inFlight < most) {
      const some = this.waiting.splice(0, most - this.inFlight)
      this.inFlight += some.length
      for (const one of some) this.place(one)
    }
    this.advancing = false
  }

  private place(one: DurableMessage): void {
    const { subject } = one.message
    const sink = this.sinkFor(subject)
    if (sink === null) {
      this.drop(one, new HeddleError("EINVAL", `The bridge ${this.bridge} has no connector that stores ${subject}`))
      return
    }
    const shard = slotOf(Buffer.from(subject), sink.shards)
    const key = `${sink.name} ${shard}`
    let channel = this.channels.get(key)
    if (channel === undefined) {
      const { fabric, publisher, epoch } = this
      const finished = (message: DurableMessage): void => this.finish(message)
      const outdated = (): void => {
        this.info = null
      }
      channel = new DurableChannel(
        { fabric, publisher, epoch, finished, outdated },
        storeSubject(this.bridge, sink.name, shard),
        shard,
      )
      this.channels.set(key, channel)
    }
    channel.push(one)
  }

  private sinkFor(subject: string): SinkInfo | null {
    const { connector } = this.options
    for (const sink of this.info?.connectors ?? [])
      if (connector === undefined ? sink.subjects.some(one => matches(one, subject)) : sink.name === connector)
        return sink
    return null
  }

  /** Asks any instance for the shards, as long as somebody waits. */
  private async find(): Promise<void> {
    const backoff = new Backoff({ min: 20, max: 1_000 })
    while (this.info === null && this.waiting.length > 0) {
      try {
        const reply = await this.fabric.request(infoSubject(this.bridge), null, { timeout: 2_000 })
        const info = reply.data as unknown as BridgeInfo
        if (!Array.isArray(info?.connectors))
          throw new HeddleError("EPROTO", `The bridge ${this.bridge} tells nonsense of itself`)
        this.info = info
      } catch (error) {
        if (this.fabric.closed) {
          for (const one of this.waiting.slice()) this.drop(one, error as HeddleError)
          return
        }
        await backoff.wait()
      }
    }
  }

  private expire(one: DurableMessage): void {
    const { subject } = one.message
    const what = one.sent
      ? `it is unknown whether it is stored; publish it again with the id ${JSON.stringify(this.idOf(one))} to be sure`
      : `no instance of the bridge ${this.bridge} took it; is one running?`
    this.drop(
      one,
      new HeddleError("ETIMEDOUT", `durablePublish to ${subject}: no answer within ${one.timeout} ms: ${what}`),
    )
  }

  private idOf({ message }: DurableMessage): string {
    const sink = this.sinkFor(message.subject)
    if (message.id !== "" || sink === null) return message.id
    const shard = slotOf(Buffer.from(message.subject), sink.shards)
    return this.channels.get(`${sink.name} ${shard}`)?.idOf(message) ?? ""
  }

  private drop(one: DurableMessage, error: HeddleError): void {
    if (one.over) return
    one.fail(error)
    const at = this.waiting.indexOf(one)
    if (at < 0) this.finish(one)
    else {
      this.waiting.splice(at, 1)
      this.inFlight++
      this.finish(one)
    }
  }

  private finish(one: DurableMessage): void {
    if (one.over) return
    one.over = true
    this.limits.leave(one)
    if (one.aborted !== null) one.signal?.removeEventListener("abort", one.aborted)
    this.inFlight--
    if (this.waiting.length > 0) this.advance()
    if (this.pending > 0) return
    release()
    for (const idle of this.whenIdle.splice(0)) idle()
  }

  private mustBeOpen(): void {
    if (this.closed || this.fabric.closed) throw closedError("Durable publisher")
  }
}

/** Makes a publisher for a bridge of the fabric. Throws EINVAL. */
export function durable(fabric: Fabric, bridge: string, options: DurableOptions = {}): DurablePublisher {
  return new DurablePublisher(fabric, bridge, options)
}

const publishers = new WeakMap<Fabric, Map<string, DurablePublisher>>()

/** `durable(fabric, bridge).publish(...)` with one publisher for each fabric and bridge. */
export function durablePublish(
  fabric: Fabric,
  bridge: string,
  subject: string,
  data: unknown,
  options: DurablePublishOptions = {},
): Promise<DurableResult> {
  let known = publishers.get(fabric)
  if (known === undefined) {
    known = new Map()
    publishers.set(fabric, known)
  }
  let publisher = known.get(bridge)
  if (publisher === undefined) {
    publisher = new DurablePublisher(fabric, bridge, {})
    known.set(bridge, publisher)
  }
  return publisher.publish(subject, data, options)
}

function cancelled({ message }: DurableMessage, cause: unknown): HeddleError {
  return new HeddleError("ECANCELED", `durablePublish to ${message.subject} was cancelled; it may be stored`, { cause })
}

function headersOf({ headers }: DurablePublishOptions, codec: number, own: string): KafkaHeader[] {
  const made: KafkaHeader[] = []
  if (headers !== undefined)
    for (const [name, value] of MessageHeaders.from(headers))
      if (name !== CODEC) made.push([name, typeof value === "string" ? Buffer.from(value) : value])
  made.push([CODEC, Buffer.from(codec === CODEC_OWN ? own : CODEC_NAMES[codec])])
  return made
}
