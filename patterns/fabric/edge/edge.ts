import { closedError, HeddleError } from "../../../core/errors.ts"
import { hold, release } from "../../../core/keep-alive.ts"
import type { Refusal, Upgrade, WebClient, WebHandlers, WebRequest, WebServer, WebServers } from "../../../core/web.ts"
import type { RequestOptions, ServeOptions } from "../call-options.ts"
import type { Fabric } from "../fabric.ts"
import type { FabricMessage } from "../message.ts"
import type { Node } from "../node.ts"
import type { Service, ServiceHandler } from "../requests/service.ts"
import type { Subscription } from "../subscription.ts"
import type { Channel, ChannelHost } from "./channel.ts"
import { Channels } from "./channels.ts"
import { EdgeClient } from "./client.ts"
import { EdgeEvents } from "./edge-events.ts"
import { hostAllowed } from "./host.ts"
import { EdgeHttp } from "./http.ts"
import { checkGrant, type EdgeGrant, type EdgeSettings, type Permissions, permissionsOf } from "./options.ts"
import { CLOSE_LEAVING, CLOSE_NO_HELLO, CLOSE_TOO_LARGE, EDGE_PROTOCOL, LEAVING } from "./protocol.ts"
import { RingBudget } from "./ring.ts"
import { Sessions } from "./session.ts"
import type { EdgeDoor, EdgeStats } from "./stats.ts"
import { RecordReader } from "./wire.ts"

/** How often time limits are looked at: none of them needs to be exact. */
const SWEEP = 500

/** So long before its end a client hears that its token expires. */
const WARNING = 30_000

/** Whom an event is about. */
type Named = Pick<EdgeClient, "id" | "address" | "user" | "name">

/** The door of a node for WebSocket clients and plain HTTP: by default it lets nobody do anything. */
export class Edge implements ChannelHost, EdgeDoor {
  readonly node: Node
  readonly settings: EdgeSettings
  readonly budget: RingBudget
  readonly channels: Channels
  readonly sessions: Sessions
  readonly events: EdgeEvents
  /** Readers that nobody uses now. */
  readonly readers: RecordReader[] = []
  private readonly fabric: Fabric
  private readonly http: EdgeHttp
  private readonly servers: WebServer[] = []
  private readonly clients = new Set<EdgeClient>()
  private readonly silent = new Set<EdgeClient>()
  private readonly limited = new Set<EdgeClient>()
  private timer: NodeJS.Timeout | undefined
  private lastClient = 0
  private recordsIn = 0
  private deliveries = 0
  private held = false

  /** Listens. Rejects with EINVAL, and as listening does: EADDRINUSE, ERR_MISSING_PACKAGE... */
  static async open(node: Node, fabric: Fabric, web: WebServers, settings: EdgeSettings): Promise<Edge> {
    const edge = new Edge(node, fabric, settings)
    try {
      for (const endpoint of edge.settings.listen) await edge.listen(web, endpoint)
    } catch (error) {
      await edge.close()
      throw error
    }
    return edge
  }

  constructor(node: Node, fabric: Fabric, settings: EdgeSettings) {
    this.node = node
    this.fabric = fabric
    this.settings = settings
    this.budget = new RingBudget(this.settings.resumeTotal)
    this.channels = new Channels(this, this.settings.maxChannels, channel => this.sessions.forget(channel))
    this.sessions = new Sessions(this.settings.maxClients, session => {
      for (const channel of session.channels) {
        // Given to a member that does not come back: it may have done them or not.
        if (channel.group !== "") this.events.missed += channel.sent - channel.done
        this.channels.close(channel)
      }
    })
    this.events = new EdgeEvents(event => node.emit(event))
    this.http = new EdgeHttp(this)
    this.timer = setInterval(() => this.sweep(performance.now()), SWEEP)
    this.timer.unref()
  }

  /** Where it listens, with real ports. */
  get endpoints(): readonly string[] {
    return this.servers.map(server => server.endpoint)
  }

  // ChannelHost

  get resumeTime(): number {
    return this.settings.resumeTime
  }

  get resumeBytes(): number {
    return this.settings.resumeBytes
  }

  publish(topic: string, bytes: Uint8Array): void {
    for (let i = 0; i < this.servers.length; i++) this.servers[i].publish(topic, bytes)
  }

  delivered(count: number): void {
    this.deliveries += count
  }

  malformed(channel: Channel, error: unknown): void {
    this.node.emitDrop("here", null, channel.pattern, "malformed", 1)
    this.node.emit({ type: "error", subject: channel.pattern, error })
  }

  // For clients

  newReader(): RecordReader {
    return new RecordReader()
  }

  /** Throws EBADF. */
  mustBeOpen(): void {
    if (this.fabric.closed) throw closedError("Fabric")
  }

  /** Throws EINVAL, EBADF. */
  subscribe(pattern: string, handler: (message: FabricMessage) => void, history: number): Subscription {
    return this.fabric.subscribe(pattern, handler, history > 0 ? { history } : {})
  }

  subscribeAsMember(
    pattern: string,
    handler: (message: FabricMessage) => unknown,
    queue: string,
    concurrency: number,
  ): Subscription {
    return this.fabric.subscribe(pattern, handler, { queue, concurrency })
  }

  request(subject: string, data: unknown, options: RequestOptions): Promise<FabricMessage> {
    return this.fabric.request(subject, data, options)
  }

  serve(pattern: string, handler: ServiceHandler<unknown, unknown>, options: ServeOptions): Service {
    return this.fabric.serve(pattern, handler, options)
  }

  /** What a token stands for. Rejects with EACCES; the host's own mistakes are in an `error` event besides. */
  async judge(token: string, request: WebRequest): Promise<EdgeGrant> {
    const { token: check } = this.settings
    if (check === null) return {}
    let grant: EdgeGrant | null
    try {
      grant = await check(token, request)
      if (grant !== null) this.permissionsOf(checkGrant(grant))
    } catch (error) {
      this.node.emit({ type: "error", subject: "", error })
      throw new HeddleError("EACCES", "The token could not be checked; see the node's events", { cause: error })
    }
    if (grant === null) throw new HeddleError("EACCES", "The token was refused; get a new one")
    if (grant.expires !== undefined && grant.expires <= Date.now())
      throw new HeddleError("EACCES", "The token has expired; get a new one")
    return grant
  }

  permissionsOf(grant: EdgeGrant): Permissions {
    return permissionsOf("what edge.token gives back", grant, this.settings.lists)
  }

  joined(client: EdgeClient): void {
    this.silent.delete(client)
    this.events.tell("join", client)
  }

  /** The client has a token that expires. */
  expiring(client: EdgeClient, limited: boolean): void {
    if (limited) this.limited.add(client)
    else this.limited.delete(client)
  }

  slowed(client: EdgeClient): void {
    this.events.tell("slow", client)
  }

  missed(client: EdgeClient, _channel: Channel, count: number): void {
    this.events.tell("missed", client, undefined, count)
  }

  refused(client: Named, error: unknown): void {
    this.events.refused(client, error)
  }

  /** A request failed: that counts as refused when it is for what the client sent. */
  refusedIf(client: Named, error: unknown): void {
    if (error instanceof HeddleError && REFUSALS.has(error.code)) this.refused(client, error)
  }

  stats(): EdgeStats {
    let messages = this.channels.messages
    for (const channel of this.channels.values()) messages += channel.messages
    let received = this.recordsIn
    for (const client of this.clients) received += client.received
    const { refusals, slow, missed } = this.events
    return {
      endpoints: this.endpoints,
      clients: this.clients.size,
      streams: this.http.streams,
      sessions: this.sessions.size,
      channels: this.channels.size,
      resumeBytes: this.budget.used,
      messages,
      deliveries: this.deliveries,
      received,
      requests: this.http.requests,
      refused: { ...refusals },
      slow,
      missed,
    }
  }

  /** The node leaves: clients are told, nobody new is let in. */
  drain(): void {
    for (const server of this.servers) void server.stop()
    for (const client of this.clients) client.notice(LEAVING)
  }

  async close(): Promise<void> {
    clearInterval(this.timer)
    this.http.close()
    for (const client of [...this.clients]) client.close(CLOSE_LEAVING, "the node leaves")
    await Promise.all(this.servers.map(server => server.close()))
    this.channels.closeAll()
    if (this.held) release()
    this.held = false
  }

  /** Looks at all limits of time. */
  sweep(now: number): void {
    for (const client of this.silent) {
      // In the order of their ends.
      if (client.deadline > now) break
      this.silent.delete(client)
      if (client.waitsForHello)
        client.refuse(
          new HeddleError("ETIMEDOUT", `No HELLO, or no answer to its token, within ${this.settings.helloTimeout} ms`),
          CLOSE_NO_HELLO,
        )
    }
    for (const client of this.limited) client.checkExpiry(now, WARNING)
    this.sessions.expire(now)
    this.channels.expire(now)
    this.http.sweep(now)
  }

  private async listen(web: WebServers, endpoint: string): Promise<void> {
    const { settings } = this
    const [, host = "", path = ""] = /^wss?:\/\/([^/]*)(.*)$/.exec(endpoint) ?? []
    const handlers: WebHandlers<EdgeClient> = {
      upgrade: request => this.upgrade(request, host),
      open: client => this.opened(client),
      message: (client, bytes, text) => client.data.message(bytes, text),
      drain: client => client.data.drained(),
      slow: client => client.data.slow(),
      closed: (client, code) => this.closed(client.data, code),
      request: (request, response) => {
        if (hostAllowed(settings.origins, host, request.headers.get("host"))) this.http.handle(request, response)
        else response.reply(403, { "content-type": "text/plain" }, `${WRONG_HOST}\n`)
      },
      refused: (request, status, reason) => this.events.turnedAway(request.address, status, reason),
    }
    const options = {
      tls: settings.tls,
      kind: settings.server,
      origins: settings.origins,
      anyPath: path === "" || path === "/",
      maxMessageSize: settings.maxMessageSize,
      maxBackpressure: settings.maxBuffer,
      idleTimeout: settings.idleTimeout,
      maxClients: settings.maxClients,
      maxBodySize: settings.maxMessageSize,
    }
    this.servers.push(await web.open<EdgeClient>(endpoint, options, handlers))
    if (!this.held) hold()
    this.held = true
  }

  private upgrade(request: WebRequest, host: string): Upgrade<EdgeClient> | Refusal {
    if (!hostAllowed(this.settings.origins, host, request.headers.get("host")))
      return { accept: false, status: 403, reason: WRONG_HOST }
    if (!request.protocols.includes(EDGE_PROTOCOL))
      return { accept: false, status: 400, reason: `the WebSocket sub-protocol has to be ${EDGE_PROTOCOL}` }
    const client = new EdgeClient(this, ++this.lastClient, request, performance.now())
    return { accept: true, data: client, protocol: EDGE_PROTOCOL }
  }

  private opened(web: WebClient<EdgeClient>): void {
    const client = web.data
    client.opened(web)
    this.clients.add(client)
    this.silent.add(client)
  }

  private closed(client: EdgeClient, code: number): void {
    if (code === CLOSE_TOO_LARGE) {
      const { maxMessageSize } = this.settings
      const text = `A message of the client is larger than ${maxMessageSize} bytes (edge.maxMessageSize)`
      this.refused(client, new HeddleError("EMSGSIZE", text, { address: client.address }))
    }
    const was = client.session !== null
    client.closed()
    this.clients.delete(client)
    this.silent.delete(client)
    this.limited.delete(client)
    this.recordsIn += client.received
    if (was) this.events.tell("leave", client)
  }
}

const REFUSALS: ReadonlySet<string> = new Set([
  "EACCES",
  "EAGAIN",
  "EINVAL",
  "EMSGSIZE",
  "ERR_VALIDATION",
  "ERR_CODEC",
  "EPROTO",
])

const WRONG_HOST = "this address is of this machine only; name it localhost, or set the option edge.origins"
