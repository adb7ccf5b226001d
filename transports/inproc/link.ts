/** What connections within a thread and between threads have in common. */
import type { ControlName } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"

/** Milliseconds that `end` waits for a peer that is paused or busy to read what it was sent. */
export const GOODBYE_WAIT = 5_000

/** Bits that say why a connection delivers nothing. */
export const NOT_STARTED = 1
export const PAUSED = 2
/** It has said goodbye, or is over. */
export const LEAVING = 4

/** A control notice that waits in order among messages. */
export class Notice {
  readonly name: ControlName
  readonly body: Buffer

  constructor(name: ControlName, body: Buffer) {
    this.name = name
    this.body = body
  }
}

/** Messages that one direction may hold: both high-water marks together, as in libzmq; 0 on either side = no limit. */
export function limitOf(sendHighWaterMark: number, receiveHighWaterMark: number): number {
  return sendHighWaterMark === 0 || receiveHighWaterMark === 0 ? 0 : sendHighWaterMark + receiveHighWaterMark
}

/** What this end reports when the other one called `close(reason)`. */
export function toldByPeer(reason: Error | undefined, address: string): HeddleError | undefined {
  if (reason === undefined) return undefined
  return peerEnded(reason.message, reason instanceof HeddleError && reason.fatal, address)
}

export function peerEnded(why: string, fatal: boolean, address: string): HeddleError {
  // A fault of ours that we would repeat reads as over TCP; anything else is a connection that broke.
  const code = fatal ? "ERR_ZMTP_PEER_ERROR" : "ECONNRESET"
  return new HeddleError(code, `The peer at ${address} ended the connection: ${why}`, { address })
}
