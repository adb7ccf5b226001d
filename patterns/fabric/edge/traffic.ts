import { HeddleError } from "../../../core/errors.ts"
import { Asking } from "./asking.ts"
import type { EdgeClient } from "./client.ts"
import { headersOf, payloadOf, tellable } from "./content.ts"
import { forbidden, mayUse } from "./permissions.ts"
import * as P from "./protocol.ts"
import { Serving } from "./serving.ts"
import { readWish, Subscriptions } from "./subscribing.ts"
import type { RecordReader } from "./wire.ts"

/** What a client does that has said hello: its records, each to where it belongs. */
export class Traffic {
  /** Number of the last publish that was handled. */
  published: number
  private readonly client: EdgeClient
  private subscriptions: Subscriptions | null = null
  private asking: Asking | null = null
  private serving: Serving | null = null

  constructor(client: EdgeClient, published: number) {
    this.client = client
    this.published = published
  }

  /** True: there is something to send before the client is up to date. */
  get behind(): boolean {
    return this.subscriptions?.waits === true
  }

  pumpSubscriptions(): void {
    this.subscriptions?.pump()
  }

  /** The client reads again. */
  drained(): void {
    this.subscriptions?.pump()
    this.asking?.pump()
  }

  /** It has left all topics. */
  slow(): void {
    this.subscriptions?.slow()
  }

  /** `until`: how long it may come back, by performance.now(), 0 = it will not. */
  end(until: number): void {
    this.subscriptions?.end(until)
    this.asking?.end()
    this.serving?.end()
  }

  /** `allowed`: within the rate. Throws EPROTO. */
  record(type: number, reader: RecordReader, allowed: boolean): void {
    const { client } = this
    // Everything is read before anything is done or written: it may be malformed.
    let id: number
    let count: number
    switch (type) {
      case P.PUBLISH:
        this.publish(reader, allowed)
        break
      case P.REQUEST:
        this.asking ??= new Asking(client)
        this.asking.read(reader, allowed)
        break
      case P.SUBSCRIBE: {
        const wish = readWish(reader)
        this.subscriptions ??= new Subscriptions(client)
        this.attempt(P.OF_SUBSCRIBE, wish.sub, allowed, () => this.subscriptions?.subscribe(wish))
        break
      }
      case P.UNSUBSCRIBE:
        id = reader.varint()
        this.subscriptions?.unsubscribe(id)
        break
      case P.DONE:
        id = reader.varint()
        count = reader.varint()
        this.subscriptions?.done(id, count)
        break
      case P.CANCEL:
        id = reader.varint()
        this.asking?.cancel(id)
        break
      case P.CREDIT:
        id = reader.varint()
        count = reader.varint()
        this.asking?.credit(id, count)
        break
      case P.SERVE: {
        const number = reader.varint()
        const pattern = reader.text()
        const group = reader.text()
        const concurrency = reader.varint()
        const limit = reader.varint()
        this.serving ??= new Serving(client)
        this.attempt(P.OF_SERVE, number, allowed, () => this.serving?.serve(number, pattern, group, concurrency, limit))
        break
      }
      case P.UNSERVE:
        id = reader.varint()
        this.serving?.unserve(id)
        break
      case P.RESULT:
        this.serving?.result(reader)
        break
      case P.PING:
        id = reader.varint()
        client.out(P.PONG).varint(id).end()
        break
      case P.AUTH:
        client.authenticate(reader.text())
        break
      case P.BYE:
        client.bye()
        break
      case P.HELLO:
        throw new HeddleError("EPROTO", "The client said HELLO twice")
      // Others are of later versions.
    }
  }

  private publish(reader: RecordReader, allowed: boolean): void {
    const number = reader.varint()
    const flags = reader.byte()
    const content = reader.content(null)
    // It comes again after a reconnect, and was handled before.
    if (number > 0 && number <= this.published) return
    this.attempt(P.OF_PUBLISH, number, allowed, () => {
      const { subject } = content
      if (!mayUse(this.client.permissions, "publish", subject)) throw forbidden("publish", subject)
      const { edge } = this.client
      const headers = headersOf(content)
      const options = headers === undefined ? undefined : { headers }
      edge.mustBeOpen()
      const result = edge.node.publishing.publish(subject, payloadOf(edge.node, content, subject), options)
      if (!result.taken) {
        throw new HeddleError(
          "EAGAIN",
          `A subscriber of ${subject} with the policy "block" is full; publish again later`,
        )
      }
      if ((flags & P.PUB_RESULT) !== 0)
        this.client.out(P.PUBLISH_RESULT).varint(number).varint(result.peers).varint(result.dropped).end()
    })
    if (number > 0) this.published = number
  }

  /** Refuses one thing, for what is wrong with it. */
  private attempt(what: number, number: number, allowed: boolean, run: () => void): void {
    try {
      if (!allowed) throw this.client.tooFast()
      run()
    } catch (error) {
      this.client.edge.refused(this.client, error)
      this.client.writeRefused(what, number, tellable(error))
    }
  }

  /** What the new token does not allow any more. */
  endForbidden(): void {
    const { client } = this
    for (const [sub, pattern] of this.subscriptions?.forbiddenNow() ?? []) {
      this.subscriptions?.unsubscribe(sub)
      client.writeRefused(P.OF_SUBSCRIBE, sub, forbidden("subscribe", pattern))
    }
    for (const [id, pattern] of this.serving?.forbiddenNow() ?? []) {
      this.serving?.unserve(id)
      client.writeRefused(P.OF_SERVE, id, forbidden("serve", pattern))
    }
  }
}
