import type { HeddleError } from "../../../core/errors.ts"

/** What a node says of itself to whom it wants to be found by. */
export interface Announcement {
  readonly fabric: string
  /** 22 characters of base64url, new for each join. */
  readonly node: string
  readonly name: string
  readonly endpoints: readonly string[]
}

/** Somebody who may be dialled. `node` is known when the source says it; addresses of seeds and DNS do not. */
export interface Candidate {
  readonly endpoints: readonly string[]
  readonly node?: string
  /**
   * Whether it was there before us, where the source knows that and both sides judge alike: of two that find each other, the later one
   * dials.
   */
  readonly older?: boolean
}

/** The node that looks for others: what a source tells it. */
export interface DiscoveryHost {
  readonly fabric: string
  readonly node: string
  /** May be called again for the same one: idempotent. */
  found(candidate: Candidate): void
  /** The source knows that the node is gone for good (its file was removed, it said goodbye). */
  lost(node: string): void
  /** There is a link to this node: whoever looks after it knows better than a source, which may leave it alone. */
  linked?(node: string): boolean
  /** Something to know that is no failure of the whole: a folder cannot be watched, a datagram was malformed. */
  warn(error: HeddleError): void
}

/** A source of candidates. */
export interface Discovery {
  readonly name: string
  /**
   * Endpoint that this source wants the node to listen on, when the user names none; null = it does not matter. Called
   * before `start`. May create what the endpoint needs (a folder).
   */
  endpoint?(fabric: string, node: string): Promise<string | null>
  /**
   * Resolves when the first look around is done: what was there has been given to `found`. Rejects with a HeddleError
   * when it cannot work at all.
   */
  start(host: DiscoveryHost, self: Announcement): Promise<void>
  /** Idempotent; leaves nothing behind (files, sockets, timers). Resolves when done. */
  stop(): Promise<void>
}
