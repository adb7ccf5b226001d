import { CODEC_BYTES, CODEC_MSGPACK_SHARED, type Codecs } from "../../core/codec.ts"
import { MsgpackDecoder } from "../../core/codecs/msgpack.ts"
import { MessageHeaders } from "../../core/headers.ts"
import { viewOf } from "../../core/view.ts"

/** Who made a message, and how to read what it made. One per session of a link, and one for the node itself. */
export class Origin {
  readonly node: string
  readonly name: string
  /** Of replies, which have no subject. */
  readonly nameless: Envelope = new Envelope("", this)
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

  /** How many structures of msgpack are known. */
  get structures(): number {
    return this.decoder.version
  }

  learn(structures: Buffer): void {
    this.decoder.learn(structures)
  }

  /** What lies in `bytes` from `start` to `end`. Throws ERR_CODEC. */
  decode(codec: number, bytes: Buffer, start: number, end: number, name: string): unknown {
    if (this.known >= 0 && codec === CODEC_MSGPACK_SHARED && this.known < this.codecs.shared.version) this.learnOwn()
    return this.codecs.decodeAt(codec, bytes, start, end, name, this.decoder)
  }

  /** Msgpack with structures as plain msgpack. Throws ERR_CODEC. */
  toPlain(bytes: Buffer, start: number, end: number): Buffer {
    if (this.known >= 0 && this.known < this.codecs.shared.version) this.learnOwn()
    return this.decoder.toPlain(bytes, start, end)
  }

  private learnOwn(): void {
    this.decoder.learn(this.codecs.shared.structuresSince(this.known))
    this.known = this.codecs.shared.version
  }
}

const UNREAD = Symbol("unread")
/** By the numbers of core/codec.ts. */
const NAMES: readonly (string | undefined)[] = ["bytes", "string", "json", "msgpack", "msgpack", "none"]
const NO_HEADERS = new MessageHeaders()

/** What messages of one subject from one origin have in common: made once, where the subject has a number on a link. */
export class Envelope {
  readonly origin: Origin
  protected text: string

  constructor(subject: string, origin: Origin) {
    this.text = subject
    this.origin = origin
  }

  get subject(): string {
    return this.text
  }
}

/** Of a subject that came as text, in ASCII: a string is made of it when somebody asks. */
export class NamedEnvelope extends Envelope {
  private readonly bytes: Buffer
  private readonly start: number
  private readonly end: number

  constructor(bytes: Buffer, start: number, end: number, origin: Origin) {
    super("", origin)
    this.bytes = bytes
    this.start = start
    this.end = end
  }

  override get subject(): string {
    if (this.text === "") this.text = this.bytes.toString("latin1", this.start, this.end)
    return this.text
  }
}

/** What few messages have. */
export class Extra {
  readonly codecName: string
  readonly kept: boolean
  headers: Buffer | MessageHeaders | null

  constructor(codecName: string, headers: Buffer | null, kept: boolean) {
    this.codecName = codecName
    this.headers = headers
    this.kept = kept
  }
}

/** Null for the usual message. */
export function extraOf(codecName: string, headers: Buffer | null, kept = false): Extra | null {
  return codecName === "" && headers === null && !kept ? null : new Extra(codecName, headers, kept)
}

/**
 * What a subscriber gets. Payload and headers are decoded when they are first looked at. Few fields: a fast subscriber spends
 * a quarter of its time on the memory of its messages.
 */
export class FabricMessage<T = unknown> {
  private readonly envelope: Envelope
  private readonly codec: number
  /** @internal For who copies the payload, unless it is `shared`: it lies in `source` from `start` to `end`. */
  readonly source: Buffer
  /** @internal */
  readonly start: number
  /** @internal */
  readonly end: number
  private readonly extra: Extra | null
  private value: unknown = UNREAD

  /** @internal The payload lies in `source` from `start` to `end`. */
  constructor(envelope: Envelope, codec: number, source: Buffer, start: number, end: number, extra: Extra | null) {
    this.envelope = envelope
    this.codec = codec
    this.source = source
    this.start = start
    this.end = end
    this.extra = extra
  }

  get subject(): string {
    return this.envelope.subject
  }

  /** Kept by its publisher from before the subscription (`history`). */
  get kept(): boolean {
    return this.extra?.kept === true
  }

  /**
   * The payload, decoded by the codec that it was sent with; several subscriptions of one node share it. Bytes are a
   * view on a larger chunk: copy what you keep for long. Throws ERR_CODEC when it cannot be decoded.
   */
  get data(): T {
    if (this.value === UNREAD) this.value = this.read()
    return this.value as T
  }

  /** @internal Decodes the payload. */
  protected read(): unknown {
    const { envelope, codec, source, start, end, extra } = this
    // As `Codecs.decodeAt` would, in fewer steps.
    if (codec === CODEC_BYTES) return viewOf(source, start, end)
    return envelope.origin.decode(codec, source, start, end, extra === null ? "" : extra.codecName)
  }

  /** The payload as it came: a view on a larger chunk. */
  get bytes(): Buffer {
    const { source, start, end } = this
    return start === 0 && end === source.length ? source : viewOf(source, start, end)
  }

  /**
   * The payload as any reader of its codec takes it, without this fabric: as `bytes`, but structures that msgpack shares on a link are
   * resolved. With `encoding` it is what `EncodedPayload` takes. Throws ERR_CODEC.
   */
  get plainBytes(): Buffer {
    return this.codec === CODEC_MSGPACK_SHARED
      ? this.envelope.origin.toPlain(this.source, this.start, this.end)
      : this.bytes
  }

  /** Name of the payload's codec: "bytes", "string", "json", "msgpack", "none" (`undefined`), or that of a user's own. */
  get encoding(): string {
    return NAMES[this.codec] ?? this.extra?.codecName ?? ""
  }

  /** Bytes of the payload. */
  get size(): number {
    return this.end - this.start
  }

  get headers(): MessageHeaders {
    const { extra } = this
    if (extra === null || extra.headers === null) return NO_HEADERS
    if (extra.headers instanceof MessageHeaders) return extra.headers
    const headers = MessageHeaders.decode(extra.headers, 0, extra.headers.length)
    extra.headers = headers
    return headers
  }

  /** @internal Without making an object of them. */
  get hasHeaders(): boolean {
    const { extra } = this
    return extra !== null && extra.headers !== null
  }

  /** @internal Whether `plainBytes` differs from `bytes`. */
  get shared(): boolean {
    return this.codec === CODEC_MSGPACK_SHARED
  }

  /** Id of the node that sent it. */
  get from(): string {
    return this.envelope.origin.node
  }

  /** Name of the node that sent it. */
  get fromName(): string {
    return this.envelope.origin.name
  }

  /** @internal Number and name of the codec. */
  get codecOf(): readonly [number, string] {
    return [this.codec, this.extra?.codecName ?? ""]
  }

  /** @internal A value that was checked and perhaps changed by a schema. */
  replace(value: unknown): void {
    this.value = value
  }
}
