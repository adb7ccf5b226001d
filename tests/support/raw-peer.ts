import { once } from "node:events"
import net from "node:net"
import { COMMAND, GREETING, LONG, MORE, ready } from "./bytes.ts"

export interface RawFrame {
  flags: number
  body: Buffer
}

/** Where Node connects or listens for an endpoint. */
export function netAddress(endpoint: string): net.NetConnectOpts {
  if (endpoint.startsWith("ipc://")) return { path: endpoint.slice(6) }
  const [, host, port] = /^tcp:\/\/(.+):(\d+)$/.exec(endpoint) ?? []
  return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) }
}

/** A peer that speaks bytes by hand, on either side of a connection. */
export class RawPeer {
  readonly socket: net.Socket
  /** How the other side left: "end" in order, "reset" otherwise; null while it is there. */
  left: "end" | "reset" | null = null
  /** Resolves with `left`. */
  readonly gone: Promise<"end" | "reset">
  private pending: Buffer[] = []
  private head: Buffer = Buffer.alloc(0)
  private wake: (() => void) | null = null
  private arrived = 0
  private taken = 0

  constructor(socket: net.Socket) {
    this.socket = socket
    // One that a test forgets, half open, must not keep the runner from ending.
    socket.unref()
    socket.setNoDelay(true)
    socket.on("data", (data: Buffer) => {
      this.pending.push(data)
      this.arrived += data.length
      this.wake?.()
    })
    this.gone = new Promise(resolve => {
      const leave = (how: "end" | "reset"): void => {
        this.left ??= how
        this.wake?.()
        resolve(this.left)
      }
      socket.on("end", () => leave("end"))
      socket.on("error", () => leave("reset"))
      socket.on("close", () => leave("reset"))
    })
  }

  static async connect(endpoint: string): Promise<RawPeer> {
    const socket = net.connect({ ...netAddress(endpoint), allowHalfOpen: true } as net.NetConnectOpts)
    const peer = new RawPeer(socket)
    await once(socket, "connect")
    return peer
  }

  /** Bytes that arrived and that nobody has read. */
  get waiting(): number {
    return this.arrived - this.taken
  }

  /** Resolves when the operating system has taken it; also when the other side has gone. */
  write(...parts: Buffer[]): Promise<void> {
    return new Promise(resolve => this.socket.write(Buffer.concat(parts), () => resolve()))
  }

  /** The next `count` bytes. Rejects when the other side leaves before they have come. */
  async read(count: number): Promise<Buffer> {
    while (this.waiting < count) {
      if (this.left !== null) throw new Error(`the other side left (${this.left}) before ${count} bytes had come`)
      await new Promise<void>(resolve => {
        this.wake = resolve
      })
      this.wake = null
    }
    if (this.head.length < count) {
      this.head = Buffer.concat([this.head, ...this.pending])
      this.pending = []
    }
    const bytes = this.head.subarray(0, count)
    this.head = this.head.subarray(count)
    this.taken += count
    return bytes
  }

  async readFrame(): Promise<RawFrame> {
    const [flags, size] = await this.read(2)
    if ((flags & LONG) === 0) return { flags, body: await this.read(size) }
    const rest = await this.read(7)
    return { flags, body: await this.read(Number(Buffer.concat([Buffer.from([size]), rest]).readBigUInt64BE())) }
  }

  /** The frames of the next message as text; commands on the way are passed over. */
  async readMessage(): Promise<string[]> {
    const parts: string[] = []
    for (;;) {
      const { flags, body } = await this.readFrame()
      if ((flags & COMMAND) !== 0) continue
      parts.push(body.toString("latin1"))
      if ((flags & MORE) === 0) return parts
    }
  }

  /** The next command; messages on the way are passed over. */
  async readCommand(): Promise<{ name: string; data: Buffer }> {
    for (;;) {
      const { flags, body } = await this.readFrame()
      if ((flags & COMMAND) === 0) continue
      return { name: body.toString("latin1", 1, 1 + body[0]), data: body.subarray(1 + body[0]) }
    }
  }

  /** Greetings of both sides; returns theirs. */
  async greet(greeting = GREETING): Promise<Buffer> {
    await this.write(greeting)
    return this.read(64)
  }

  /** The whole NULL handshake; returns the metadata of their READY. */
  async shake(socketType: string, ...properties: [name: string, value: Buffer | string][]): Promise<Buffer> {
    await this.greet()
    await this.write(ready(socketType, ...properties))
    const { name, data } = await this.readCommand()
    if (name !== "READY") throw new Error(`${name} came instead of READY: ${data}`)
    return data
  }

  /** Stops reading: what the other side sends piles up there. */
  deafen(): void {
    this.socket.pause()
  }

  listen(): void {
    this.socket.resume()
  }

  /** Says goodbye. */
  end(): void {
    this.socket.end()
  }

  /** Leaves without a word. */
  reset(): void {
    this.socket.resetAndDestroy()
  }

  destroy(): void {
    this.socket.destroy()
  }
}

/** A listener whose peers speak bytes by hand. */
export class RawListener {
  readonly endpoint: string
  /** Connections that came so far. */
  count = 0
  private readonly server: net.Server
  private readonly peers: RawPeer[] = []
  private readonly arrived: RawPeer[] = []
  private wake: (() => void) | null = null

  private constructor(server: net.Server, endpoint: string) {
    this.server = server
    this.endpoint = endpoint
    server.on("connection", socket => {
      const peer = new RawPeer(socket)
      this.count++
      this.peers.push(peer)
      this.arrived.push(peer)
      this.wake?.()
    })
  }

  static async open(port = 0): Promise<RawListener> {
    const server = net.createServer({ allowHalfOpen: true })
    server.listen(port, "127.0.0.1")
    await once(server, "listening")
    return new RawListener(server, `tcp://127.0.0.1:${(server.address() as net.AddressInfo).port}`)
  }

  /** The next peer that connected. */
  async accept(): Promise<RawPeer> {
    while (this.arrived.length === 0) {
      await new Promise<void>(resolve => {
        this.wake = resolve
      })
    }
    return this.arrived.shift() as RawPeer
  }

  async close(): Promise<void> {
    for (const peer of this.peers) peer.destroy()
    this.server.close()
    await once(this.server, "close")
  }
}
