/** The part of the fabric that is measured. */
export interface Message {
  readonly data: unknown
}

interface Subscription {
  /** Resolves when all known peers have it. */
  readonly ready: Promise<void>
}

export interface Fabric {
  readonly endpoints: readonly string[]
  publish(subject: string, data: unknown): unknown
  subscribe(pattern: string, handler: (message: Message) => void): Subscription
  serve(subject: string, handler: (message: Message) => unknown): unknown
  request(subject: string, data: unknown, options: { timeout: number }): Promise<Message>
  ready(wanted: { subject: string; subscribers: number }): Promise<unknown>
  close(): Promise<void>
}

interface Heddle {
  join(name: string, options: { listen?: string; discovery: readonly unknown[] }): Promise<Fabric>
  seeds(endpoints: readonly string[]): unknown
}

const FABRIC = "bench"

/** Milliseconds for a reply: longer than any round, the watchdog of the parent ends a measurement. */
export const TIMEOUT = 120_000

async function heddle(): Promise<Heddle> {
  return (await import("heddle")) as unknown as Heddle
}

/** The first node, which others find by its endpoint. */
export async function listenAt(endpoint: string): Promise<Fabric> {
  return (await heddle()).join(FABRIC, { listen: endpoint, discovery: [] })
}

export async function joinAt(endpoint: string): Promise<Fabric> {
  const { join, seeds } = await heddle()
  return join(FABRIC, { discovery: [seeds([endpoint])] })
}
