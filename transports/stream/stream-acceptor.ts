import type { Handshake, ListenerSink } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import { type HandshakeOutcome, Handshaker } from "../zmtp/handshake.ts"
import type { ByteStream } from "./byte-stream.ts"
import { RawConnection } from "./raw-connection.ts"
import type { Upgrade } from "./upgrade.ts"

/** A newcomer may push out a handshake that has been silent for so long (milliseconds). */
const PATIENCE = 1_000

/** Makes connections of streams that others have opened: ZMTP, or for STREAM sockets the bytes as they are. */
export class StreamAcceptor {
  private readonly local: Handshake
  private readonly sink: ListenerSink
  /** Peers that have not finished their handshake, oldest first. */
  private readonly shaking = new Set<Handshaker>()

  constructor(local: Handshake, sink: ListenerSink) {
    this.local = local
    this.sink = sink
  }

  /** `open` is called when there is room for one more, `refuse` when there is not. */
  accept(address: string, open: () => ByteStream, refuse: () => void, upgrade: () => Upgrade | null): void {
    if (!this.makeRoom()) {
      // A plain close: the peer may come back (zmtp.md 1.16).
      refuse()
      const most = this.local.options.maxHandshakes
      this.sink.failed(
        address,
        new HeddleError("EMFILE", `Turned ${address} away: ${most} handshakes are under way (maxHandshakes)`, {
          address,
        }),
      )
      return
    }
    const stream = open()
    this.sink.accepted(address)
    if (this.local.answer(null).socketType === "STREAM") {
      this.sink.connection(new RawConnection(stream, address))
      return
    }
    const outcome: HandshakeOutcome = {
      connected: connection => {
        this.shaking.delete(handshaker)
        this.sink.connection(connection)
      },
      failed: error => {
        this.shaking.delete(handshaker)
        this.sink.failed(address, error)
      },
    }
    const handshaker = new Handshaker(stream, this.local, address, "accept", outcome, upgrade())
    this.shaking.add(handshaker)
    handshaker.begin()
  }

  /** Handshakes that are under way fail; connections live on. */
  close(endpoint: string): void {
    for (const one of [...this.shaking]) {
      one.cancel(new HeddleError("ECONNABORTED", `${endpoint} stopped listening`, { address: endpoint }))
    }
  }

  /** False = nobody here has been silent for long enough to give way. */
  private makeRoom(): boolean {
    if (this.shaking.size < this.local.options.maxHandshakes) return true
    const oldest = this.shaking.values().next().value as Handshaker
    if (performance.now() - oldest.startedAt < PATIENCE) return false
    oldest.cancel(new HeddleError("ERR_HANDSHAKE_TIMEOUT", `A silent peer gave way to a new one (maxHandshakes)`))
    return true
  }
}
