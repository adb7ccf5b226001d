import { type ReplayClientOptions, type ReplayMessage, replay } from "heddle/bridge-kafka"
import { UsageError } from "../exit.ts"
import { type FabricFlags, openFabric } from "../fabric/options.ts"
import { Printer } from "../fabric/printer.ts"
import type { Run } from "../run.ts"
import { plural } from "../units.ts"
import { spanOf, timeOf } from "./times.ts"

export interface ReplayFlags extends FabricFlags {
  json?: true
  timeout: number
  connector?: string
  topic?: string
  subject?: string
  from: string
  until?: string
  cursor?: string
  last?: true
  count?: number
  rate?: number
  original?: true
  headers?: true
  toSubjects?: true
}

/** The whole life of `heddle bridge replay`. */
export async function replayBridge(run: Run, flags: ReplayFlags, bridge: string): Promise<boolean> {
  const options = optionsOf(flags)
  const { ending, progress } = run
  let failure: unknown = null
  const printer = new Printer(run, error => {
    failure = error
  })
  const fabric = await openFabric(flags, run)
  const stored = replay(fabric, bridge, { ...options, signal: ending.signal, retryTimeout: flags.timeout })
  try {
    for await (const batch of stored.batches()) {
      for (const message of batch) {
        progress.messages++
        progress.bytes += message.bytes.length
        await printer.line(...lineOf(message, flags))
        if (failure !== null) throw failure
      }
    }
    await printer.end()
  } catch (error) {
    await printer.end()
    if (!ending.begun) throw error
  } finally {
    await fabric.close()
  }
  if (flags.toSubjects && stored.ended !== null) run.warn(`${plural(stored.ended.count, "message")} published anew`)
  if (stored.skipped > 0) run.warn(`${plural(stored.skipped, "record")} asked for are not stored any more`)
  if (stored.ended === null && stored.cursor !== null) run.warn(`go on with --cursor ${stored.cursor}`)
  return stored.ended !== null
}

function optionsOf(flags: ReplayFlags): ReplayClientOptions {
  const { connector, topic, subject, count, rate, original, last, cursor, until } = flags
  if (rate !== undefined && original) throw new UsageError("--rate and --original exclude each other")
  return {
    connector,
    topic,
    subject,
    from: cursor === undefined ? fromOf(flags.from) : { cursor },
    until: until === undefined ? undefined : { timestamp: timeOf(until) },
    mode: last ? "last-per-subject" : undefined,
    limit: count,
    speed: original ? "original" : rate,
    to: flags.toSubjects ? "subjects" : undefined,
  }
}

function fromOf(text: string): ReplayClientOptions["from"] {
  if (text === "earliest") return text
  const span = spanOf(text)
  return span === null ? { timestamp: timeOf(text) } : { duration: Math.round(span) }
}

/** subject, headers and payload as `heddle sub` prints them, with the time before; or all of it as JSON. */
function lineOf(message: ReplayMessage, { json, headers }: ReplayFlags): (string | Buffer)[] {
  const { subject, timestamp, tombstone, bytes, codec } = message
  if (json) {
    const { topic, partition, offset } = message
    const own = headers ? { headers: message.headers.map(([name, value]) => [name, value.toString()]) } : {}
    const data = tombstone ? null : jsonValue(message)
    return [JSON.stringify({ subject, ...own, data, time: timestamp, topic, partition, offset })]
  }
  const parts: (string | Buffer)[] = [new Date(timestamp).toISOString(), "\t", subject, "\t"]
  if (headers) parts.push(JSON.stringify(message.headers.map(([name, value]) => [name, value.toString()])), "\t")
  parts.push(codec === "msgpack" ? textOf(message.data) : bytes)
  return parts
}

function jsonValue(message: ReplayMessage): unknown {
  const { data } = message
  return Buffer.isBuffer(data) ? { base64: data.toString("base64") } : data
}

function textOf(data: unknown): string {
  return typeof data === "string" ? data : (JSON.stringify(data) ?? String(data))
}
