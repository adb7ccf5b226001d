import type { StoredAt } from "../driver.ts"
import { IdWindow } from "./id-window.ts"
import { Ranges } from "./ranges.ts"

/** Who waits for the fate of one message. */
export interface Waiter {
  stored(index: number, place: StoredAt | null, duplicate: boolean): void
  failed(index: number, code: string, text: string): void
}

interface Wait {
  readonly waiter: Waiter
  readonly index: number
}

/** Places of that many messages are remembered for retries, by source: as many as a publisher may have in flight by default. */
const PLACES = 1_024

/**
 * Holes in the numbers of one source. Each is a message that its publisher gave up; beyond, the oldest one below the floor is
 * closed, and a copy of it that still lay in the spool of an instance that is away would be taken for a duplicate.
 */
const HOLES = 4_096

/** One that numbers messages of a shard: an epoch of a durable publisher, or a spool (SINK-6). */
export class Source {
  readonly key: string
  /** A spool hands over in order: when a number is stored, all below it are. */
  readonly ordered: boolean
  stored: Ranges
  /** In the journal or stored. */
  readonly accepted = new Ranges()
  floor = 0
  /** Milliseconds since 1970 of its last message. */
  lastUse: number
  /** Holes that had to be closed. */
  closed = 0
  private waits: Map<number, Wait[]> | null = null
  private places: Map<number, StoredAt> | null = null

  constructor(key: string, stored: Ranges, lastUse: number) {
    this.key = key
    this.ordered = key.startsWith(SPOOL)
    this.stored = stored
    this.lastUse = lastUse
  }

  accept(number: number): void {
    if (this.ordered) this.accepted.addUpTo(number)
    else this.accepted.add(number)
  }

  store(number: number, place: StoredAt | null, duplicate: boolean): void {
    if (this.ordered) this.stored.addUpTo(number)
    else {
      this.stored.add(number)
      if (place !== null) this.remember(number, place)
      while (this.stored.holes > HOLES && this.stored.closeHole(this.floor)) this.closed++
    }
    if (this.waits !== null) this.tell(number, place, duplicate)
  }

  /** Where a stored number lies, as far as it is remembered. */
  placeOf(number: number): StoredAt | null {
    return this.places?.get(number) ?? null
  }

  wait(number: number, waiter: Waiter, index: number): void {
    this.waits ??= new Map()
    const others = this.waits.get(number)
    if (others === undefined) this.waits.set(number, [{ waiter, index }])
    else others.push({ waiter, index })
  }

  /** It waits no longer. */
  forget(number: number, waiter: Waiter): void {
    const list = this.waits?.get(number)?.filter(one => one.waiter !== waiter)
    if (list === undefined) return
    if (list.length === 0) this.waits?.delete(number)
    else this.waits?.set(number, list)
  }

  /** Nobody here will learn what becomes of them. */
  failAll(code: string, text: string): void {
    const { waits } = this
    this.waits = null
    for (const list of waits?.values() ?? []) for (const { waiter, index } of list) waiter.failed(index, code, text)
  }

  fail(number: number, code: string, text: string): void {
    const list = this.waits?.get(number)
    this.waits?.delete(number)
    for (const { waiter, index } of list ?? []) waiter.failed(index, code, text)
  }

  get waiting(): number {
    return this.waits?.size ?? 0
  }

  private tell(number: number, place: StoredAt | null, duplicate: boolean): void {
    const list = this.waits?.get(number)
    if (list === undefined) return
    this.waits?.delete(number)
    for (let i = 0; i < list.length; i++) list[i].waiter.stored(list[i].index, place, duplicate || i > 0)
  }

  private remember(number: number, place: StoredAt): void {
    this.places ??= new Map()
    this.places.set(number, place)
    if (this.places.size <= PLACES) return
    for (const oldest of this.places.keys()) {
      this.places.delete(oldest)
      break
    }
  }
}

/** Sources that are spools are named so; publishers must not be. */
export const SPOOL = "spool:"

/** A space cannot be part of an epoch, and the last one ends the publisher's name. */
export function sourceKey(publisher: string, epoch: number): string {
  return publisher.startsWith(SPOOL) ? publisher : `${publisher} ${epoch}`
}

const OWN_ID = /^(.+)\/(\d{1,16})\.\d{1,10}\/(\d{1,16})$/

/** Id of a message whose publisher has given it none: whoever did not get an answer may ask again by it. */
export function idOf(publisher: string, epoch: number, shard: number, number: number): string {
  return `${publisher}/${epoch}.${shard}/${number}`
}

/** What of one shard is stored already (DUR-3, SINK-6). */
export class Ledger {
  ids: IdWindow
  private readonly sources = new Map<string, Source>()
  private readonly limit: number
  private readonly idLimit: number
  /** Sources that were forgotten since they were last asked for: their checkpoint records go too. */
  private forgotten: string[] = []
  private emptied: number[] = []

  /** `publishers`: sources that are remembered; `ids`: own ids that are. */
  constructor(publishers: number, ids: number) {
    this.limit = publishers
    this.idLimit = ids
    this.ids = new IdWindow(ids)
  }

  get size(): number {
    return this.sources.size
  }

  peek(key: string): Source | undefined {
    return this.sources.get(key)
  }

  /** Whose number an id stands for that `idOf` made; null when it is the user's own. */
  ofId(id: string): { source: Source; number: number } | null {
    const parts = OWN_ID.exec(id)
    const source = parts === null ? undefined : this.sources.get(sourceKey(parts[1], Number(parts[2])))
    return parts === null || source === undefined ? null : { source, number: Number(parts[3]) }
  }

  /** Where the message with that id lies; null = it is stored, and the place is not known any more; undefined = it is not known. */
  placeOfId(id: string): StoredAt | null | undefined {
    const place = this.ids.get(id)
    if (place !== undefined) return place
    const known = this.ofId(id)
    return known?.source.stored.has(known.number) === true ? known.source.placeOf(known.number) : undefined
  }

  /** The one with that key, made when it is new; it counts as used now. `now`: milliseconds since 1970. */
  use(key: string, now: number): Source {
    let source = this.sources.get(key)
    if (source === undefined) {
      source = new Source(key, new Ranges(), now)
      this.forgetSome()
    } else this.sources.delete(key)
    source.lastUse = now
    // The order of the map is the order of use.
    this.sources.set(key, source)
    return source
  }

  /** Before a checkpoint is read again: what was thought stored may not have been committed. Who waits goes on waiting. */
  beginRestore(): void {
    this.ids = new IdWindow(this.idLimit)
    for (const source of this.sources.values()) source.stored = new Ranges()
  }

  /** Takes what a checkpoint says. */
  restore(key: string, stored: Ranges, floor: number, lastUse: number): void {
    const known = this.sources.get(key)
    if (known === undefined) {
      const source = new Source(key, stored, lastUse)
      source.floor = floor
      this.sources.set(key, source)
      return
    }
    known.stored = stored
    known.floor = Math.max(known.floor, floor)
  }

  takeForgotten(): string[] {
    const { forgotten } = this
    this.forgotten = []
    return forgotten
  }

  rememberIds(ids: readonly (readonly [id: string, place: StoredAt | null])[], group?: number): void {
    this.emptied.push(...this.ids.addGroup(ids, group))
  }

  /** Numbers of the groups of ids whose records are of no use any more. */
  takeEmptyIdGroups(): number[] {
    const { emptied } = this
    this.emptied = []
    return emptied
  }

  failAll(code: string, text: string): void {
    for (const source of this.sources.values()) source.failAll(code, text)
  }

  private forgetSome(): void {
    let excess = this.sources.size + 1 - this.limit
    if (excess <= 0) return
    for (const [key, source] of this.sources) {
      // What a spool has handed over can come again whenever its instance returns.
      if (source.ordered || source.waiting > 0) continue
      this.sources.delete(key)
      this.forgotten.push(key)
      if (--excess <= 0) return
    }
    // Spools only, and more than there can be instances: somebody makes them up.
    if (this.sources.size < 2 * this.limit) return
    for (const key of this.sources.keys()) {
      this.sources.delete(key)
      this.forgotten.push(key)
      break
    }
  }
}
