import { HeddleError } from "../../../core/errors.ts"
import type { Content } from "../edge/wire.ts"
import { decodeHeaders, MessageHeaders } from "./headers.ts"
import { LONGEST } from "./options.ts"
import { encodingOf, type PageCodecs } from "./payload.ts"

const UNREAD = Symbol("unread")

/** What a subscriber gets. Payload and headers are decoded when they are first looked at. */
export class FabricMessage<T = unknown> {
  readonly subject: string
  /** Kept by its publisher from before the subscription (`history`). */
  readonly kept: boolean
  /** @internal Stands for the channel that it came by: whom to tell that it is done. */
  readonly source: object | null
  private readonly content: Content
  private readonly codecs: PageCodecs
  private value: unknown = UNREAD
  private list: MessageHeaders | null = null

  /** @internal */
  constructor(content: Content, codecs: PageCodecs, source: object | null) {
    this.subject = content.subject
    this.kept = content.kept
    this.source = source
    this.content = content
    this.codecs = codecs
  }

  /** The payload, decoded by the codec that it was sent with. Bytes are a view on a larger chunk: copy what you keep for long. Throws ERR_CODEC. */
  get data(): T {
    if (this.value === UNREAD) this.value = this.codecs.decode(this.content)
    return this.value as T
  }

  /** The payload as it came: a view on a larger chunk. */
  get bytes(): Uint8Array {
    return this.content.payload
  }

  /** Bytes of the payload. */
  get size(): number {
    return this.content.payload.length
  }

  /** Name of the payload's codec: "bytes", "string", "json", "msgpack", "none" (`undefined`), or that of a user's own. */
  get encoding(): string {
    return encodingOf(this.content)
  }

  /** Throws EPROTO for headers that are malformed. */
  get headers(): MessageHeaders {
    const { headers } = this.content
    this.list ??= headers === null ? new MessageHeaders() : decodeHeaders(headers)
    return this.list
  }
}

/** What the handler of a service gets. */
export class RequestMessage<T = unknown> extends FabricMessage<T> {
  private readonly expires: number
  private controller: AbortController | null = null
  private reason: HeddleError | null = null
  private timer: ReturnType<typeof setTimeout> | undefined

  /** @internal `timeout`: milliseconds that the client waits. */
  constructor(content: Content, codecs: PageCodecs, timeout: number) {
    super(content, codecs, null)
    this.expires = performance.now() + timeout
  }

  /** Milliseconds until the client gives up; 0 = it has. */
  get timeLeft(): number {
    return Math.max(0, this.expires - performance.now())
  }

  /** Aborted when the client cancels, gives up, or is gone: work for it is in vain. */
  get signal(): AbortSignal {
    if (this.controller === null) {
      this.controller = new AbortController()
      if (this.reason !== null) this.controller.abort(this.reason)
      else {
        const late = new HeddleError("ETIMEDOUT", `The client of ${this.subject} waits no longer`)
        this.timer = setTimeout(() => this.abort(late), Math.min(this.timeLeft, LONGEST))
      }
    }
    return this.controller.signal
  }

  /** @internal */
  abort(reason: HeddleError): void {
    this.reason = reason
    this.close()
    this.controller?.abort(reason)
  }

  /** @internal It has been answered. */
  close(): void {
    clearTimeout(this.timer)
  }
}
