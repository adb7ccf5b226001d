import net from "node:net"
import { hold, release } from "../../core/keep-alive.ts"
import { type ByteReader, type ByteStream, NO_BYTES, NO_READER } from "./byte-stream.ts"

/**
 * Reads of all connections of a thread go here first, so that an idle connection owns no read buffer. 128 KiB: twice
 * what the socket layer gives by default, and still within the second-level cache, from which it is copied at once.
 */
const scratch = Buffer.allocUnsafeSlow(128 * 1024)

/** How long `end` waits for the peer's goodbye unless told otherwise (milliseconds). Closing with input unread would reset the connection and lose what was sent. */
const GOODBYE = 1_000

/** Node lives until what a socket was given is written, unref'd or not; Bun 1.4 ends, and it is lost. */
const LETS_GO = process.versions.bun !== undefined

/** The parts of Node's socket and handle that only Node has; on other runtimes the ordinary events are used. */
interface Internals {
  _handle: { useUserBuffer?: unknown; fd?: number } | null
  _server: net.Server | null
  server: net.Server | null
}

/** Node's, or a descriptor (`fd`) that is `connected` already. */
export type DialOptions = net.NetConnectOpts & { connected?: boolean; fd?: number }

/** A byte stream over a Node socket: batched reads into memory that we choose, and writes that say whether they are done. */
export class NetStream implements ByteStream {
  readonly socket: net.Socket
  reader: ByteReader = NO_READER
  private lasting = false
  bytesRead = NO_BYTES
  bytesWritten = NO_BYTES
  private blocked = false
  private over = false
  private readonly onWritten = (error?: Error | null): void => {
    // Node calls back for writes that a broken or destroyed socket gave up, too, and then not always with an error.
    if (error || this.over || !this.blocked || this.socket.writableLength > 0) return
    this.blocked = false
    if (LETS_GO) release()
    this.reader.drained()
  }

  /** For a dial: connects by `options`, or takes the descriptor in them that is connected. */
  static dial(options: DialOptions, connected: (stream: NetStream) => void): NetStream {
    const stream: NetStream = new NetStream(onread => new net.Socket({ ...options, ...(onread && { onread }) }))
    if (options.connected === true) {
      process.nextTick(() => {
        if (!stream.over) connected(stream)
      })
    } else stream.socket.connect(options, () => connected(stream))
    return stream
  }

  /** For an accepted socket of a server with `pauseOnConnect`. */
  static accepted(socket: net.Socket): NetStream {
    const stream: NetStream = new NetStream(onread => (onread === undefined ? socket : adopt(socket, onread)))
    if (stream.socket === socket) socket.resume()
    return stream
  }

  private constructor(make: (onread: net.OnReadOpts | undefined) => net.Socket) {
    const direct = canReadDirectly()
    const socket = make(
      direct
        ? {
            buffer: () => this.reader.target() ?? scratch,
            callback: (count, chunk) => this.read(chunk as Buffer, count),
          }
        : undefined,
    )
    this.socket = socket
    if (!direct) socket.on("data", (data: Buffer) => this.spread(data))
    socket.on("error", error => this.finish(error))
    socket.on("end", () => this.finish())
    socket.on("close", () => this.finish())
    socket.setNoDelay(true)
    socket.unref()
  }

  write(bytes: Buffer): boolean {
    this.bytesWritten += bytes.length
    this.socket.write(bytes, this.onWritten)
    return this.settled()
  }

  writeAll(pieces: readonly Buffer[]): boolean {
    const { socket } = this
    socket.cork()
    for (const piece of pieces) {
      this.bytesWritten += piece.length
      socket.write(piece, this.onWritten)
    }
    socket.uncork()
    return this.settled()
  }

  /** From here on the peer's goodbye is not answered by itself, but by `end` or `destroy`. */
  answerNoGoodbye(): void {
    this.lasting = true
    this.socket.allowHalfOpen = true
  }

  pause(): void {
    this.socket.pause()
  }

  resume(): void {
    if (!this.over) this.socket.resume()
  }

  end(patience = GOODBYE): void {
    if (this.over) return
    this.socket.end()
    // What still comes is read and dropped: the reader decides that.
    this.socket.resume()
    if (patience === Number.POSITIVE_INFINITY) return
    const timer = setTimeout(() => this.socket.destroy(), patience)
    timer.unref()
    this.socket.once("close", () => clearTimeout(timer))
  }

  destroy(): void {
    this.letGo()
    this.over = true
    this.socket.destroy()
  }

  /** The operating system's number of the socket; -1 = it is closed, or the runtime does not say. */
  get number(): number {
    return (this.socket as unknown as Internals)._handle?.fd ?? -1
  }

  /** The same for who writes past the stream; -1 = also when it has something to write, or the runtime does not say. */
  get descriptor(): number {
    return this.socket.writableLength > 0 ? -1 : this.number
  }

  private settled(): boolean {
    if (this.socket.writableLength === 0) return true
    if (LETS_GO && !this.blocked && !this.over) hold()
    this.blocked = true
    return false
  }

  /** What could not be written never will be: nobody need wait for it. */
  private letGo(): void {
    if (LETS_GO && this.blocked && !this.over) release()
  }

  private read(chunk: Buffer, count: number): boolean {
    this.bytesRead += count
    return this.over || this.reader.bytes(chunk, count)
  }

  /** Without direct reads the bytes come in chunks of the runtime's: they are copied to where they belong. */
  private spread(data: Buffer): void {
    let going = true
    for (let at = 0; at < data.length; ) {
      const target = this.reader.target()
      const count = Math.min(data.length - at, target?.length ?? scratch.length)
      const place = target ?? scratch
      data.copy(place, 0, at, at + count)
      at += count
      going = this.read(place, count) && going
    }
    if (!going) this.socket.pause()
  }

  private finish(error?: Error): void {
    if (this.over) return
    this.letGo()
    this.over = true
    this.reader.ended(error)
    if (!this.lasting) this.socket.destroy()
  }
}

/** Node reads into memory that the caller chooses (`onread`); Bun and Deno say that they do, but differ in details. */
function canReadDirectly(): boolean {
  return process.versions.bun === undefined && process.versions.deno === undefined && process.platform !== "win32"
}

/**
 * An accepted socket cannot be given `onread`: a second socket takes over its handle. Where the handle is not what we
 * know, the first socket stays as it is.
 */
function adopt(first: net.Socket, onread: net.OnReadOpts): net.Socket {
  const inner = first as unknown as Internals
  const handle = inner._handle
  const { _server } = inner
  inner._handle = null
  inner._server = null
  first.destroy()
  const options = { handle, onread, readable: true, writable: true } as unknown as net.SocketConstructorOpts
  const socket = new net.Socket(options)
  // The server counts its connections and closes when the last is gone.
  ;(socket as unknown as Internals)._server = _server
  ;(socket as unknown as Internals).server = _server
  return socket
}
