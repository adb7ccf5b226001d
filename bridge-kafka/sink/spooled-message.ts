import type { Codecs } from "../../core/codec.ts"
import { MessageHeaders } from "../../core/headers.ts"
import type { FabricMessage } from "../../patterns/fabric/message.ts"
import type { KafkaHeader } from "../driver.ts"
import { CODEC } from "../mapping/headers.ts"
import type { BridgeRecord } from "../record.ts"
import type { SpoolRecord } from "../spool/record-format.ts"

const NO_HEADERS = new MessageHeaders()
const NOTHING = Buffer.alloc(0)

/** Codecs have few names; each is one shared list of headers, so that a plain message allocates none. */
const MOST_NAMES = 64
const alone = new Map<string, readonly KafkaHeader[]>()

/** The one header that the journal adds to a message without headers. */
export function codecHeader(codec: string): readonly KafkaHeader[] {
  let headers = alone.get(codec)
  if (headers === undefined) {
    headers = Object.freeze([[CODEC, Buffer.from(codec)] as const])
    if (alone.size < MOST_NAMES) alone.set(codec, headers)
  }
  return headers
}

/**
 * A message as the journal keeps it: as it came, not mapped yet, because the partitions of its topic may not be known, and a
 * schema registry or a transform may fail, when it comes. Its last header is hd.codec.
 */
export function recordOf(message: FabricMessage, received: number): BridgeRecord {
  const { subject, plainBytes: value } = message
  return { subject, topic: "", partition: -1, key: null, value, headers: headersOf(message), timestamp: received }
}

/** The same in one object that is filled again and again: for journals, which keep none. */
export class ArrivedRecord implements BridgeRecord {
  subject = ""
  readonly topic = ""
  readonly partition = -1
  readonly key = null
  value: Buffer = NOTHING
  headers: readonly KafkaHeader[] = []
  timestamp = 0

  of(message: FabricMessage, received: number): BridgeRecord {
    this.subject = message.subject
    this.value = message.plainBytes
    this.headers = headersOf(message)
    this.timestamp = received
    return this
  }
}

function headersOf(message: FabricMessage): readonly KafkaHeader[] {
  const codec = codecHeader(message.encoding)
  if (message.headers.size === 0) return codec
  const headers: KafkaHeader[] = []
  for (const [name, text] of message.headers)
    if (name !== CODEC) headers.push([name, typeof text === "string" ? Buffer.from(text) : text])
  headers.push(codec[0])
  return headers
}

/** One that is used again and again: a record of the journal in the shape of the message that it was. */
export class SpooledMessage {
  subject = ""
  headers: MessageHeaders = NO_HEADERS
  encoding = "bytes"
  plainBytes: Buffer = NOTHING
  from = ""
  readonly fromName = ""
  readonly kept = false
  private readonly codecs: Codecs
  /** The header that `encoding` is from: mostly it is the same object again. */
  private lastCodec: KafkaHeader | null = null

  constructor(codecs: Codecs) {
    this.codecs = codecs
  }

  /** Throws EINVAL for headers that no message can have. */
  of(record: SpoolRecord): FabricMessage {
    const { headers } = record
    const last = headers.length - 1
    this.subject = record.subject
    this.plainBytes = record.value ?? NOTHING
    let count = headers.length
    if (last >= 0 && headers[last][0] === CODEC) {
      count = last
      if (headers[last] !== this.lastCodec) {
        this.lastCodec = headers[last]
        this.encoding = headers[last][1].toString("latin1")
      }
    } else {
      this.lastCodec = null
      this.encoding = "bytes"
    }
    this.headers = NO_HEADERS
    if (count > 0) {
      this.headers = new MessageHeaders()
      for (let i = 0; i < count; i++) this.headers.append(headers[i][0], headers[i][1])
    }
    // What it has besides is for subscribers.
    return this as unknown as FabricMessage
  }

  get bytes(): Buffer {
    return this.plainBytes
  }

  get size(): number {
    return this.plainBytes.length
  }

  /** Throws ERR_CODEC. */
  get data(): unknown {
    return this.codecs.decodeNamed(this.encoding, this.plainBytes)
  }
}
