import { closedError, type HeddleError } from "../../../core/errors.ts"
import {
  AUTH,
  AUTHENTICATED,
  BYE,
  CLOSE_DONE,
  CLOSE_TOKEN,
  EDGE_VERSION,
  EXPIRING,
  FATAL_CLOSES,
  HELLO,
  NOTICE,
  OF_AUTH,
  OF_CONNECTION,
  PING,
  PONG,
  REFUSED,
  RESUMED,
  WELCOME,
} from "../edge/protocol.ts"
import type { RecordReader, RecordWriter } from "../edge/wire.ts"
import type { ClientEvents } from "./events.ts"
import { failureOf } from "./failures.ts"
import type { ClientSettings } from "./options.ts"
import { Pace } from "./pace.ts"
import { EdgeSocket } from "./socket.ts"

/** What the node said of itself. */
export interface Welcome {
  /** The node still knows this client: its publishes and queue groups go on where they stopped. */
  readonly resumed: boolean
  /** The last publish that was handled, when resumed. */
  readonly publishes: number
  readonly fabric: string
  readonly nodeId: string
  readonly node: string
  /** Milliseconds that the node remembers a client whose connection broke. */
  readonly resumeTime: number
  /** Largest message, in bytes. */
  readonly maxMessage: number
}

/** One kind of traffic. Its state outlives connections. */
export interface Part {
  /** A connection stands: what the node must know is said again. */
  up(welcome: Welcome): void
  down(error: HeddleError): void
  /** For good. */
  closed(error: HeddleError): void
  /** True = the record was one of this part's. Throws EPROTO. */
  record(type: number, reader: RecordReader): boolean
  /** The node refused what has this number. */
  refused(of: number, number: number, error: HeddleError): void
}

/** A connection that lasted so long counts as a success: the next failure is the first again. In shorter ones the node may be throwing us out. */
const STEADY = 10_000

export type Status = "connecting" | "open" | "resuming" | "closed"

/** A client's place at a node, over as many connections as it takes. */
export class Session {
  status: Status = "connecting"
  welcome: Welcome | null = null
  readonly pace = new Pace()
  private readonly urls: readonly string[]
  private readonly settings: ClientSettings
  private readonly events: ClientEvents
  private readonly parts: Part[] = []
  private socket: EdgeSocket | null = null
  private id = ""
  /** Since the last connection that lasted. */
  private failures = 0
  private since = 0
  /** Which of the addresses. */
  private turn = 0
  private timer: ReturnType<typeof setTimeout> | undefined
  private token = ""
  /** A token that the node wants no more of. */
  private refused: { readonly token: string; readonly error: HeddleError } | null = null
  /** The node's reason, before it closes. */
  private refusal: HeddleError | null = null
  private first: { resolve(): void; reject(error: HeddleError): void } | null = null
  private deadline = 0
  private readonly auths: { resolve(): void; reject(error: HeddleError): void }[] = []
  private readonly syncs: (() => void)[] = []
  private readonly online = (): void => {
    if (this.status === "resuming" && this.socket === null) this.dial()
  }

  constructor(urls: readonly string[], settings: ClientSettings, events: ClientEvents) {
    this.urls = urls
    this.settings = settings
    this.events = events
  }

  add(...parts: Part[]): void {
    this.parts.push(...parts)
  }

  /** Resolves with the first connection. Rejects when there was none within `connectTimeout`, or when the node wants no such client. */
  start(): Promise<void> {
    this.deadline = performance.now() + this.settings.connectTimeout
    // A page that is online again need not wait for its next attempt.
    page.addEventListener?.("online", this.online)
    return new Promise((resolve, reject) => {
      this.first = { resolve, reject }
      this.dial()
    })
  }

  get up(): boolean {
    return this.status === "open"
  }

  /** Begins a record, when `up`. */
  begin(type: number): RecordWriter {
    return (this.socket as EdgeSocket).begin(type)
  }

  end(): void {
    this.pace.spend()
    this.socket?.end()
  }

  /** A new token for the connection that stands. Rejects with what the node says of it. */
  authenticate(token: string): Promise<void> {
    this.token = token
    if (!this.up) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.auths.push({ resolve, reject })
      this.begin(AUTH).text(token)
      this.end()
    })
  }

  /** Resolves when the node has handled all that was said, and what it had said before is here; or when there is no connection. */
  sync(): Promise<void> {
    if (!this.up) return Promise.resolve()
    return new Promise(resolve => {
      this.syncs.push(resolve)
      this.begin(PING).varint(this.syncs.length)
      this.end()
    })
  }

  /** `error`: null = the user wants it. */
  close(error: HeddleError | null): void {
    if (this.status === "closed") return
    const { socket } = this
    if (this.up) {
      this.begin(BYE)
      this.end()
    }
    this.status = "closed"
    this.socket = null
    clearTimeout(this.timer)
    page.removeEventListener?.("online", this.online)
    socket?.close(CLOSE_DONE)
    const why = error ?? closedError("Fabric")
    this.forget(why)
    for (const part of this.parts) part.closed(why)
    this.pace.stop()
    this.first?.reject(why)
    this.first = null
    this.events.emit({ type: "closed", error })
  }

  private dial(): void {
    clearTimeout(this.timer)
    this.refusal = null
    this.events.emit({ type: "connecting", attempt: this.failures + 1 })
    const url = this.urls[this.turn++ % this.urls.length]
    const { settings } = this
    // One attempt may hang, and there may be other addresses.
    this.timer = setTimeout(() => socket.close(4000, "no answer in time"), settings.connectTimeout)
    const socket: EdgeSocket = new EdgeSocket(settings.webSocket, url, settings.heartbeat, {
      opened: () => void this.hello(socket),
      record: (type, reader) => {
        if (socket === this.socket) this.record(type, reader)
      },
      closed: (code, error) => {
        if (socket === this.socket) this.lost(code, error)
      },
    })
    this.socket = socket
  }

  private async hello(socket: EdgeSocket): Promise<void> {
    const { token, name } = this.settings
    try {
      if (typeof token === "function") this.token = await token()
      else if (this.token === "") this.token = token
    } catch (error) {
      this.events.emit({ type: "error", subject: "", error })
      socket.close(4000, `the option token threw ${error instanceof Error ? error.message : String(error)}`)
    }
    if (socket !== this.socket) return
    if (this.refused !== null && this.refused.token === this.token) {
      this.close(this.refused.error)
      return
    }
    socket.begin(HELLO).varint(EDGE_VERSION).text(this.token).text(this.id).text(name)
    socket.end()
  }

  private record(type: number, reader: RecordReader): void {
    switch (type) {
      case WELCOME:
        this.welcomed(reader)
        return
      case REFUSED: {
        const of = reader.byte()
        const number = reader.varint()
        const error = failureOf(reader.text(), reader.text())
        if (of === OF_CONNECTION) this.refusal = error
        else if (of === OF_AUTH) this.auths.shift()?.reject(error)
        else for (const part of this.parts) part.refused(of, number, error)
        return
      }
      case AUTHENTICATED:
        this.auths.shift()?.resolve()
        return
      case PONG:
        // The number 0 is that of a heartbeat.
        if (reader.varint() > 0) this.syncs.shift()?.()
        return
      case NOTICE:
        if (reader.byte() === EXPIRING) this.expires(reader.varint())
        return
    }
    for (const part of this.parts) if (part.record(type, reader)) return
    // Records of versions to come are passed over.
  }

  private welcomed(reader: RecordReader): void {
    reader.varint() // the version: there is only one
    const session = reader.text()
    const flags = reader.byte()
    const publishes = reader.varint()
    const [fabric, nodeId, node] = [reader.text(), reader.text(), reader.text()]
    const [resumeTime, maxMessage] = [reader.varint(), reader.varint()]
    reader.varint() // how long the token lasts: a notice comes in time
    const rate = reader.varint()
    const resumed = (flags & RESUMED) !== 0
    const welcome: Welcome = { resumed, publishes, fabric, nodeId, node, resumeTime, maxMessage }
    clearTimeout(this.timer)
    const again = this.id !== ""
    this.id = session
    this.welcome = welcome
    this.since = performance.now()
    this.status = "open"
    this.pace.reset(rate)
    for (const part of this.parts) part.up(welcome)
    if (again) this.events.emit({ type: "resumed", node: welcome.node, lost: !welcome.resumed })
    else this.events.emit({ type: "open", node: welcome.node })
    this.first?.resolve()
    this.first = null
  }

  private lost(code: number, cause: HeddleError): void {
    this.socket = null
    clearTimeout(this.timer)
    const error = this.refusal ?? cause
    const stood = this.status === "open"
    if (stood) {
      if (performance.now() - this.since >= STEADY) this.failures = 0
      this.status = "resuming"
      this.forget(error)
      for (const part of this.parts) part.down(error)
    }
    // A function may have another token: it is asked again, after a while.
    const another = code === CLOSE_TOKEN && typeof this.settings.token === "function" && this.first === null
    this.refused = another ? { token: this.token, error } : null
    const fatal = FATAL_CLOSES.includes(code) && !another
    const late = this.first !== null && performance.now() >= this.deadline
    if (fatal || late) {
      this.close(error)
      return
    }
    const { delay, maxDelay } = this.settings
    // 2 ** 30 times any delay is beyond any `maxDelay`.
    const longest = Math.min(maxDelay, delay * 2 ** Math.min(30, this.failures++))
    let wait = Math.ceil(longest * (0.5 + Math.random() / 2))
    if (this.first !== null) wait = Math.min(wait, Math.max(0, this.deadline - performance.now()))
    this.timer = setTimeout(() => this.dial(), wait)
    if (this.first === null) this.events.emit({ type: "resuming", delay: wait, error })
  }

  /** What was asked of a connection that is gone. */
  private forget(error: HeddleError): void {
    for (const { reject } of this.auths.splice(0)) reject(error)
    for (const done of this.syncs.splice(0)) done()
  }

  private expires(left: number): void {
    const { token } = this.settings
    this.events.emit({ type: "expiring", left })
    if (typeof token !== "function") return
    const failed = (error: unknown): void => this.events.emit({ type: "error", subject: "", error })
    Promise.resolve()
      .then(token)
      .then(fresh => this.authenticate(fresh))
      .catch(failed)
  }
}

/** As much of a page or worker as is used here; other environments have no such events. */
const page = globalThis as {
  addEventListener?(type: "online", listener: () => void): void
  removeEventListener?(type: "online", listener: () => void): void
}
