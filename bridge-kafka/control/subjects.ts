import { HeddleError } from "../../core/errors.ts"
import { ServiceError } from "../../patterns/fabric/requests/failures.ts"
import type { RequestMessage } from "../../patterns/fabric/requests/request-message.ts"
import type { Service } from "../../patterns/fabric/requests/service.ts"
import type { Bridge } from "../bridge.ts"
import type { ConnectorState } from "../connectors/connector.ts"
import { serveInfo } from "../sink/info.ts"
import { OPERATIONS, type Operation } from "./operations.ts"

/** Requests that one instance works on at a time: control is rare, and a redrive takes long. */
const CONCURRENCY = 8

/** Where a bridge is asked, and tells of changes. */
export function controlSubject(bridge: string, operation: string): string {
  return `$BRIDGE.${bridge}.${operation}`
}

/** What is published on `$BRIDGE.<bridge>.state`. */
export interface StateNotice {
  readonly bridge: string
  /** Name and id of the instance's node. */
  readonly instance: string
  readonly node: string
  readonly connector: string
  readonly state: ConnectorState
  readonly trouble: string | null
  /** Milliseconds since 1970. */
  readonly at: number
}

/**
 * Serves `$BRIDGE.<bridge>.<operation>` in each instance: `request` asks one of them, `requestMany` all. Requests and answers are plain objects,
 * by any codec; errors arrive as RemoteError with a code.
 */
export class ControlSubjects {
  private readonly bridge: Bridge
  private services: Service[] = []

  constructor(bridge: Bridge) {
    this.bridge = bridge
  }

  async start(): Promise<void> {
    const { bridge } = this
    const { fabric, name } = bridge
    const infos = (): NonNullable<Bridge["all"][number]["info"]>[] =>
      bridge.all.flatMap(one => (one.info === null ? [] : [one.info]))
    this.services.push(serveInfo(fabric, name, infos))
    for (const [operation, work] of Object.entries(OPERATIONS)) {
      const options = { concurrency: CONCURRENCY, limit: 100 }
      this.services.push(
        fabric.serve(controlSubject(name, operation), message => this.answer(work, message as RequestMessage), options),
      )
    }
    await Promise.all(this.services.map(one => one.ready))
  }

  announce(connector: string, state: ConnectorState, trouble: string | null): void {
    const { fabric, name } = this.bridge
    if (fabric.closed) return
    const notice: StateNotice = {
      bridge: name,
      instance: fabric.name,
      node: fabric.id,
      connector,
      state,
      trouble,
      at: Date.now(),
    }
    try {
      fabric.publish(controlSubject(name, "state"), notice)
    } catch {
      // The node is closing: nobody hears us any more.
    }
  }

  close(): void {
    for (const one of this.services.splice(0)) one.close()
  }

  private async answer(work: Operation, message: RequestMessage): Promise<unknown> {
    const { data } = message
    const request = data === null || data === undefined ? {} : data
    try {
      if (typeof request !== "object" || Array.isArray(request) || Buffer.isBuffer(request))
        throw new HeddleError("EINVAL", "Invalid request: it takes an object")
      return await work(this.bridge, request as Readonly<Record<string, unknown>>, message.signal)
    } catch (error) {
      if (error instanceof HeddleError) throw new ServiceError(error.code, error.message)
      throw error
    }
  }
}
