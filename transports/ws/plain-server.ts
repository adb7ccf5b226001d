import http from "node:http"
import https from "node:https"
import type net from "node:net"
import type { Duplex } from "node:stream"
import type { WebSocketServer } from "ws"
import { fromSystem } from "../../core/errors.ts"
import type { Refusal, TlsOptions, Upgrade, WebHandlers, WebRequest, WebServer } from "../../core/web.ts"
import { formatWebAddress, plainAddress } from "./address.ts"
import { Admission, protocolsOf } from "./admission.ts"
import { TOO_BIG, tooBig } from "./close-codes.ts"
import { frameOf } from "./frames.ts"
import { PlainClient, type PlainTopics } from "./plain-client.ts"
import { PlainWebResponse } from "./plain-response.ts"
import { refusalHeaders } from "./refusal.ts"
import { badTls, type WebSettings } from "./web-settings.ts"
import type { WsPackage } from "./ws-package.ts"

/** How long headers, and a whole request, may take to arrive (milliseconds): a client that dawdles holds a socket. */
const HEADERS_TIME = 10_000
const REQUEST_TIME = 30_000

/** How long who was refused may take to leave (milliseconds). */
const REFUSED_TIME = 2_000

/** In Bun 1.4 `ws` is Bun's own, whose sockets say neither how much waits in them nor when it has left; its WebSockets do. */
const OWN_FRAMES = process.versions.bun === undefined

const NO_BODY = Buffer.alloc(0)

/** `WebServer` by node:http and the package `ws`. */
export class PlainServer<Data> implements WebServer, PlainTopics {
  readonly kind = "ws"
  endpoint = ""
  readonly topics = new Map<string, Set<PlainClient<unknown>>>()
  private readonly settings: WebSettings
  private readonly handlers: WebHandlers<Data>
  private readonly admission: Admission<Data>
  private readonly server: http.Server
  private readonly upgrader: WebSocketServer
  private readonly open = new Set<PlainClient<Data>>()
  private readonly responses = new Set<PlainWebResponse>()
  private corked: PlainClient<unknown>[] = []
  private watch: NodeJS.Timeout | undefined
  private stopping: Promise<void> | null = null
  /** For the upgrade under way. */
  private protocol = ""

  static async listen<Data>(
    ws: WsPackage,
    settings: WebSettings,
    handlers: WebHandlers<Data>,
  ): Promise<PlainServer<Data>> {
    const server = new PlainServer(ws, settings, handlers)
    await server.listen()
    return server
  }

  private constructor(ws: WsPackage, settings: WebSettings, handlers: WebHandlers<Data>) {
    this.settings = settings
    this.handlers = handlers
    this.admission = new Admission(settings, handlers)
    const { tls, maxMessageSize, compression, idleTimeout } = settings
    const limits = { headersTimeout: HEADERS_TIME, requestTimeout: REQUEST_TIME }
    this.server = tls === null ? http.createServer(limits) : secureServer(limits, tls, settings.endpoint.href)
    this.upgrader = new ws.WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: maxMessageSize,
      perMessageDeflate: compression && { serverNoContextTakeover: true, clientNoContextTakeover: true },
    })
    this.upgrader.on("headers", lines => {
      if (this.protocol !== "") lines.push(`Sec-WebSocket-Protocol: ${this.protocol}`)
    })
    this.server.on("request", (request, response) => this.request(request, response))
    this.server.on("upgrade", (request, socket, head) => this.upgrade(request, socket, head))
    this.server.on("clientError", (_error, socket) => socket.destroy())
    if (idleTimeout > 0) {
      this.watch = setInterval(() => this.lookForIdle(), idleTimeout / 4)
      this.watch.unref()
    }
  }

  get clients(): number {
    return this.open.size
  }

  get maxBackpressure(): number {
    return this.settings.maxBackpressure
  }

  get compress(): boolean {
    return this.settings.compression
  }

  get frames(): boolean {
    return OWN_FRAMES && !this.compress
  }

  publish(topic: string, bytes: Uint8Array | string): void {
    const members = this.topics.get(topic)
    if (members === undefined) return
    const frame = this.frames ? frameOf(bytes) : null
    for (const member of members) {
      if (frame === null) member.send(bytes)
      else member.sendFrame(frame)
      if (member.buffered <= this.settings.maxBackpressure) continue
      const client = member as PlainClient<Data>
      client.leaveAll()
      client.owed = true
      this.handlers.slow?.(client)
    }
  }

  stop(): Promise<void> {
    this.admission.stopped = true
    if (this.open.size === 0) clearInterval(this.watch)
    this.stopping ??= new Promise(resolve => {
      this.server.close()
      this.server.closeIdleConnections()
      // `close` calls back when the last connection is gone; the address is free as soon as the handle is closed.
      setImmediate(resolve)
    })
    return this.stopping
  }

  close(): Promise<void> {
    const stopped = this.stop()
    for (const client of [...this.open]) client.close(1001, "The server is closing")
    for (const response of [...this.responses]) response.destroy()
    this.server.closeIdleConnections()
    return stopped
  }

  // From clients

  uncorkLater(client: PlainClient<unknown>): void {
    if (this.corked.length === 0) {
      process.nextTick(() => {
        const { corked } = this
        this.corked = []
        for (const one of corked) one.uncork()
      })
    }
    this.corked.push(client)
  }

  drained(client: PlainClient<unknown>): void {
    this.handlers.drain?.(client as PlainClient<Data>)
  }

  closed(client: PlainClient<unknown>, code: number, reason: string): void {
    const one = client as PlainClient<Data>
    this.open.delete(one)
    this.admission.clients--
    if (this.open.size === 0 && this.admission.stopped) clearInterval(this.watch)
    this.handlers.closed?.(one, code, reason)
  }

  private listen(): Promise<void> {
    const { server } = this
    const { host, address, endpoint } = this.settings
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => {
        clearInterval(this.watch)
        reject(fromSystem(error, "bind to", endpoint.href))
      }
      server.once("error", failed)
      server.listen({ host, port: address.port, exclusive: true }, () => {
        server.off("error", failed)
        server.on("error", () => {})
        if (this.settings.unref) server.unref()
        const { port } = server.address() as net.AddressInfo
        this.endpoint = formatWebAddress(endpoint.scheme, host, port, address.path)
        resolve()
      })
    })
  }

  private upgrade(request: http.IncomingMessage, socket: Duplex, head: Buffer): void {
    const drop = (): void => void socket.destroy()
    socket.on("error", drop)
    const asked = webRequest(request, NO_BODY)
    if (asked.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      refuse(socket, { accept: false, status: 400, reason: "There is nothing to upgrade to but websocket" })
      return
    }
    this.admission.decide(asked, decision => {
      if (socket.destroyed) return
      if (!decision.accept) refuse(socket, decision)
      else {
        this.protocol = decision.protocol ?? ""
        // The library would refuse names that are no tokens, such as ZWS2.0/NULL of RFC 45.
        delete request.headers["sec-websocket-protocol"]
        this.upgrader.handleUpgrade(request, socket, head, found => {
          socket.off("error", drop)
          this.opened(found, socket, decision, asked.address)
        })
      }
    })
  }

  private opened(
    socket: import("ws").WebSocket,
    stream: Duplex,
    { data, protocol = "" }: Upgrade<Data>,
    address: string,
  ): void {
    const { handlers } = this
    if (this.settings.unref) (stream as net.Socket).unref()
    const client = new PlainClient<Data>(socket, stream, this, data, address, protocol)
    this.open.add(client)
    this.admission.clients++
    socket.on("message", (message, binary) => {
      client.heardAt = performance.now()
      if (client.open) handlers.message?.(client, message as Buffer, !binary)
    })
    socket.on("pong", bytes => {
      client.heardAt = performance.now()
      if (client.open) handlers.pong?.(client, bytes)
    })
    // What the peer did wrong: the library closes the connection with the code that says so.
    socket.on("error", (error: NodeJS.ErrnoException) => {
      // The library has sent the close frame.
      if (error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH")
        client.ended(TOO_BIG, tooBig(this.settings.maxMessageSize))
    })
    socket.on("close", (code, reason) => client.ended(code, reason.toString()))
    handlers.open?.(client)
  }

  private lookForIdle(): void {
    const now = performance.now()
    const { idleTimeout } = this.settings
    for (const client of [...this.open]) {
      const silent = now - client.heardAt
      if (silent >= idleTimeout) client.destroy()
      else if (silent >= idleTimeout / 2) client.ping()
    }
  }

  private request(request: http.IncomingMessage, response: http.ServerResponse): void {
    const answer = new PlainWebResponse(response, this.settings.maxBackpressure, one => this.responses.delete(one))
    this.responses.add(answer)
    if (!this.admission.hasRoom) {
      answer.reply(503, refusalHeaders(503), "The server is busy or closing\n")
      return
    }
    const asked = webRequest(request, NO_BODY)
    if (asked.method === "GET" || asked.method === "HEAD") {
      request.resume()
      this.respond(asked, answer)
    } else this.gather(request, answer, body => this.respond({ ...asked, body }, answer))
  }

  private respond(request: WebRequest, response: PlainWebResponse): void {
    if (this.handlers.request !== undefined) this.handlers.request(request, response)
    else response.reply(404, { "content-type": "text/plain" }, "There is nothing here but WebSockets\n")
  }

  private gather(request: http.IncomingMessage, answer: PlainWebResponse, whole: (body: Buffer) => void): void {
    const chunks: Buffer[] = []
    let size = 0
    this.admission.pending++
    let pending = true
    request.once("close", () => {
      if (pending) this.admission.pending--
      pending = false
    })
    request.on("data", (chunk: Buffer) => {
      size += chunk.length
      if (size <= this.settings.maxBodySize) chunks.push(chunk)
      else {
        request.pause()
        answer.reply(413, refusalHeaders(413), `A body may have ${this.settings.maxBodySize} bytes (maxBodySize)\n`)
        request.removeAllListeners("data")
        request.resume()
      }
    })
    request.once("end", () => {
      if (size <= this.settings.maxBodySize && !answer.over) whole(Buffer.concat(chunks))
    })
  }
}

function secureServer(limits: http.ServerOptions, tls: TlsOptions, address: string): https.Server {
  try {
    return https.createServer({ ...limits, ...tls, requestCert: tls.ca !== undefined, minVersion: "TLSv1.2" })
  } catch (error) {
    throw badTls(address, error)
  }
}

function webRequest(request: http.IncomingMessage, body: Buffer): WebRequest {
  const headers = new Map<string, string>()
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value)
  }
  const url = request.url ?? "/"
  const mark = url.indexOf("?")
  return {
    method: request.method ?? "GET",
    path: mark < 0 ? url : url.slice(0, mark),
    query: mark < 0 ? "" : url.slice(mark + 1),
    headers,
    protocols: protocolsOf(headers.get("sec-websocket-protocol")),
    address: plainAddress(request.socket.remoteAddress ?? ""),
    body,
  }
}

function refuse(socket: Duplex, { status, reason }: Refusal): void {
  const body = `${reason}\n`
  const headers = { ...refusalHeaders(status), "content-length": `${Buffer.byteLength(body)}` }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  // Node watches over a socket no more once it asked for an upgrade.
  const timer = setTimeout(() => socket.destroy(), REFUSED_TIME)
  timer.unref()
  socket.once("close", () => clearTimeout(timer))
  socket.resume()
  socket.end(`HTTP/1.1 ${status} ${http.STATUS_CODES[status] ?? "Status"}\r\n${lines.join("")}\r\n${body}`)
}
