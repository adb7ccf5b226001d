import type { Handshake, Listener, ListenerSink } from "../../core/contract.ts"
import { type ErrorCode, HeddleError } from "../../core/errors.ts"
import type { Refusal, Upgrade, WebClient, WebRequest } from "../../core/web.ts"
import { addressFilter } from "../address-filter.ts"
import { ServerLink } from "./server-link.ts"
import { ACCEPTED } from "./zws-frame.ts"
import { ZwsHandshaker } from "./zws-handshake.ts"

/** A newcomer may push out a handshake that has been silent for so long (milliseconds). */
const PATIENCE = 1_000

/** What becomes of a client: its link, once it is open. */
export interface ZwsSeat {
  readonly listener: ZwsListener
  readonly address: string
  link: ServerLink | null
}

/** One path of a web server at which sockets of one kind are reached. */
export class ZwsListener implements Listener {
  endpoint = ""
  /** Of this listener's socket, in bytes; -1 = unlimited. */
  readonly maxMessageSize: number
  private readonly scheme: string
  private readonly local: Handshake
  private readonly sink: ListenerSink
  private readonly admits: ((address: string) => boolean) | null
  private readonly leave: (listener: ZwsListener) => Promise<void>
  /** Peers that have not finished their handshake, oldest first. */
  private readonly shaking = new Set<ZwsHandshaker>()

  constructor(scheme: string, local: Handshake, sink: ListenerSink, leave: (listener: ZwsListener) => Promise<void>) {
    this.scheme = scheme
    this.local = local
    this.sink = sink
    this.leave = leave
    this.maxMessageSize = local.options.maxMessageSize
    this.admits = addressFilter(local.options.tcpAcceptFilter)
  }

  close(): Promise<void> {
    const closed = this.leave(this)
    for (const one of [...this.shaking]) {
      one.cancel(new HeddleError("ECONNABORTED", `${this.endpoint} stopped listening`, { address: this.endpoint }))
    }
    return closed
  }

  upgrade(request: WebRequest): Upgrade<ZwsSeat> | Refusal {
    if (this.admits !== null && !this.admits(request.address))
      return { accept: false, status: 403, reason: `${request.address} is not within tcpAcceptFilter` }
    const protocol = request.protocols.find(one => ACCEPTED.includes(one))
    if (protocol === undefined) {
      const offered = request.protocols.join(", ") || "none"
      const reason = `ZeroMQ speaks ${ACCEPTED.slice(1).join(" and ")} here; the sub-protocols offered are: ${offered}`
      return { accept: false, status: 400, reason }
    }
    if (!this.makeRoom()) {
      const reason = `${this.local.options.maxHandshakes} handshakes are under way (maxHandshakes)`
      return { accept: false, status: 503, reason }
    }
    const address = `${this.scheme}://${request.address.includes(":") ? `[${request.address}]` : request.address}`
    return { accept: true, protocol, data: { listener: this, address, link: null } }
  }

  refused({ address }: WebRequest, status: number, reason: string): void {
    const code: ErrorCode = status === 503 ? "EMFILE" : status === 403 ? "EACCES" : "EPROTO"
    this.sink.failed(address, new HeddleError(code, `Turned ${address} away: ${reason}`, { address }))
  }

  open(client: WebClient<ZwsSeat>, stable: boolean): void {
    const { address } = client.data
    const link = new ServerLink(client, stable)
    client.data.link = link
    this.sink.accepted(address)
    const handshaker = new ZwsHandshaker(link, this.local, address, "accept", {
      connected: connection => {
        this.shaking.delete(handshaker)
        this.sink.connection(connection)
      },
      failed: error => {
        this.shaking.delete(handshaker)
        this.sink.failed(address, error)
      },
    })
    this.shaking.add(handshaker)
    handshaker.begin()
  }

  /** False = nobody here has been silent for long enough to give way. */
  private makeRoom(): boolean {
    if (this.shaking.size < this.local.options.maxHandshakes) return true
    const oldest = this.shaking.values().next().value as ZwsHandshaker
    if (performance.now() - oldest.startedAt < PATIENCE) return false
    oldest.cancel(new HeddleError("ERR_HANDSHAKE_TIMEOUT", `A silent peer gave way to a new one (maxHandshakes)`))
    return true
  }
}
