import { WebSocket } from "ws"
import * as P from "../../../../patterns/fabric/edge/protocol.ts"
import { type Content, RecordReader, RecordWriter } from "../../../../patterns/fabric/edge/wire.ts"
import { later } from "../../../support/cleanup.ts"
import { until } from "../../../support/wait.ts"

/** A record of the node, its fields by name. */
export interface Got {
  readonly type: number
  readonly [field: string]: unknown
}

export interface SubOptions {
  readonly history?: number
  readonly group?: string
  readonly capacity?: number
  readonly channel?: number
  readonly position?: number
  readonly latest?: number
}

/** Values as a test gives them: JSON, bytes as they are. */
export function contentOf(value: unknown): { codec: number; payload: Uint8Array } {
  if (value instanceof Uint8Array) return { codec: 0, payload: value }
  if (value === undefined) return { codec: 5, payload: new Uint8Array(0) }
  return { codec: 2, payload: Buffer.from(JSON.stringify(value)) }
}

/** The value of a content that holds JSON, text or bytes. */
export function readValue({ codec, payload }: Content): unknown {
  const bytes = Buffer.from(payload)
  if (codec === 5) return undefined
  if (codec === 0) return bytes
  return codec === 2 ? JSON.parse(bytes.toString()) : bytes.toString()
}

/** A client of the edge, as bare as possible: it writes single records and keeps all that comes. */
export class RawEdgeClient {
  readonly socket: WebSocket
  readonly got: Got[] = []
  /** WebSocket messages. */
  messages = 0
  closed: { code: number; reason: string } | null = null
  error: Error | null = null
  private readonly reader = new RecordReader()

  constructor(
    endpoint: string,
    options: { origin?: string; headers?: Record<string, string>; protocol?: string } = {},
  ) {
    const { origin, headers, protocol = P.EDGE_PROTOCOL } = options
    this.socket = new WebSocket(endpoint, protocol, { ...(origin && { origin }), ...(headers && { headers }) })
    this.socket.binaryType = "nodebuffer"
    this.socket.on("message", (data: Buffer) => this.take(data))
    this.socket.on("close", (code, reason) => {
      this.closed = { code, reason: reason.toString() }
    })
    this.socket.on("error", error => {
      this.error = error
    })
    later(() => this.socket.terminate())
  }

  static async open(endpoint: string, hello: { token?: string; session?: string } = {}): Promise<RawEdgeClient> {
    const client = new RawEdgeClient(endpoint)
    await client.opened()
    client.hello(hello.token, hello.session)
    await client.first(P.WELCOME)
    return client
  }

  opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.once("open", () => resolve())
      this.socket.once("error", reject)
    })
  }

  async ended(): Promise<{ code: number; reason: string }> {
    await until(() => this.closed !== null)
    return this.closed as { code: number; reason: string }
  }

  /** One record. */
  send(type: number, fill: (out: RecordWriter) => unknown = () => {}): void {
    this.socket.send(record(type, fill))
  }

  hello(token = "", session = ""): void {
    this.send(P.HELLO, out => out.varint(P.EDGE_VERSION).text(token).text(session).text("test"))
  }

  subscribe(sub: number, pattern: string, options: SubOptions = {}): void {
    const { history = 0, group = "", capacity = 1, channel = 0, position = 0, latest = 0 } = options
    this.send(P.SUBSCRIBE, out => {
      const flags =
        (history > 0 ? P.SUB_HISTORY : 0) |
        (group === "" ? 0 : P.SUB_QUEUE) |
        (channel > 0 ? P.SUB_RESUME : 0) |
        (latest > 0 ? P.SUB_SLOW : 0)
      out.varint(sub).text(pattern).byte(flags)
      if (history > 0) out.varint(history)
      if (group !== "") out.text(group).varint(capacity)
      if (channel > 0) out.varint(channel).varint(position)
      if (latest > 0) out.byte(P.SLOW_LATEST).varint(latest)
    })
  }

  /** Subscribes and waits until all nodes know. */
  async subscribed(sub: number, pattern: string, options: SubOptions = {}): Promise<Got> {
    this.subscribe(sub, pattern, options)
    await this.first(P.READY, record => record.sub === sub)
    return this.first(P.SUBSCRIBED, record => record.sub === sub)
  }

  publish(number: number, subject: string, value: unknown, flags = 0): void {
    const { codec, payload } = contentOf(value)
    this.send(P.PUBLISH, out => out.varint(number).byte(flags).content(subject, codec, "", null, payload))
  }

  request(
    id: number,
    subject: string,
    value: unknown,
    options: { kind?: number; timeout?: number; credit?: number } = {},
  ): void {
    const { kind = P.ASK_ONE, timeout = 0, credit = 100 } = options
    const { codec, payload } = contentOf(value)
    this.send(P.REQUEST, out =>
      out.varint(id).byte(kind).varint(timeout).varint(credit).content(subject, codec, "", null, payload),
    )
  }

  result(call: number, flags: number, value: unknown): void {
    const { codec, payload } = contentOf(value)
    this.send(P.RESULT, out => {
      out.varint(call).byte(flags)
      if ((flags & P.END) === 0) out.content(null, codec, "", null, payload)
    })
  }

  /** All records of that type that have come. */
  all(type: number): Got[] {
    return this.got.filter(record => record.type === type)
  }

  async first(type: number, wanted: (record: Got) => boolean = () => true): Promise<Got> {
    const find = (): Got | undefined => this.got.find(record => record.type === type && wanted(record))
    await until(() => find() !== undefined || this.closed !== null)
    const found = find()
    if (found === undefined) throw new Error(`closed with ${JSON.stringify(this.closed)} before record ${type} came`)
    return found
  }

  values(channel: unknown): unknown[] {
    return valuesIn(this.got, channel)
  }

  position(channel: unknown): number {
    return positionIn(this.got, channel)
  }

  private take(data: Buffer): void {
    this.messages++
    const { reader } = this
    reader.reset(Buffer.from(data))
    for (let type = reader.next(); type !== -1; type = reader.next()) this.got.push(parse(type, reader))
  }
}

/** What has come in a channel, in order of sequence: what came again is left out, as a client does. Throws for a hole. */
export function valuesIn(got: readonly Got[], channel: unknown): unknown[] {
  const values: unknown[] = []
  let position = 0
  for (const one of got) {
    if (one.channel !== channel) continue
    if (one.type === P.SUBSCRIBED || one.type === P.GAP) position = Math.max(position, one.position as number)
    if (one.type !== P.DATA) continue
    let sequence = one.first as number
    for (const content of one.contents as Content[]) {
      if (sequence > position) {
        if (sequence !== position + 1) throw new Error(`a hole: ${sequence} after ${position}`)
        values.push(readValue(content))
        position = sequence
      }
      sequence++
    }
  }
  return values
}

/** Sequence up to which a client has come in a channel. */
export function positionIn(got: readonly Got[], channel: unknown): number {
  let position = 0
  for (const one of got) {
    if (one.channel !== channel) continue
    if (one.type === P.DATA)
      position = Math.max(position, (one.first as number) + (one.contents as Content[]).length - 1)
    else if (one.type === P.SUBSCRIBED || one.type === P.GAP) position = Math.max(position, one.position as number)
  }
  return position
}

export function record(type: number, fill: (out: RecordWriter) => unknown = () => {}): Buffer {
  const out = new RecordWriter()
  out.begin(type)
  fill(out)
  out.end()
  return Buffer.from(out.written)
}

function contents(reader: RecordReader): Content[] {
  const found: Content[] = []
  while (reader.left > 0) found.push(reader.content(found.at(-1)?.subject ?? null))
  return found
}

/** All records of some WebSocket messages. */
export function parseAll(messages: readonly Uint8Array[]): Got[] {
  const reader = new RecordReader()
  const got: Got[] = []
  for (const message of messages) {
    reader.reset(message)
    for (let type = reader.next(); type !== -1; type = reader.next()) got.push(parse(type, reader))
  }
  return got
}

function parse(type: number, r: RecordReader): Got {
  switch (type) {
    case P.WELCOME:
      return {
        type,
        version: r.varint(),
        session: r.text(),
        flags: r.byte(),
        publishes: r.varint(),
        fabric: r.text(),
        node: r.text(),
        name: r.text(),
        resumeTime: r.varint(),
        largest: r.varint(),
        rest: r.varint(),
        rate: r.varint(),
      }
    case P.REFUSED:
      return { type, what: r.byte(), number: r.varint(), code: r.text(), text: r.text() }
    case P.SUBSCRIBED:
      return {
        type,
        sub: r.varint(),
        channel: r.varint(),
        position: r.varint(),
        flags: r.byte(),
        missing: r.varint() - 1,
      }
    case P.DATA:
      return { type, channel: r.varint(), first: r.varint(), contents: contents(r) }
    case P.GAP:
      return { type, channel: r.varint(), position: r.varint(), missing: r.varint() }
    case P.KEPT:
      return { type, sub: r.varint(), contents: contents(r) }
    case P.PUBLISHED:
      return { type, number: r.varint() }
    case P.PUBLISH_RESULT:
      return { type, number: r.varint(), peers: r.varint(), dropped: r.varint() }
    case P.REPLY: {
      const id = r.varint()
      const flags = r.byte()
      return { type, id, flags, value: (flags & P.END) === 0 ? readValue(r.content()) : undefined }
    }
    case P.CALL:
      return {
        type,
        call: r.varint(),
        id: r.varint(),
        timeout: r.varint(),
        credit: r.varint(),
        content: r.content(null),
      }
    case P.CALL_CREDIT:
      return { type, call: r.varint(), count: r.varint() }
    case P.CALL_CANCEL:
      return { type, call: r.varint() }
    case P.SERVING:
      return { type, id: r.varint() }
    case P.READY:
      return { type, sub: r.varint() }
    case P.NOTICE: {
      const kind = r.byte()
      return { type, kind, ms: kind === P.EXPIRING ? r.varint() : 0 }
    }
    case P.PONG:
      return { type, token: r.varint() }
    case P.AUTHENTICATED:
      return { type, rest: r.varint() }
    default:
      return { type }
  }
}
