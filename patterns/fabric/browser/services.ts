import { HeddleError } from "../../../core/errors.ts"
import {
  CALL,
  CALL_CANCEL,
  CALL_CREDIT,
  END,
  FAILED,
  MORE,
  OF_SERVE,
  RESULT,
  SERVE,
  SERVING,
  UNSERVE,
} from "../edge/protocol.ts"
import type { RecordReader } from "../edge/wire.ts"
import type { ClientEvents } from "./events.ts"
import { encodeFailure } from "./failures.ts"
import { RequestMessage } from "./message.ts"
import type { PageCodecs, Payload } from "./payload.ts"
import { ServerCall, Service, type ServiceHandler, type ServiceHost, type ServiceSpec } from "./service.ts"
import type { Part, Session } from "./session.ts"

/** Codec number of JSON: failures are JSON. */
const JSON_TEXT = 2

const ENDED = new HeddleError("ERR_NO_RESPONDERS", "The server has just ended")

interface Entry {
  readonly id: number
  readonly service: Service
  ready: { resolve(): void; reject(error: HeddleError): void } | null
}

/** The services of a client: they are said again after each connect. What they have in hand does not survive the connection. */
export class Services implements Part, ServiceHost {
  private readonly session: Session
  private readonly codecs: PageCodecs
  private readonly events: ClientEvents
  private readonly entries = new Map<number, Entry>()
  private readonly calls = new Map<number, ServerCall>()
  private last = 0

  constructor(session: Session, codecs: PageCodecs, events: ClientEvents) {
    this.session = session
    this.codecs = codecs
    this.events = events
  }

  serve(spec: ServiceSpec, handler: ServiceHandler<unknown, unknown>): Service {
    const service = new Service(this, spec, handler)
    const entry: Entry = { id: ++this.last, service, ready: null }
    this.entries.set(entry.id, entry)
    service.ready = new Promise((resolve, reject) => {
      entry.ready = { resolve, reject }
    })
    // Whoever does not wait for it hears of a refusal by the event.
    service.ready.catch(() => {})
    if (this.session.up) this.say(entry)
    return service
  }

  /** All that are not closed. */
  list(): Service[] {
    return [...this.entries.values()].map(({ service }) => service)
  }

  up(): void {
    for (const entry of this.entries.values()) this.say(entry)
  }

  down(error: HeddleError): void {
    const gone = new HeddleError("ECONNRESET", "The connection broke: an answer reaches nobody", { cause: error })
    for (const call of this.calls.values()) call.cancel(gone)
    this.calls.clear()
  }

  closed(error: HeddleError): void {
    this.down(error)
    for (const service of this.list()) service.close()
  }

  record(type: number, reader: RecordReader): boolean {
    switch (type) {
      case SERVING:
        this.settle(this.entries.get(reader.varint()), null)
        return true
      case CALL:
        this.call(reader)
        return true
      case CALL_CANCEL: {
        const id = reader.varint()
        this.calls
          .get(id)
          ?.cancel(new HeddleError("ECANCELED", "The client has cancelled the request, or waits no longer"))
        this.calls.delete(id)
        return true
      }
      case CALL_CREDIT:
        this.calls.get(reader.varint())?.grant(reader.varint())
        return true
      default:
        return false
    }
  }

  refused(of: number, number: number, error: HeddleError): void {
    const entry = of === OF_SERVE ? this.entries.get(number) : undefined
    if (entry === undefined) return
    this.entries.delete(number)
    this.settle(entry, error)
    entry.service.close()
    this.events.emit({ type: "error", subject: entry.service.subject, error })
  }

  reply(call: ServerCall, value: unknown, more: boolean): void {
    const payload = this.codecs.encode(value)
    if (this.calls.has(call.id)) this.result(call.id, more ? MORE : 0, payload)
  }

  end(call: ServerCall): void {
    if (!this.calls.has(call.id)) return
    this.session.begin(RESULT).varint(call.id).byte(END)
    this.session.end()
  }

  fail(call: ServerCall, failure: Uint8Array): void {
    if (this.calls.has(call.id)) this.result(call.id, FAILED, { codec: JSON_TEXT, codecName: "", payload: failure })
  }

  room(): Promise<void> | null {
    const { pace } = this.session
    return pace.free ? null : new Promise(resolve => pace.whenFree(resolve))
  }

  over(call: ServerCall): void {
    // Another may have the number: on another connection.
    if (this.calls.get(call.id) === call) this.calls.delete(call.id)
  }

  async retire(service: Service): Promise<void> {
    this.unsay(service)
    await this.session.sync()
    this.drop(service)
  }

  ended(service: Service): void {
    this.unsay(service)
    this.drop(service)
  }

  private say({ id, service }: Entry): void {
    const { subject, queue, concurrency, limit } = service.spec
    this.session.begin(SERVE).varint(id).text(subject).text(queue).varint(concurrency).varint(limit)
    this.session.end()
  }

  private result(id: number, flags: number, { codec, codecName, payload }: Payload): void {
    this.session.begin(RESULT).varint(id).byte(flags).content(null, codec, codecName, null, payload)
    this.session.end()
  }

  private unsay(service: Service): void {
    const entry = this.find(service)
    if (entry === undefined || !this.session.up) return
    this.session.begin(UNSERVE).varint(entry.id)
    this.session.end()
  }

  private drop(service: Service): void {
    const entry = this.find(service)
    if (entry === undefined) return
    this.entries.delete(entry.id)
    this.settle(entry, null)
  }

  private find(service: Service): Entry | undefined {
    for (const entry of this.entries.values()) if (entry.service === service) return entry
    return undefined
  }

  private call(reader: RecordReader): void {
    const id = reader.varint()
    const entry = this.entries.get(reader.varint())
    const timeout = reader.varint()
    const credit = reader.varint()
    const content = reader.content(null)
    if (entry === undefined) {
      // It has just been closed, and not everybody knew.
      this.result(id, FAILED, { codec: JSON_TEXT, codecName: "", payload: encodeFailure(ENDED) })
      return
    }
    const call = new ServerCall(id, entry.service, new RequestMessage(content, this.codecs, timeout), credit)
    this.calls.set(id, call)
    entry.service.take(call)
  }

  private settle(entry: Entry | undefined, error: HeddleError | null): void {
    const ready = entry?.ready
    if (entry === undefined || ready === undefined || ready === null) return
    entry.ready = null
    if (error === null) ready.resolve()
    else ready.reject(error)
  }
}
