import fs from "node:fs"
import net from "node:net"
import os from "node:os"
import path from "node:path"
import { fromSystem, HeddleError } from "../../core/errors.ts"
import type { TlsOptions, Upgrade, WebHandlers, WebRequest, WebServer } from "../../core/web.ts"
import { formatWebAddress, plainAddress } from "./address.ts"
import { Admission, protocolsOf } from "./admission.ts"
import { ABNORMAL, TOO_BIG, tooBig } from "./close-codes.ts"
import type { ListenToken, Uws, UwsApp, UwsRequest, UwsResponse, UwsSocket } from "./uws.ts"
import { UwsClient, type UwsTopics } from "./uws-client.ts"
import { UwsWebResponse, writeRefusal } from "./uws-response.ts"
import { badTls, type WebSettings } from "./web-settings.ts"

/**
 * Bytes published between two looks at who cannot follow. A look costs 0.1 microseconds a client; between two looks, a client's
 * buffer may grow by so much and what the tree of topics holds back (32 messages of 16 KiB).
 */
const LOOK_EVERY = 256 * 1024
/**
 * uWebSockets.js cuts off who sends more than it may without a close frame, and says so here in these words. Up to twice the limit and so
 * much more is read, so that most who are wrong are told.
 */
const CUT_OFF = "Received too big message"
const GRACE = 64 * 1024
/** Beyond `maxBackpressure` uWebSockets.js itself drops: not what we send, but its pongs to a client that only pings. */
const SLACK = 2 * 1024 * 1024
/** uWebSockets.js would otherwise share a port with any other process that asks (SO_REUSEPORT). */
const EXCLUSIVE = 1

const NO_BODY = Buffer.alloc(0)

/** A socket of uWebSockets.js between its upgrade and its end: properties that are set on it stay. */
interface Owned<Data> extends UwsSocket {
  grant: { data: Data; address: string; protocol: string }
  client: UwsClient<Data>
}

/** `WebServer` by uWebSockets.js. */
export class UwsServer<Data> implements WebServer, UwsTopics {
  readonly kind = "uWebSockets.js"
  endpoint = ""
  readonly members = new Set<UwsClient<unknown>>()
  unflushed = false
  private readonly uws: Uws
  private readonly app: UwsApp
  private readonly settings: WebSettings
  private readonly handlers: WebHandlers<Data>
  private readonly admission: Admission<Data>
  private readonly open = new Set<UwsClient<Data>>()
  private readonly responses = new Set<UwsWebResponse>()
  private token: ListenToken | null = null
  private unlooked = 0

  static async listen<Data>(uws: Uws, settings: WebSettings, handlers: WebHandlers<Data>): Promise<UwsServer<Data>> {
    const server = new UwsServer(uws, settings, handlers)
    await server.listen()
    return server
  }

  private constructor(uws: Uws, settings: WebSettings, handlers: WebHandlers<Data>) {
    this.uws = uws
    this.settings = settings
    this.handlers = handlers
    this.admission = new Admission(settings, handlers)
    this.app = settings.tls === null ? uws.App() : secureApp(uws, settings.tls, settings.endpoint.href)
    const { maxMessageSize, maxBackpressure, idleTimeout, compression } = settings
    this.app.ws("/*", {
      maxPayloadLength: Math.min(2 * maxMessageSize + GRACE, 2 ** 31 - 1),
      maxBackpressure: maxBackpressure + SLACK,
      closeOnBackpressureLimit: false,
      idleTimeout: idleTimeout / 1_000,
      sendPingsAutomatically: idleTimeout > 0,
      compression: compression ? uws.SHARED_COMPRESSOR : uws.DISABLED,
      upgrade: (response, request, context) => this.upgrade(response, request, context),
      open: socket => this.opened(socket as Owned<Data>),
      message: (socket, message, binary) => {
        const { client } = socket as Owned<Data>
        if (message.byteLength > maxMessageSize) client.close(TOO_BIG, tooBig(maxMessageSize))
        else handlers.message?.(client, Buffer.from(message), !binary)
      },
      drain: socket => this.drained(socket as Owned<Data>),
      pong: (socket, message) => handlers.pong?.((socket as Owned<Data>).client, Buffer.from(message)),
      close: (socket, code, reason) => this.closed(socket as Owned<Data>, code, Buffer.from(reason).toString()),
    })
    this.app.any("/*", (response, request) => this.request(response, request))
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

  publish(topic: string, bytes: Uint8Array | string): void {
    this.app.publish(topic, bytes, typeof bytes !== "string", this.settings.compression)
    if (!this.unflushed) {
      this.unflushed = true
      setImmediate(() => {
        this.unflushed = false
      })
    }
    this.unlooked += bytes.length
    if (this.unlooked >= LOOK_EVERY) this.look()
  }

  stop(): Promise<void> {
    this.admission.stopped = true
    if (this.token !== null) this.uws.us_listen_socket_close(this.token)
    this.token = null
    return new Promise(resolve => setImmediate(resolve))
  }

  close(): Promise<void> {
    const stopped = this.stop()
    for (const client of [...this.open]) client.close(1001, "The server is closing")
    for (const response of [...this.responses]) response.destroy()
    return stopped
  }

  private async listen(): Promise<void> {
    const { host, address, endpoint } = this.settings
    const token = await new Promise<ListenToken | false>(resolve => {
      this.app.listen(host, address.port, EXCLUSIVE, resolve)
    })
    if (token === false) throw await whyNot(host, address.port, endpoint.href)
    this.token = token
    const port = this.uws.us_socket_local_port(token)
    this.endpoint = formatWebAddress(endpoint.scheme, host, port, address.path)
  }

  /** Clients whose buffer is full leave their topics. */
  private look(): void {
    this.unlooked = 0
    for (const member of this.members) {
      if (member.buffered <= this.settings.maxBackpressure) continue
      const client = member as UwsClient<Data>
      client.leaveAll()
      client.waiting = true
      this.handlers.slow?.(client)
    }
  }

  private upgrade(response: UwsResponse, request: UwsRequest, context: object): void {
    const asked = webRequest(response, request, NO_BODY)
    const key = request.getHeader("sec-websocket-key")
    const extensions = request.getHeader("sec-websocket-extensions")
    let gone = false
    response.onAborted(() => {
      gone = true
    })
    this.admission.decide(asked, decision => {
      if (gone) return
      response.cork(() => {
        if (!decision.accept) writeRefusal(response, decision.status, decision.reason)
        else this.admit(response, decision, asked, key, extensions, context)
      })
    })
  }

  private admit(
    response: UwsResponse,
    { data, protocol = "" }: Upgrade<Data>,
    { address }: WebRequest,
    key: string,
    extensions: string,
    context: object,
  ): void {
    response.upgrade({ grant: { data, address, protocol }, client: null }, key, protocol, extensions, context)
  }

  private opened(socket: Owned<Data>): void {
    const { data, address, protocol } = socket.grant
    const client = new UwsClient(socket, this, data, address, protocol)
    socket.client = client
    this.open.add(client)
    this.admission.clients++
    this.handlers.open?.(client)
  }

  private drained({ client }: Owned<Data>): void {
    if (!client.waiting || client.buffered > 0) return
    client.waiting = false
    this.handlers.drain?.(client)
  }

  private closed({ client }: Owned<Data>, code: number, reason: string): void {
    client.ended()
    this.open.delete(client)
    this.admission.clients--
    if (code === ABNORMAL && reason === CUT_OFF)
      this.handlers.closed?.(client, TOO_BIG, tooBig(this.settings.maxMessageSize))
    else this.handlers.closed?.(client, code, reason)
  }

  private request(response: UwsResponse, request: UwsRequest): void {
    if (!this.admission.hasRoom) {
      response.onAborted(() => {})
      writeRefusal(response, 503, "The server is busy or closing")
      return
    }
    const method = request.getMethod()
    const asked = webRequest(response, request, NO_BODY)
    const answer = new UwsWebResponse(response, method === "head", this.settings.maxBackpressure, one =>
      this.responses.delete(one),
    )
    this.responses.add(answer)
    response.onAborted(() => answer.lost())
    if (method === "get" || method === "head") this.respond(asked, answer)
    else this.gather(response, answer, body => this.respond({ ...asked, body }, answer))
  }

  private respond(request: WebRequest, response: UwsWebResponse): void {
    if (this.handlers.request !== undefined) this.handlers.request(request, response)
    else response.reply(404, { "content-type": "text/plain" }, "There is nothing here but WebSockets\n")
  }

  private gather(response: UwsResponse, answer: UwsWebResponse, whole: (body: Buffer) => void): void {
    const chunks: Buffer[] = []
    let size = 0
    this.admission.pending++
    let pending = true
    const done = (): void => {
      if (pending) this.admission.pending--
      pending = false
    }
    response.onAborted(() => {
      done()
      answer.lost()
    })
    response.onData((chunk, last) => {
      if (answer.over) return done()
      size += chunk.byteLength
      if (size > this.settings.maxBodySize) {
        done()
        answer.refuse(413, `A body may have ${this.settings.maxBodySize} bytes (maxBodySize)`)
        return
      }
      // The memory is valid during the call only.
      if (chunk.byteLength > 0) chunks.push(Buffer.from(Buffer.from(chunk)))
      if (!last) return
      done()
      whole(Buffer.concat(chunks))
    })
  }
}

function webRequest(response: UwsResponse, request: UwsRequest, body: Buffer): WebRequest {
  const headers = new Map<string, string>()
  request.forEach((name, value) => {
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : `${before}, ${value}`)
  })
  return {
    method: (request.getCaseSensitiveMethod?.() ?? request.getMethod()).toUpperCase(),
    path: request.getUrl(),
    query: request.getQuery() ?? "",
    headers,
    protocols: protocolsOf(headers.get("sec-websocket-protocol")),
    address: plainAddress(Buffer.from(response.getRemoteAddressAsText()).toString()),
    body,
  }
}

/** uWebSockets.js reads keys from files only: they exist while it does, for this user alone. */
function secureApp(uws: Uws, { key, cert, passphrase }: TlsOptions, address: string): UwsApp {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-tls-"))
  try {
    const file = (name: string, text: string | Buffer): string => {
      const place = path.join(folder, name)
      fs.writeFileSync(place, text, { mode: 0o600 })
      return place
    }
    return uws.SSLApp({
      key_file_name: file("key.pem", key ?? ""),
      cert_file_name: file("cert.pem", cert ?? ""),
      ...(passphrase !== undefined && { passphrase }),
    })
  } catch (error) {
    throw badTls(address, error)
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

/** uWebSockets.js says only that it cannot listen: Node is asked for the reason. */
function whyNot(host: string, port: number, address: string): Promise<HeddleError> {
  return new Promise(resolve => {
    const server = net.createServer()
    server.once("error", error => resolve(fromSystem(error, "bind to", address)))
    server.listen({ host, port, exclusive: true }, () => {
      server.close()
      resolve(new HeddleError("EADDRINUSE", `bind to ${address}: another socket listened there`, { address }))
    })
  })
}
