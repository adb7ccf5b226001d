import { HeddleError } from "../../../core/errors.ts"
import type { SendResult, WebClient, WebRequest } from "../../../core/web.ts"
import type { Channel } from "./channel.ts"
import { tellable, writeFailure } from "./content.ts"
import type { Edge } from "./edge.ts"
import type { EdgeGrant, Permissions } from "./options.ts"
import { Outbox } from "./outbox.ts"
import * as P from "./protocol.ts"
import { RateLimit } from "./rate.ts"
import type { Session } from "./session.ts"
import { Traffic } from "./traffic.ts"
import type { RecordReader, RecordWriter } from "./wire.ts"

/** Bytes that a client may send ahead while its token is checked. */
const MOST_HELD = 64 * 1024

/** What is longer is cut: it is for people. */
const MOST_NAME = 128

const NEW = 0
const CHECKING = 1
const OPEN = 2
const OVER = 3

/** One WebSocket client. There are many that do nothing: what few need is made when it is needed. */
export class EdgeClient {
  readonly edge: Edge
  readonly id: number
  permissions: Permissions
  user = ""
  name = ""
  session: Session | null = null
  /** When the token expires, by performance.now(); 0 = never. */
  expires = 0
  /** It has been told that its token expires. */
  warned = false
  /** Records from it, and to it alone. */
  received = 0
  /** When it has to have said HELLO, or its token to be judged. */
  readonly deadline: number
  private readonly box: Outbox
  private request: WebRequest | null
  private state: typeof NEW | typeof CHECKING | typeof OPEN | typeof OVER = NEW
  private rate: RateLimit
  private held: Uint8Array[] | null = null
  private heldBytes = 0
  /** A new token is with the host. */
  private judging = false
  /** It has said goodbye, and will not come back. */
  private left = false
  private traffic: Traffic | null = null

  constructor(edge: Edge, id: number, request: WebRequest, now: number) {
    this.edge = edge
    this.id = id
    this.request = request
    this.box = new Outbox(edge.settings.maxBuffer, () => this.tooSlow())
    this.permissions = edge.settings.lists
    this.rate = new RateLimit(edge.settings.rateMessages, edge.settings.rateBytes, now)
    this.deadline = now + edge.settings.helloTimeout
  }

  opened(web: WebClient<EdgeClient>): void {
    this.box.web = web
  }

  get address(): string {
    return this.box.web?.address ?? ""
  }

  get waitsForHello(): boolean {
    return this.state < OPEN
  }

  get open(): boolean {
    return this.state === OPEN
  }

  /** It reads too slowly for more than it has already: streams wait. */
  get congested(): boolean {
    return this.box.stuck || (this.box.web?.buffered ?? 0) > this.edge.settings.maxBuffer / 2
  }

  // From the WebSocket

  message(bytes: Buffer, text: boolean): void {
    if (this.state === OVER) return
    if (text) {
      this.refuse(
        new HeddleError("EPROTO", "The client sent a text message; the edge speaks binary"),
        P.CLOSE_MALFORMED,
      )
      return
    }
    this.rate.arrived(bytes.length, performance.now())
    // The bytes are the server's again after this call; payloads are queued.
    this.handle(Buffer.from(bytes))
  }

  /** Everything that waited is with the operating system. */
  drained(): void {
    this.box.flush()
    this.traffic?.drained()
  }

  /** It does not read what is published: it has left all its topics. */
  slow(): void {
    this.edge.slowed(this)
    this.traffic?.slow()
  }

  /** The connection is gone. */
  closed(): void {
    const { session, edge, left } = this
    this.state = OVER
    this.held = null
    const until =
      left || session === null || edge.settings.resumeTime === 0 ? 0 : performance.now() + edge.settings.resumeTime
    this.traffic?.end(until)
    if (session !== null) {
      if (until > 0) edge.sessions.left(session, until)
      else edge.sessions.end(session)
    }
    this.box.clear()
  }

  // For those who write to it

  /** Begins a record; it leaves at the end of the turn, with others. */
  out(type: number): RecordWriter {
    return this.box.begin(type)
  }

  get outbox(): RecordWriter {
    return this.box.writer
  }

  sendNow(bytes: Uint8Array): SendResult {
    return this.box.sendNow(bytes)
  }

  join(topic: string): void {
    this.box.flush()
    this.box.web?.join(topic)
  }

  leave(topic: string): void {
    this.box.web?.leave(topic)
  }

  missed(channel: Channel, count: number): void {
    this.edge.missed(this, channel, count)
  }

  failRequest(id: number, error: unknown): void {
    this.edge.refusedIf(this, error)
    this.out(P.REPLY).varint(id).byte(P.FAILED)
    writeFailure(this.outbox, error)
    this.outbox.end()
  }

  tooFast(): HeddleError {
    const { rateMessages, rateBytes } = this.edge.settings
    return new HeddleError(
      "EAGAIN",
      `The client sends more than ${rateMessages} messages or ${rateBytes} bytes a second (edge.rate); send fewer, or later`,
    )
  }

  /** Tells the client why, and closes. */
  refuse(error: HeddleError, code: number): void {
    if (this.state === OVER) return
    this.edge.refused(this, error)
    this.writeRefused(P.OF_CONNECTION, 0, error)
    this.close(code, error.message)
  }

  /** The token has expired, or does soon. */
  checkExpiry(now: number, warning: number): void {
    if (this.expires === 0 || this.state !== OPEN) return
    if (now >= this.expires) {
      this.refuse(new HeddleError("EACCES", "The token has expired; connect again with a new one"), P.CLOSE_TOKEN)
    } else if (!this.warned && now >= this.expires - warning) {
      this.warned = true
      this.out(P.NOTICE)
        .byte(P.EXPIRING)
        .varint(Math.ceil(this.expires - now))
        .end()
    }
  }

  notice(kind: number): void {
    if (this.state === OPEN) this.out(P.NOTICE).byte(kind).end()
  }

  /** Sends what is written and closes. */
  close(code: number, reason: string): void {
    if (this.state === OVER) return
    this.state = OVER
    this.box.flush()
    this.box.web?.close(code, shorten(reason))
  }

  /** Another connection has taken its session over. */
  replaced(): void {
    this.writeRefused(
      P.OF_CONNECTION,
      0,
      new HeddleError("ECONNABORTED", "Another connection has taken this session over"),
    )
    this.close(P.CLOSE_REPLACED, "taken over by another connection")
  }

  // Records

  private handle(bytes: Uint8Array): void {
    if (this.state === CHECKING) {
      this.hold(bytes)
      return
    }
    this.box.handling = true
    const reader = this.edge.readers.pop() ?? this.edge.newReader()
    try {
      reader.reset(bytes)
      for (let type = reader.next(); type !== -1; type = reader.next()) {
        if (this.state === NEW) {
          this.hello(type, reader)
        } else this.record(type, reader)
        if (!this.open) break
      }
      if (this.open && this.rate.flooded) this.refuse(this.tooFast(), P.CLOSE_FLOOD)
    } catch (error) {
      this.refuse(tellable(error), P.CLOSE_MALFORMED)
    } finally {
      this.edge.readers.push(reader)
      this.box.handling = false
    }
    this.after()
  }

  /** What was answered to the records of one message leaves in one. */
  private after(): void {
    const { session, traffic } = this
    if (session !== null && traffic !== null && traffic.published > session.publishes) {
      session.publishes = traffic.published
      this.out(P.PUBLISHED).varint(traffic.published).end()
    }
    this.box.flush()
    if (traffic?.behind === true && this.state === OPEN) traffic.pumpSubscriptions()
  }

  private record(type: number, reader: RecordReader): void {
    this.received++
    const allowed = this.rate.take()
    if (!allowed && this.rate.flooded) this.refuse(this.tooFast(), P.CLOSE_FLOOD)
    else this.traffic?.record(type, reader, allowed)
  }

  private hold(bytes: Uint8Array): void {
    this.heldBytes += bytes.length
    if (this.heldBytes > MOST_HELD) this.refuse(this.tooFast(), P.CLOSE_FLOOD)
    else if (bytes.length > 0) this.held?.push(bytes)
  }

  private hello(type: number, reader: RecordReader): void {
    if (type !== P.HELLO)
      throw new HeddleError("EPROTO", `The client's first record is of type ${type}; it has to be HELLO`)
    const version = reader.varint()
    if (version < 1) throw new HeddleError("EPROTO", `The client speaks version ${version}`)
    const token = reader.text()
    const session = reader.text()
    this.name = reader.text().slice(0, MOST_NAME)
    this.state = CHECKING
    const { rest } = reader
    const { settings } = this.edge
    if (settings.token === null) {
      this.request = null
      this.accept({}, session)
      return
    }
    this.held = []
    this.hold(rest)
    void this.edge.judge(token, this.request as WebRequest).then(
      grant => {
        if (this.state !== CHECKING) return
        const { held } = this
        this.held = null
        this.accept(grant, session)
        for (const bytes of held ?? []) this.handle(bytes)
        this.after()
      },
      error => this.refuse(tellable(error), P.CLOSE_TOKEN),
    )
  }

  private accept(grant: EdgeGrant, wanted: string): void {
    const { edge } = this
    const { node, settings, sessions } = edge
    this.take(grant)
    this.user = grant.user ?? ""
    const known = wanted === "" ? null : sessions.find(wanted, this.user)
    known?.client?.replaced()
    const session = known ?? sessions.open(this.user)
    sessions.claim(session, this)
    this.session = session
    this.traffic = new Traffic(this, session.publishes)
    this.state = OPEN
    edge.joined(this)
    this.out(P.WELCOME)
      .varint(P.EDGE_VERSION)
      .text(session.id)
      .byte(known === null ? 0 : P.RESUMED)
      .varint(session.publishes)
      .text(node.fabric)
      .text(node.id)
      .text(node.name)
      .varint(settings.resumeTime)
      .varint(settings.maxMessageSize)
      .varint(this.tokenRest())
      .varint(settings.rateMessages)
      .end()
  }

  /** What a token allows. */
  private take(grant: EdgeGrant): void {
    this.permissions = this.edge.permissionsOf(grant)
    this.warned = false
    // The clock of the wall is read once; from here on time is counted.
    this.expires =
      grant.expires === undefined ? 0 : performance.now() + Math.max(1, Math.min(grant.expires - Date.now(), 2 ** 50))
    this.edge.expiring(this, this.expires > 0)
  }

  private tokenRest(): number {
    return this.expires === 0 ? 0 : Math.max(1, Math.ceil(this.expires - performance.now()))
  }

  writeRefused(what: number, number: number, error: HeddleError): void {
    this.out(P.REFUSED).byte(what).varint(number).text(error.code).text(error.message.slice(0, 1_000)).end()
  }

  /** It says goodbye, and will not come back. */
  bye(): void {
    this.left = true
    this.close(P.CLOSE_DONE, "bye")
  }

  /** A new token on an open connection. */
  authenticate(token: string): void {
    const { request, edge } = this
    if (this.judging) {
      this.refuseToken(new HeddleError("EAGAIN", "The client's last token is still being judged; wait for the answer"))
      return
    }
    if (request === null) {
      this.out(P.AUTHENTICATED).varint(0).end()
      return
    }
    this.judging = true
    void edge.judge(token, request).then(
      grant => {
        this.judging = false
        if (this.state !== OPEN) return
        if ((grant.user ?? "") !== this.user) {
          this.refuseToken(new HeddleError("EACCES", "The new token is of another user; connect again to change it"))
          return
        }
        this.take(grant)
        this.out(P.AUTHENTICATED).varint(this.tokenRest()).end()
        this.traffic?.endForbidden()
      },
      error => {
        this.judging = false
        this.refuseToken(tellable(error))
      },
    )
  }

  private refuseToken(error: HeddleError): void {
    if (this.state !== OPEN) return
    this.edge.refused(this, error)
    this.writeRefused(P.OF_AUTH, 0, error)
  }

  /** It does not read its own answers. */
  private tooSlow(): void {
    if (this.state === OVER) return
    this.edge.refused(this, new HeddleError("EBUSY", "The client does not read what it asked for"))
    this.close(P.CLOSE_SLOW, "too slow")
  }
}

/** The reason in a close frame has 123 bytes at most (RFC 6455). */
function shorten(reason: string): string {
  let text = reason
  while (Buffer.byteLength(text) > 123) text = text.slice(0, Math.min(text.length - 1, 120))
  return text
}
