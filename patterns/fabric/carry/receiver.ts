import { clock } from "../../../core/clock.ts"
import type { Connection, Listener, Message } from "../../../core/contract.ts"
import { fromSystem } from "../../../core/errors.ts"
import type { Link } from "../link/link.ts"
import { BEACON, readHead, tokenKey } from "./batch.ts"
import * as C from "./control.ts"
import type { CarryGroup } from "./options.ts"
import type { CarryPort } from "./port.ts"
import { Retry } from "./retry.ts"
import { CarriedStream, type StreamCounts } from "./stream.ts"

/** Sessions of senders that are listened to; each node that publishes has one. */
const MAX_CONNECTIONS = 4_096
/** Why messages of the group were not used. */
export interface Ignored {
  /** No message of a fabric, or malformed. */
  malformed: number
  /** Of nobody who is linked and carries for us. */
  stranger: number
}

/** What this node hears of one group. */
export class CarryReceiver {
  readonly group: CarryGroup
  /** Plain subscriptions here that the group may serve. */
  wanted = 0
  readonly ignored: Ignored = { malformed: 0, stranger: 0 }
  /** Messages of the transport that it could not repair. */
  lost = 0
  readonly streams = new Map<string, CarriedStream>()
  private readonly port: CarryPort
  private readonly tellAll: (kind: number, group: Buffer) => void
  private readonly byLink = new Map<Link, CarriedStream>()
  private readonly gone: StreamCounts = { messages: 0, repaired: 0, missing: 0, duplicates: 0, malformed: 0 }
  private readonly connections = new Set<Connection>()
  private listener: Listener | null = null
  private listening = false
  private unwantedAt = 0
  private readonly retry: Retry
  private over = false

  /** `tellAll`: says something to every peer that knows of groups. */
  constructor(group: CarryGroup, port: CarryPort, tellAll: (kind: number, group: Buffer) => void) {
    this.group = group
    this.port = port
    this.tellAll = tellAll
    this.retry = new Retry(group.probe)
  }

  /** Peers may be told that we listen. */
  get open(): boolean {
    return this.listener !== null
  }

  /** Peers whose messages come by the group. */
  get carriers(): number {
    let count = 0
    for (const { isOn } of this.streams.values()) if (isOn) count++
    return count
  }

  /** Of all streams there are and were. */
  get totals(): StreamCounts {
    const totals = { ...this.gone }
    for (const stream of this.streams.values()) add(totals, stream)
    return totals
  }

  streamOf(link: Link): CarriedStream | undefined {
    return this.byLink.get(link)
  }

  /** A subscription has come. */
  want(): void {
    this.wanted++
    this.begin()
  }

  unwant(): void {
    if (--this.wanted === 0) this.unwantedAt = clock.now()
  }

  /** A peer carries something. */
  offered(link: Link, token: Buffer): void {
    if (!this.open) return
    const key = tokenKey(token)
    const known = this.byLink.get(link)
    if (known?.token === key) return
    // A token that somebody else has told before: one of the two lies, and neither is to take the other's place.
    if (this.streams.has(key)) return
    if (known !== undefined) this.drop(known, false)
    const stream = new CarriedStream(link, this.group, token, key, this.port)
    this.byLink.set(link, stream)
    this.streams.set(key, stream)
  }

  /** The link is gone for good. */
  ended(link: Link, quietly: boolean): void {
    const stream = this.byLink.get(link)
    if (stream !== undefined) this.drop(stream, quietly)
  }

  /** The link's directions begin anew: ours (what we said is forgotten), or the peer's (it has forgotten us). */
  begunAnew(link: Link, theirs: boolean): void {
    const stream = this.byLink.get(link)
    if (stream === undefined) return
    if (!theirs) {
      stream.begunAnew()
      return
    }
    const { expects } = stream
    this.drop(stream, false)
    // How far its messages went nobody can say.
    if (expects) this.port.gap(link, null)
  }

  tick(now: number, rested: boolean): void {
    for (const stream of this.streams.values()) stream.tick(now, rested)
    if (this.wanted > 0) this.begin()
    // To leave and to join again is work for routers: not at once.
    else if (this.open && now - this.unwantedAt > this.group.probe) this.leave()
  }

  async close(): Promise<void> {
    this.over = true
    for (const stream of [...this.streams.values()]) this.drop(stream, true)
    await this.unlisten()
  }

  private begin(): void {
    if (this.over || this.listening || !this.retry.isDue) return
    this.listening = true
    const accepted = (connection: Connection): void => this.accept(connection)
    const sink = { accepted: () => {}, connection: accepted, failed: () => {} }
    this.port.listen(this.group, sink).then(
      listener => {
        this.listener = listener
        if (this.over) void this.unlisten()
        else this.tellAll(C.LISTEN, this.group.keyBytes)
      },
      error => {
        this.listening = false
        if (this.over) return
        this.retry.later()
        this.port.warn(fromSystem(error, "listen to the group", this.group.href))
      },
    )
  }

  /** Nobody here has wanted it for a while. */
  private leave(): void {
    for (const stream of this.streams.values()) stream.stop()
    this.tellAll(C.DEAF, this.group.keyBytes)
    for (const stream of [...this.streams.values()]) this.drop(stream, true)
    void this.unlisten()
  }

  private async unlisten(): Promise<void> {
    const { listener } = this
    this.listener = null
    for (const connection of [...this.connections]) connection.close()
    this.connections.clear()
    await listener?.close().catch(() => {})
    this.listening = false
  }

  private drop(stream: CarriedStream, quietly: boolean): void {
    this.streams.delete(stream.token)
    if (this.byLink.get(stream.link) === stream) this.byLink.delete(stream.link)
    stream.finish(quietly)
    add(this.gone, stream)
  }

  private accept(connection: Connection): void {
    if (this.over || this.connections.size >= MAX_CONNECTIONS) {
      connection.close()
      return
    }
    this.connections.add(connection)
    connection.start({
      message: message => this.take(connection, message),
      controlReceived: () => {},
      drain: () => {},
      lost: (_reason, count) => {
        this.lost += count
      },
      closed: () => void this.connections.delete(connection),
    })
  }

  private take(connection: Connection, message: Message): void {
    const head = message.length <= 2 ? readHead(message[0]) : null
    if (head === null) {
      this.ignored.malformed++
      return
    }
    const stream = this.streams.get(head.token)
    if (stream === undefined) {
      if (!this.port.isOwn(head.token)) this.ignored.stranger++
      return
    }
    if (head.kind === BEACON) stream.beacon(head, this.wanted > 0)
    else stream.take(head, message[0], message.length > 1 ? message[1] : null)
    if (!stream.spent) return
    stream.spent = false
    connection.pause()
    setImmediate(() => {
      if (this.connections.has(connection)) connection.resume()
    })
  }
}

function add(totals: StreamCounts, one: StreamCounts): void {
  totals.messages += one.messages
  totals.repaired += one.repaired
  totals.missing += one.missing
  totals.duplicates += one.duplicates
  totals.malformed += one.malformed
}
