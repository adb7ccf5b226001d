import { Context } from "../../core/context.ts"
import type {
  Refusal,
  SendResult,
  Upgrade,
  WebClient,
  WebHandlers,
  WebOptions,
  WebRequest,
  WebServer,
  WebServers,
  WebTransport,
} from "../../core/web.ts"
import { TcpTransport } from "../../transports/tcp.ts"

/** What a client of a fake server asks with. */
export function fakeRequest(more: Partial<WebRequest> = {}): WebRequest {
  return {
    method: "GET",
    path: "/",
    query: "",
    headers: new Map([["host", "127.0.0.1:80"]]),
    protocols: ["heddle.edge.1"],
    address: "127.0.0.1",
    body: Buffer.alloc(0),
    ...more,
  }
}

/** A WebSocket client as the server sees it: what it is sent is in `got`; `stalled` ones read nothing. */
export class FakeWebClient implements WebClient<unknown> {
  readonly data: unknown
  readonly address = "127.0.0.1"
  readonly protocol = "heddle.edge.1"
  readonly pausable = false
  readonly got: Buffer[] = []
  open = true
  closed: { code: number; reason: string } | null = null
  stalled = false
  private readonly server: FakeWebServer
  private readonly topics = new Set<string>()
  private waiting: Buffer[] = []
  private told = false

  constructor(server: FakeWebServer, data: unknown) {
    this.server = server
    this.data = data
  }

  get buffered(): number {
    return this.waiting.reduce((sum, one) => sum + one.length, 0)
  }

  send(message: Uint8Array | string): SendResult {
    if (!this.open) return "dropped"
    const bytes = Buffer.from(message as Uint8Array)
    if (!this.stalled) {
      this.got.push(bytes)
      return "sent"
    }
    this.told = true
    if (this.buffered > this.server.maxBackpressure) return "dropped"
    this.waiting.push(bytes)
    return "queued"
  }

  cork(run: () => void): void {
    run()
  }

  ping(): void {}

  join(topic: string): void {
    this.topics.add(topic)
  }

  leave(topic: string): void {
    this.topics.delete(topic)
  }

  pause(): void {}
  resume(): void {}

  close(code = 1000, reason = ""): void {
    this.end(code, reason)
  }

  destroy(): void {
    this.end(1006, "")
  }

  /** @internal From the server's `publish`. */
  published(topic: string, bytes: Uint8Array | string): void {
    if (!this.topics.has(topic)) return
    if (!this.stalled) {
      this.got.push(Buffer.from(bytes as Uint8Array))
      return
    }
    this.waiting.push(Buffer.from(bytes as Uint8Array))
    if (this.buffered <= this.server.maxBackpressure) return
    this.topics.clear()
    this.told = true
    this.server.handlers.slow?.(this)
  }

  // For tests

  say(bytes: Uint8Array): void {
    if (this.open) this.server.handlers.message?.(this, Buffer.from(bytes), false)
  }

  /** Reads on: what waited arrives, and the server hears of it. */
  read(): void {
    this.stalled = false
    this.got.push(...this.waiting)
    this.waiting = []
    if (!this.told) return
    this.told = false
    this.server.handlers.drain?.(this)
  }

  private end(code: number, reason: string): void {
    if (!this.open) return
    this.open = false
    this.closed = { code, reason }
    this.server.clients--
    this.server.members.delete(this)
    this.server.handlers.closed?.(this, code, reason)
  }
}

/** A web server without a network: tests connect clients by hand, and stall them. */
export class FakeWebServer implements WebServer {
  readonly kind = "ws"
  readonly endpoint: string
  clients = 0
  readonly members = new Set<FakeWebClient>()
  readonly handlers: WebHandlers<unknown>
  readonly maxBackpressure: number

  constructor(endpoint: string, options: WebOptions, handlers: WebHandlers<unknown>) {
    this.endpoint = endpoint
    this.handlers = handlers
    this.maxBackpressure = options.maxBackpressure ?? 1024 * 1024
  }

  publish(topic: string, bytes: Uint8Array | string): void {
    for (const member of [...this.members]) member.published(topic, bytes)
  }

  stop(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    for (const member of [...this.members]) member.close(1001, "The server is closing")
    return Promise.resolve()
  }

  async connect(request: WebRequest = fakeRequest()): Promise<FakeWebClient | Refusal> {
    const answer = (await this.handlers.upgrade?.(request)) as Upgrade<unknown> | Refusal
    if (!answer.accept) return answer
    const client = new FakeWebClient(this, answer.data)
    this.clients++
    this.members.add(client)
    this.handlers.open?.(client)
    return client
  }
}

/** A context whose web is fake; TCP is real. `servers` are those that were opened. */
export function fakeWebContext(): { context: Context; servers: FakeWebServer[] } {
  const servers: FakeWebServer[] = []
  const web: WebServers = {
    open(endpoint, options, handlers) {
      const server = new FakeWebServer(endpoint, options, handlers as WebHandlers<unknown>)
      servers.push(server)
      return Promise.resolve(server)
    },
  }
  const never = (): never => {
    throw new Error("only the web is here")
  }
  const transport: WebTransport = { scheme: "fake", web, check: never, listen: never, dial: never }
  return { context: new Context([new TcpTransport(), transport]), servers }
}
