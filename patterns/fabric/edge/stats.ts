/** Counters of the edge since `join`. */
export interface EdgeStats {
  /** Where it listens. */
  readonly endpoints: readonly string[]
  /** WebSocket clients, and streams (Server-Sent Events), that are connected. */
  readonly clients: number
  readonly streams: number
  /** Clients that are known: those that are connected, and those that may come back. */
  readonly sessions: number
  readonly channels: number
  /** Bytes that channels keep for clients that come back or are slow. */
  readonly resumeBytes: number
  /** Messages that went into channels, and what that made for all clients. */
  readonly messages: number
  readonly deliveries: number
  /** Records that came from clients. */
  readonly received: number
  /** Requests of plain HTTP. */
  readonly requests: number
  /** What was refused, by code of the error, or status of HTTP. */
  readonly refused: Readonly<Record<string, number>>
  /** Times that a client was too slow. */
  readonly slow: number
  /** Messages that clients were told they will not get, and those that members of queue groups had not done who did not come back. */
  readonly missed: number
}

/** What the rest of a node knows of its edge. */
export interface EdgeDoor {
  readonly endpoints: readonly string[]
  stats(): EdgeStats
  /** The node leaves: clients are told, nobody new is let in. */
  drain(): void
  /** Ends all connections; resolves when the addresses are free. */
  close(): Promise<void>
}
