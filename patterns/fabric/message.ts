import { CODEC_MSGPACK_SHARED, type Codecs } from "../../core/codec.ts"
import { MsgpackDecoder } from "../../core/codecs/msgpack.ts"
import { MessageHeaders } from "../../core/headers.ts"
import { viewOf } from "../../core/view.ts"

/** Who made a message, and how to read what it made. One per session of a link, and one for the node itself. */
export class Origin {
  readonly node: string
  readonly name: string
  private readonly codecs: Codecs
  private readonly decoder = new MsgpackDecoder()
  /** For the node's own messages: structures learnt so far. */
  private known = -1

  /** `own`: the messages are this node's, its structures need not be sent. */
  constructor(node: string, name: string, codecs: Codecs, own = false) {
    this.node = node
    this.name = name
    this.codecs = codecs
    if (own) this.known = 0
  }

  learn(structures: Buffer): void {
    this.decoder.learn(structures)
  }

  /** What lies in `bytes` from `start` to `end`. Throws ERR_CODEC. */
  decode(codec: number, bytes: Buffer, start: number, end: number, name: string): unknown {
    if (this.known >= 0 && codec === CODEC_MSGPACK_SHARED && this.known < this.codecs.shared.version) {
      this.decoder.learn(this.codecs.shared.structuresSince(this.known))
      this.known = this.codecs.shared.version
    }
    return this.codecs.decodeAt(codec, bytes, start, end, name, this.decoder)
  }
}

const UNREAD = Symbol("unread")
const NO_HEADERS = new MessageHeaders()

/** What a subscriber gets. Payload and headers are decoded when they are first looked at. */
export class FabricMessage<T = unknown> {
  readonly subject: string
  /** Kept by its publisher from before the subscription (`history`). */
  readonly kept: boolean
  private readonly origin: Origin
  private readonly codec: number
  private readonly codecName: string
  private readonly source: Buffer
  private readonly start: number
  private readonly end: number
  private encodedHeaders: Buffer | MessageHeaders | null
  private value: unknown = UNREAD

  /** @internal The payload lies in `source` from `start` to `end`. */
  constructor(
    subject: string,
    origin: Origin,
    codec: number,
    codecName: string,
    source: Buffer,
    start: number,
    end: number,
    headers: Buffer | null,
    kept: boolean,
  ) {
    this.subject = subject
    this.origin = origin
    this.codec = codec
    this.codecName = codecName
    this.source = source
    this.start = start
    this.end = end
    this.encodedHeaders = headers
    this.kept = kept
  }

  /**
   * The payload, decoded by the codec that it was sent with; several subscriptions of one node share it. Bytes are a
   * view on a larger chunk: copy what you keep for long. Throws ERR_CODEC when it cannot be decoded.
   */
  get data(): T {
    if (this.value === UNREAD)
      this.value = this.origin.decode(this.codec, this.source, this.start, this.end, this.codecName)
    return this.value as T
  }

  /** The payload as it came: a view on a larger chunk. */
  get bytes(): Buffer {
    const { source, start, end } = this
    return start === 0 && end === source.length ? source : viewOf(source, start, end)
  }

  /** Bytes of the payload. */
  get size(): number {
    return this.end - this.start
  }

  get headers(): MessageHeaders {
    const { encodedHeaders } = this
    if (encodedHeaders === null) return NO_HEADERS
    if (encodedHeaders instanceof MessageHeaders) return encodedHeaders
    const headers = MessageHeaders.decode(encodedHeaders, 0, encodedHeaders.length)
    this.encodedHeaders = headers
    return headers
  }

  /** Id of the node that sent it. */
  get from(): string {
    return this.origin.node
  }

  /** Name of the node that sent it. */
  get fromName(): string {
    return this.origin.name
  }

  /** @internal Number and name of the codec. */
  get codecOf(): readonly [number, string] {
    return [this.codec, this.codecName]
  }

  /** @internal A value that was checked and perhaps changed by a schema. */
  replace(value: unknown): void {
    this.value = value
  }
}
