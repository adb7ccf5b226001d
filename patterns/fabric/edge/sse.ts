import type { SendResult, WebResponse } from "../../../core/web.ts"
import type { Channel, ChannelReader } from "./channel.ts"
import { asBuffer } from "./content.ts"
import type { Edge } from "./edge.ts"
import { jsonOf } from "./http-body.ts"
import { feedOf } from "./membership.ts"
import { DATA, KEPT } from "./protocol.ts"
import { type Content, RecordReader } from "./wire.ts"

export interface StreamWish {
  readonly pattern: string
  readonly history: number
  /** Ends by itself after so many; 0 = never. */
  readonly max: number
  /** Id of the last event that the client has got; "" = none. */
  readonly lastId: string
  /** Events have no name, and data is `{ subject, data }`: for `onmessage` of EventSource. */
  readonly envelope: boolean
}

/** Milliseconds after which a browser comes back. */
const RETRY = 1_000

/** The last text that several streams have in common: they look at the same batch one after the other. */
let last: { readonly bytes: Uint8Array; readonly envelope: boolean; readonly text: string } = {
  bytes: new Uint8Array(0),
  envelope: false,
  text: "",
}

/**
 * One stream of Server-Sent Events: it reads a channel's ring at its own pace, so that a slow one is caught up, and told what it has
 * missed, like a WebSocket client. The id of an event is the node, the channel and the sequence.
 */
export class EventStream implements ChannelReader {
  private readonly edge: Edge
  private readonly response: WebResponse
  private readonly wish: StreamWish
  private readonly expires: number
  private readonly headers: Readonly<Record<string, string>>
  private readonly over: () => void
  private channel: Channel | null = null
  private position = 0
  /** History that is not sent yet. */
  private kept: Uint8Array[] = []
  private left: number
  /** The client reads too slowly: until `drained`. */
  private stalled = false
  private missing = 0

  constructor(
    edge: Edge,
    response: WebResponse,
    wish: StreamWish,
    { expires }: { readonly expires: number },
    headers: Readonly<Record<string, string>>,
    over: () => void,
  ) {
    this.edge = edge
    this.response = response
    this.wish = wish
    this.expires = expires
    this.headers = headers
    this.over = over
    this.left = wish.max === 0 ? Number.POSITIVE_INFINITY : wish.max
  }

  /** Throws what is to be told to the client, before anything is sent. */
  begin(): void {
    const { edge, response, wish } = this
    const { pattern, history } = wish
    let lost = ""
    try {
      this.channel = this.resumed()
      if (this.channel === null) {
        this.channel =
          edge.channels.find(pattern, history) ??
          edge.channels.open({ pattern, history, group: "", owner: "" }, fresh =>
            feedOf(edge.subscribe(pattern, message => fresh.take(message), history)),
          )
        // Nobody knows how many.
        if (wish.lastId !== "") lost = gapOf(null)
        this.kept = this.channel.recall(0)
        this.position = this.channel.sent
      }
    } catch (error) {
      this.over()
      throw error
    }
    this.channel.readers.add(this)
    response.aborted = () => this.end(true)
    response.drained = () => {
      this.stalled = false
      this.look()
    }
    response.head(200, {
      ...this.headers,
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      // For nginx, which would hold back what is small.
      "x-accel-buffering": "no",
    })
    this.write(`retry: ${RETRY}\n\n${lost}`)
    this.look()
  }

  /** Sends what has come, as long as the client reads. */
  look(): void {
    const { channel, kept } = this
    while (kept.length > 0 && !this.stalled) {
      if (!this.send(kept[0], false)) return
      kept.shift()
      if (this.left > 0) continue
      this.end()
      return
    }
    while (channel !== null && this.channel !== null && !this.stalled && this.position < channel.sent) {
      const oldest = channel.ring.oldest(channel.sent + 1)
      if (oldest - 1 > this.position) {
        this.missing += oldest - 1 - this.position
        this.position = oldest - 1
        continue
      }
      const batch = channel.ring.after(this.position)
      if (batch === undefined) break
      if (!this.send(batch.bytes, batch.first === this.position + 1)) break
      this.position = batch.first + batch.count - 1
      if (this.left <= 0) this.end()
    }
  }

  sweep(now: number, heartbeat: boolean): void {
    if (this.expires > 0 && now >= this.expires) this.end(true)
    else if (heartbeat && !this.stalled) this.write(":\n\n")
  }

  end(resumable = false): void {
    const { channel, response } = this
    if (channel === null) return
    this.channel = null
    channel.readers.delete(this)
    const now = performance.now()
    this.edge.channels.left(channel, resumable ? now + this.edge.settings.resumeTime : 0, now)
    this.over()
    response.end()
  }

  /** The channel that the client had; null = it is gone, or was another node's. */
  private resumed(): Channel | null {
    const [, node, id, position] = /^([\w-]+)\.(\d+)\.(\d+)$/.exec(this.wish.lastId) ?? []
    const channel = node === this.edge.node.id ? this.edge.channels.get(Number(id)) : undefined
    if (channel === undefined || channel.owner !== "") return null
    if (channel.pattern !== this.wish.pattern || channel.history !== this.wish.history) return null
    if (Number(position) > channel.sent) return null
    this.position = Number(position)
    return channel
  }

  /** The events of some records, and before them what is missing. `whole`: of all of a batch. False = there is no room: later. */
  private send(bytes: Uint8Array, whole: boolean): boolean {
    const { left, missing, wish } = this
    const gap = missing > 0 ? gapOf(missing) : ""
    const common = whole && left === Number.POSITIVE_INFINITY
    const text = common && last.bytes === bytes && last.envelope === wish.envelope ? last.text : this.textOf(bytes)
    if (common) last = { bytes, envelope: wish.envelope, text }
    if (this.write(gap + text) === "dropped") {
      this.left = left
      return false
    }
    this.edge.events.missed += missing
    this.missing = 0
    return true
  }

  private write(text: string): SendResult {
    if (text === "") return "sent"
    const result = this.response.write(text)
    if (result !== "sent") this.stalled = true
    return result
  }

  /** What has not been sent of a DATA record, or all of a KEPT one. */
  private textOf(bytes: Uint8Array): string {
    const reader = new RecordReader()
    let text = ""
    for (let type = reader.reset(bytes).next(); type !== -1; type = reader.next()) {
      if (type !== DATA && type !== KEPT) continue
      reader.varint()
      let sequence = type === DATA ? reader.varint() : 0
      let before: string | null = null
      while (reader.left > 0 && this.left > 0) {
        const content = reader.content(before)
        before = content.subject
        if (type === DATA && sequence++ <= this.position) continue
        this.left--
        text += this.eventOf(content, type === DATA ? sequence - 1 : this.position)
      }
    }
    return text
  }

  private eventOf(content: Content, sequence: number): string {
    const { subject, codec, codecName, payload } = content
    const id = `${this.edge.node.id}.${(this.channel as Channel).id}.${sequence}`
    let data: string
    try {
      data = jsonOf(this.edge.node.codecs.decode(codec, asBuffer(payload), codecName))
    } catch {
      // A codec that this node has not, or bytes that are not what they say: as they are.
      data = jsonOf(payload)
    }
    if (this.wish.envelope) return `id: ${id}\ndata: {"subject":${JSON.stringify(subject)},"data":${data}}\n\n`
    return `id: ${id}\nevent: ${subject}\ndata: ${data}\n\n`
  }
}

/** By a name that no subject can have. */
function gapOf(missing: number | null): string {
  return `event: $heddle.gap\ndata: {"missing":${missing}}\n\n`
}
