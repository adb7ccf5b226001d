import { once } from "node:events"
import net from "node:net"
import { netAddress } from "./raw-peer.ts"

/** A TCP relay between two sockets, which breaks links when it is told to. */
export class Relay {
  readonly endpoint: string
  /** Links that it broke so far. */
  broken = 0
  /** From now on nothing is broken any more. */
  spares = false
  private readonly server: net.Server
  private readonly sockets = new Set<net.Socket>()

  private constructor(server: net.Server) {
    this.server = server
    this.endpoint = `tcp://127.0.0.1:${(server.address() as net.AddressInfo).port}`
  }

  /**
   * `limit` is asked for each link: how many bytes may pass, of both directions together, before it is broken. With
   * `reset` the two sides see a reset, otherwise an end.
   */
  static async open(target: string, limit: () => { bytes: number; reset: boolean }): Promise<Relay> {
    const server = net.createServer({ noDelay: true }).listen(0, "127.0.0.1")
    await once(server, "listening")
    const relay = new Relay(server)
    server.on("connection", near => relay.link(near, net.connect(netAddress(target)), limit()))
    return relay
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    this.server.close()
    await once(this.server, "close")
  }

  private link(near: net.Socket, far: net.Socket, { bytes, reset }: { bytes: number; reset: boolean }): void {
    let left = bytes
    let over = false
    far.setNoDelay(true)
    const end = (broken: boolean): void => {
      if (over) return
      over = true
      if (broken) this.broken++
      for (const socket of [near, far]) {
        this.sockets.delete(socket)
        if (broken && reset) socket.resetAndDestroy()
        else socket.end(() => socket.destroy())
      }
    }
    const pass = (from: net.Socket, to: net.Socket): void => {
      this.sockets.add(from)
      from.on("data", (data: Buffer) => {
        if (over) return
        if (this.spares) left = Number.POSITIVE_INFINITY
        const piece = data.subarray(0, left)
        left -= piece.length
        if (!to.write(piece)) {
          from.pause()
          to.once("drain", () => from.resume())
        }
        if (left === 0) end(true)
      })
      from.on("end", () => end(false))
      from.on("error", () => end(false))
      from.on("close", () => end(false))
    }
    pass(near, far)
    pass(far, near)
    if (left === 0) end(true)
  }
}
