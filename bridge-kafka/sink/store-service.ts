import { checkSubject } from "../../core/subject.ts"
import type { Fabric } from "../../patterns/fabric/fabric.ts"
import type { RequestMessage } from "../../patterns/fabric/requests/request-message.ts"
import type { Service } from "../../patterns/fabric/requests/service.ts"
import type { KafkaHeader, StoredAt } from "../driver.ts"
import { TIMESTAMP } from "../mapping/headers.ts"
import { MOST_AHEAD } from "../mapping/timestamp.ts"
import type { BridgeRecord } from "../record.ts"
import type { SinkCounters } from "./counters.ts"
import type { Journal } from "./journal.ts"
import { type Ledger, type Source, SPOOL, sourceKey, type Waiter } from "./ledger.ts"
import type { Shard } from "./shard.ts"
import {
  decodeRequest,
  encodeReply,
  type StoreMessage,
  type StoreOutcome,
  type StoreRequest,
} from "./store-protocol.ts"

export interface StoreServiceHost {
  readonly journal: Journal
  readonly counters: SinkCounters
  shardOf(subject: string): number
  /** Whether any route is for it: what nobody wants is refused, not stored nowhere. */
  wants(subject: string): boolean
  /** Whether the ack "spooled" means something here. */
  readonly canSpool: boolean
  /** Whether "stored" does: there is a Kafka. */
  readonly canStore: boolean
  readonly maxWaiting: number
  /** Messages whose publishers wait for "stored". */
  waiting: number
}

/** Milliseconds after which a publisher is told to come again when there is no room. */
const RETRY_AFTER = 100

/** Time for the answer to reach the publisher before it gives up (milliseconds). */
const MARGIN = 20

const DUPLICATE_UNKNOWN_PLACE: StoreOutcome = Object.freeze({ stored: true, duplicate: true, place: null })
const SPOOLED: StoreOutcome = Object.freeze({ stored: true, duplicate: false, place: null })

/** Serves one shard: `$BRIDGE.<bridge>.store.<connector>.<shard>` (DUR-2, DUR-3). */
export class StoreService {
  private readonly host: StoreServiceHost
  private readonly shard: Shard
  private readonly service: Service

  constructor(fabric: Fabric, subject: string, shard: Shard, host: StoreServiceHost) {
    this.host = host
    this.shard = shard
    this.service = fabric.serve(subject, message => this.handle(message as RequestMessage))
  }

  close(): void {
    this.service.close()
  }

  private handle(message: RequestMessage): Buffer | Promise<Buffer> {
    const request = decodeRequest(message.bytes)
    const { ledger } = this.shard
    if (ledger === null) return encodeReply(request.messages.map(() => moved(this.shard.number)))
    if (request.ack === "spooled" && !this.host.canSpool) {
      const text = 'This connector has no spool on disk (spool.mode): it cannot answer "spooled"; ask for "stored"'
      return encodeReply(request.messages.map(() => refused("ENOTSUP", text)))
    }
    if (request.ack === "stored" && !this.host.canStore) {
      const text = 'This bridge has no Kafka: it cannot answer "stored"; ask for "spooled"'
      return encodeReply(request.messages.map(() => refused("ENOTSUP", text)))
    }
    return this.take(request, ledger, message)
  }

  private take(request: StoreRequest, ledger: Ledger, message: RequestMessage): Buffer | Promise<Buffer> {
    const { messages, publisher, epoch, floor, ack } = request
    const { host } = this
    const source = ledger.use(sourceKey(publisher, epoch), Date.now())
    source.floor = Math.max(source.floor, floor)
    const outcomes: (StoreOutcome | null)[] = []
    let last = -1
    let open = 0
    let full = false
    for (let i = 0; i < messages.length; i++) {
      const one = messages[i]
      host.counters.requested++
      // One refused, the others after it too: they must not overtake it.
      const outcome = full ? busy() : this.outcomeOf(one, source, ledger)
      if (outcome !== null) {
        outcomes.push(outcome)
        continue
      }
      if (!source.accepted.has(one.number)) {
        if (ack === "stored" && host.waiting + open >= host.maxWaiting) full = true
        else {
          const origin = { publisher, epoch, number: one.number, floor }
          let sequence: number
          try {
            sequence = host.journal.append(recordOf(one, Date.now()), this.shard.number, one.id, origin)
          } catch (error) {
            outcomes.push(refused("EMSGSIZE", (error as Error).message))
            continue
          }
          if (sequence < 0) full = true
          else {
            source.accept(one.number)
            host.counters.bytes += one.value?.length ?? 0
          }
        }
        if (full) {
          host.counters.full++
          outcomes.push(busy())
          continue
        }
      } else host.counters.duplicates++
      // One that was taken before may lie anywhere below.
      last = host.journal.next - 1
      outcomes.push(ack === "spooled" ? SPOOLED : null)
      if (ack === "stored") open++
    }
    // Otherwise the journal knows what it needs to hand records on.
    if (last >= 0 && ack === "spooled") host.journal.hurry()
    if (ack === "spooled") {
      const all = outcomes as StoreOutcome[]
      return last < 0 ? encodeReply(all) : host.journal.whenDurable(last).then(() => encodeReply(all))
    }
    return open === 0
      ? encodeReply(outcomes as StoreOutcome[])
      : this.whenStored(messages, source, outcomes, open, message)
  }

  /** Null: it is to be taken, or is on its way. */
  private outcomeOf({ number, id, subject }: StoreMessage, source: Source, ledger: Ledger): StoreOutcome | null {
    const { host, shard } = this
    if (source.stored.has(number)) {
      host.counters.duplicates++
      const place = source.placeOf(number)
      return place === null ? DUPLICATE_UNKNOWN_PLACE : { stored: true, duplicate: true, place }
    }
    if (id !== "") {
      const place = ledger.placeOfId(id)
      if (place !== undefined) {
        host.counters.duplicates++
        return { stored: true, duplicate: true, place }
      }
    }
    try {
      checkSubject(subject)
    } catch (error) {
      return refused("EINVAL", (error as Error).message)
    }
    if (host.shardOf(subject) !== shard.number)
      return refused(
        "EINVAL",
        `${subject} does not belong to shard ${shard.number}; ask for the number of shards again`,
      )
    // What a spool brings was taken under another configuration, perhaps: it must not stay there for ever.
    if (!source.key.startsWith(SPOOL) && !host.wants(subject))
      return refused("EINVAL", `No route of this connector is for ${subject}`)
    return null
  }

  private whenStored(
    messages: readonly StoreMessage[],
    source: Source,
    outcomes: (StoreOutcome | null)[],
    open: number,
    message: RequestMessage,
  ): Promise<Buffer> {
    const { host } = this
    host.waiting += open
    return new Promise(resolve => {
      let left = open
      const answer = (index: number, outcome: StoreOutcome): void => {
        if (outcomes[index] !== null) return
        outcomes[index] = outcome
        host.waiting--
        if (--left > 0) return
        clearTimeout(timer)
        resolve(encodeReply(outcomes as StoreOutcome[]))
      }
      const waiter: Waiter = {
        stored: (index: number, place: StoredAt | null, duplicate: boolean) =>
          answer(index, { stored: true, duplicate, place }),
        failed: (index: number, code: string, text: string) => answer(index, refused(code, text)),
      }
      // The publisher gives up: what is stored of it until then, it learns; for the rest nobody waits any more.
      const timer = setTimeout(
        () => {
          for (let i = 0; i < outcomes.length; i++) {
            if (outcomes[i] !== null) continue
            source.forget(messages[i].number, waiter)
            answer(i, refused("ETIMEDOUT", "Kafka has not acknowledged it yet"))
          }
        },
        Math.max(0, Math.min(message.timeLeft, 2 ** 31 - 1) - MARGIN),
      ).unref()
      for (let i = 0; i < outcomes.length; i++) if (outcomes[i] === null) source.wait(messages[i].number, waiter, i)
    })
  }
}

/** `now`: milliseconds since 1970, for publishers whose clock is far ahead (REC-4). */
function recordOf({ subject, timestamp, headers, value }: StoreMessage, now: number): BridgeRecord {
  if (timestamp <= now + MOST_AHEAD) return { subject, topic: "", partition: -1, key: null, value, headers, timestamp }
  // What the publisher said stays with the record; before the others, because the last header is that of the codec.
  const said: KafkaHeader = [TIMESTAMP, Buffer.from(String(timestamp))]
  const all = headers.some(([name]) => name === TIMESTAMP) ? headers : [said, ...headers]
  return { subject, topic: "", partition: -1, key: null, value, headers: all, timestamp: now }
}

export function moved(shard: number): StoreOutcome {
  return refused("MOVED", `Shard ${shard} has another owner now`)
}

function busy(): StoreOutcome {
  return { stored: false, code: "EBUSY", text: "The bridge has no room for it now", retryAfter: RETRY_AFTER }
}

function refused(code: string, text: string): StoreOutcome {
  return { stored: false, code, text, retryAfter: 0 }
}
