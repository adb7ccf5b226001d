/** The handshake between two threads, on the port that the connection then keeps. */
import { MessageChannel, type MessagePort } from "node:worker_threads"
import type { Connection, Handshake, Hello, ListenerSink, PeerHello, SocketType } from "../../core/contract.ts"
import { type ErrorCode, HeddleError } from "../../core/errors.ts"
import type { Directory, Invitation, Place } from "./directory.ts"
import { limitOf } from "./link.ts"
import { linkSize, ThreadConnection } from "./thread-connection.ts"

/** What one side says of itself; plain data, since it is cloned. */
export interface HelloPost {
  readonly socketType: SocketType
  readonly routingId: Uint8Array
  readonly metadata: readonly (readonly [string, Uint8Array])[]
  readonly sendHighWaterMark: number
  readonly receiveHighWaterMark: number
}

type Step =
  | { readonly step: "hello"; readonly hello: HelloPost }
  | { readonly step: "ready" }
  | { readonly step: "refused"; readonly code: ErrorCode; readonly text: string }

/** A dial that looks for its listener. */
export interface Caller {
  readonly name: string
  readonly address: string
  readonly local: Handshake
  reached(): void
}

/** A name that is bound. */
export interface Host {
  readonly address: string
  readonly local: Handshake
  readonly sink: ListenerSink
  readonly busyPoll: number
  /** Callers from other threads whose handshake is not done. */
  readonly meetings: Set<{ giveUp(): void }>
}

/** How a meeting ends for the caller: a connection, a refusal, or null: the listener is gone, look for another. */
export type Outcome = Connection | HeddleError | null

/** Adds to a hello what the transport knows. */
export function known(hello: Hello, address: string): PeerHello {
  return { ...hello, address, mechanism: "NULL", userId: "" }
}

/** Why the two must not talk, in the form in which a dial is rejected. */
export function refusal(error: unknown, address: string): HeddleError {
  const code = error instanceof HeddleError ? error.code : "EPROTO"
  const text = error instanceof Error ? error.message : String(error)
  return new HeddleError(code, text, { cause: error, address, fatal: true })
}

/** Goes to a listener in another thread. `done` is called once, unless the meeting is given up before. */
export function visit(
  directory: Directory,
  place: Place,
  caller: Caller,
  { ringSize: capacity, busyPoll }: { readonly ringSize: number; readonly busyPoll: number },
  done: (outcome: Outcome) => void,
): { giveUp(): void } {
  const { address, local } = caller
  const hello = postOf(local.answer(null), local)
  const { port1: port, port2 } = new MessageChannel()
  const memory = new SharedArrayBuffer(linkSize(capacity))
  const meeting = new Meeting(port, local.options.handshakeInterval, step => {
    if (step.step === "ready") return
    caller.reached()
    if (step.step === "refused") {
      meeting.leave(() => done(new HeddleError(step.code, step.text, { address, fatal: true })))
      return
    }
    const peer = peerOf(step.hello, address)
    try {
      local.admit(peer)
    } catch (error) {
      const failure = refusal(error, address)
      meeting.say({ step: "refused", code: failure.code, text: failure.message })
      meeting.leave(() => done(failure))
      return
    }
    const limit = limitOf(local.options.sendHighWaterMark, step.hello.receiveHighWaterMark)
    const connection = meeting.connect(
      () => new ThreadConnection(peer, { port, memory, capacity, side: "caller", limit, busyPoll }),
    )
    port.postMessage({ step: "ready" } satisfies Step)
    done(connection)
  })
  meeting.gone = () => done(null)
  meeting.late = () => done(lateError(address, local))
  const invitation = { resident: place.resident, name: caller.name, hello, memory, capacity, port: port2 }
  void directory.invite(place, invitation).then(arrived => {
    if (!arrived) meeting.leave(() => done(null))
  })
  return { giveUp: () => meeting.leave(() => {}) }
}

/** Receives a caller from another thread; its meeting is in `host.meetings` as long as the handshake takes. */
export function receive({ hello, memory, capacity, port }: Invitation, host: Host): void {
  const { address, local, sink, busyPoll, meetings } = host
  const peer = peerOf(hello, address)
  const failed = (error: HeddleError): void => {
    meetings.delete(visitor)
    sink.failed(address, error)
  }
  const fail = (error: HeddleError): void => meeting.leave(() => failed(error))
  const meeting = new Meeting(port, local.options.handshakeInterval, step => {
    if (step.step === "refused") fail(new HeddleError(step.code, `The peer refused us: ${step.text}`, { address }))
    if (step.step !== "ready") return
    const limit = limitOf(local.options.sendHighWaterMark, hello.receiveHighWaterMark)
    const connection = meeting.connect(
      () => new ThreadConnection(peer, { port, memory, capacity, side: "listener", limit, busyPoll }),
    )
    meetings.delete(visitor)
    sink.connection(connection)
  })
  const visitor = { giveUp: () => meeting.leave(() => meetings.delete(visitor)) }
  meeting.gone = () =>
    failed(new HeddleError("ECONNRESET", `The peer at ${address} went away during the handshake`, { address }))
  meeting.late = () => failed(lateError(address, local))
  meetings.add(visitor)
  sink.accepted(address)
  try {
    const ours = local.answer(peer)
    local.admit(peer)
    meeting.say({ step: "hello", hello: postOf(ours, local) })
  } catch (error) {
    const failure = refusal(error, address)
    meeting.say({ step: "refused", code: failure.code, text: failure.message })
    fail(failure)
  }
}

/** The port of a meeting, and the clock that limits it. */
class Meeting {
  gone: () => void = () => {}
  late: () => void = () => {}
  private readonly port: MessagePort
  private readonly timer: NodeJS.Timeout | undefined
  private readonly heard: (step: Step) => void
  private readonly lost = (): void => this.leave(this.gone)
  private over = false

  constructor(port: MessagePort, limit: number, heard: (step: Step) => void) {
    this.port = port
    this.heard = step => {
      if (!this.over) heard(step)
    }
    if (limit > 0) {
      this.timer = setTimeout(() => this.leave(this.late), limit)
      this.timer.unref()
    }
    port.on("message", this.heard)
    port.on("close", this.lost)
    port.unref()
  }

  say(step: Step): void {
    this.port.postMessage(step)
  }

  /** Ends it without a connection. `then` is called unless it has ended already. */
  leave(then: () => void): void {
    if (!this.finish()) return
    this.port.close()
    then()
  }

  /** The port goes over to the connection that `make` makes: its listeners come before ours go, so it never stops. */
  connect(make: () => Connection): Connection {
    this.finish()
    const connection = make()
    this.port.off("message", this.heard)
    this.port.off("close", this.lost)
    return connection
  }

  private finish(): boolean {
    if (this.over) return false
    this.over = true
    clearTimeout(this.timer)
    return true
  }
}

function lateError(address: string, local: Handshake): HeddleError {
  const text = `${address}: the other thread did not finish the handshake within ${local.options.handshakeInterval} ms`
  return new HeddleError("ERR_HANDSHAKE_TIMEOUT", `${text} (handshakeInterval); it may be busy`, { address })
}

function postOf(hello: Hello, local: Handshake): HelloPost {
  const { sendHighWaterMark, receiveHighWaterMark } = local.options
  return {
    socketType: hello.socketType,
    // Copies: a view of Node's buffer pool would be cloned with the whole pool.
    routingId: Uint8Array.from(hello.routingId),
    metadata: [...hello.metadata].map(([name, value]) => [name, Uint8Array.from(value)] as const),
    sendHighWaterMark,
    receiveHighWaterMark,
  }
}

function peerOf(post: HelloPost, address: string): PeerHello {
  const metadata = new Map(post.metadata.map(([name, value]) => [name, asBuffer(value)]))
  return known({ socketType: post.socketType, routingId: asBuffer(post.routingId), metadata }, address)
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
