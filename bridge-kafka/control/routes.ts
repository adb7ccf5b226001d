import type { Bridge } from "../bridge.ts"
import type { ConnectorConfig } from "../config/bridge-config.ts"
import type { ConnectorState, ConnectorStatus } from "../connectors/connector.ts"
import { deleteOffsets, readOffsets, resetOffsets, setOffsets } from "./offsets.ts"
import { OPERATIONS } from "./operations.ts"

/** Answered as Connect does: `{ error_code, message }`. */
export class HttpError extends Error {
  readonly status: number

  constructor(status: number, text: string) {
    super(text)
    this.status = status
  }
}

export interface HttpAnswer {
  readonly status: number
  /** JSON. */
  readonly data?: unknown
  /** Prometheus. */
  readonly text?: string
}

const STATES: Readonly<Record<ConnectorState, string>> = {
  starting: "UNASSIGNED",
  running: "RUNNING",
  degraded: "RUNNING",
  paused: "PAUSED",
  failed: "FAILED",
  stopped: "STOPPED",
}

const TASK_STATES = {
  running: "RUNNING",
  taking: "UNASSIGNED",
  orphaned: "UNASSIGNED",
  paused: "PAUSED",
  failed: "FAILED",
} as const

/** Answers one request; `path` without a query. Rejects with an HttpError or an error of the bridge. */
export async function route(
  bridge: Bridge,
  method: string,
  path: string,
  query: URLSearchParams,
  body: unknown,
): Promise<HttpAnswer> {
  const [first, name, ...rest] = path
    .split("/")
    .filter(part => part !== "")
    .map(decoded)
  const what = `${method} ${rest.join("/")}`.trim()
  if (first === undefined) return only(method, "GET", () => root(bridge))
  if (first === "health" && name === undefined) return only(method, "GET", () => health(bridge))
  if (first === "metrics" && name === undefined) {
    return only(method, "GET", async () => {
      await bridge.refresh()
      return { status: 200, text: bridge.metrics.text() }
    })
  }
  if (first !== "connectors") throw new HttpError(404, `There is nothing at ${path}`)
  if (name === undefined) return only(method, "GET", () => list(bridge, query))
  const { config } = bridge.connector(name)
  switch (what) {
    case "GET":
      return { status: 200, data: description(config, bridge) }
    case "GET config":
      return { status: 200, data: shown(config) }
    case "GET status":
      return { status: 200, data: statusOf(bridge, bridge.connector(name).status()) }
    case "PUT pause":
      bridge.pause(name)
      return { status: 202 }
    case "PUT resume":
      await bridge.resume(name)
      return { status: 202 }
    case "PUT stop":
      await bridge.stop(name)
      return { status: 204 }
    case "POST restart":
      await bridge.restart(name)
      return { status: 204 }
    case "GET offsets":
      return { status: 200, data: { offsets: (await readOffsets(bridge, name)).map(connectOffset) } }
    case "PATCH offsets":
      await (isReset(body) ? resetOffsets(bridge, name, body.to) : setOffsets(bridge, name, plainOffsets(body)))
      return { status: 200, data: { message: `The offsets of ${name} have been altered` } }
    case "DELETE offsets":
      await deleteOffsets(bridge, name)
      return { status: 200, data: { message: `The offsets of ${name} have been reset` } }
    case "POST redrive": {
      const request = { ...(typeof body === "object" ? body : {}), connector: name }
      return { status: 200, data: await OPERATIONS.redrive(bridge, request, new AbortController().signal) }
    }
    default:
      throw new HttpError(rest.length > 0 && !KNOWN.has(rest.join("/")) ? 404 : 405, `${method} ${path} is not known`)
  }
}

const KNOWN = new Set(["config", "status", "pause", "resume", "stop", "restart", "offsets", "redrive"])

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new HttpError(400, "The path cannot be read")
  }
}

function only(
  method: string,
  wanted: string,
  answer: () => HttpAnswer | Promise<HttpAnswer>,
): HttpAnswer | Promise<HttpAnswer> {
  if (method !== wanted) throw new HttpError(405, `Only ${wanted} is known here`)
  return answer()
}

function root(bridge: Bridge): HttpAnswer {
  const { bridge: name, instance, node, kafka } = bridge.status()
  return { status: 200, data: { bridge: name, instance, node, kafka_cluster_id: kafka?.cluster ?? null } }
}

/** 200 while all connectors do their work or try to; 503 when one has failed, or Kafka was never reached. */
function health(bridge: Bridge): HttpAnswer {
  const { connectors, kafka } = bridge.status()
  const failed = connectors.filter(one => one.state === "failed").map(one => one.name)
  const ready = kafka === null || kafka.state === "connected"
  const data = {
    status: failed.length > 0 ? "failed" : ready ? "healthy" : "starting",
    kafka: kafka?.state ?? "none",
    connectors: Object.fromEntries(connectors.map(one => [one.name, one.state])),
  }
  return { status: failed.length === 0 && ready ? 200 : 503, data }
}

function list(bridge: Bridge, query: URLSearchParams): HttpAnswer {
  const names = bridge.all.map(one => one.config.name)
  const expand = query.getAll("expand")
  if (expand.length === 0) return { status: 200, data: names }
  const data = Object.fromEntries(
    bridge.all.map(one => [
      one.config.name,
      {
        ...(expand.includes("status") ? { status: statusOf(bridge, one.status()) } : {}),
        ...(expand.includes("info") ? { info: description(one.config, bridge) } : {}),
      },
    ]),
  )
  return { status: 200, data }
}

function description(config: ConnectorConfig, bridge: Bridge): object {
  const { tasks } = bridge.connector(config.name).status()
  return {
    name: config.name,
    config: shown(config),
    tasks: tasks.map((_, task) => ({ connector: config.name, task })),
    type: kindOf(config),
  }
}

/** Its toJSON leaves secrets out. */
function shown(config: ConnectorConfig): unknown {
  return JSON.parse(JSON.stringify(config)) as unknown
}

function kindOf(config: Pick<ConnectorConfig, "class">): "sink" | "source" {
  return config.class === "FabricToKafka" ? "sink" : "source"
}

function statusOf(bridge: Bridge, status: ConnectorStatus): object {
  const worker = `${bridge.fabric.name} (${bridge.fabric.id})`
  const trace = status.trouble === null ? {} : { trace: status.trouble }
  return {
    name: status.name,
    connector: { state: STATES[status.state], worker_id: worker, ...trace },
    tasks: status.tasks.map((task, id) => ({
      id,
      state: TASK_STATES[task.state],
      worker_id: worker,
      part: task.id,
      ...(task.trouble === null ? {} : { trace: task.trouble }),
    })),
    type: kindOf(status),
    heddle: { state: status.state, waiting: status.waiting, counters: status.counters },
  }
}

interface ConnectOffset {
  readonly partition: { readonly kafka_topic: string; readonly kafka_partition: number }
  readonly offset: { readonly kafka_offset: number } | null
}

function connectOffset({
  topic,
  partition,
  offset,
}: {
  topic: string
  partition: number
  offset: number
}): ConnectOffset {
  return {
    partition: { kafka_topic: topic, kafka_partition: partition },
    offset: offset < 0 ? null : { kafka_offset: offset },
  }
}

/** Connect's form, or ours. What is wrong in it, `setOffsets` says. */
function plainOffsets(body: unknown): unknown {
  const { offsets } = (body ?? {}) as { offsets?: unknown }
  if (!Array.isArray(offsets)) return offsets
  return offsets.map((one: Partial<ConnectOffset> | null) => {
    if (typeof one?.partition !== "object" || one.partition === null) return one
    const { kafka_topic: topic, kafka_partition: partition } = one.partition
    return { topic, partition, offset: one.offset?.kafka_offset }
  })
}

function isReset(body: unknown): body is { to: unknown } {
  return typeof body === "object" && body !== null && "to" in body
}
