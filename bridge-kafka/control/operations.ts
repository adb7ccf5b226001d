import { HeddleError } from "../../core/errors.ts"
import type { Bridge } from "../bridge.ts"
import type { ConnectorStatus } from "../connectors/connector.ts"
import { type OffsetRow, readOffsets, resetOffsets, setOffsets } from "./offsets.ts"
import { redrive } from "./redrive.ts"

export type Operation = (bridge: Bridge, request: Request, signal: AbortSignal) => unknown
type Request = Readonly<Record<string, unknown>>

/** The instance that answers: requestMany gets several. */
function by(bridge: Bridge): { bridge: string; instance: string; node: string } {
  const { fabric, name } = bridge
  return { bridge: name, instance: fabric.name, node: fabric.id }
}

function nameOf(request: Request): string {
  const { connector } = request
  if (typeof connector === "string") return connector
  throw new HeddleError("EINVAL", 'Invalid request: it takes { "connector": NAME }')
}

function statusOf(bridge: Bridge, name: string): ConnectorStatus {
  return bridge.connector(name).status()
}

/** What `$BRIDGE.<bridge>.<operation>` does, by operation. `info` and `replay` are served elsewhere. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  /** For one connector, or for all. */
  status: (bridge, request) => {
    const status = bridge.status()
    if (request.connector === undefined) return status
    return { ...status, connectors: [statusOf(bridge, nameOf(request))] }
  },
  /** The states alone; changes are published on the same subject. */
  state: bridge => ({
    ...by(bridge),
    connectors: bridge.status().connectors.map(({ name, state, trouble }) => ({ name, state, trouble })),
  }),
  stats: async bridge => {
    await bridge.refresh()
    return { ...by(bridge), metrics: bridge.metrics.samples() }
  },
  pause: (bridge, request) => {
    bridge.pause(nameOf(request))
    return { ...by(bridge), connector: statusOf(bridge, nameOf(request)) }
  },
  resume: async (bridge, request) => {
    await bridge.resume(nameOf(request))
    return { ...by(bridge), connector: statusOf(bridge, nameOf(request)) }
  },
  restart: async (bridge, request) => {
    await bridge.restart(nameOf(request))
    return { ...by(bridge), connector: statusOf(bridge, nameOf(request)) }
  },
  /** Leaves the group, as offsets.set needs it of all instances; `resume` starts it again. */
  stop: async (bridge, request) => {
    await bridge.stop(nameOf(request))
    return { ...by(bridge), connector: statusOf(bridge, nameOf(request)) }
  },
  "offsets.get": async (bridge, request) => {
    const rows: OffsetRow[] = await readOffsets(bridge, nameOf(request))
    return { ...by(bridge), offsets: rows }
  },
  "offsets.set": async (bridge, request) => {
    const name = nameOf(request)
    const { offsets, to } = request
    const rows = to === undefined ? await setOffsets(bridge, name, offsets) : await resetOffsets(bridge, name, to)
    return { ...by(bridge), offsets: rows }
  },
  redrive: async (bridge, request, signal) => ({ ...by(bridge), ...(await redrive(bridge, request, signal)) }),
}
