import { connect, createServer, type Server, type Socket } from "node:net"
import { setTimeout } from "node:timers/promises"

/**
 * The control channel of paced measurements, the same for every peer: the receiver dials the sender and tells it how
 * far all subscribers are, as 4 bytes, little-endian. The first word is 0: everybody hears you.
 */

const path = (endpoint: string) => endpoint.replace(/^ipc:\/\//, "")

/** Milliseconds for the sender to listen, and between two tries to reach it. */
const PATIENCE = 20_000
const RETRY = 10

function dial(where: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(where)
    socket.once("error", reject)
    socket.once("connect", () => {
      socket.removeListener("error", reject)
      socket.on("error", () => {}) // The sender has all it wanted and left.
      resolve(socket)
    })
  })
}

/** The receiver's end. */
export class ControlSender {
  private readonly socket: Socket

  private constructor(socket: Socket) {
    this.socket = socket
  }

  /** Resolves when the sender listens: it may have been started after us. */
  static async connect(endpoint: string): Promise<ControlSender> {
    const until = performance.now() + PATIENCE
    for (;;) {
      try {
        return new ControlSender(await dial(path(endpoint)))
      } catch (error) {
        if (performance.now() > until) throw error
        await setTimeout(RETRY)
      }
    }
  }

  tell(value: number): void {
    const bytes = Buffer.allocUnsafe(4)
    bytes.writeUInt32LE(value)
    this.socket.write(bytes)
  }

  close(): void {
    this.socket.destroy()
  }
}

/** The sender's end. */
export class ControlListener {
  /** The newest word; -1 before the first. */
  heard = -1
  private wake: () => void = () => {}
  private readonly server: Server

  private constructor() {
    this.server = createServer(socket => this.read(socket))
  }

  static listen(endpoint: string): Promise<ControlListener> {
    return new Promise((resolve, reject) => {
      const listener = new ControlListener()
      listener.server.once("error", reject)
      listener.server.listen(path(endpoint), () => resolve(listener))
    })
  }

  /** Resolves with true when there was word within `timeout` milliseconds. */
  word(timeout: number): Promise<boolean> {
    return new Promise(resolve => {
      const finish = (heard: boolean) => {
        clearTimeout(timer)
        this.wake = () => {}
        resolve(heard)
      }
      const timer = globalThis.setTimeout(finish, timeout, false)
      this.wake = () => finish(true)
    })
  }

  /** Resolves when the receiver has closed its end too. */
  close(): Promise<void> {
    return new Promise(resolve => {
      this.server.close(() => resolve())
    })
  }

  private read(socket: Socket): void {
    let rest = Buffer.alloc(0)
    socket.on("error", () => {})
    socket.on("data", data => {
      const bytes = rest.length === 0 ? data : Buffer.concat([rest, data])
      const whole = bytes.length & ~3
      if (whole > 0) this.heard = bytes.readUInt32LE(whole - 4)
      rest = Buffer.from(bytes.subarray(whole))
      if (whole > 0) this.wake()
    })
  }
}
