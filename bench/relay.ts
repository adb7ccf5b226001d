import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"

/** A TCP relay on loopback that counts what passes, so that the wire of every technology is measured alike. */
export class CountingRelay {
  /** The address that was relayed, with HOST:PORT replaced. */
  readonly address: string
  /** Bytes of payload that TCP has carried, both directions together. */
  bytes = 0
  private readonly server: Server
  private readonly sockets = new Set<Socket>()

  private constructor(server: Server, address: string) {
    this.server = server
    this.address = address
  }

  /** `target` ends in HOST:PORT. */
  static async open(target: string): Promise<CountingRelay> {
    const [, scheme, host, port] = /^(.*?)([^/:]+):(\d+)$/.exec(target) ?? []
    if (port === undefined) throw new Error(`no HOST:PORT at the end of ${target}`)
    const server = createServer({ noDelay: true }).listen(0, "127.0.0.1")
    await once(server, "listening")
    const relay = new CountingRelay(server, `${scheme}127.0.0.1:${(server.address() as AddressInfo).port}`)
    server.on("connection", near => relay.link(near, connect({ host, port: Number(port), noDelay: true })))
    return relay
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    this.server.close()
    await once(this.server, "close")
  }

  private link(near: Socket, far: Socket): void {
    const end = () => {
      for (const socket of [near, far]) {
        this.sockets.delete(socket)
        socket.destroy()
      }
    }
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      this.sockets.add(from)
      from.on("data", data => {
        this.bytes += data.length
      })
      from.on("error", end)
      from.on("close", end)
      from.pipe(to)
    }
  }
}
