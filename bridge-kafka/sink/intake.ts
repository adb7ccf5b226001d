import { matches, overlaps } from "../../core/subject.ts"
import type { Fabric } from "../../patterns/fabric/fabric.ts"
import type { FabricMessage } from "../../patterns/fabric/message.ts"
import type { Subscription } from "../../patterns/fabric/subscription.ts"
import { SpanCache, spanOf } from "../span.ts"
import type { PlainForm } from "../spool/plain-form.ts"
import type { SinkCounters } from "./counters.ts"
import type { Journal } from "./journal.ts"
import type { PlainForms } from "./plain-forms.ts"
import { ArrivedRecord } from "./spooled-message.ts"
import type { Standby } from "./standby.ts"

export interface IntakeHost {
  readonly journal: Journal
  readonly counters: SinkCounters
  readonly forms: PlainForms
  /** 1 = this instance takes messages of the shard. */
  readonly taken: Uint8Array
  /** Null: there are no other instances. */
  readonly standby: Standby | null
  /** Says of a message that it is not to be taken, and counts it. Default: all are. */
  readonly refuses?: (message: FabricMessage) => boolean
}

/** Messages that may wait here and at each publisher while a turn is at work: a burst, not an outage, which the journal takes. */
const LIMIT = 65_536

/** Subscribes to all subjects of the connector, and puts those of owned shards into the journal (SINK-2). */
export class Intake {
  private readonly subscriptions: Subscription<unknown>[] = []
  private readonly host: IntakeHost
  private readonly arrived = new ArrivedRecord()
  private readonly spans = new SpanCache()

  constructor(host: IntakeHost) {
    this.host = host
  }

  /** Resolves when all nodes that are known know of the wish. */
  async start(fabric: Fabric, patterns: readonly string[]): Promise<void> {
    patterns.forEach((pattern, index) => {
      // What matches two patterns comes twice; the first one takes it.
      const before = patterns.slice(0, index).filter(one => overlaps(one, pattern))
      const handler =
        before.length === 0
          ? (message: FabricMessage) => this.take(message)
          : (message: FabricMessage) => {
              if (!before.some(one => matches(one, message.subject))) this.take(message)
            }
      this.subscriptions.push(fabric.subscribe(pattern, handler, { limit: LIMIT }))
    })
    await Promise.all(this.subscriptions.map(one => one.ready))
  }

  /** Messages that were lost before they came here, because this process was too slow. */
  get dropped(): number {
    let sum = 0
    for (const { dropped, droppedBefore } of this.subscriptions) sum += dropped + droppedBefore
    return sum
  }

  stop(): void {
    for (const one of this.subscriptions.splice(0)) one.unsubscribe()
    this.spans.clear()
  }

  private take(message: FabricMessage): void {
    const { host } = this
    const { counters } = host
    if (host.refuses?.(message) === true) return
    const { shard, form } = host.forms.of(message.subject, message.encoding)
    if (host.taken[shard] === 0) {
      counters.foreign++
      try {
        host.standby?.add(message, shard)
      } catch {
        // Its owner counts it.
      }
      return
    }
    try {
      if (this.append(message, shard, form) < 0) {
        counters.full++
        return
      }
    } catch {
      counters.unreadable++
      return
    }
    counters.received++
    counters.bytes += message.size
  }

  /** Throws where the payload cannot be made readable by others, or is larger than the journal takes. */
  private append(message: FabricMessage, shard: number, form: PlainForm | null): number {
    const { journal } = this.host
    const now = Date.now()
    if (form === null || message.hasHeaders) return journal.append(this.arrived.of(message, now), shard, "", null)
    if (!message.shared)
      return journal.appendPlain(form, this.spans.of(message.source), message.start, message.end, now)
    const bytes = message.plainBytes
    return journal.appendPlain(form, spanOf(bytes), 0, bytes.length, now)
  }
}
