import type { Connection, Handshake } from "../../core/contract.ts"
import { fromSystem, HeddleError } from "../../core/errors.ts"
import { type HandshakeOutcome, Handshaker } from "../zmtp/handshake.ts"
import type { ByteStream } from "./byte-stream.ts"
import { type DialOptions, NetStream } from "./net-stream.ts"
import { RawConnection } from "./raw-connection.ts"
import type { Upgrade } from "./upgrade.ts"

/** One attempt to reach `address` by a Node socket, and to shake hands. */
export function dialStream(
  options: DialOptions,
  address: string,
  local: Handshake,
  signal: AbortSignal,
  reached?: (address: string) => void,
  upgrade: Upgrade | null = null,
): Promise<Connection> {
  return dialOver(connected => NetStream.dial(options, connected), address, local, signal, reached, upgrade)
}

/** The same by any kind of stream: `dial` opens it, and calls `connected` in a later turn. */
export function dialOver<S extends ByteStream>(
  dial: (connected: (stream: S) => void) => S,
  address: string,
  local: Handshake,
  signal: AbortSignal,
  reached?: (address: string) => void,
  upgrade: Upgrade | null = null,
): Promise<Connection> {
  return new Promise((resolve, reject) => {
    let handshaker: Handshaker | undefined
    let timer: NodeJS.Timeout | undefined
    const aborted = (): void => fail(new HeddleError("ECONNABORTED", `Dialling ${address} was given up`, { address }))
    const settle = (): void => {
      clearTimeout(timer)
      signal.removeEventListener("abort", aborted)
    }
    const fail = (error: HeddleError): void => {
      settle()
      if (handshaker === undefined) stream.destroy()
      else handshaker.cancel(error)
      reject(error)
    }
    const stream = dial(stream => {
      clearTimeout(timer)
      reached?.(address)
      if (local.answer(null).socketType === "STREAM") {
        settle()
        resolve(new RawConnection(stream, address))
        return
      }
      const outcome: HandshakeOutcome = {
        connected: connection => {
          settle()
          resolve(connection)
        },
        failed: error => {
          settle()
          reject(error)
        },
      }
      handshaker = new Handshaker(stream, local, address, "dial", outcome, upgrade)
      handshaker.begin()
    })
    stream.reader = {
      bytes: () => true,
      target: () => null,
      drained: () => {},
      ended: error => fail(fromSystem(error ?? new Error("closed"), "connect to", address)),
    }
    const limit = local.options.connectTimeout
    if (limit > 0) {
      timer = setTimeout(
        () =>
          fail(
            new HeddleError("ETIMEDOUT", `connect to ${address}: nobody answered within ${limit} ms (connectTimeout)`, {
              address,
            }),
          ),
        limit,
      )
      timer.unref()
    }
    if (signal.aborted) aborted()
    else signal.addEventListener("abort", aborted, { once: true })
  })
}
