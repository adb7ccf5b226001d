import type {
  WebClient,
  WebHandlers,
  WebOptions,
  WebRequest,
  WebResponse,
  WebServer,
  WebServerKind,
  WebServers,
} from "../../../core/web.ts"
import { loadUws, uwsProblem } from "../../../transports/ws/uws.ts"
import { LibraryWebServers } from "../../../transports/ws/web-servers.ts"
import { later } from "../../support/cleanup.ts"

/** What happened at a server, in order. */
export class Log implements WebHandlers<string> {
  readonly clients: WebClient<string>[] = []
  readonly messages: { client: WebClient<string>; bytes: Buffer; text: boolean }[] = []
  readonly closes: { client: WebClient<string>; code: number; reason: string }[] = []
  readonly refusals: { request: WebRequest; status: number; reason: string }[] = []
  readonly upgrades: WebRequest[] = []
  drains = 0
  pongs: string[] = []
  slowOnes: WebClient<string>[] = []

  upgrade(request: WebRequest): ReturnType<NonNullable<WebHandlers<string>["upgrade"]>> {
    this.upgrades.push(request)
    return { accept: true, data: request.query }
  }

  open(client: WebClient<string>): void {
    this.clients.push(client)
  }

  message(client: WebClient<string>, bytes: Buffer, text: boolean): void {
    this.messages.push({ client, bytes: Buffer.from(bytes), text })
  }

  drain(_client: WebClient<string>): void {
    this.drains++
  }

  slow(client: WebClient<string>): void {
    this.slowOnes.push(client)
  }

  pong(_client: WebClient<string>, bytes: Buffer): void {
    this.pongs.push(bytes.toString())
  }

  closed(client: WebClient<string>, code: number, reason: string): void {
    this.closes.push({ client, code, reason })
  }

  request(_request: WebRequest, response: WebResponse): void {
    response.reply(404, {}, "nothing here")
  }

  refused(request: WebRequest, status: number, reason: string): void {
    this.refusals.push({ request, status, reason })
  }
}

/** Handlers that call through to an object, whose methods a test may replace. */
export function handlersOf(log: Log): WebHandlers<string> {
  return {
    upgrade: request => log.upgrade(request),
    open: client => log.open(client),
    message: (client, bytes, text) => log.message(client, bytes, text),
    drain: client => log.drain(client),
    slow: client => log.slow(client),
    pong: (client, bytes) => log.pong(client, bytes),
    closed: (client, code, reason) => log.closed(client, code, reason),
    request: (request, response) => log.request(request, response),
    refused: (request, status, reason) => log.refused(request, status, reason),
  }
}

const web = new LibraryWebServers()

/** Opens one that is closed after the test. */
export async function openWeb(
  kind: WebServerKind,
  options: WebOptions = {},
  log = new Log(),
  endpoint = "ws://127.0.0.1:*",
): Promise<{ server: WebServer; log: Log }> {
  const server = await web.open(endpoint, { kind, ...options }, handlersOf(log))
  later(() => server.close())
  return { server, log }
}

/** Servers by one library only. */
export function serversOf(kind: WebServerKind): WebServers {
  return { open: (endpoint, options, handlers) => web.open(endpoint, { ...options, kind }, handlers) }
}

/** Those that load here: uWebSockets.js has binaries for some versions of Node only. */
export const KINDS: readonly WebServerKind[] = loadUws() === null ? ["ws"] : ["uWebSockets.js", "ws"]

if (loadUws() === null) describe("uWebSockets.js", () => it.skip(`does not load: ${uwsProblem()}`))
