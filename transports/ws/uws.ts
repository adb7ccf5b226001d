/** The parts of uWebSockets.js that are used (its own type file is not in every build), and its loading. */
import { createRequire } from "node:module"

export type Bytes = string | ArrayBuffer | Uint8Array

export interface UwsSocket {
  /** 1 = sent, 0 = waits, 2 = dropped. */
  send(message: Bytes, binary: boolean, compress?: boolean): number
  ping(message?: Bytes): number
  end(code?: number, reason?: Bytes): void
  close(): void
  getBufferedAmount(): number
  getRemoteAddressAsText(): ArrayBuffer
  subscribe(topic: string): boolean
  unsubscribe(topic: string): boolean
  cork(run: () => void): unknown
}

export interface UwsRequest {
  getHeader(name: string): string
  getUrl(): string
  getQuery(): string | undefined
  getCaseSensitiveMethod?(): string
  getMethod(): string
  forEach(visit: (name: string, value: string) => void): void
}

export interface UwsResponse {
  onAborted(run: () => void): unknown
  onData(run: (chunk: ArrayBuffer, last: boolean) => void): unknown
  onWritable(run: (offset: number) => boolean): unknown
  writeStatus(status: string): unknown
  writeHeader(name: string, value: string): unknown
  write(chunk: Bytes): boolean
  end(body?: Bytes, closeConnection?: boolean): unknown
  endWithoutBody(): unknown
  close(): unknown
  cork(run: () => void): unknown
  upgrade(data: object, key: string, protocol: string, extensions: string, context: object): void
  getRemoteAddressAsText(): ArrayBuffer
}

export interface UwsBehavior {
  maxPayloadLength: number
  maxBackpressure: number
  closeOnBackpressureLimit: boolean
  /** Seconds. */
  idleTimeout: number
  sendPingsAutomatically: boolean
  compression: number
  upgrade(response: UwsResponse, request: UwsRequest, context: object): void
  open(socket: UwsSocket): void
  message(socket: UwsSocket, message: ArrayBuffer, binary: boolean): void
  drain(socket: UwsSocket): void
  pong(socket: UwsSocket, message: ArrayBuffer): void
  close(socket: UwsSocket, code: number, reason: ArrayBuffer): void
}

/** A handle of C: it must not be used after it was closed. */
export type ListenToken = object

export interface UwsApp {
  ws(pattern: string, behavior: UwsBehavior): UwsApp
  any(pattern: string, handler: (response: UwsResponse, request: UwsRequest) => void): UwsApp
  listen(host: string, port: number, options: number, done: (token: ListenToken | false) => void): UwsApp
  publish(topic: string, message: Bytes, binary: boolean, compress?: boolean): boolean
}

export interface UwsTls {
  key_file_name: string
  cert_file_name: string
  passphrase?: string
}

export interface Uws {
  App(options?: object): UwsApp
  SSLApp(options: UwsTls): UwsApp
  us_listen_socket_close(token: ListenToken): void
  us_socket_local_port(token: ListenToken): number
  readonly DISABLED: number
  readonly SHARED_COMPRESSOR: number
  /** Absent in the replacement in JavaScript that some builds fall back to. */
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT?: number
}

let loaded: Uws | null | undefined
let why = ""

/** Null where it is not installed or has no binary for this Node; `uwsProblem` says why. Looked for once. */
export function loadUws(): Uws | null {
  if (loaded === undefined) loaded = load()
  return loaded
}

/** Why `loadUws` gave null. */
export function uwsProblem(): string {
  return why
}

function load(): Uws | null {
  if (process.versions.bun !== undefined || process.versions.deno !== undefined) {
    why = "it is for Node only"
    return null
  }
  // Some builds warn on the console that they fall back to JavaScript, where we have a fallback of our own.
  const { warn } = console
  console.warn = () => {}
  try {
    const found = createRequire(import.meta.url)("uWebSockets.js") as Uws
    if (found.LIBUS_LISTEN_EXCLUSIVE_PORT !== undefined) return found
    why = `it has no binary for Node ${process.versions.node} on ${process.platform}-${process.arch}`
  } catch (error) {
    why = error instanceof Error ? error.message.split("\n")[0] : String(error)
  } finally {
    console.warn = warn
  }
  return null
}
