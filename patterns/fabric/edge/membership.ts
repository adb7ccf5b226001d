import { Parcel } from "../link/parcel.ts"
import type { Subscription } from "../subscription.ts"
import { type Channel, type Feed, KeptRecords } from "./channel.ts"
import { DATA, GAP } from "./protocol.ts"
import { RecordReader, RecordWriter } from "./wire.ts"

/** What a membership needs of its client. */
export interface Listener {
  /** Past everything that was written before; "queued" and "dropped" as `WebClient.send` says. */
  sendNow(bytes: Uint8Array): "sent" | "queued" | "dropped"
  join(topic: string): void
  leave(topic: string): void
  /** Messages that this client will not get. */
  missed(channel: Channel, count: number): void
}

/** One subscription of one client: which channel, and how far the client has come in it. */
export class Membership {
  readonly id: number
  readonly channel: Channel
  readonly member: QueueFeed | null
  /** Sequence of the last message that the client was sent, as long as it is not live. */
  position: number
  /** It has joined the channel's topic. */
  live = false
  /** It was too slow: `latest` then counts. */
  slowed = false
  /** History that is still to be sent. */
  private pieces: Uint8Array[]
  /** Newest messages of each subject that a client gets that was too slow; 0 = all. */
  private readonly latest: number

  constructor(
    id: number,
    channel: Channel,
    member: QueueFeed | null,
    position: number,
    pieces: Uint8Array[],
    latest: number,
  ) {
    this.id = id
    this.channel = channel
    this.member = member
    this.position = position
    this.pieces = pieces
    this.latest = latest
    channel.users++
  }

  /** Sends what the client has not got, as long as it reads; true = it is live. */
  pump(client: Listener): boolean {
    const { channel } = this
    while (this.pieces.length > 0) {
      const result = client.sendNow(this.pieces[0])
      if (result === "dropped") return false
      this.pieces.shift()
      if (result === "queued") return false
    }
    if (this.slowed && this.latest > 0 && !this.skipToLatest(client)) return false
    while (this.position < channel.sent) {
      const oldest = channel.ring.oldest(channel.sent + 1)
      const missing = oldest - 1 - this.position
      const batch = missing > 0 ? undefined : channel.ring.after(this.position)
      const end = batch === undefined ? oldest - 1 : endOf(batch)
      const result = client.sendNow(batch?.bytes ?? gapRecord(channel.id, end, missing))
      if (result === "dropped") return false
      this.position = end
      if (missing > 0) client.missed(channel, missing)
      if (result === "queued") return false
    }
    this.slowed = false
    this.live = true
    channel.live++
    client.join(channel.topic)
    return true
  }

  /** The client was too slow and has left all topics. */
  slow(): void {
    if (!this.live) return
    this.live = false
    this.channel.live--
    this.slowed = true
    this.position = this.channel.sent
  }

  /** The subscription, or its client, is gone. */
  end(client: Listener | null): void {
    if (this.live) {
      this.live = false
      this.channel.live--
      client?.leave(this.channel.topic)
    }
    this.channel.users--
  }

  /** The newest messages of each subject, in one WebSocket message with how many were passed over. */
  private skipToLatest(client: Listener): boolean {
    const { channel, position } = this
    if (position >= channel.sent) return true
    const newest = latestOf(channel, position, this.latest)
    const pieces: Uint8Array[] = []
    const records = new KeptRecords(this.id, pieces)
    for (const { subject, parcel } of newest) records.add(subject, parcel, false)
    records.end()
    const missing = channel.sent - position - newest.length
    // Even if nothing was passed over: it says where the channel goes on.
    const whole = Buffer.concat([...pieces, gapRecord(channel.id, channel.sent, missing)])
    const result = client.sendNow(whole)
    if (result === "dropped") return false
    this.position = channel.sent
    if (missing > 0) client.missed(channel, missing)
    return result === "sent"
  }
}

interface Newest {
  readonly subject: string
  readonly parcel: Parcel
}

function latestOf(channel: Channel, position: number, keep: number): Newest[] {
  const bySubject = new Map<string, Newest[]>()
  const order = new Map<Newest, number>()
  const reader = new RecordReader()
  let sequence = position
  for (let batch = channel.ring.after(position); batch !== undefined; batch = channel.ring.after(sequence)) {
    let at = batch.first
    for (let type = reader.reset(batch.bytes).next(); type !== -1; type = reader.next()) {
      if (type !== DATA) continue
      reader.varint()
      reader.varint()
      let before: string | null = null
      while (reader.left > 0) {
        const { subject, codec, codecName, headers, payload } = reader.content(before)
        before = subject
        if (at++ <= position) continue
        const list = bySubject.get(subject) ?? []
        const one: Newest = {
          subject,
          parcel: Parcel.of(payload as Buffer, codec, codecName, headers as Buffer | null),
        }
        order.set(one, at)
        list.push(one)
        if (list.length > keep) order.delete(list.shift() as Newest)
        bySubject.set(subject, list)
      }
    }
    sequence = endOf(batch)
  }
  return [...order.entries()].sort((a, b) => a[1] - b[1]).map(([one]) => one)
}

function endOf(batch: { readonly first: number; readonly count: number }): number {
  return batch.first + batch.count - 1
}

function gapRecord(channel: number, position: number, missing: number): Uint8Array {
  const out = new RecordWriter(32)
  out.begin(GAP).varint(channel).varint(position).varint(missing).end()
  return out.written
}

/** What a plain subscription of the node says to its channel. */
export function feedOf(subscription: Subscription): Feed {
  return {
    ready: subscription.ready,
    get lost() {
      return subscription.dropped + subscription.droppedBefore
    },
    stop: () => subscription.unsubscribe(),
  }
}

/** A client as a member of a queue group: so many messages at a time are with it. */
export class QueueFeed implements Feed {
  private readonly subscription: Subscription
  private readonly waiting: (() => void)[] = []
  /** What the client has done, or what it had when its connection broke. */
  private done: number
  private away = false
  private readonly channel: Channel

  /** `subscribe` makes the subscription with a handler; `done`: messages that the channel had before. */
  constructor(
    channel: Channel,
    done: number,
    subscribe: (handler: (message: Parameters<Channel["take"]>[0]) => Promise<void> | undefined) => Subscription,
  ) {
    this.channel = channel
    this.done = done
    this.subscription = subscribe(message => {
      channel.take(message)
      return this.away ? undefined : new Promise(resolve => this.waiting.push(resolve))
    })
  }

  get ready(): Promise<void> {
    return this.subscription.ready
  }

  get lost(): number {
    return this.subscription.dropped + this.subscription.droppedBefore
  }

  /** The client says how many it has done in all; more than it has got means nothing. */
  doneInAll(total: number): void {
    while (this.done < total) {
      const next = this.waiting.shift()
      if (next === undefined) break
      this.done++
      next()
    }
    this.channel.done = Math.max(this.channel.done, this.done)
  }

  /** The connection broke: others get what comes now; what was meant for this member, and has not come yet, still goes to its channel. */
  leave(): void {
    this.away = true
    this.finish()
    void this.subscription.drain()
  }

  stop(): void {
    this.away = true
    this.finish()
    this.subscription.unsubscribe()
  }

  private finish(): void {
    for (const resolve of this.waiting.splice(0)) resolve()
  }
}
