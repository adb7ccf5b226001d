import crypto from "node:crypto"
import { MORE, message } from "./bytes.ts"
import { RawPeer } from "./raw-peer.ts"

/**
 * A node of a fabric made by hand from docs/wire.md, without any of Heddle's code for the wire: it says what it is told to
 * say, right or wrong.
 */

export interface WireRecord {
  readonly type: number
  readonly codec: number
  /** What stands behind the head byte. */
  readonly body: Fields
  /** The second frame of the ZMTP message that ends with this record. */
  readonly apart: Buffer | null
}

export function varint(n: number): Buffer {
  const bytes: number[] = []
  let rest = n
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Buffer.from([...bytes, rest])
}

/** Parts of a record: numbers are bytes. */
type Part = number | Buffer | string

const bytesOf = (part: Part): Buffer => (typeof part === "number" ? Buffer.from([part]) : Buffer.from(part as string))

/** A text or bytes with its length before it. */
export function sized(part: Buffer | string): Buffer {
  const bytes = Buffer.from(part as string)
  return Buffer.concat([varint(bytes.length), bytes])
}

/** A record with its length. */
export function record(type: number, codec: number, ...parts: Part[]): Buffer {
  return sized(Buffer.concat([Buffer.from([type | (codec << 4)]), ...parts.map(bytesOf)]))
}

/** An INTEREST of the simplest kind: everything, newest dropped when there are too many. */
export function interest(id: number, kind: number, pattern: string, group = ""): Buffer {
  const numbers = [id, 1_000, 1, 0, 0, 1].map(varint)
  return record(11, 0, kind, 0, ...numbers, sized(pattern), sized(group))
}

/** Reads the fields of a record one after the other. */
export class Fields {
  readonly bytes: Buffer
  at = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  byte(): number {
    return this.bytes[this.at++]
  }

  varint(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte()
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }

  take(count: number): Buffer {
    this.at += count
    return this.bytes.subarray(this.at - count, this.at)
  }

  text(): string {
    return this.take(this.varint()).toString()
  }

  rest(): Buffer {
    return this.take(this.bytes.length - this.at)
  }
}

export class WirePeer {
  readonly raw: RawPeer
  /** What the other side says of itself. */
  readonly theirs: Record<string, unknown>
  /** Numbered batches that came. */
  batches = 0
  private unread: { kind: number; records: WireRecord[] } | null = null

  private constructor(raw: RawPeer, theirs: Record<string, unknown>) {
    this.raw = raw
    this.theirs = theirs
  }

  /** What an introduction says, with changes; a field that is undefined is left out. */
  static introduction(changes: Record<string, unknown> = {}): Record<string, unknown> {
    return {
      v: [1, 1],
      fabric: "shop",
      node: crypto.randomBytes(16).toString("base64url"),
      name: "by-hand",
      incarnation: 0,
      endpoints: [],
      host: "elsewhere",
      process: crypto.randomUUID(),
      pid: 0,
      maxPayload: 1_000_000,
      stream: crypto.randomBytes(16).toString("base64url"),
      blind: true,
      busy: false,
      ...changes,
    }
  }

  static async connect(endpoint: string, changes: Record<string, unknown> = {}): Promise<WirePeer> {
    return WirePeer.say(endpoint, JSON.stringify(WirePeer.introduction(changes)))
  }

  /** With any text as the introduction. */
  static async say(endpoint: string, introduction: string): Promise<WirePeer> {
    const raw = await RawPeer.connect(endpoint)
    const metadata = await raw.shake("PEER", ["X-Heddle", introduction])
    return new WirePeer(raw, JSON.parse(propertiesOf(metadata).get("x-heddle") ?? "null"))
  }

  /** A batch of these records; `apart` as a second frame. */
  send(records: readonly Buffer[], apart?: Buffer): Promise<void> {
    return this.sendBytes(Buffer.concat([Buffer.from([1]), ...records]), apart)
  }

  sendUnnumbered(records: readonly Buffer[]): Promise<void> {
    return this.sendBytes(Buffer.concat([Buffer.from([0]), ...records]))
  }

  sendBytes(batch: Buffer, apart?: Buffer): Promise<void> {
    return this.raw.write(apart === undefined ? message(batch) : message(batch, apart))
  }

  /** Acknowledges all that came. */
  acknowledge(count = this.batches): Promise<void> {
    return this.sendUnnumbered([record(0, 0, varint(count))])
  }

  /** The next record of a numbered batch that has one of these types; others are passed over. */
  async next(...types: number[]): Promise<WireRecord> {
    for (;;) {
      const found = await this.nextOf(1)
      if (types.includes(found.type)) return found
    }
  }

  /** The next record of an unnumbered batch of this type; numbered ones are passed over. */
  async nextUnnumbered(type: number): Promise<WireRecord> {
    for (;;) {
      const found = await this.nextOf(0)
      if (found.type === type) return found
    }
  }

  private async nextOf(kind: number): Promise<WireRecord> {
    for (;;) {
      if (this.unread === null || this.unread.records.length === 0) this.unread = await this.readBatch()
      const record = this.unread.records.shift()
      if (record !== undefined && this.unread.kind === kind) return record
    }
  }

  private async readBatch(): Promise<{ kind: number; records: WireRecord[] }> {
    const frames: Buffer[] = []
    for (let more = true; more; ) {
      const { flags, body } = await this.raw.readFrame()
      if ((flags & 4) !== 0) continue
      frames.push(Buffer.from(body))
      more = (flags & MORE) !== 0
    }
    const batch = new Fields(frames[0])
    const kind = batch.byte()
    if (kind === 1) this.batches++
    const records: WireRecord[] = []
    while (batch.at < batch.bytes.length) {
      const body = new Fields(batch.take(batch.varint()))
      const head = body.byte()
      const last = batch.at === batch.bytes.length
      records.push({ type: head & 15, codec: head >> 4, body, apart: last ? (frames[1] ?? null) : null })
    }
    return { kind, records }
  }
}

/** Metadata of a READY command, by lower-case names. */
export function propertiesOf(metadata: Buffer): Map<string, string> {
  const found = new Map<string, string>()
  for (let at = 0; at < metadata.length; ) {
    const name = metadata.toString("latin1", at + 1, at + 1 + metadata[at])
    at += 1 + metadata[at]
    const size = metadata.readUInt32BE(at)
    found.set(name.toLowerCase(), metadata.toString("utf8", at + 4, at + 4 + size))
    at += 4 + size
  }
  return found
}
