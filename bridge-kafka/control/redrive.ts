import { EncodedPayload } from "../../core/codec.ts"
import { HeddleError } from "../../core/errors.ts"
import { checkPattern, matches } from "../../core/subject.ts"
import type { Bridge } from "../bridge.ts"
import type { ConnectorConfig, KafkaToFabric } from "../config/bridge-config.ts"
import { openConversion } from "../connectors/stages.ts"
import { type DeadLetter, readDeadLetter } from "../dead-letter.ts"
import type { KafkaDriver, StoredRecord } from "../driver.ts"
import { type DurablePublisher, durable } from "../durable.ts"
import { messageOf } from "../failure.ts"
import { CODEC, isKept, TOMBSTONE, textOf } from "../mapping/headers.ts"
import { type OutgoingMessage, ToFabric } from "../mapping/to-fabric.ts"
import { SourceCounters } from "../source/counters.ts"
import { Pipeline } from "../source/pipeline.ts"

/** What `$BRIDGE.<bridge>.redrive` takes besides `connector`. */
export interface RedriveRequest {
  /** Dead letters of this connector alone, out of its `errors.deadletterqueue.topic.name`. */
  readonly connector: string
  /** Only letters of subjects that match. */
  readonly subject?: string
  /** Only letters of this stage, or with this error's class. */
  readonly stage?: string
  readonly error?: string
  /** Letters at most. Default 10,000. */
  readonly limit?: number
  /** Offsets by partition to begin at: `cursor` of an earlier answer. */
  readonly from?: Readonly<Record<string, number>>
  /** Only counts. */
  readonly dry?: boolean
}

export interface RedriveAnswer {
  readonly connector: string
  readonly topic: string
  readonly read: number
  readonly redriven: number
  /** Of other connectors, without headers of an error, or not what was asked for. */
  readonly skipped: number
  /** Could not be handed over; `trouble` says why for the first. They stay where they are, but the cursor is behind them. */
  readonly failed: number
  readonly trouble: string | null
  /** Where another call would go on, by partition. */
  readonly cursor: Readonly<Record<string, number>>
  readonly done: boolean
}

const LIMIT = 10_000
const MOST = 1_000_000
/** Letters on their way at a time. */
const WINDOW = 256
/** Milliseconds for one letter. */
const TIMEOUT = 30_000

/**
 * Sends dead letters through their connector again, as if their message had come now: those of a sink by `durablePublish` to their subject with an id of their
 * place in the topic, so that one is stored once however often it is asked for; those of a source to subscribers or workers, with the
 * place where they were first. What fails again becomes a new dead letter. Without a filter the place is remembered in the group
 * `hd.<bridge>.<connector>.redrive`, and the next call goes on there.
 */
export async function redrive(
  bridge: Bridge,
  request: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<RedriveAnswer> {
  const wish = checkRequest(request)
  const { config } = bridge.connector(wish.connector)
  const topic = config.errorsDeadletterqueueTopicName
  const driver = bridge.kafka
  if (topic === null || driver === null)
    throw new HeddleError("ENOTSUP", `${wish.connector} has no errors.deadletterqueue.topic.name`)
  const filtered = wish.subject !== undefined || wish.stage !== undefined || wish.error !== undefined
  const remembers = !filtered && wish.dry !== true
  const group = `hd.${bridge.name}.${wish.connector}.redrive`
  const cursor = await beginning(driver, topic, wish, remembers ? group : null)
  // As it is read below: not to wait for a transaction that somebody has open.
  const ends = await driver.offsets(topic, "latest", "read_committed")
  const way = wish.dry === true ? null : await openWay(bridge, config)
  const counts = { read: 0, redriven: 0, skipped: 0, failed: 0 }
  let trouble: string | null = null
  let limited = false
  try {
    const pending = new Set<Promise<void>>()
    for (const [partition, end] of [...ends].sort((a, b) => a[0] - b[0])) {
      const from = cursor.get(partition) ?? 0
      if (from >= end || limited) continue
      const read = driver.read({ topic, partition }, { from, until: end, isolation: "read_committed", signal })
      for await (const { records } of read) {
        for (const record of records) {
          signal.throwIfAborted()
          if (counts.read >= (wish.limit ?? LIMIT)) {
            limited = true
            break
          }
          counts.read++
          cursor.set(partition, record.offset + 1)
          const letter = readDeadLetter(record.headers)
          if (letter === null || !wanted(letter, wish)) {
            counts.skipped++
            continue
          }
          if (way === null) {
            counts.redriven++
            continue
          }
          const sent = way.send(record, letter).then(
            () => {
              counts.redriven++
            },
            error => {
              counts.failed++
              trouble ??= messageOf(error)
            },
          )
          const one = sent.finally(() => pending.delete(one))
          pending.add(one)
          if (pending.size >= WINDOW) await Promise.race(pending)
        }
        if (limited) break
      }
      if (!limited) cursor.set(partition, end)
    }
    await Promise.all(pending)
    if (remembers)
      await driver.setGroupOffsets(
        group,
        [...cursor].map(([partition, offset]) => ({ topic, partition, offset })),
      )
  } finally {
    await way?.close()
  }
  return { connector: wish.connector, topic, ...counts, trouble, cursor: Object.fromEntries(cursor), done: !limited }
}

/** How letters of one connector go in again. */
interface Way {
  send(record: StoredRecord, letter: DeadLetter): Promise<void>
  close(): Promise<void>
}

function openWay(bridge: Bridge, config: ConnectorConfig): Way | Promise<Way> {
  return config.class === "FabricToKafka" ? new SinkWay(bridge, config.name) : SourceWay.open(bridge, config)
}

class SinkWay implements Way {
  private readonly publisher: DurablePublisher
  private readonly bridge: Bridge

  constructor(bridge: Bridge, connector: string) {
    this.bridge = bridge
    const options = { connector, ack: "stored", timeout: TIMEOUT, publisher: `redrive-${connector}` } as const
    this.publisher = durable(bridge.fabric, bridge.name, options)
  }

  async send(record: StoredRecord, { subject, headers, cut }: DeadLetter): Promise<void> {
    if (subject === null) throw new HeddleError("EINVAL", "A dead letter has no hd.subject")
    if (cut)
      throw new HeddleError("EINVAL", `The dead letter for ${subject} has only the beginning of its payload (hd.cut)`)
    const { topic, partition, offset, value, timestamp } = record
    const kept = headers
      // The time of the message; hops are counted from here anew, since it was here before.
      .filter(([name]) => isKept(name) && name !== "hd.hops" && name !== "hd.id")
      .map(([name, bytes]): [string, Buffer] => [name, bytes])
    if (value === null) kept.push([TOMBSTONE, Buffer.from("1")])
    if (!kept.some(([name]) => name === "hd.ts")) kept.push(["hd.ts", Buffer.from(String(timestamp))])
    const codec = value === null ? "none" : (textOf(headers, CODEC) ?? "bytes")
    const payload = new EncodedPayload(value ?? Buffer.alloc(0), codec)
    const id = `redrive/${this.bridge.status().kafka?.cluster ?? ""}/${topic}/${partition}/${offset}`
    await this.publisher.publish(subject, payload, { id, headers: kept })
  }

  close(): Promise<void> {
    return this.publisher.close()
  }
}

class SourceWay implements Way {
  private readonly bridge: Bridge
  private readonly pipeline: Pipeline
  private readonly end: () => void
  private readonly acked: boolean

  private constructor(bridge: Bridge, pipeline: Pipeline, acked: boolean, end: () => void) {
    this.bridge = bridge
    this.pipeline = pipeline
    this.acked = acked
    this.end = end
  }

  static async open(bridge: Bridge, config: KafkaToFabric): Promise<SourceWay> {
    const cluster = bridge.status().kafka?.cluster ?? ""
    const { name, subject, subjectPrefix: prefix, delivery } = config
    const conversion = await openConversion(bridge.surroundings, config)
    const { hopsMax: maxHops } = bridge.config
    const { fabricId } = bridge.surroundings
    const toWorkers = delivery === "acked"
    const of = { fabricId, bridge: bridge.name, connector: name, cluster }
    const mapping = new ToFabric({ ...of, subject, maxHops, toWorkers })
    const pipeline = new Pipeline({
      mapping,
      prefix,
      transforms: conversion.transforms,
      keyConverter: conversion.key,
      valueConverter: conversion.value,
      counters: new SourceCounters(),
    })
    return new SourceWay(bridge, pipeline, delivery === "acked", () => conversion.close())
  }

  async send(record: StoredRecord, { topic, partition, offset, headers }: DeadLetter): Promise<void> {
    const original: StoredRecord = {
      ...record,
      headers,
      topic: topic ?? record.topic,
      partition: partition ?? record.partition,
      offset: offset ?? record.offset,
    }
    const messages: OutgoingMessage[] = []
    await this.pipeline.messages(original, messages)
    const { fabric } = this.bridge
    for (const { subject, data, headers: own, codec } of messages) {
      if (!this.acked) {
        await fabric.send(subject, data, { headers: own, codec })
        continue
      }
      const task = await fabric.push(subject, data, { headers: own, codec, timeout: TIMEOUT })
      await withinTime(task.done(), subject)
    }
  }

  async close(): Promise<void> {
    this.end()
  }
}

/** A worker that says nothing must not hold the whole redrive: the letter counts as failed, though it may be done yet. */
async function withinTime(done: Promise<void>, subject: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const text = `No worker has done the dead letter for ${subject} within ${TIMEOUT} ms`
    timer = setTimeout(() => reject(new HeddleError("ETIMEDOUT", text)), TIMEOUT).unref()
  })
  try {
    await Promise.race([done, late])
  } finally {
    clearTimeout(timer)
  }
}

function wanted(letter: DeadLetter, { connector, subject, stage, error }: RedriveRequest): boolean {
  if (letter.connector !== null && letter.connector !== connector) return false
  if (subject !== undefined && (letter.subject === null || !matches(subject, letter.subject))) return false
  if (stage !== undefined && letter.stage !== stage) return false
  return error === undefined || letter.exception === error
}

async function beginning(
  driver: KafkaDriver,
  topic: string,
  { from }: RedriveRequest,
  group: string | null,
): Promise<Map<number, number>> {
  const first = await driver.offsets(topic, "earliest").catch(error => {
    throw new HeddleError("ENOENT", `The topic ${topic} has no dead letters: ${messageOf(error)}`, { cause: error })
  })
  const begin = new Map(first)
  const raise = (partition: number, offset: number): void => {
    const least = begin.get(partition)
    if (least !== undefined && offset > least) begin.set(partition, offset)
  }
  if (from !== undefined) for (const [partition, offset] of Object.entries(from)) raise(Number(partition), offset)
  else if (group !== null)
    for (const { partition, offset } of await driver.groupOffsets(group, [topic])) raise(partition, offset)
  return begin
}

function checkRequest(request: Readonly<Record<string, unknown>>): RedriveRequest {
  const wrong = (what: string): never => {
    throw new HeddleError("EINVAL", `Invalid redrive request: ${what}`)
  }
  const { connector, subject, stage, error, limit, from, dry } = request
  if (typeof connector !== "string") wrong('it takes { "connector": NAME }')
  for (const [name, value] of Object.entries({ subject, stage, error }))
    if (value !== undefined && typeof value !== "string") wrong(`${name} is a text`)
  if (subject !== undefined) checkPattern(subject as string)
  if (limit !== undefined && !(Number.isSafeInteger(limit) && (limit as number) >= 1 && (limit as number) <= MOST))
    wrong(`limit is a number from 1 to ${MOST}`)
  if (dry !== undefined && typeof dry !== "boolean") wrong("dry is true or false")
  if (from !== undefined) {
    const offsets = typeof from === "object" && from !== null ? Object.entries(from) : wrong("from is a cursor")
    for (const [partition, offset] of offsets)
      if (!/^\d{1,9}$/.test(partition) || !Number.isSafeInteger(offset) || (offset as number) < 0)
        wrong("from is a cursor: offsets by partition")
  }
  return request as unknown as RedriveRequest
}
