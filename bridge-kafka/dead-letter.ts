/**
 * Records that were set aside, and their way back. The payload, key and headers are the original bytes; headers by the names of
 * Kafka Connect (org.apache.kafka.connect.runtime.errors.DeadLetterQueueReporter) say what went wrong, so that its tools
 * can read them. All values are text.
 */
import { Buffer } from "node:buffer"
import type { KafkaHeader } from "./driver.ts"
import { classOf, type Failure, messageOf } from "./failure.ts"
import { CUT, SUBJECT } from "./mapping/headers.ts"
import type { BridgeRecord } from "./record.ts"

const PREFIX = "__connect.errors."
const TOPIC = `${PREFIX}topic`
const PARTITION = `${PREFIX}partition`
const OFFSET = `${PREFIX}offset`
const CONNECTOR = `${PREFIX}connector.name`
const TASK = `${PREFIX}task.id`
const STAGE = `${PREFIX}stage`
const CLASS = `${PREFIX}class.name`
const EXCEPTION = `${PREFIX}exception.class.name`
const MESSAGE = `${PREFIX}exception.message`
const STACK = `${PREFIX}exception.stacktrace`

/** The words of a library may repeat the whole record; a dead letter must not be too large because of them. */
const LONGEST_MESSAGE = 1_024
const LONGEST_STACK = 4_096

export interface DeadLetterContext {
  readonly connector: string
  /** Shard of a sink, partition of a source. */
  readonly task: number
  /** Where a source read the record. */
  readonly offset?: number
  /** `errors.deadletterqueue.context.headers.enable`; default true. False: only hd.subject is added. */
  readonly headers?: boolean
}

/**
 * Headers of the dead letter: those of the record, without what an earlier failure added, and the new ones. `record` as it
 * was before transforms and converters. Topic and partition are left out while no route has chosen any.
 */
export function deadLetterHeaders(record: BridgeRecord, failure: Failure, context: DeadLetterContext): KafkaHeader[] {
  const headers = record.headers.filter(([name]) => !name.startsWith(PREFIX))
  const add = (name: string, text: string): void => {
    headers.push([name, Buffer.from(text)])
  }
  if (record.subject !== "" && !headers.some(([name]) => name === SUBJECT)) add(SUBJECT, record.subject)
  if (context.headers === false) return headers
  if (record.topic !== "") add(TOPIC, record.topic)
  if (record.partition >= 0) add(PARTITION, String(record.partition))
  if (context.offset !== undefined) add(OFFSET, String(context.offset))
  add(CONNECTOR, context.connector)
  add(TASK, String(context.task))
  add(STAGE, failure.stage)
  if (failure.className !== null) add(CLASS, failure.className)
  add(EXCEPTION, classOf(failure.error))
  add(MESSAGE, cut(messageOf(failure.error), LONGEST_MESSAGE))
  const stack = failure.error instanceof Error ? failure.error.stack : undefined
  if (stack !== undefined) add(STACK, cut(stack, LONGEST_STACK))
  return headers
}

export function isErrorHeader(name: string): boolean {
  return name.startsWith(PREFIX)
}

/** The beginning of a payload that is longer, with a header that says how long it was; otherwise what was given. */
export function excerptOf(
  value: Buffer | null,
  headers: readonly KafkaHeader[],
  longest: number,
): [value: Buffer | null, headers: readonly KafkaHeader[]] {
  if (value === null || value.length <= longest) return [value, headers]
  return [value.subarray(0, longest), [...headers, [CUT, Buffer.from(String(value.length))]]]
}

/** What a dead letter tells. Null = not said, or not readable: anybody may write to that topic. */
export interface DeadLetter {
  readonly subject: string | null
  /** Where the record was, or where it should have gone. */
  readonly topic: string | null
  readonly partition: number | null
  readonly offset: number | null
  readonly connector: string | null
  readonly task: number | null
  readonly stage: string | null
  readonly className: string | null
  readonly exception: string | null
  readonly message: string | null
  readonly stack: string | null
  /** Only the beginning of its payload is there. */
  readonly cut: boolean
  /** The record's own headers: those to send it on with. */
  readonly headers: readonly KafkaHeader[]
}

/** Reads dead letters of this bridge and of Connect, for redrive. Null when there is nothing of an error in the headers. */
export function readDeadLetter(headers: readonly KafkaHeader[]): DeadLetter | null {
  const told = new Map<string, string>()
  const own: KafkaHeader[] = []
  for (const header of headers) {
    if (header[0].startsWith(PREFIX)) told.set(header[0], header[1].toString())
    else own.push(header)
  }
  if (told.size === 0) return null
  const subject = own.findLast(([name]) => name === SUBJECT)?.[1].toString() ?? null
  const text = (name: string): string | null => told.get(name) ?? null
  return {
    subject,
    topic: text(TOPIC),
    partition: whole(text(PARTITION)),
    offset: whole(text(OFFSET)),
    connector: text(CONNECTOR),
    task: whole(text(TASK)),
    stage: text(STAGE),
    className: text(CLASS),
    exception: text(EXCEPTION),
    message: text(MESSAGE),
    stack: text(STACK),
    cut: own.some(([name]) => name === CUT),
    headers: own,
  }
}

function whole(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null
}

function cut(text: string, longest: number): string {
  return text.length > longest ? `${text.slice(0, longest)}…` : text
}
