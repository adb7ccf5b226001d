import { HeddleError } from "../../../core/errors.ts"
import { Queue } from "../../../core/queue.ts"
import type { Interest } from "../interest.ts"
import type { FabricMessage } from "../message.ts"
import { noResponders } from "../requests/failures.ts"
import { type Call, CREDIT_AHEAD, type ReplySink, type Requests } from "../requests/requests.ts"
import type { EdgeClient } from "./client.ts"
import { headersOf, payloadOf, writeMessage } from "./content.ts"
import { forbidden, mayUse } from "./permissions.ts"
import { ASK_MANY, ASK_ONE, ASK_STREAM, END, MORE, REPLY } from "./protocol.ts"
import type { RecordReader } from "./wire.ts"

/** Timers of Node fire at once beyond this; the time comes from the network. */
const LONGEST = 2 ** 31 - 1

/** Replies that each of many servers may send ahead of what the client has taken. */
const AHEAD_EACH = 16

/** Requests of one client that are under way. */
export class Asking {
  private readonly client: EdgeClient
  private readonly asks = new Map<number, Ask>()

  constructor(client: EdgeClient) {
    this.client = client
  }

  get size(): number {
    return this.asks.size
  }

  /** A REQUEST: what is wrong with it is its answer. Throws EPROTO. */
  read(reader: RecordReader, allowed: boolean): void {
    const id = reader.varint()
    const kind = reader.byte()
    const timeout = reader.varint()
    const credit = reader.varint()
    const content = reader.content(null)
    if (this.asks.has(id)) throw new HeddleError("EPROTO", `The client has a request ${id} under way already`)
    const { client } = this
    const { edge } = client
    const { node, settings } = edge
    try {
      if (!allowed) throw client.tooFast()
      const { subject } = content
      if (!mayUse(client.permissions, "request", subject)) throw forbidden("request", subject)
      if (this.asks.size >= settings.maxRequests) {
        throw new HeddleError(
          "EAGAIN",
          `${settings.maxRequests} requests of this client wait for answers (edge.maxRequests); try again later`,
        )
      }
      edge.mustBeOpen()
      const topic = node.topics.of(subject)
      const parcel = node.publishing.parcelOf(payloadOf(node, content, subject), undefined, headersOf(content))
      const members = membersOf(kind, topic.services, node.requests)
      if (members.length === 0) throw noResponders(subject)
      const ahead = kind === ASK_ONE ? 1 : kind === ASK_STREAM ? CREDIT_AHEAD : AHEAD_EACH
      const start = (member: Interest, milliseconds: number, sink: Answering): Call | null => {
        const limits = { timeout: milliseconds, signal: undefined }
        return node.requests.start(topic, member, parcel, limits, ahead, sink, kind === ASK_ONE)
      }
      const ask = new Ask(client, id, kind, credit, subject, start, () => this.asks.delete(id))
      this.asks.set(id, ask)
      ask.begin(members, timeout === 0 ? node.settings.timeout : Math.min(timeout, LONGEST))
    } catch (error) {
      client.failRequest(id, error)
    }
  }

  credit(id: number, count: number): void {
    this.asks.get(id)?.grant(count)
  }

  cancel(id: number): void {
    this.asks.get(id)?.stop()
  }

  /** The client reads again. */
  pump(): void {
    for (const ask of this.asks.values()) ask.pump()
  }

  /** The client is gone. */
  end(): void {
    for (const ask of this.asks.values()) ask.stop()
  }
}

function membersOf(
  kind: number,
  services: readonly Interest[],
  requests: { choose: Requests["choose"]; chooseAll: Requests["chooseAll"] },
): readonly Interest[] {
  if (kind === ASK_MANY) return requests.chooseAll(services)
  if (kind !== ASK_ONE && kind !== ASK_STREAM) throw new HeddleError("EINVAL", `There is no request of kind ${kind}`)
  const server = requests.choose(services)
  return server === null ? [] : [server]
}

/** One request of a client, to one server or many. */
class Ask {
  private readonly client: EdgeClient
  private readonly id: number
  private readonly kind: number
  private readonly subject: string
  private readonly start: (member: Interest, timeout: number, sink: Answering) => Call | null
  private readonly over: () => void
  private readonly calls = new Set<Answering>()
  private readonly waiting = new Queue<{ message: FabricMessage; from: Answering | null }>()
  private credit: number
  private left = 0
  private replies = 0
  private failure: HeddleError | null = null
  private ended = false

  /** `start`: of the part of one server; `timeout` in milliseconds. */
  constructor(
    client: EdgeClient,
    id: number,
    kind: number,
    credit: number,
    subject: string,
    start: (member: Interest, timeout: number, sink: Answering) => Call | null,
    over: () => void,
  ) {
    this.client = client
    this.id = id
    this.kind = kind
    this.credit = credit
    this.subject = subject
    this.start = start
    this.over = over
  }

  begin(members: readonly Interest[], timeout: number): void {
    this.left += members.length
    for (const member of members) {
      const sink = new Answering(this, this.kind === ASK_MANY)
      this.calls.add(sink)
      sink.call = this.start(member, timeout, sink)
    }
  }

  /** Nobody was known, and these are now. */
  spread(from: Answering, servers: readonly Interest[], timeout: number): void {
    if (this.ended) return
    if (servers.length === 0) {
      this.failed(from, noResponders(this.subject))
      return
    }
    this.begin(servers, timeout)
    this.oneLess(from)
  }

  replied(from: Answering, message: FabricMessage | null, more: boolean): void {
    if (this.ended) return
    if (this.kind === ASK_ONE) {
      this.answer(message)
      if (more) from.cancel(this.client)
      return
    }
    if (!more) this.oneLess(from)
    if (message !== null) this.waiting.push({ message, from: more ? from : null })
    this.pump()
  }

  failed(from: Answering, error: HeddleError): void {
    if (this.ended) return
    this.oneLess(from)
    if (this.kind !== ASK_MANY) this.failure = error
    else if (error.code !== "ETIMEDOUT") this.failure ??= error
    this.pump()
  }

  grant(count: number): void {
    this.credit += count
    this.pump()
  }

  /** Hands out replies, as many as the client takes; then the end. */
  pump(): void {
    const { client } = this
    while (this.credit > 0 && this.waiting.length > 0 && !client.congested) {
      const { message, from } = this.waiting.shift() as { message: FabricMessage; from: Answering | null }
      this.credit--
      this.replies++
      from?.grant(client)
      try {
        client.out(REPLY).varint(this.id).byte(MORE)
        writeMessage(client.outbox, message, null)
        client.outbox.end()
      } catch (error) {
        client.outbox.abandon()
        this.failure = error as HeddleError
        this.stop()
        client.failRequest(this.id, error)
        return
      }
    }
    if (this.left > 0 || this.waiting.length > 0 || this.ended) return
    this.finish()
    const { failure } = this
    if (failure !== null && (this.kind !== ASK_MANY || this.replies === 0)) client.failRequest(this.id, failure)
    else client.out(REPLY).varint(this.id).byte(END).end()
  }

  /** Nobody waits for it any more. */
  stop(): void {
    if (this.ended) return
    this.finish()
    this.waiting.clear()
    for (const call of this.calls) call.cancel(this.client)
    this.calls.clear()
  }

  private finish(): void {
    this.ended = true
    this.over()
  }

  private answer(message: FabricMessage | null): void {
    this.finish()
    const { client, id } = this
    if (message === null) {
      client.failRequest(id, new HeddleError("ERR_REMOTE", "The server ended a stream without a value"))
      return
    }
    try {
      client.out(REPLY).varint(id).byte(0)
      writeMessage(client.outbox, message, null)
      client.outbox.end()
    } catch (error) {
      client.outbox.abandon()
      client.failRequest(id, error)
    }
  }

  private oneLess(from: Answering): void {
    this.left--
    this.calls.delete(from)
  }
}

/** The part of one server in a request. */
class Answering implements ReplySink {
  call: Call | null = null
  readonly spread: ReplySink["spread"]
  private readonly ask: Ask

  constructor(ask: Ask, toAll: boolean) {
    this.ask = ask
    this.spread = toAll ? (servers, timeout) => ask.spread(this, servers, timeout) : undefined
  }

  reply(message: FabricMessage | null, more: boolean): void {
    this.ask.replied(this, message, more)
  }

  failed(error: HeddleError): void {
    this.ask.failed(this, error)
  }

  grant(client: EdgeClient): void {
    if (this.call !== null) client.edge.node.requests.grant(this.call, 1)
  }

  cancel(client: EdgeClient): void {
    if (this.call !== null) client.edge.node.requests.cancel(this.call, null)
  }
}
