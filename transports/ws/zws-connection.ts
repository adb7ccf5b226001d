import type { Connection, ConnectionSink, ControlName, LinkOptions, Message, PeerHello } from "../../core/contract.ts"
import { fromSystem, HeddleError } from "../../core/errors.ts"
import { turnIsSpent } from "../../core/turn.ts"
import { parseCommand, parseError } from "../zmtp/command.ts"
import { Heartbeat, type HeartbeatTarget } from "../zmtp/heartbeat.ts"
import { closeError, NORMAL, POLICY, PROTOCOL_ERROR, TOO_BIG, TRY_LATER, UNSUPPORTED } from "./close-codes.ts"
import type { LinkReader, WebLink } from "./link.ts"
import { COMMAND, commandBody, errorBody, LAST, WINDOW_COMMAND } from "./zws-frame.ts"
import { Inbox } from "./zws-inbox.ts"
import { ZwsOutbox } from "./zws-outbox.ts"

/** What the handshake found out, besides who the peer is. */
export interface ZwsTerms {
  /** The peer is of ZMTP 3.1's kind: notices are commands. Otherwise subscriptions are messages (RFC 45). */
  readonly commands: boolean
  /** Bytes that the peer lets us send before it has read some; Infinity = no limit. */
  readonly credit: number
  /** Bytes that we let the peer send so; 0 = no limit, its own TCP holds it back. */
  readonly window: number
  /** The peer knows of our window. */
  readonly grants: boolean
}

/** What our pings carry: the one that ends the connection must not be taken for a heartbeat. */
const HEARTBEAT = Buffer.from("heartbeat")
const GOODBYE = Buffer.from("goodbye")

const EMPTY = Buffer.alloc(0)

/** The data phase of ZWS 2.0 over one WebSocket. */
export class ZwsConnection implements Connection, LinkReader, HeartbeatTarget {
  readonly peer: PeerHello
  // Each frame is a WebSocket message of its own, masked or not: there is no chunk to share.
  readonly wire = null
  bytesReceived = 0
  private readonly link: WebLink
  private readonly options: LinkOptions
  private readonly terms: ZwsTerms
  private readonly inbox: Inbox
  private readonly outbox: ZwsOutbox
  private sink: ConnectionSink | null = null
  private paused = false
  private continuing = false
  /** Read since the last WINDOW command. */
  private consumed = 0
  /** Octets that are held of a message that is not whole. */
  private partial = 0
  /** The link has ended; what had arrived before is still to be delivered. */
  private left: { error: Error | undefined } | null = null
  private heartbeat: Heartbeat | null = null
  /** `send` answered false. */
  private owed = false
  private ending = false
  private asked = false
  private over = false
  private reason: Error | undefined

  constructor(link: WebLink, peer: PeerHello, options: LinkOptions, terms: ZwsTerms) {
    this.link = link
    this.peer = peer
    this.options = options
    this.terms = terms
    this.inbox = new Inbox(options.maxMessageSize, !link.stable)
    this.outbox = new ZwsOutbox(link, terms.credit)
    link.reader = this
    link.pause()
  }

  get bytesSent(): number {
    return this.outbox.taken
  }

  /** Silence of a peer that we do not read says nothing. */
  get deaf(): boolean {
    return this.paused && this.link.pausable
  }

  start(sink: ConnectionSink): void {
    this.sink = sink
    if (this.over) {
      sink.closed(this.reason)
      return
    }
    this.heartbeat = Heartbeat.for(this, this.options, this.link.pings)
    // What had come may be delivered from within `start`; a link that holds back goes on by itself.
    if (!this.paused) this.proceed()
  }

  send(message: Message): boolean {
    if (this.over || this.ending) return true
    this.outbox.message(message)
    if (!this.outbox.stalled) return true
    this.owed = true
    return false
  }

  sendEncoded(): boolean {
    throw new TypeError("A WebSocket connection has no wire: sendEncoded must not be called")
  }

  flush(): void {
    if (!this.over) this.outbox.flush()
  }

  control(name: ControlName, body: Buffer): void {
    if (this.over || this.ending) return
    const subscription = name === "SUBSCRIBE" || name === "CANCEL"
    if (subscription && !this.terms.commands) {
      this.outbox.frame(LAST, Buffer.concat([Buffer.from([name === "SUBSCRIBE" ? 1 : 0]), body]))
    } else this.outbox.frame(COMMAND, commandBody(name, body))
  }

  pause(): void {
    if (this.paused || this.over) return
    this.paused = true
    if (!this.ending) this.link.pause()
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    if (this.sink !== null) this.continueLater()
  }

  close(reason?: Error): void {
    if (this.over) return
    // A fault of the peer's: it is told, so that it does not come back as it is.
    const tells = reason instanceof HeddleError && reason.fatal && reason.code !== "ERR_ZMTP_PEER_ERROR"
    if (tells) this.refuse(POLICY, reason)
    else this.finish(reason)
  }

  end(): void {
    if (this.over || this.ending) return
    this.ending = true
    // What still comes is read and dropped, for the answer to our goodbye is among it.
    this.inbox.clear()
    this.link.resume()
    if (this.left !== null) this.finish()
    else {
      this.outbox.flush()
      this.sayGoodbye()
    }
  }

  // From the link

  message(bytes: Buffer, text: boolean): void {
    if (this.over) return
    this.bytesReceived += bytes.length
    try {
      if (text) this.refuse(UNSUPPORTED, fault("a text message where ZWS has binary ones only"))
      else if (bytes.length === 0) this.refuse(PROTOCOL_ERROR, fault("a message without the flag octet"))
      else if (bytes[0] === COMMAND) this.command(bytes)
      else if (bytes[0] > COMMAND) this.refuse(PROTOCOL_ERROR, fault(`a frame with the unknown flags ${bytes[0]}`))
      else if (!this.ending) this.frame(bytes)
      else this.consume(bytes.length)
    } catch (error) {
      const failure = fromSystem(error, "peer", this.peer.address)
      this.refuse(failure.code === "EMSGSIZE" ? TOO_BIG : POLICY, failure)
    }
  }

  drained(): void {
    if (this.over) return
    this.continueSending()
  }

  pong(bytes: Buffer): void {
    this.bytesReceived += bytes.length
    // The peer has everything before its answer.
    if (this.asked && bytes.equals(GOODBYE)) {
      this.stop(undefined)
      this.link.close(NORMAL, "")
      this.sink?.closed()
    }
  }

  ended(code: number, reason: string, error?: Error): void {
    if (this.over) return
    // We said goodbye first: how the peer goes is its own affair.
    const failure = this.ending ? undefined : closeError(code, reason, error, this.peer.address)
    this.left = { error: failure }
    if (this.sink === null || !this.inbox.empty) return
    this.finish(failure)
  }

  // From the heartbeat

  ping(): void {
    if (!this.over && !this.asked) this.link.ping(HEARTBEAT)
  }

  dead(silence: number): void {
    const { address } = this.peer
    this.finish(
      new HeddleError("ERR_HEARTBEAT_TIMEOUT", `Nothing was heard of the peer at ${address} for ${silence} ms`, {
        address,
      }),
    )
  }

  private frame(bytes: Buffer): void {
    const message = this.inbox.take(bytes[0], bytes)
    if (!this.holds()) {
      // Also of a message that is not whole: the rest could not come otherwise, when it is larger than the window.
      this.consume(bytes.length)
      if (message !== null) this.sink?.message(message)
      return
    }
    this.partial += bytes.length
    if (message !== null) {
      this.inbox.put({ message, name: null, body: EMPTY, size: this.partial })
      this.partial = 0
    }
    this.checkWindow()
  }

  private command(bytes: Buffer): void {
    const command = parseCommand(bytes.subarray(1))
    // Malformed and unknown commands are ignored after the handshake, as over TCP (zmtp.md 1.3).
    if (command === null) return
    const { name, data } = command
    if (name === WINDOW_COMMAND) {
      if (data.length !== 4) throw fault("a malformed WINDOW command")
      this.outbox.grant(data.readUInt32BE(0))
      this.continueSending()
    } else if (name === "SUBSCRIBE" || name === "CANCEL" || name === "JOIN" || name === "LEAVE") {
      if (this.ending) this.consume(bytes.length)
      else this.notice(name, data, bytes.length)
    } else if (name === "ERROR") {
      throw new HeddleError(
        "ERR_ZMTP_PEER_ERROR",
        `The peer at ${this.peer.address} ended the connection: ${parseError(data)}`,
        { address: this.peer.address, fatal: true },
      )
    }
  }

  private notice(name: ControlName, data: Buffer, size: number): void {
    const body = Buffer.from(data)
    if (this.holds()) {
      this.inbox.put({ message: null, name, body, size })
      this.checkWindow()
    } else {
      this.consume(size)
      this.sink?.controlReceived(name, body)
    }
  }

  /** What arrives now must wait. */
  private holds(): boolean {
    return this.paused || this.sink === null || this.continuing || !this.inbox.empty
  }

  /** A peer that keeps to the window cannot get so far; one that knows none cannot be stopped otherwise. */
  private checkWindow(): void {
    const { window } = this.terms
    const held = this.inbox.bytes + this.partial
    if (window === 0 || held <= window) return
    const last = this.options.maxMessageSize < 0 ? Number.MAX_SAFE_INTEGER : this.options.maxMessageSize
    if (this.terms.grants && held <= window + last) return
    throw new HeddleError(
      "EAGAIN",
      `The peer at ${this.peer.address} sent more than ${window} bytes that nobody has read yet, and uWebSockets.js cannot stop it; read faster, or run the server by the package ws, which can: HEDDLE_WS=ws`,
      { address: this.peer.address },
    )
  }

  private consume(count: number): void {
    const { window, grants } = this.terms
    if (window === 0 || !grants) return
    this.consumed += count
    // A quarter: the peer never comes to a stop while we read.
    if (this.consumed < window / 4) return
    const data = Buffer.allocUnsafe(4)
    data.writeUInt32BE(this.consumed)
    this.consumed = 0
    this.outbox.urgent(COMMAND, commandBody(WINDOW_COMMAND, data))
  }

  private continueSending(): void {
    this.outbox.flush()
    if (this.outbox.stalled) return
    if (this.ending) this.sayGoodbye()
    else if (this.owed) {
      this.owed = false
      this.sink?.drain()
    }
  }

  /** Asks for a sign that the peer has it all; where nobody can be asked, the close frame does it. */
  private sayGoodbye(): void {
    const { link } = this
    if (this.asked || this.over || this.outbox.stalled) return
    this.asked = true
    // Silence means nothing from here on: the owner decides how long to wait.
    this.heartbeat?.stop()
    if (link.pings) link.ping(GOODBYE)
    else link.close(NORMAL, "")
  }

  /** Goes on with what waits, then with reading; never from within the caller, and never for a whole turn. */
  private continueLater(): void {
    if (this.continuing) return
    this.continuing = true
    setImmediate(() => {
      this.continuing = false
      if (!this.over && !this.paused) this.proceed()
    })
  }

  private proceed(): void {
    const sink = this.sink as ConnectionSink
    for (;;) {
      const arrival = this.inbox.shift()
      if (arrival === undefined) break
      this.consume(arrival.size)
      if (arrival.message !== null) sink.message(arrival.message)
      else if (arrival.name !== null) sink.controlReceived(arrival.name, arrival.body)
      if (this.over || this.paused || this.ending) return
      if (turnIsSpent()) {
        this.continueLater()
        return
      }
    }
    if (this.left !== null) this.finish(this.left.error)
    else {
      this.consume(this.partial)
      this.partial = 0
      this.link.resume()
    }
  }

  /** Ends it with a code and a reason for the peer. */
  private refuse(code: number, error: HeddleError): void {
    if (this.over) return
    if (error.code === "ERR_ZMTP_PEER_ERROR") {
      this.finish(error)
      return
    }
    this.stop(error)
    if (this.left === null) {
      if (this.terms.commands) this.outbox.urgent(COMMAND, errorBody(error.message))
      this.link.close(error.code === "EAGAIN" ? TRY_LATER : code, error.message)
    }
    this.sink?.closed(error)
  }

  private finish(reason?: Error): void {
    if (this.over) return
    this.stop(reason)
    this.link.destroy()
    this.sink?.closed(reason)
  }

  private stop(reason: Error | undefined): void {
    this.over = true
    this.reason = reason
    this.paused = true
    this.heartbeat?.stop()
    this.inbox.clear()
    this.outbox.discard()
  }
}

function fault(what: string): HeddleError {
  return new HeddleError("ERR_ZMTP_FRAME", `The peer sent ${what}`, { fatal: true })
}
