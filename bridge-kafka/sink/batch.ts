import type { Packing, Places, StoredAt } from "../driver.ts"
import { failureOf } from "../failure.ts"
import type { BridgeRecord } from "../record.ts"
import { partitionOf } from "../record-shape.ts"
import type { Span } from "../span.ts"
import type { PlainForm } from "../spool/plain-form.ts"
import type { SpoolRecord } from "../spool/record-format.ts"
import { idsGone, idsRecord, sourceGone, sourceRecord } from "./checkpoint.ts"
import { type Ledger, type Source, sourceKey } from "./ledger.ts"
import type { Mapper } from "./mapper.ts"
import { PlainRecord } from "./plain-record.ts"
import type { Shard } from "./shard.ts"
import type { Topics } from "./topics.ts"

/** Room for headers and framing of one record in a batch of Kafka, roughly. */
const OVERHEAD = 32

/**
 * Sequences of the journal between two turns of a shard. A batch of small records has some thousands; so many of them are in the fast
 * memory of a processor.
 */
const STRIDE = 1_024

interface Bounds {
  /** Journal records. */
  readonly most: number
  /** Bytes, roughly. */
  readonly limit: number
  readonly condemned: ReadonlyMap<number, unknown>
  /** Nothing was refused. */
  readonly usual: boolean
}

/** A shard that more is taken of. */
interface Open {
  readonly shard: Shard
  /** Records of it that another batch has, which goes first. */
  readonly before: number
  taken: number
}

const NONE: ReadonlyMap<number, never> = new Map<number, never>()

/** What becomes of records that can never pass (errors.tolerance). */
export interface Poison {
  /** What to send in its place; null = nothing. Throws a KafkaError of kind fatal when the connector is to stop before it. */
  replace(record: SpoolRecord, error: unknown): BridgeRecord | null
  /** It has been done. */
  replaced(record: SpoolRecord, error: unknown, kept: boolean): void
}

/** What a batch needs to know of the connector. */
export interface BatchSources {
  readonly mapper: Mapper
  readonly topics: Topics
  readonly poison: Poison
  /** The journal's, as in checkpoints. */
  readonly spool: string
}

/** Why a batch ended before it was full. */
export interface Obstacle {
  /** Resolves when it is out of the way, rejects with a KafkaError. */
  readonly gone: Promise<void>
  readonly record: SpoolRecord
}

/**
 * The oldest records of some shards on their way to Kafka. They stay in their shards until the batch is settled: an attempt that
 * failed is built anew, and nothing has to be put back.
 */
export class Batch {
  /** Its records for Kafka. */
  readonly packing: Packing
  /** What stands in the way of the next record, when that is why it is so short. */
  obstacle: Obstacle | null = null
  bytes = 0
  /** Journal records, those included that become nothing. */
  length = 0
  /** Journal records in it that become records of Kafka. */
  entries = 0
  /** `from`: place in the shard, once what went before is settled. */
  private readonly parts: { readonly shard: Shard; readonly from: number; readonly count: number }[] = []
  /** See `Packing.full`. */
  private full = false
  /** Records of each shard. */
  private readonly taken = new Map<Shard, number>()
  /** It goes first, and is not settled yet. */
  private behind: Batch | null = null
  /** For each journal record where in `packing` it ends; null while each has become one record, as most do. */
  private ends: number[] | null = null
  /** By place in the batch, those whose publishers wait. The others are bytes again: nothing of them is needed any more. */
  private readonly awaited = new Map<number, SpoolRecord>()
  private readonly sources: BatchSources
  private readonly mapped: BridgeRecord[] = []
  private readonly numbers = new Map<Source, Set<number>>()
  /** Own ids of each shard, with the number of the record in `packing`; -1 = it became none. */
  private readonly ids = new Map<Ledger, Map<string, number>>()
  private readonly replaced = new Map<SpoolRecord, { error: unknown; kept: boolean }>()
  private already: ReadonlyMap<number, StoredAt | null> = new Map()
  private position = -1

  constructor(sources: BatchSources, packing: Packing) {
    this.sources = sources
    this.packing = packing
  }

  /** Whether all of it is of these shards. */
  isOf(shards: readonly Shard[]): boolean {
    return this.parts.every(({ shard, count }) => count === 0 || shards.includes(shard))
  }

  /**
   * Takes the oldest of these shards, up to so many and so many bytes in all. `condemned`: records that Kafka or the mapping has refused, with the reasons.
   * Throws what `Poison.replace` throws, and faults of the mapping that are no poison.
   */
  fill(
    shards: readonly Shard[],
    most: number,
    limit: number,
    condemned: ReadonlyMap<number, unknown>,
    already: ReadonlyMap<number, StoredAt | null>,
  ): void {
    this.already = already
    this.behind = null
    this.more(shards, { most, limit, condemned, usual: condemned.size === 0 && already.size === 0 })
  }

  /**
   * As `fill`, while another batch is on its way: takes what that one leaves, and plain messages only, because what becomes of others
   * may depend on it. Then it has to be settled before `fill`; if it is built anew, this one is of no use.
   */
  prepare(shards: readonly Shard[], behind: Batch, most: number, limit: number): void {
    this.behind = behind
    this.more(shards, { most, limit, condemned: NONE, usual: true })
  }

  /** The checkpoint that belongs to the batch goes with it. */
  addCheckpoint(topic: string, shard: Shard, now: number): void {
    const { packing } = this
    const ledger = shard.ledger as Ledger
    const last = this.lastSequence(shard)
    packing.add(sourceRecord(topic, shard.number, ledger.use(this.sources.spool, now), [last], now))
    for (const [source, numbers] of this.numbers)
      packing.add(
        sourceRecord(
          topic,
          shard.number,
          source,
          [...numbers].sort((a, b) => a - b),
          now,
        ),
      )
    for (const key of ledger.takeForgotten()) packing.add(sourceGone(topic, shard.number, key, now))
    const ids = this.ids.get(ledger)
    if (ids !== undefined) packing.add(idsRecord(topic, shard.number, ledger.ids.nextGroup, [...ids.keys()], now))
    for (const group of ledger.takeEmptyIdGroups()) packing.add(idsGone(topic, shard.number, group, now))
  }

  /** All of it is stored: publishers are told, shards go on. `done` gets each record of the journal. Returns the memory that is free now. */
  settle(places: Places, durable: boolean, done: (sequence: number) => void): number {
    let freed = 0
    let index = 0
    let from = 0
    for (const { shard, count } of this.parts) {
      const { ledger } = shard
      for (let i = 0; i < count; i++, index++) {
        const to = this.endOf(index)
        const record = this.awaited.size === 0 ? undefined : this.awaited.get(index)
        if (record !== undefined) this.tell(record, ledger, to > from ? (places.at(from) ?? null) : null, to > from)
        from = to
        done(shard.sequenceAt(i))
      }
      if (ledger !== null && count > 0 && durable)
        ledger.use(this.sources.spool, Date.now()).store(shard.sequenceAt(count - 1), null, false)
      const size = shard.shift(count)
      shard.bytes -= size
      freed += size
    }
    for (const [ledger, ids] of this.ids)
      ledger.rememberIds([...ids].map(([id, at]) => [id, at < 0 ? null : (places.at(at) ?? null)] as const))
    for (const [record, { error, kept }] of this.replaced) this.sources.poison.replaced(record, error, kept)
    return freed
  }

  /** Notes which journal records are stored with all of theirs, of a batch of which others were refused. */
  storedInPart(places: readonly (StoredAt | null)[], into: Map<number, StoredAt | null>): void {
    if (places.length === 0) return
    let index = 0
    let from = 0
    for (const { shard, from: first, count } of this.parts) {
      for (let i = 0; i < count; i++, index++) {
        const to = this.endOf(index)
        if (to > from && places.slice(from, to).every(place => place !== null))
          into.set(shard.sequenceAt(first + i), places[from])
        from = to
      }
    }
  }

  /** The journal record that became record number `index` of the batch. */
  originOf(index: number): SpoolRecord | null {
    let at = 0
    for (const { shard, from, count } of this.parts)
      for (let i = 0; i < count; i++, at++) if (this.endOf(at) > index) return shard.at(from + i)
    return null
  }

  private lastSequence(shard: Shard): number {
    const part = this.parts.findLast(one => one.shard === shard && one.count > 0)
    return part === undefined ? -1 : shard.sequenceAt(part.from + part.count - 1)
  }

  private endOf(index: number): number {
    return this.ends === null ? index + 1 : this.ends[index]
  }

  /** One more of the journal's is in the batch, by `add`: whatever it became. */
  private added(): void {
    const { packing } = this
    const length = ++this.length
    if (this.ends === null) {
      if (packing.length === length) return
      this.ends = Array.from({ length: length - 1 }, (_, index) => index + 1)
    }
    this.ends.push(packing.length)
  }

  /** A message that needs no look at it. False: `add` decides. */
  private addPlain(shard: Shard, index: number): boolean {
    const run = shard.runAt(index)
    if (run === null) {
      const record = shard.at(index)
      if (!(record instanceof PlainRecord)) return false
      return this.addValue(record.form, record.span, record.from, record.to, record.timestamp, record.sequence)
    }
    const place = shard.placeAt(index)
    const form = run.formAt(place)
    if (form === null) return false
    return this.addValue(
      form,
      run.span,
      run.valueAt(place),
      run.endAt(place),
      run.timestampAt(place),
      run.first + place,
    )
  }

  private addValue(
    form: PlainForm,
    source: Span,
    from: number,
    to: number,
    timestamp: number,
    sequence: number,
  ): boolean {
    if (sequence <= this.position) return false
    const { mapper, topics } = this.sources
    const shape = mapper.shapeOf?.(form) ?? null
    if (shape === null) return false
    const count = topics.count(shape.topic)
    if (count === 0) return false
    if (count !== shape.partitions) shape.place(count)
    this.full = this.packing.addValue(shape, source, from, to, timestamp, sequence)
    shape.route.records++
    this.bytes += OVERHEAD + (shape.key?.length ?? 0) + to - from
    this.entries++
    this.length++
    if (this.ends !== null) this.ends.push(this.packing.length)
    return true
  }

  private more(shards: readonly Shard[], bounds: Bounds): void {
    let open: Open[] = []
    for (const shard of shards) {
      const before = this.behind?.taken.get(shard) ?? 0
      const taken = this.taken.get(shard) ?? 0
      if (before + taken < shard.length) open.push({ shard, before, taken })
    }
    const all = open
    while (open.length > 0 && !this.isFull(bounds)) {
      // Nearly in the order of the journal: the oldest go first, and its memory is read from the beginning on, once.
      let until = Number.POSITIVE_INFINITY
      if (open.length > 1)
        for (const { shard, before, taken } of open) until = Math.min(until, shard.sequenceAt(before + taken) + STRIDE)
      open = open.filter(one => this.take(one, until, bounds) && one.before + one.taken < one.shard.length)
    }
    for (const { shard, taken } of all) this.taken.set(shard, taken)
  }

  private isFull({ most, limit }: Bounds): boolean {
    return this.full || this.entries >= most || this.bytes >= limit
  }

  /** More of a shard, up to that sequence. False: the batch takes nothing that comes behind. */
  private take(one: Open, until: number, bounds: Bounds): boolean {
    const { shard, before } = one
    const from = one.taken
    let goesOn = true
    this.position = shard.ledger?.peek(this.sources.spool)?.stored.last ?? -1
    for (let index = before + one.taken; index < shard.length && !this.isFull(bounds); index++) {
      if (shard.sequenceAt(index) >= until) break
      if (!bounds.usual || !this.addPlain(shard, index)) {
        if (this.behind !== null) {
          goesOn = false
          break
        }
        const record = shard.at(index)
        if (!this.add(record, shard.ledger, bounds.condemned)) {
          goesOn = false
          break
        }
        if (record.origin !== null) this.awaited.set(this.length, record)
        this.added()
      }
      one.taken++
    }
    if (one.taken > from) this.parts.push({ shard, from, count: one.taken - from })
    return goesOn
  }

  /** False: the batch ends before it. */
  private add(record: SpoolRecord, ledger: Ledger | null, condemned: ReadonlyMap<number, unknown>): boolean {
    if (ledger !== null && this.isDuplicate(record, ledger)) return true
    if (this.already.size > 0 && this.already.has(record.sequence)) {
      // Its dead letter was stored with an attempt of which something else was refused.
      if (condemned.has(record.sequence))
        this.replaced.set(record, { error: condemned.get(record.sequence), kept: true })
      if (ledger !== null) this.note(record, ledger, -1)
      return true
    }
    const { mapped } = this
    mapped.length = 0
    let refusal = condemned.size === 0 ? undefined : condemned.get(record.sequence)
    if (refusal === undefined) {
      try {
        const late = this.sources.mapper.map(record, mapped)
        if (late !== undefined) {
          this.obstacle = { gone: late, record }
          return false
        }
      } catch (error) {
        if (failureOf(error, "MAPPING").kind !== "poison") throw error
        refusal = error
      }
    }
    if (refusal !== undefined) {
      mapped.length = 0
      let instead: BridgeRecord | null
      try {
        instead = this.sources.poison.replace(record, refusal)
      } catch (error) {
        // What is before it goes out first.
        if (this.entries > 0) return false
        throw error
      }
      if (instead !== null) mapped.push(instead)
    }
    const { packing } = this
    const start = packing.length
    for (let i = 0; i < mapped.length; i++) {
      const one = mapped[i]
      const count = this.sources.topics.count(one.topic)
      if (count === 0) {
        this.obstacle = { gone: this.sources.topics.resolve(one.topic), record }
        return false
      }
      // The record is the batch's own.
      if (one.partition < 0 || one.partition >= count)
        (one as { partition: number }).partition = partitionOf(one.partition, one.key, one.subject, count)
    }
    for (let i = 0; i < mapped.length; i++) {
      const one = mapped[i]
      packing.add(one)
      this.bytes += OVERHEAD + (one.key?.length ?? 0) + (one.value?.length ?? 0)
    }
    // Not before: while the topic of the dead letters is looked for, the record is not in the batch.
    if (refusal !== undefined) this.replaced.set(record, { error: refusal, kept: mapped.length > 0 })
    if (mapped.length > 0) {
      this.entries++
      this.full = packing.full
    }
    if (ledger !== null && (record.origin !== null || record.id !== ""))
      this.note(record, ledger, mapped.length > 0 ? start : -1)
    return true
  }

  private isDuplicate(record: SpoolRecord, ledger: Ledger): boolean {
    if (record.sequence <= this.position) return true
    const { origin, id } = record
    if (origin === null && id === "") return false
    // It went to an owner that gave it back: the original lies before it in this journal, or has left it as stored.
    if (origin !== null && origin.publisher === this.sources.spool) return true
    if (origin !== null) {
      const source = ledger.peek(sourceKey(origin.publisher, origin.epoch))
      if (
        source !== undefined &&
        (source.stored.has(origin.number) || this.numbers.get(source)?.has(origin.number) === true)
      )
        return true
    }
    if (id === "") return false
    if (ledger.placeOfId(id) !== undefined || this.ids.get(ledger)?.has(id) === true) return true
    const same = ledger.ofId(id)
    return same !== null && this.numbers.get(same.source)?.has(same.number) === true
  }

  private note({ origin, id }: SpoolRecord, ledger: Ledger, at: number): void {
    if (id !== "") {
      const ids = this.ids.get(ledger)
      if (ids === undefined) this.ids.set(ledger, new Map([[id, at]]))
      else ids.set(id, at)
    }
    if (origin === null) return
    const source = ledger.use(sourceKey(origin.publisher, origin.epoch), Date.now())
    const numbers = this.numbers.get(source)
    if (numbers === undefined) this.numbers.set(source, new Set([origin.number]))
    else numbers.add(origin.number)
  }

  private tell(record: SpoolRecord, ledger: Ledger | null, place: StoredAt | null, fresh: boolean): void {
    const { origin, id } = record
    if (ledger === null || origin === null) return
    const source = ledger.use(sourceKey(origin.publisher, origin.epoch), Date.now())
    const replaced = this.replaced.size === 0 ? undefined : this.replaced.get(record)
    if (replaced !== undefined) source.fail(origin.number, "ERR_KAFKA", textOf(replaced.error, replaced.kept))
    const known = fresh
      ? place
      : (this.already.get(record.sequence) ??
        source.placeOf(origin.number) ??
        (id === "" ? null : (ledger.placeOfId(id) ?? null)))
    // A record that became nothing, because no route wanted it, is no duplicate.
    source.store(origin.number, known, !fresh && !(this.numbers.get(source)?.has(origin.number) ?? false))
  }
}

function textOf(error: unknown, kept: boolean): string {
  const text = error instanceof Error ? error.message : String(error)
  return `${text} (${kept ? "it is among the dead letters" : "it was dropped"})`
}
