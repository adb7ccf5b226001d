import { HeddleError } from "../../../core/errors.ts"
import { Channel, type ChannelHost, type ChannelKind, type Feed } from "./channel.ts"

/** The channels of an edge, by number and by what they carry. */
export class Channels {
  /** Of channels that are closed. */
  messages = 0
  private readonly byId = new Map<number, Channel>()
  private readonly shared = new Map<string, Channel>()
  private readonly host: ChannelHost
  private readonly most: number
  private readonly closed: (channel: Channel) => void
  private lastId = 0

  /** `closed`: a channel is gone for good. */
  constructor(host: ChannelHost, most: number, closed: (channel: Channel) => void) {
    this.host = host
    this.most = most
    this.closed = closed
  }

  get size(): number {
    return this.byId.size
  }

  values(): Iterable<Channel> {
    return this.byId.values()
  }

  get(id: number): Channel | undefined {
    return this.byId.get(id)
  }

  find(pattern: string, history: number): Channel | undefined {
    return this.shared.get(keyOf(pattern, history))
  }

  /** Throws EAGAIN, and as `feed` does. */
  open(kind: ChannelKind, feed: (channel: Channel) => Feed): Channel {
    if (this.byId.size >= this.most && !this.makeRoom()) {
      throw new HeddleError(
        "EAGAIN",
        `The edge has ${this.most} different subscriptions already (edge.maxChannels); try again later`,
      )
    }
    const channel = new Channel(this.host, ++this.lastId, kind)
    channel.start(feed(channel))
    this.byId.set(channel.id, channel)
    if (kind.owner === "") this.shared.set(keyOf(kind.pattern, kind.history), channel)
    return channel
  }

  /** A user of it is gone; `until`: when it may be back no more, by performance.now(). */
  left(channel: Channel, until: number, now: number): void {
    channel.until = Math.max(channel.until, until)
    this.look(channel, now)
  }

  close(channel: Channel): void {
    if (!this.byId.delete(channel.id)) return
    if (channel.owner === "") this.shared.delete(keyOf(channel.pattern, channel.history))
    channel.close()
    this.messages += channel.messages
    this.closed(channel)
  }

  closeAll(): void {
    for (const channel of this.byId.values()) this.close(channel)
  }

  expire(now: number): void {
    for (const channel of this.byId.values()) {
      channel.ring.expire(now)
      this.look(channel, now)
    }
  }

  /** Closes the channel that nobody has had for the longest time. False = all are in use. */
  private makeRoom(): boolean {
    let oldest: Channel | null = null
    for (const channel of this.byId.values()) {
      if (channel.users > 0 || channel.readers.size > 0) continue
      if (oldest === null || channel.until < oldest.until) oldest = channel
    }
    if (oldest !== null) this.close(oldest)
    return oldest !== null
  }

  private look(channel: Channel, now: number): void {
    if (channel.users === 0 && channel.readers.size === 0 && channel.until <= now) this.close(channel)
  }
}

function keyOf(pattern: string, history: number): string {
  return `${history} ${pattern}`
}
