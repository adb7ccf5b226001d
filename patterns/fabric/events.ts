import type { HeddleError } from "../../core/errors.ts"
import type { EdgeClientName } from "./edge/edge-events.ts"
import type { ClientName } from "./foreign/clients.ts"

/** Another node, as events and `fabric.peers` show it. */
export interface PeerName {
  readonly node: string
  readonly name: string
}

/** What happens in a fabric, as this node sees it; a union by `type`. */
export type FabricEvent =
  /** A node can be talked to; again after a `leave` if it was taken for dead and was not. */
  | { readonly type: "join"; readonly peer: PeerName }
  /** A node has left in order, or is dead. */
  | { readonly type: "leave"; readonly peer: PeerName; readonly why: "left" | "dead" }
  /** The connection with a node is there (again), or has broken: within the resume window nothing is lost. */
  | { readonly type: "up"; readonly peer: PeerName }
  | { readonly type: "down"; readonly peer: PeerName; readonly error?: HeddleError }
  /** A node does not answer; if it goes on so, it counts as dead. */
  | { readonly type: "suspect"; readonly peer: PeerName }
  | { readonly type: "recover"; readonly peer: PeerName }
  /** Messages of that node are missing: the link was away for longer than its window, or they were lost by a group (`carry`) and are not kept any more. Null = nobody knows how many. */
  | { readonly type: "gap"; readonly peer: PeerName; readonly missing: number | null }
  /**
   * Messages were dropped. `where`: by this node's subscriptions, or on the way to that peer, or by that peer on the way here. With
   * `client`: on the way to that ZeroMQ client, or what it sent could not be used; `pattern` is then the subject, "" when it is of no account.
   */
  | {
      readonly type: "drop"
      readonly where: "here" | "sending" | "peer"
      readonly peer: PeerName | null
      readonly pattern: string
      readonly reason: "full" | "conflated" | "stale" | "malformed" | "unacknowledged"
      readonly client?: ClientName
      count: number
    }
  /**
   * What is carried between this node and a peer takes another way. `where`: what this node publishes, or what it gets.
   * `by`: the group, or the link, also when the group cannot be heard at all.
   */
  | {
      readonly type: "carry"
      readonly group: string
      readonly peer: PeerName
      readonly where: "sending" | "receiving"
      readonly by: "group" | "link"
      readonly reason: string
    }
  /** A plain ZeroMQ client has connected to this node, or has gone. */
  | { readonly type: "client:join"; readonly client: ClientName }
  | { readonly type: "client:leave"; readonly client: ClientName; readonly error?: HeddleError }
  /** A handler of this node threw, or its promise was rejected. */
  | { readonly type: "error"; readonly subject: string; readonly error: unknown }
  /** A task goes round again, or has failed for good; then `deadLetter` is the subject, if any, at whose workers it goes on. */
  | {
      readonly type: "task"
      readonly subject: string
      readonly deliveries: number
      readonly again: boolean
      readonly error: HeddleError
      readonly deadLetter?: string
    }
  /**
   * At the edge: a client said hello, went, was refused something (`error` says what), was too slow for a while, or was told that it will not
   * get so many messages. What happens often in one turn is one event with a count.
   */
  | {
      readonly type: "edge"
      readonly what: "join" | "leave" | "refused" | "slow" | "missed"
      readonly client: EdgeClientName
      readonly error?: HeddleError
      count: number
    }
  /** Something to know that ends nothing: a peer that was refused, a folder that cannot be watched. */
  | { readonly type: "warning"; readonly error: HeddleError }
  | { readonly type: "end" }
