import { once } from "node:events"
import net from "node:net"
import tls from "node:tls"
import { later } from "../../support/cleanup.ts"
import { until } from "../../support/wait.ts"

export interface RawWebOptions {
  path?: string
  /** Further lines of the request. */
  headers?: Record<string, string>
  method?: string
  tls?: tls.ConnectionOptions
}

/** A frame as it came. */
export interface RawWebFrame {
  fin: boolean
  opcode: number
  payload: Buffer
}

export const TEXT = 1
export const BINARY = 2
export const CLOSE = 8
export const PING = 9
export const PONG = 10

/** A WebSocket client that speaks bytes by hand (RFC 6455), and may break every rule. */
export class RawWebPeer {
  readonly socket: net.Socket
  /** Status line and headers of the answer. */
  head = ""
  /** The socket is closed by the other side. */
  gone = false
  readonly frames: RawWebFrame[] = []
  private pending: Buffer = Buffer.alloc(0)

  private constructor(socket: net.Socket) {
    this.socket = socket
    socket.unref()
    socket.on("error", () => {})
    socket.on("close", () => {
      this.gone = true
    })
    socket.on("end", () => {
      this.gone = true
    })
    socket.on("data", (data: Buffer) => {
      this.pending = Buffer.concat([this.pending, data])
      if (this.head === "") this.readHead()
      if (this.head !== "") this.readFrames()
    })
    later(() => socket.destroy())
  }

  /** Asks for an upgrade; resolves when the answer's head is there. */
  static async open(endpoint: string, options: RawWebOptions = {}): Promise<RawWebPeer> {
    const peer = await RawWebPeer.connect(endpoint, options)
    const url = new URL(endpoint)
    const headers = {
      Host: url.host,
      Upgrade: "websocket",
      Connection: "Upgrade",
      "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Version": "13",
      ...options.headers,
    }
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    peer.socket.write(
      `${options.method ?? "GET"} ${options.path ?? url.pathname + url.search} HTTP/1.1\r\n${lines.join("")}\r\n`,
    )
    await until(() => peer.head !== "" || peer.gone)
    return peer
  }

  /** Only TCP (or TLS). */
  static async connect(endpoint: string, options: RawWebOptions = {}): Promise<RawWebPeer> {
    const url = new URL(endpoint)
    const where = { host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port) }
    const socket = options.tls === undefined ? net.connect(where) : tls.connect({ ...where, ...options.tls })
    await once(socket, options.tls === undefined ? "connect" : "secureConnect")
    return new RawWebPeer(socket)
  }

  get status(): number {
    return Number(/^HTTP\/1\.1 (\d+)/.exec(this.head)?.[1])
  }

  /** What came behind a head that is no upgrade. */
  get body(): string {
    return this.pending.toString()
  }

  /** Binary messages and text, as text. */
  get texts(): string[] {
    return this.frames.filter(one => one.opcode <= BINARY).map(one => one.payload.toString())
  }

  /** Code of the close frame that came; 0 = none. */
  get closeCode(): number {
    const frame = this.frames.find(one => one.opcode === CLOSE)
    return frame === undefined ? 0 : frame.payload.length < 2 ? 1005 : frame.payload.readUInt16BE(0)
  }

  get closeReason(): string {
    return this.frames.find(one => one.opcode === CLOSE)?.payload.toString("utf8", 2) ?? ""
  }

  /** A masked frame. `first`: the octet with FIN and opcode. */
  send(first: number, payload: Uint8Array | string = ""): void {
    this.socket.write(maskedFrame(first, Buffer.from(payload as string)))
  }

  text(message: string): void {
    this.send(0x80 | TEXT, message)
  }

  binary(message: Uint8Array | string): void {
    this.send(0x80 | BINARY, message)
  }

  /** Stops reading: what is sent to it piles up. */
  stall(): void {
    this.socket.pause()
  }

  read(): void {
    this.socket.resume()
  }

  private readHead(): void {
    const end = this.pending.indexOf("\r\n\r\n")
    if (end < 0) return
    this.head = this.pending.toString("latin1", 0, end)
    this.pending = this.pending.subarray(end + 4)
  }

  private readFrames(): void {
    if (this.status !== 101) return
    for (;;) {
      const { pending } = this
      if (pending.length < 2) return
      let length = pending[1] & 127
      let at = 2
      if (length === 126) {
        if (pending.length < 4) return
        length = pending.readUInt16BE(2)
        at = 4
      } else if (length === 127) {
        if (pending.length < 10) return
        length = Number(pending.readBigUInt64BE(2))
        at = 10
      }
      if (pending.length < at + length) return
      this.frames.push({
        fin: (pending[0] & 0x80) !== 0,
        opcode: pending[0] & 15,
        payload: pending.subarray(at, at + length),
      })
      this.pending = pending.subarray(at + length)
    }
  }
}

export function maskedFrame(first: number, payload: Buffer): Buffer {
  const { length } = payload
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10)
  header[0] = first
  header[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127)
  if (header.length === 4) header.writeUInt16BE(length, 2)
  if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2)
  const mask = Buffer.from([1, 2, 3, 4])
  const body = Buffer.from(payload)
  for (let i = 0; i < length; i++) body[i] ^= mask[i & 3]
  return Buffer.concat([header, mask, body])
}
