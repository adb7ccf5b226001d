import { once } from "node:events"
import net from "node:net"
import { netAddress } from "./raw-peer.ts"

/** A TCP relay that can stop passing on what one side sends, as a peer that has stopped reading would. */
export class Valve {
  readonly endpoint: string
  private readonly server: net.Server
  private readonly sockets = new Set<net.Socket>()
  private readonly senders = new Set<net.Socket>()
  private shut = false

  private constructor(server: net.Server) {
    this.server = server
    this.endpoint = `tcp://127.0.0.1:${(server.address() as net.AddressInfo).port}`
  }

  /** Who dials the relay reaches `target`. `port`: of one that was closed. */
  static async open(target: string, port = 0): Promise<Valve> {
    const server = net.createServer({ noDelay: true }).listen(port, "127.0.0.1")
    await once(server, "listening")
    const valve = new Valve(server)
    server.on("connection", near => {
      const far = net.connect(netAddress(target))
      far.setNoDelay(true)
      valve.senders.add(far)
      valve.pass(near, far)
      valve.pass(far, near)
      if (valve.shut) far.pause()
    })
    return valve
  }

  /** From now on what `target` sends stays on the way; what is sent to it goes through. */
  stall(): void {
    this.shut = true
    for (const socket of this.senders) socket.pause()
  }

  flow(): void {
    this.shut = false
    for (const socket of this.senders) socket.resume()
  }

  /** Breaks all connections; new ones are taken. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy()
  }

  async close(): Promise<void> {
    this.cut()
    this.server.close()
    await once(this.server, "close")
  }

  private pass(from: net.Socket, to: net.Socket): void {
    this.sockets.add(from)
    from.on("data", (data: Buffer) => {
      if (to.write(data)) return
      from.pause()
      to.once("drain", () => {
        if (!this.shut || !this.senders.has(from)) from.resume()
      })
    })
    from.on("error", () => {})
    from.on("close", () => {
      this.sockets.delete(from)
      this.senders.delete(from)
      to.destroy()
    })
  }
}
