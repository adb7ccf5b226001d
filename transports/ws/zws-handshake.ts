import type { Handshake, Hello, PeerHello } from "../../core/contract.ts"
import { fromSystem, HeddleError } from "../../core/errors.ts"
import { announcesIdentity, partnersOf } from "../../core/socket-types.ts"
import { parseCommand, parseError } from "../zmtp/command.ts"
import { encodeMetadata, parseMetadata } from "../zmtp/metadata.ts"
import { closeError, POLICY, UNSUPPORTED } from "./close-codes.ts"
import type { LinkReader, WebLink } from "./link.ts"
import { ZwsConnection } from "./zws-connection.ts"
import { BARE_PROTOCOL, COMMAND, commandBody, errorBody, frame, LAST, WINDOW_PROPERTY } from "./zws-frame.ts"

/**
 * What a peer may send that nobody has read, where the library cannot stop reading (bytes): a few round trips of a fast network, and
 * a bound on what a thousand such peers can make us hold.
 */
const WINDOW = 4 * 1024 * 1024
/** A handshake command may not be longer: nobody has proved who he is yet. */
const MAX_COMMAND = 64 * 1024

const NO_METADATA: ReadonlyMap<string, Buffer> = new Map()

export interface ZwsOutcome {
  connected(connection: ZwsConnection): void
  failed(error: HeddleError): void
}

/** The handshake of ZWS 2.0 over one WebSocket; ends in a connection or in an error, exactly once. */
export class ZwsHandshaker implements LinkReader {
  readonly startedAt = performance.now()
  private readonly link: WebLink
  private readonly local: Handshake
  private readonly address: string
  private readonly accepting: boolean
  private readonly outcome: ZwsOutcome
  private spoken = false
  private over = false
  private timer: NodeJS.Timeout | undefined

  constructor(link: WebLink, local: Handshake, address: string, side: "accept" | "dial", outcome: ZwsOutcome) {
    this.link = link
    this.local = local
    this.address = address
    this.accepting = side === "accept"
    this.outcome = outcome
  }

  begin(): void {
    const { link, local } = this
    link.reader = this
    const limit = local.options.handshakeInterval
    if (limit > 0) {
      this.timer = setTimeout(() => {
        const text = `The peer at ${this.address} did not finish the handshake within ${limit} ms`
        this.fail(new HeddleError("ERR_HANDSHAKE_TIMEOUT", text, { address: this.address }))
      }, limit)
      this.timer.unref()
    }
    if (this.accepting && local.adaptive) return
    if (link.protocol === BARE_PROTOCOL) this.identity(null)
    else this.ready(null)
  }

  /** Gives up; `failed` follows. */
  cancel(error: HeddleError): void {
    this.fail(error)
  }

  message(bytes: Buffer, text: boolean): void {
    if (this.over) return
    try {
      if (text) throw fault("ERR_ZMTP_FRAME", "a text message where ZWS has binary ones only")
      if (bytes.length > MAX_COMMAND) throw fault("EMSGSIZE", `a handshake of ${bytes.length} bytes`)
      if (bytes.length > 0 && bytes[0] === COMMAND) this.command(bytes)
      // Without a mechanism, the first message is the identity. Some servers pick a mechanism by accident and speak none.
      else if (bytes.length > 0 && bytes[0] === LAST) this.named(Buffer.from(bytes.subarray(1)))
      else throw fault("ERR_ZMTP_UNEXPECTED_COMMAND", "a message before the handshake was done")
    } catch (error) {
      this.fail(fromSystem(error, "handshake with", this.address))
    }
  }

  drained(): void {}

  pong(): void {}

  ended(code: number, reason: string, error?: Error): void {
    const text = `The peer at ${this.address} closed the connection during the handshake`
    this.fail(
      closeError(code, reason, error, this.address) ?? new HeddleError("ECONNRESET", text, { address: this.address }),
    )
  }

  private command(bytes: Buffer): void {
    const command = parseCommand(bytes.subarray(1))
    if (command === null) throw fault("ERR_ZMTP_MALFORMED_COMMAND_UNSPECIFIED", "a malformed handshake command")
    const { name, data } = command
    if (name === "ERROR") {
      const text = `The peer at ${this.address} refused us: ${parseError(data)}`
      throw new HeddleError("ERR_ZMTP_PEER_ERROR", text, { address: this.address, fatal: true })
    }
    if (name !== "READY" || this.link.protocol === BARE_PROTOCOL)
      throw fault("ERR_ZMTP_UNEXPECTED_COMMAND", `${name} where ${this.expected} was due`)
    const peer = this.describe(parseMetadata(data))
    if (!this.spoken) this.ready(peer)
    this.finish(peer)
  }

  private get expected(): string {
    return this.link.protocol === BARE_PROTOCOL ? "an identity" : "READY"
  }

  /** A peer without a mechanism: who it is we must guess. */
  private named(identity: Buffer): void {
    const { socketType } = this.local.answer(null)
    const [partner = socketType] = partnersOf(socketType)
    const routingId = identity.length > 255 || identity[0] === 0 ? Buffer.alloc(0) : identity
    const peer = this.describe({ socketType: partner, routingId, metadata: NO_METADATA })
    if (!this.spoken) this.identity(peer)
    this.finish(peer)
  }

  private ready(peer: PeerHello | null): void {
    const hello = this.local.answer(peer)
    const window = Buffer.from(`${this.window}`)
    const metadata = new Map([...hello.metadata, [WINDOW_PROPERTY, window]])
    this.spoken = true
    this.link.send(frame(COMMAND, commandBody("READY", encodeMetadata({ ...hello, metadata }))))
  }

  private identity(peer: PeerHello | null): void {
    const { socketType, routingId } = this.local.answer(peer)
    this.spoken = true
    this.link.send(frame(LAST, announcesIdentity(socketType) ? routingId : Buffer.alloc(0)))
  }

  private get window(): number {
    return this.link.pausable ? 0 : WINDOW
  }

  private describe(hello: Hello): PeerHello {
    return { ...hello, address: this.address, mechanism: "NULL", userId: "" }
  }

  private finish(peer: PeerHello): void {
    this.local.admit(peer)
    this.over = true
    clearTimeout(this.timer)
    const window = peer.metadata.get(WINDOW_PROPERTY)?.toString("latin1")
    const known = window !== undefined && /^\d{1,10}$/.test(window)
    const terms = {
      commands: known,
      credit: known && Number(window) > 0 ? Number(window) : Number.POSITIVE_INFINITY,
      window: this.window,
      grants: known,
    }
    this.outcome.connected(new ZwsConnection(this.link, peer, this.local.options, terms))
  }

  private fail(error: HeddleError): void {
    if (this.over) return
    this.over = true
    clearTimeout(this.timer)
    // An ERROR tells the peer not to come back as it is; a fault that may pass is a plain close (zmtp.md 1.16).
    if (error.fatal && error.code !== "ERR_ZMTP_PEER_ERROR") {
      if (this.link.protocol !== BARE_PROTOCOL) this.link.send(frame(COMMAND, errorBody(error.message)))
      this.link.close(error.code === "ERR_ZMTP_FRAME" ? UNSUPPORTED : POLICY, error.message)
    } else this.link.destroy()
    this.outcome.failed(error)
  }
}

function fault(
  code: "ERR_ZMTP_FRAME" | "ERR_ZMTP_UNEXPECTED_COMMAND" | "ERR_ZMTP_MALFORMED_COMMAND_UNSPECIFIED" | "EMSGSIZE",
  what: string,
): HeddleError {
  return new HeddleError(code, `The peer sent ${what}`, { fatal: true })
}
