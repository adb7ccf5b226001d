import type { Message, Pattern, Pipe } from "../../../core/contract.ts"
import { HeddleError } from "../../../core/errors.ts"
import type { Parcel } from "../link/write.ts"
import type { FabricMessage } from "../message.ts"
import { noResponders, RemoteError } from "../requests/failures.ts"
import type { Call, ReplySink, Requests } from "../requests/requests.ts"
import { refuseReserved } from "../reserved.ts"
import type { Topic } from "../topics.ts"
import type { Complaints } from "./complaints.ts"
import type { Payloads } from "./payloads.ts"
import { readRequest } from "./request-frames.ts"

/** Requests of one client without an answer. A REQ has one; a DEALER that has so many waits for servers that do not keep up. */
const MAX_REQUESTS = 1_000
/** Bytes of these, which are kept until they are answered. */
const MAX_BYTES = 64 * 1024 * 1024
/** What a request costs besides its frames, in bytes. */
const OVERHEAD = 512

export interface RequestersHost {
  readonly settings: { readonly timeout: number }
  readonly requests: Requests
  readonly topics: { of(subject: string): Topic }
  readonly schemas: { check(subject: string, value: unknown): unknown }
  readonly publishing: { parcelOf(value: unknown, codec: string | undefined): Parcel }
}

/** A request under way for a client. */
class Errand {
  readonly envelope: Message
  readonly bytes: number
  call: Call | null = null
  over = false

  constructor(envelope: Message, bytes: number) {
    this.envelope = envelope
    this.bytes = bytes
  }
}

class Asker {
  readonly errands = new Set<Errand>()
  bytes = 0
}

/**
 * REQ and DEALER clients: `[address..., empty, subject, payload]` becomes a request, its reply `[address..., empty, payload]`. An
 * error has two frames behind the empty one: code and text.
 */
export class Requesters implements Pattern {
  /** The node leaves: what is under way is answered, nothing else. */
  leaving = false
  private readonly host: RequestersHost
  private readonly complaints: Complaints
  private readonly payloads: Payloads

  constructor(host: RequestersHost, complaints: Complaints, payloads: Payloads) {
    this.host = host
    this.complaints = complaints
    this.payloads = payloads
  }

  attach(pipe: Pipe): void {
    pipe.state = new Asker()
  }

  receive(pipe: Pipe, message: Message): void {
    const frames = readRequest(message)
    if (frames === null) {
      this.complaints.malformed(pipe, "", misshapen(message))
      return
    }
    const { envelope, subject, payload } = frames
    if (subject === null) {
      this.fail(pipe, envelope, misshapen(message))
      return
    }
    const asker = pipe.state as Asker
    let bytes = OVERHEAD + subject.length + (payload?.length ?? 0)
    for (const frame of envelope) bytes += frame.length
    if (asker.errands.size >= MAX_REQUESTS || (asker.bytes > 0 && asker.bytes + bytes > MAX_BYTES)) {
      const why = `${asker.errands.size} requests of this client (${asker.bytes} bytes) wait for answers; try again later`
      this.fail(pipe, envelope, new HeddleError("EBUSY", why))
      return
    }
    const errand = new Errand(envelope, bytes)
    asker.errands.add(errand)
    asker.bytes += bytes
    try {
      this.start(pipe, errand, subject.toString(), payload)
    } catch (error) {
      this.finish(asker, errand)
      this.fail(pipe, envelope, error)
    }
  }

  writable(): void {}

  /** Nobody is there to read the answers: the servers are told. */
  offline(pipe: Pipe): void {
    const asker = pipe.state as Asker
    for (const errand of asker.errands) {
      errand.over = true
      if (errand.call !== null) this.host.requests.cancel(errand.call, null)
    }
    asker.errands.clear()
  }

  detach(): void {}

  private start(pipe: Pipe, errand: Errand, subject: string, payload: Buffer | null): void {
    const { host } = this
    if (this.leaving) throw new HeddleError("ECONNABORTED", "This node is leaving; connect to another")
    refuseReserved(subject)
    const topic = host.topics.of(subject)
    const value = host.schemas.check(subject, payload === null ? undefined : this.payloads.read(payload))
    const parcel = host.publishing.parcelOf(value, this.payloads.codec)
    const server = host.requests.choose(topic.services)
    if (server === null) throw noResponders(subject)
    const asker = pipe.state as Asker
    const limits = { timeout: host.settings.timeout, signal: undefined }
    const sink: ReplySink = {
      reply: (message, more) => {
        if (errand.over) return
        this.finish(asker, errand)
        this.reply(pipe, errand, subject, message)
        // A stream where one answer was wanted: the first is it.
        if (more && errand.call !== null) host.requests.cancel(errand.call, null)
      },
      failed: error => {
        if (errand.over) return
        this.finish(asker, errand)
        this.fail(pipe, errand.envelope, error)
      },
    }
    errand.call = host.requests.start(topic, server, parcel, limits, 1, sink, true)
  }

  private finish(asker: Asker, errand: Errand): void {
    errand.over = true
    if (asker.errands.delete(errand)) asker.bytes -= errand.bytes
  }

  private reply(pipe: Pipe, { envelope }: Errand, subject: string, message: FabricMessage | null): void {
    let payload: Buffer
    try {
      if (message === null) {
        const why = `Request to ${subject}: the server ended a stream without a value`
        throw new HeddleError("ERR_REMOTE", why)
      }
      payload = this.payloads.write(message)
    } catch (error) {
      this.fail(pipe, envelope, error)
      return
    }
    this.send(pipe, [...envelope, payload])
  }

  private fail(pipe: Pipe, envelope: Message, error: unknown): void {
    const { code, message } = error as HeddleError
    // What the server's handler says is worth more to the client than that it was the server who said it.
    const told = error instanceof RemoteError && error.remoteCode !== "" ? error.remoteCode : (code ?? "EPROTO")
    this.send(pipe, [...envelope, Buffer.from(told), Buffer.from(message)])
  }

  private send(pipe: Pipe, message: Message): void {
    if (!pipe.send(message)) pipe.drop("full")
  }
}

function misshapen(message: Message): HeddleError {
  return new HeddleError(
    "EINVAL",
    `A request of ${message.length} frames; send an empty frame (a REQ socket does so by itself), the subject, the payload`,
  )
}
