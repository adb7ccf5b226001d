import { tracingChannel } from "node:diagnostics_channel"

/** As many of the last ones are kept, of a whole run. */
const MOST = 30

interface Sent {
  readonly operationId: bigint
  readonly apiKey: number
  readonly at: number
  readonly connection: { readonly port?: number; readonly instanceId: number }
  error?: { message: string }
}

const open = new Map<bigint, Sent>()
const over: string[] = []

const nameOf = ({ apiKey, connection }: Sent): string => `request ${apiKey} by connection ${connection.instanceId}`

function ended(message: unknown): void {
  const { operationId, error } = message as Sent
  const sent = open.get(operationId)
  if (sent === undefined) return
  open.delete(operationId)
  if (error === undefined) return
  over.push(`${Math.round(performance.now())} ${nameOf(sent)}: ${error.message}`)
  if (over.length > MOST) over.shift()
}

/** Requests to Kafka, from when it is called first on: by the client's own diagnostics channel, numbers as in Kafka's protocol. */
export function watchRequests(): () => unknown {
  if (!watched) {
    tracingChannel("plt:kafka:connections:api").subscribe({
      start: message => {
        const sent = message as Sent
        open.set(sent.operationId, { ...sent, at: performance.now() })
      },
      end: () => {},
      asyncStart: ended,
      asyncEnd: () => {},
      error: ended,
    })
    watched = true
  }
  return () => {
    const now = performance.now()
    return {
      now: Math.round(now),
      unanswered: [...open.values()].map(sent => `${nameOf(sent)} for ${Math.round(now - sent.at)} ms`).slice(-MOST),
      failed: over,
    }
  }
}

let watched = false
