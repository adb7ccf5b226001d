import { HeddleError } from "../../core/errors.ts"

/** The package `ws`, as far as it is used. */
export interface WsPackage {
  readonly WebSocket: typeof import("ws").WebSocket
  readonly WebSocketServer: typeof import("ws").WebSocketServer
}

let loading: Promise<WsPackage | null> | undefined

/** Null where it is not installed. Looked for once. */
export function loadWs(): Promise<WsPackage | null> {
  loading ??= import("ws").then(
    found => ({ WebSocket: found.WebSocket, WebSocketServer: found.WebSocketServer }),
    () => null,
  )
  return loading
}

/** ERR_MISSING_PACKAGE: `what` needs the one or the other. */
export function noPackage(what: string, address: string, problem: string): HeddleError {
  return new HeddleError(
    "ERR_MISSING_PACKAGE",
    `${what} ${address} needs the package ws or uWebSockets.js, and neither loads${problem && ` (uWebSockets.js: ${problem})`}; install one: npm install ws`,
    { address, fatal: true },
  )
}
