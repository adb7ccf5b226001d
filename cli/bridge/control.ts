import { type Fabric, HeddleError, type RemoteError } from "heddle"
import {
  type BridgeStatus,
  type ConnectorStatus,
  controlSubject,
  type OffsetRow,
  type RedriveAnswer,
} from "heddle/bridge-kafka"
import { CommandError, UsageError } from "../exit.ts"
import { type FabricFlags, openFabric } from "../fabric/options.ts"
import type { Run } from "../run.ts"
import { tableLines } from "../table.ts"
import { duration, plural, whole } from "../units.ts"
import { timeOf } from "./times.ts"

export interface ControlFlags extends FabricFlags {
  json?: true
  timeout: number
}

export interface OffsetFlags extends ControlFlags {
  set?: readonly string[]
  to?: string
}

export interface RedriveFlags extends ControlFlags {
  subject?: string
  stage?: string
  error?: string
  limit?: number
  dryRun?: true
}

/** Milliseconds for operations of the bridge that take as long as Kafka does. */
const LONG = 600_000

type Answer = Readonly<Record<string, unknown>>

/** Joins, asks, prints. `all`: each instance, otherwise any. */
async function ask<T extends object>(
  run: Run,
  flags: ControlFlags,
  bridge: string,
  { operation, request, all, timeout }: { operation: string; request: Answer; all: boolean; timeout?: number },
  print: (answers: readonly T[]) => readonly string[],
): Promise<boolean> {
  const fabric = await openFabric(flags, run)
  try {
    const subject = controlSubject(bridge, operation)
    await fabric.ready({ subject, servers: 1, timeout: flags.timeout, signal: run.ending.signal })
    const limits = { timeout: timeout ?? flags.timeout, signal: run.ending.signal }
    const answers: T[] = []
    if (all) for await (const reply of fabric.requestMany(subject, request, limits)) answers.push(reply.data as T)
    else answers.push((await fabric.request(subject, request, limits)).data as T)
    if (answers.length === 0) throw new CommandError(`no instance of the bridge ${bridge} has answered`)
    const lines = flags.json ? answers.map(one => JSON.stringify(one)) : print(answers)
    process.stdout.write(lines.map(line => `${line}\n`).join(""))
    return true
  } catch (error) {
    if (run.ending.begun) return false
    throw inWords(error, bridge, fabric)
  } finally {
    await fabric.close()
  }
}

function inWords(error: unknown, bridge: string, fabric: Fabric): unknown {
  if (!(error instanceof HeddleError)) return error
  if (error.code === "ETIMEDOUT" && /servers/.test(error.message))
    return new CommandError(
      `no bridge ${bridge} is in the fabric ${fabric.fabric} (heddle peers --fabric ${fabric.fabric})`,
    )
  if (error.code === "ERR_REMOTE") {
    const { remoteCode, message } = error as RemoteError
    return new CommandError(
      `${remoteCode === "" ? "" : `${remoteCode}: `}${message.replace(/^.*? failed at [^:]*: /, "")}`,
    )
  }
  return error
}

export function showStatus(run: Run, flags: ControlFlags, bridge: string, connector?: string): Promise<boolean> {
  const request = connector === undefined ? {} : { connector }
  return ask<BridgeStatus>(run, flags, bridge, { operation: "status", request, all: true }, answers =>
    answers.flatMap(one => [
      headOf(one),
      ...connectorTable(one.connectors),
      ...(connector === undefined ? [] : taskTable(one.connectors)),
    ]),
  )
}

function headOf({ bridge, instance, node, uptime, kafka, http }: BridgeStatus): string {
  const parts = [`${bridge}: ${instance} ${node}, up ${duration(uptime)}`]
  if (kafka === null) parts.push("no Kafka: the spool is the store")
  else
    parts.push(
      kafka.state === "connected" ? `Kafka ${kafka.cluster}` : `Kafka does not answer: ${kafka.trouble ?? "yet"}`,
    )
  if (http !== null) parts.push(http)
  return parts.join("; ")
}

function connectorTable(connectors: readonly ConnectorStatus[]): string[] {
  const rows = connectors.map(({ name, class: kind, state, tasks, waiting, counters, trouble }) => {
    const { received = 0, requested = 0, stored = 0, records = 0, messages = 0 } = counters
    const sink = kind === "FabricToKafka"
    const numbers = [tasks.length, sink ? received + requested : records, sink ? stored : messages, waiting]
    return [name, kind, state, ...numbers.map(whole), trouble ?? ""]
  })
  const numbers = ["TASKS", "IN", "DONE", "WAITING"].map(head => ({ head, right: true as const }))
  return tableLines(
    [{ head: "CONNECTOR" }, { head: "CLASS" }, { head: "STATE" }, ...numbers, { head: "TROUBLE" }],
    rows,
  )
}

function taskTable(connectors: readonly ConnectorStatus[]): string[] {
  const rows = connectors.flatMap(({ tasks }) =>
    tasks.map(one => [one.id, one.state, number(one.position), number(one.committed), one.trouble ?? ""]),
  )
  if (rows.length === 0) return []
  const columns = [
    { head: "TASK" },
    { head: "STATE" },
    { head: "POSITION", right: true },
    { head: "COMMITTED", right: true },
    { head: "TROUBLE" },
  ] as const
  return tableLines(columns, rows)
}

function number(value: number | undefined): string {
  return value === undefined || value < 0 ? "" : whole(value)
}

/** pause, resume, stop, restart. */
export function command(
  run: Run,
  flags: ControlFlags,
  operation: string,
  bridge: string,
  connector: string,
): Promise<boolean> {
  type Reply = { instance: string; node: string; connector: ConnectorStatus }
  const wish = { operation, request: { connector }, all: true, timeout: Math.max(flags.timeout, 60_000) }
  return ask<Reply>(run, flags, bridge, wish, answers =>
    answers.map(one => `${one.connector.name} is ${one.connector.state} at ${one.instance} ${one.node}`),
  )
}

export function offsets(run: Run, flags: OffsetFlags, bridge: string, connector: string): Promise<boolean> {
  const { set, to } = flags
  if (set !== undefined && to !== undefined) throw new UsageError("--set and --to exclude each other")
  const changes = set !== undefined || to !== undefined
  const request = {
    connector,
    ...(set === undefined ? {} : { offsets: set.map(offsetOf) }),
    ...(to === undefined ? {} : { to: to === "earliest" || to === "latest" ? to : timeOf(to) }),
  }
  const wish = {
    operation: changes ? "offsets.set" : "offsets.get",
    request,
    all: false,
    timeout: changes ? Math.max(flags.timeout, 60_000) : flags.timeout,
  }
  return ask<{ offsets: OffsetRow[] }>(run, flags, bridge, wish, ([answer]) => {
    const rows = answer.offsets.map(({ topic, partition, offset, first, end, lag }) => [
      topic,
      String(partition),
      offset < 0 ? "none" : String(offset),
      ...[first, end].map(String),
      whole(lag),
    ])
    const numbers = ["PARTITION", "OFFSET", "FIRST", "END", "LAG"].map(head => ({ head, right: true as const }))
    return tableLines([{ head: "TOPIC" }, ...numbers], rows)
  })
}

function offsetOf(text: string): { topic: string; partition: number; offset: number } {
  const parts = /^(.+)\/(\d{1,9})=(\d{1,15})$/.exec(text)
  if (parts === null) throw new UsageError(`--set takes topic/partition=offset, such as orders/0=17, not ${text}`)
  return { topic: parts[1], partition: Number(parts[2]), offset: Number(parts[3]) }
}

export function redrive(run: Run, flags: RedriveFlags, bridge: string, connector: string): Promise<boolean> {
  const { subject, stage, error, limit, dryRun: dry } = flags
  const request = { connector, subject, stage, error, limit, dry }
  const given = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined))
  return ask<RedriveAnswer>(
    run,
    flags,
    bridge,
    { operation: "redrive", request: given, all: false, timeout: LONG },
    ([one]) => {
      const did = dry ? "would be redriven" : "redriven"
      const parts = [`${whole(one.redriven)} of ${plural(one.read, "dead letter")} ${did}`]
      if (one.skipped > 0) parts.push(`${whole(one.skipped)} skipped`)
      if (one.failed > 0) parts.push(`${whole(one.failed)} failed: ${one.trouble}`)
      if (!one.done) parts.push("there are more")
      return [`${one.topic}: ${parts.join(", ")}`]
    },
  )
}
