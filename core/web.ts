/**
 * What a web server offers to those who may not import a transport (the fabric's edge): WebSocket clients and plain HTTP on one
 * port. The transports `ws://` and `wss://` offer it, in one behaviour over two libraries; `Context.web` finds it.
 *
 * Rules for handlers: they must not throw; bytes given to them are valid during the call only; for one client the order is
 * `upgrade, open, (message | drain | slow | pong)*, closed`, and nothing comes after `closed`.
 */
import type { TlsOptions, Transport } from "./contract.ts"

export type { TlsOptions } from "./contract.ts"

/** The library that serves: uWebSockets.js is several times faster, `ws` runs everywhere. */
export type WebServerKind = "uWebSockets.js" | "ws"

/** Sizes in bytes, times in milliseconds. */
export interface WebOptions {
  /** For `wss://`, which needs key and certificate. */
  readonly tls?: TlsOptions
  /**
   * Which library. Default: uWebSockets.js where it loads, else `ws`; for wss:// the other way round (see transports/ws/SPEC.md). The
   * environment variable HEDDLE_WS=ws forces `ws`.
   */
  readonly kind?: WebServerKind
  /**
   * Pages that may connect, by the `Origin` that browsers send: "same" = pages of this very host and port, "*" = all, or a
   * list such as ["https://example.com"]. Who sends no Origin is no page and is let in. Others get status 403. Plain HTTP is
   * not checked, the handler may do that (`originAllowed`). Default "same": any page could otherwise talk to a local node.
   */
  readonly origins?: Origins
  /** The process may end though this listens, as it may with sockets. uWebSockets.js cannot do that. Default false. */
  readonly unref?: boolean
  /** `*` means IPv6 addresses, too. Default false, as for sockets. */
  readonly ipv6?: boolean
  /** Upgrades at other paths than the endpoint's: refused with 404, or handed to `upgrade` as well. Default false. */
  readonly anyPath?: boolean
  /**
   * Largest message of a client; a larger one closes the connection with 1009. uWebSockets.js cuts off without a word who
   * sends more than twice as much, and 64 KiB. Default 1 MiB.
   */
  readonly maxMessageSize?: number
  /**
   * Bytes that may wait for one client that reads too slowly: `send` drops beyond it, and the client leaves its topics
   * (`slow`). A publish in between may pass it by 1 MiB. Default 1 MiB.
   */
  readonly maxBackpressure?: number
  /**
   * A client of which nothing is heard for so long is closed; a ping asks it before. 0 = never, otherwise 8 to 960 seconds in
   * whole seconds (what uWebSockets.js can do). Default 120,000.
   */
  readonly idleTimeout?: number
  /** Deflate messages (RFC 7692), each for itself. Default false: it costs more than it saves for small messages. */
  readonly compression?: boolean
  /** Clients at once; further ones get 503. Default 100,000. */
  readonly maxClients?: number
  /** Upgrades that wait for an answer of `upgrade`, and requests whose body arrives; further ones get 503. Default 1,024. */
  readonly maxPending?: number
  /** `upgrade` must answer within so long, or the client gets 503. Default 10,000. */
  readonly upgradeTimeout?: number
  /** Largest body of a plain request; a larger one gets 413. Default 1 MiB. */
  readonly maxBodySize?: number
}

export type Origins = "same" | "*" | readonly string[]

export interface WebServers {
  /**
   * Listens at `ws://host:port/path` or `wss://...`; `*` = all addresses or any free port. Rejects with EADDRINUSE and its
   * like, EINVAL, or ERR_MISSING_PACKAGE when neither library is installed.
   */
  open<Data>(endpoint: string, options: WebOptions, handlers: WebHandlers<Data>): Promise<WebServer>
}

export interface WebServer {
  /** With the real port in place of a wildcard. */
  readonly endpoint: string
  readonly kind: WebServerKind
  /** Clients that are open. */
  readonly clients: number
  /** Once to every client that has joined the topic. The bytes may be reused after the call. */
  publish(topic: string, bytes: Uint8Array | string): void
  /** Takes no more clients and requests; those that are there live on. Resolves when the address is free. */
  stop(): Promise<void>
  /** Stops, and closes all clients with 1001. Resolves when the address is free. */
  close(): Promise<void>
}

/** A request for anything: an upgrade, or plain HTTP. Keeps its values. */
export interface WebRequest {
  /** "GET". */
  readonly method: string
  /** Begins with /; percent signs are not decoded. */
  readonly path: string
  /** Behind the ?, without it; empty = none. */
  readonly query: string
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  /** Sub-protocols that an upgrade offers, in its order. */
  readonly protocols: readonly string[]
  /** IP address of the client. */
  readonly address: string
  /** Of a plain request, whole; empty when there is none. */
  readonly body: Buffer
}

/** Lets a client in. */
export interface Upgrade<Data> {
  readonly accept: true
  /** What becomes `WebClient.data`. */
  readonly data: Data
  /** One of those that the client offers; absent = none. */
  readonly protocol?: string
}

/** Turns a client away, with a status of HTTP and a reason in plain words. */
export interface Refusal {
  readonly accept: false
  readonly status: number
  readonly reason: string
}

/** `sent`: with the operating system. `queued`: taken, and `drain` follows. `dropped`: not taken, the buffer is full; `drain` follows. */
export type SendResult = "sent" | "queued" | "dropped"

export interface WebClient<Data = unknown> {
  readonly data: Data
  /** IP address. */
  readonly address: string
  readonly protocol: string
  /** Bytes that wait for the client, without what was published in this turn; 0 once it is closed. */
  readonly buffered: number
  /** False once it is closed; calls are then harmless. */
  readonly open: boolean
  /** A string becomes a text message, bytes a binary one. The bytes may be reused after the call. */
  send(message: Uint8Array | string): SendResult
  /** What is sent within `run` goes out together. Handlers are corked already. */
  cork(run: () => void): void
  ping(bytes?: Uint8Array): void
  join(topic: string): void
  /** What was published before is still sent. */
  leave(topic: string): void
  /** `pause` can stop the client: what it sends waits at its own end (TCP). Otherwise messages go on to come. */
  readonly pausable: boolean
  pause(): void
  resume(): void
  /** Sends what was taken and a close frame; `closed` is called at once, from within this call. Codes: RFC 6455, 7.4. */
  close(code?: number, reason?: string): void
  /** Ends it now: what was not sent is lost. `closed` is called at once, with 1006. */
  destroy(): void
}

export interface WebHandlers<Data = unknown> {
  /** Without it every upgrade is refused (404). Origin, path and number of clients have been checked. */
  upgrade?(request: WebRequest): Upgrade<Data> | Refusal | Promise<Upgrade<Data> | Refusal>
  open?(client: WebClient<Data>): void
  /** `text`: it was a text message, and is UTF-8. */
  message?(client: WebClient<Data>, bytes: Buffer, text: boolean): void
  /** After `queued`, `dropped` or `slow`: all that waited is with the operating system. */
  drain?(client: WebClient<Data>): void
  /**
   * The client reads too slowly for what is published: it has left all its topics. It gets what was published so far, also by the
   * `publish` that calls this, and nothing that is published later. On `drain` it may be sent what it missed, and join again.
   */
  slow?(client: WebClient<Data>): void
  pong?(client: WebClient<Data>, bytes: Buffer): void
  /** Exactly once for each `open`. 1006 = without a close frame; 1009 = the client's message was larger than it may be. */
  closed?(client: WebClient<Data>, code: number, reason: string): void
  /** Plain HTTP, with the body. Without it every request gets 404 (426 at the endpoint's path). */
  request?(request: WebRequest, response: WebResponse): void
  /** An upgrade was refused, here or by `upgrade`; for counts and events. */
  refused?(request: WebRequest, status: number, reason: string): void
}

/** Answer to a plain request: `head`, any number of `write`, `end`; or `reply`, which is all three. */
export interface WebResponse {
  /** Ended, or the client went away; calls are then harmless. */
  readonly over: boolean
  /** The client went away before `end`. */
  aborted: (() => void) | null
  /** After `queued` or `dropped`: there is room again. */
  drained: (() => void) | null
  /** It may wait for the first chunk. */
  head(status: number, headers?: Readonly<Record<string, string>>): void
  /** A chunk. `dropped` beyond `maxBackpressure`. */
  write(chunk: Uint8Array | string): SendResult
  end(chunk?: Uint8Array | string): void
  reply(status: number, headers: Readonly<Record<string, string>>, body: Uint8Array | string): void
  /** Ends it now. */
  destroy(): void
}

/** A transport that can serve the web, too. */
export interface WebTransport extends Transport {
  readonly web: WebServers
}

export function servesWeb(transport: Transport): transport is WebTransport {
  return "web" in transport
}

/** Whether a page of this origin may connect. `origin` and `host` as the headers say; undefined = absent. */
export function originAllowed(origins: Origins, origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined || origins === "*") return true
  if (origins !== "same") return origins.includes(origin)
  // Scheme aside: behind a proxy that ends TLS the page is https, and we are not.
  return origin.slice(origin.indexOf("://") + 3) === host && host !== ""
}
