import {
  CODEC_BYTES,
  CODEC_JSON,
  CODEC_MSGPACK,
  CODEC_NOTHING,
  CODEC_OWN,
  CODEC_STRING,
  type Codecs,
} from "../../../core/codec.ts"
import type { FabricMessage } from "../message.ts"

const NUMBERS: Readonly<Record<string, number>> = {
  bytes: CODEC_BYTES,
  string: CODEC_STRING,
  json: CODEC_JSON,
  msgpack: CODEC_MSGPACK,
}

/** Payloads on their way between the fabric, where each names its codec, and ZeroMQ clients, whose frames name none. */
export class Payloads {
  /** For `publish`; undefined = bytes, which need none. */
  readonly codec: string | undefined
  private readonly codecs: Codecs
  private readonly number: number
  private readonly name: string

  /** Throws EINVAL when the fabric has no codec of that name. */
  constructor(codecs: Codecs, codec: string) {
    codecs.check(codec)
    this.codecs = codecs
    this.number = NUMBERS[codec] ?? CODEC_OWN
    this.name = codec
    this.codec = this.number === CODEC_BYTES ? undefined : codec
  }

  /** The value of a client's frame. Throws ERR_CODEC. */
  read(frame: Buffer): unknown {
    return this.number === CODEC_BYTES ? frame : this.codecs.decode(this.number, frame, this.name)
  }

  /** The frame for clients. Throws ERR_CODEC when the payload cannot be decoded, EINVAL when the codec cannot carry it. */
  write(message: FabricMessage): Buffer {
    const [number, name] = message.codecOf
    // Bytes need no codec, and a payload that is made as clients want it is passed on as it came.
    if (number === CODEC_BYTES || number === CODEC_NOTHING) return message.bytes
    if (number === this.number && (number !== CODEC_OWN || name === this.name)) return message.bytes
    // No client has the structures that nodes announce to one another.
    if (this.number === CODEC_BYTES || (this.number === CODEC_MSGPACK && message.encoding === "msgpack"))
      return message.plainBytes
    return this.codecs.encodePlain(message.data, this.name)
  }
}
