import { once } from "node:events"
import net from "node:net"
import { later } from "./cleanup.ts"
import { netAddress } from "./raw-peer.ts"

interface Path {
  readonly near: net.Socket
  readonly far: net.Socket
  /** Bytes vanish on the way. */
  swallows: boolean
}

/** A TCP relay as a bad network: what it does to links is decided from outside, at any moment. */
export class Network {
  readonly endpoint: string
  /** Where new links lead. */
  target = ""
  /** False: who connects is cut off at once. */
  online = true
  /** Links that were made so far. */
  made = 0
  /** Bytes that passed. */
  bytes = 0
  /** Milliseconds that each piece is held back, in order; asked for each. */
  delay: (() => number) | null = null
  private readonly server: net.Server
  private readonly paths = new Set<Path>()

  private constructor(server: net.Server) {
    this.server = server
    this.endpoint = `tcp://127.0.0.1:${(server.address() as net.AddressInfo).port}`
  }

  /** Closed after the test. */
  static async open(): Promise<Network> {
    const server = net.createServer({ noDelay: true, allowHalfOpen: true }).listen(0, "127.0.0.1")
    await once(server, "listening")
    const network = new Network(server)
    server.on("connection", near => network.join(near))
    later(() => network.close())
    return network
  }

  get links(): number {
    return this.paths.size
  }

  /** Breaks all links; with `reset` both sides see a reset, otherwise an end. */
  cut(reset: boolean): void {
    for (const { near, far } of this.paths) {
      for (const socket of [near, far]) {
        if (reset) socket.resetAndDestroy()
        else socket.destroy()
      }
    }
    this.paths.clear()
  }

  /** The links of this moment carry nothing any more, and neither side hears of it. */
  swallow(): void {
    for (const path of this.paths) path.swallows = true
  }

  /** Ends one direction of each link: the other goes on. */
  halve(direction: "near" | "far"): void {
    for (const path of this.paths) path[direction].end()
  }

  async close(): Promise<void> {
    this.cut(true)
    this.server.close()
    await once(this.server, "close")
  }

  private join(near: net.Socket): void {
    near.on("error", () => {})
    if (!this.online) {
      near.destroy()
      return
    }
    this.made++
    const far = net.connect({ ...netAddress(this.target), allowHalfOpen: true } as net.NetConnectOpts)
    far.setNoDelay(true)
    far.on("error", () => {})
    const path: Path = { near, far, swallows: false }
    this.paths.add(path)
    this.pass(path, near, far)
    this.pass(path, far, near)
  }

  private pass(path: Path, from: net.Socket, to: net.Socket): void {
    let before = Promise.resolve()
    const forward = (data: Buffer): void => {
      this.bytes += data.length
      if (path.swallows || !to.writable || to.write(data)) return
      from.pause()
      to.once("drain", () => from.resume())
    }
    from.on("data", (data: Buffer) => {
      const wait = this.delay?.() ?? 0
      if (wait === 0) {
        forward(data)
        return
      }
      from.pause()
      before = before.then(() => new Promise(resolve => setTimeout(resolve, wait))).then(() => forward(data))
      void before.then(() => from.resume())
    })
    from.on("end", () => void before.then(() => to.end()))
    from.on("close", () => {
      this.paths.delete(path)
      void before.then(() => to.destroy())
    })
  }
}
