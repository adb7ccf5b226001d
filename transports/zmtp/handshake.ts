import type { Handshake, Hello, PeerHello } from "../../core/contract.ts"
import { fromSystem, HeddleError } from "../../core/errors.ts"
import type { ByteReader, ByteStream } from "../stream/byte-stream.ts"
import type { NetStream } from "../stream/net-stream.ts"
import type { Upgrade } from "../stream/upgrade.ts"
import { commandFrame, errorFrame, parseCommand, parseError } from "./command.ts"
import { ZmtpConnection } from "./connection.ts"
import { COMMAND, LONG } from "./frame.ts"
import { commonMinor, faultOf, GREETING_SIZE, greeting, mechanismOf } from "./greeting.ts"
import { LateUpgrade } from "./late-upgrade.ts"
import { type Mechanism, NullMechanism } from "./mechanism.ts"

/** A handshake command may not be longer: nobody has proved who he is yet. */
const MAX_COMMAND = 64 * 1024

const EMPTY = Buffer.alloc(0)

export interface HandshakeOutcome {
  connected(connection: ZmtpConnection): void
  failed(error: HeddleError): void
}

/** Greeting and security handshake over one stream; ends in a connection or in an error, exactly once. */
export class Handshaker implements ByteReader {
  readonly startedAt = performance.now()
  private readonly stream: ByteStream
  private readonly local: Handshake
  private readonly address: string
  private readonly accepting: boolean
  private readonly outcome: HandshakeOutcome
  private readonly mechanism: Mechanism = new NullMechanism()
  private received: Buffer = Buffer.alloc(0)
  private minor: 0 | 1 = 1
  private greeted = false
  private readonly upgrade: Upgrade | null
  /** Who the peer is, while both agree on another way for the bytes. */
  private upgrading: PeerHello | null = null
  private over = false
  private timer: NodeJS.Timeout | undefined

  constructor(
    stream: ByteStream,
    local: Handshake,
    address: string,
    side: "accept" | "dial",
    outcome: HandshakeOutcome,
    upgrade: Upgrade | null = null,
  ) {
    this.stream = stream
    this.local = local
    this.address = address
    this.accepting = side === "accept"
    this.outcome = outcome
    this.upgrade = upgrade
  }

  begin(): void {
    const limit = this.local.options.handshakeInterval
    if (limit > 0) {
      this.timer = setTimeout(() => {
        this.fail(
          new HeddleError(
            "ERR_HANDSHAKE_TIMEOUT",
            `The peer at ${this.address} did not finish the handshake within ${limit} ms`,
            { address: this.address },
          ),
        )
      }, limit)
      this.timer.unref()
    }
    this.stream.reader = this
    this.stream.write(greeting(this.mechanism.name))
  }

  /** Gives up; `failed` follows. */
  cancel(error: HeddleError): void {
    this.fail(error)
  }

  bytes(chunk: Buffer, count: number): boolean {
    if (this.over) return true
    this.received = Buffer.concat([this.received, chunk.subarray(0, count)])
    try {
      if (!this.greeted && !this.readGreeting()) return true
      while (!this.over && this.readCommand());
    } catch (error) {
      this.fail(fromSystem(error, "handshake with", this.address))
    }
    return true
  }

  target(): null {
    return null
  }

  drained(): void {}

  ended(error?: Error): void {
    if (this.over) return
    const reason =
      error === undefined
        ? new HeddleError("ECONNRESET", `The peer at ${this.address} closed the connection during the handshake`, {
            address: this.address,
          })
        : fromSystem(error, "handshake with", this.address)
    this.fail(reason)
  }

  /** False = more bytes are needed. */
  private readGreeting(): boolean {
    const fault = faultOf(this.received)
    if (fault !== null) throw fault
    if (this.received.length < GREETING_SIZE) return false
    const theirs = mechanismOf(this.received)
    if (theirs !== this.mechanism.name) {
      throw new HeddleError(
        "ERR_ZMTP_MECHANISM_MISMATCH",
        `The peer at ${this.address} wants the mechanism ${JSON.stringify(theirs)}, this socket ${this.mechanism.name}`,
        { fatal: true },
      )
    }
    this.minor = commonMinor(this.received)
    this.received = this.received.subarray(GREETING_SIZE)
    this.greeted = true
    const waits = this.accepting && this.local.adaptive
    this.say(this.mechanism.begin(waits ? null : this.hello(null)))
    return true
  }

  /** False = more bytes are needed. */
  private readCommand(): boolean {
    const { received } = this
    if (received.length < 2) return false
    const long = (received[0] & LONG) !== 0
    if (long && received.length < 9) return false
    const start = long ? 9 : 2
    const length = long ? received.readUInt32BE(1) * 2 ** 32 + received.readUInt32BE(5) : received[1]
    if ((received[0] & COMMAND) === 0) {
      throw new HeddleError(
        "ERR_ZMTP_UNEXPECTED_COMMAND",
        `The peer at ${this.address} sent a message before the handshake was done`,
        { fatal: true },
      )
    }
    if (length > MAX_COMMAND) {
      throw new HeddleError(
        "EMSGSIZE",
        `The peer at ${this.address} announced a handshake command of ${length} bytes; at most ${MAX_COMMAND} are taken`,
        { fatal: true },
      )
    }
    if (received.length < start + length) return false
    const command = parseCommand(received.subarray(start, start + length))
    this.received = received.subarray(start + length)
    if (command === null) {
      throw new HeddleError(
        "ERR_ZMTP_MALFORMED_COMMAND_UNSPECIFIED",
        `The peer at ${this.address} sent a malformed handshake command`,
        { fatal: true },
      )
    }
    if (command.name === "ERROR") {
      throw new HeddleError(
        "ERR_ZMTP_PEER_ERROR",
        `The peer at ${this.address} refused us: ${parseError(command.data)}`,
        { address: this.address, fatal: true },
      )
    }
    if (this.upgrading !== null) {
      this.upgraded(this.upgrading, command.name, command.data)
      return true
    }
    this.say(this.mechanism.receive(command.name, command.data, hello => this.hello(this.describe(hello))))
    if (this.mechanism.peer !== null) this.introduced(this.describe(this.mechanism.peer))
    return true
  }

  private hello(peer: PeerHello | null): Hello {
    const hello = this.local.answer(peer)
    if (this.upgrade === null) return hello
    const { property, version, late } = this.upgrade
    const metadata = new Map([...hello.metadata, [property, version]])
    if (late !== null) metadata.set(late, version)
    return { ...hello, metadata }
  }

  private describe(hello: Hello): PeerHello {
    return { ...hello, address: this.address, mechanism: this.mechanism.name, userId: this.mechanism.userId }
  }

  private introduced(peer: PeerHello): void {
    this.local.admit(peer)
    const { upgrade } = this
    const knows = (name: string): boolean => upgrade?.version.equals(peer.metadata.get(name) ?? EMPTY) === true
    if (upgrade === null || !knows(upgrade.property)) {
      this.finish(peer, this.stream, this.received)
      return
    }
    if (upgrade.late !== null && knows(upgrade.late)) {
      const late = new LateUpgrade(upgrade, this.stream as NetStream, !this.accepting)
      this.finish(peer, this.stream, this.received, late)
      return
    }
    if (this.accepting) {
      this.upgrading = peer
      return
    }
    const offer = upgrade.offer()
    this.stream.write(commandFrame(upgrade.command, offer))
    if (offer.length > 0) this.upgrading = peer
    else this.finish(peer, this.stream, this.received)
  }

  /** The peer's offer, or its answer to ours. */
  private upgraded(peer: PeerHello, name: string, body: Buffer): void {
    const upgrade = this.upgrade as Upgrade
    const socket = this.stream as NetStream
    if (name !== upgrade.command) {
      throw new HeddleError("ERR_ZMTP_UNEXPECTED_COMMAND", `The peer sent ${name} where ${upgrade.command} was due`, {
        fatal: true,
      })
    }
    let stream: ByteStream = socket
    if (!this.accepting) stream = upgrade.settle(socket, body)
    else if (body.length > 0) {
      const taken = upgrade.accept(socket, body)
      socket.write(commandFrame(upgrade.command, taken.answer))
      stream = taken.stream
    }
    // What else came on the socket only woke us.
    this.finish(peer, stream, stream === socket ? this.received : EMPTY)
  }

  private finish(peer: PeerHello, stream: ByteStream, early: Buffer, late: LateUpgrade | null = null): void {
    this.over = true
    clearTimeout(this.timer)
    this.outcome.connected(new ZmtpConnection(stream, peer, this.minor, this.local.options, early, late))
  }

  private say(commands: readonly Buffer[]): void {
    for (const command of commands) this.stream.write(command)
  }

  private fail(error: HeddleError): void {
    if (this.over) return
    this.over = true
    clearTimeout(this.timer)
    if (this.upgrading !== null) this.upgrade?.cancel()
    // An ERROR tells the peer not to come back as it is; a fault that may pass is a plain close (zmtp.md 1.16).
    if (this.greeted && error.fatal && error.code !== "ERR_ZMTP_PEER_ERROR") {
      this.stream.write(errorFrame(error.message))
      this.stream.end()
    } else this.stream.destroy()
    this.outcome.failed(error)
  }
}
