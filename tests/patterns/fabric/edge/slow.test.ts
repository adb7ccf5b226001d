import assert from "node:assert/strict"
import { Codecs } from "../../../../core/codec.ts"
import { type Fabric, join } from "../../../../index.ts"
import { Channel } from "../../../../patterns/fabric/edge/channel.ts"
import type { EdgeOptions } from "../../../../patterns/fabric/edge/options.ts"
import * as P from "../../../../patterns/fabric/edge/protocol.ts"
import { RingBudget } from "../../../../patterns/fabric/edge/ring.ts"
import type { Content } from "../../../../patterns/fabric/edge/wire.ts"
import { Envelope, FabricMessage, Origin } from "../../../../patterns/fabric/message.ts"
import { closesAfterEach, later } from "../../../support/cleanup.ts"
import { type FakeWebClient, fakeWebContext } from "../../../support/fake-web.ts"
import { turns, until } from "../../../support/wait.ts"
import { events } from "../nodes.ts"
import { parseAll, positionIn, readValue, record, valuesIn } from "./edge-client.ts"

const BUFFER = 4 * 1024

interface Rig {
  readonly node: Fabric
  client(subscribe?: (out: Buffer[]) => void): Promise<FakeWebClient>
}

async function rig(edge: Partial<EdgeOptions>): Promise<Rig> {
  const { context, servers } = fakeWebContext()
  const node = await join("slow", {
    context,
    discovery: [],
    edge: { listen: "ws://fake:1", subscribe: [">"], request: [">"], publish: [">"], maxBuffer: BUFFER, ...edge },
  })
  later(() => node.close())
  return {
    node,
    async client() {
      const client = (await servers[0].connect()) as FakeWebClient
      client.say(record(P.HELLO, out => out.varint(1).text("").text("").text("")))
      return client
    },
  }
}

const subscribe = (sub: number, pattern: string): Buffer =>
  record(P.SUBSCRIBE, out => out.varint(sub).text(pattern).byte(0))
const subscribeLatest = (sub: number, pattern: string, keep: number): Buffer =>
  record(P.SUBSCRIBE, out => out.varint(sub).text(pattern).byte(P.SUB_SLOW).byte(P.SLOW_LATEST).varint(keep))

/** Publishes one by one, each in a turn of its own: so many batches. */
async function publish(node: Fabric, from: number, to: number, subject = "a"): Promise<void> {
  for (let i = from; i < to; i++) {
    node.publish(subject, { i, pad: "x".repeat(200) }, { codec: "json" })
    await turns(1)
  }
}

const numbers = (client: FakeWebClient, channel: unknown): number[] =>
  valuesIn(parseAll(client.got), channel).map(value => (value as { i: number }).i)
/** Of history and of the channel, as they came. */
const numbersOf = (client: FakeWebClient): number[] =>
  parseAll(client.got)
    .filter(one => one.type === P.KEPT || one.type === P.DATA)
    .flatMap(one => (one.contents as Content[]).map(content => (readValue(content) as { i: number }).i))
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => i + from)

describe("Edge with a slow client", () => {
  closesAfterEach()

  it("catches it up from the ring once it reads again, while others get everything at once", async () => {
    const { node, client } = await rig({})
    const slowEvents = events(node, "edge")
    const [quick, slow] = [await client(), await client()]
    for (const one of [quick, slow]) one.say(subscribe(1, ">"))
    await turns(2)
    const channel = parseAll(slow.got).find(one => one.type === P.SUBSCRIBED)?.channel
    await publish(node, 0, 10)
    slow.stalled = true
    await publish(node, 10, 100)
    assert.deepEqual(numbers(quick, channel), range(0, 100))
    assert.ok(slow.buffered < BUFFER + 1_000, `${slow.buffered} bytes wait`)
    assert.deepEqual(numbers(slow, channel), range(0, 10))
    slow.read()
    await publish(node, 100, 110)
    assert.deepEqual(numbers(slow, channel), range(0, 110))
    assert.ok(slowEvents.some(event => event.what === "slow"))
    assert.equal(node.stats().edge?.slow, 1)
    assert.equal(node.stats().edge?.missed, 0)
  })

  it("catches up a client that stalls again and again, in order and once", async () => {
    const { node, client } = await rig({})
    const slow = await client()
    slow.say(subscribe(1, ">"))
    await turns(2)
    const channel = parseAll(slow.got).find(one => one.type === P.SUBSCRIBED)?.channel
    for (let round = 0; round < 10; round++) {
      slow.stalled = round % 2 === 0
      await publish(node, round * 40, round * 40 + 40)
      slow.read()
      // What is caught up is as slow as everything else.
      if (round % 3 === 0) slow.stalled = true
    }
    slow.read()
    slow.read()
    await turns(2)
    assert.deepEqual(numbers(slow, channel), range(0, 400))
  })

  it("says exactly how many are lost when the ring does not reach back", async () => {
    const { node, client } = await rig({ resume: { bytes: 10_000 } })
    const slow = await client()
    slow.say(subscribe(1, ">"))
    await turns(2)
    const channel = parseAll(slow.got).find(one => one.type === P.SUBSCRIBED)?.channel
    slow.stalled = true
    await publish(node, 0, 200)
    slow.read()
    await turns(2)
    const got = parseAll(slow.got)
    const gaps = got.filter(one => one.type === P.GAP)
    assert.equal(gaps.length, 1)
    const values = valuesIn(got, channel).length
    assert.equal(values + (gaps[0].missing as number), 200)
    assert.equal(positionIn(got, channel), 200)
    assert.equal(node.stats().edge?.missed, gaps[0].missing)
  })

  it("gives the newest of each subject to who asks for no more, and counts what was passed over", async () => {
    const { node, client } = await rig({})
    const slow = await client()
    slow.say(subscribeLatest(1, ">", 2))
    await turns(2)
    const channel = parseAll(slow.got).find(one => one.type === P.SUBSCRIBED)?.channel
    slow.stalled = true
    for (let i = 0; i < 60; i++) await publish(node, i, i + 1, `s${i % 3}`)
    const before = slow.got.length
    slow.read()
    await turns(2)
    const got = parseAll(slow.got.slice(before))
    const data = valuesIn(parseAll(slow.got), channel).length
    const kept = got.filter(one => one.type === P.KEPT).flatMap(one => one.contents as Content[])
    assert.deepEqual(
      kept.map(one => (readValue(one) as { i: number }).i),
      [54, 55, 56, 57, 58, 59],
    )
    const gap = got.find(one => one.type === P.GAP)
    assert.equal(gap?.position, 60)
    assert.equal(data + kept.length + (gap?.missing as number), 60)
    await publish(node, 60, 62)
    const all = valuesIn(parseAll(slow.got), channel).map(value => (value as { i: number }).i)
    assert.deepEqual(all.slice(-2), [60, 61])
  })

  it("gives a long history piece by piece, then what came meanwhile", async () => {
    const { node, client } = await rig({})
    node.keep("h.*", { last: 1_000 })
    for (let i = 0; i < 500; i++) node.publish("h.a", { i, pad: "x".repeat(1_000) }, { codec: "json" })
    const withHistory = record(P.SUBSCRIBE, out => out.varint(1).text("h.*").byte(P.SUB_HISTORY).varint(1_000))
    const first = await client()
    first.say(withHistory)
    await until(() => parseAll(first.got).some(one => one.type === P.DATA))
    const slow = await client()
    slow.stalled = true
    slow.say(withHistory)
    await turns(5)
    await publish(node, 500, 520, "h.a")
    assert.ok(slow.buffered < 120_000, `${slow.buffered} bytes wait`)
    for (let round = 0; round < 100 && numbersOf(slow).length < 520; round++) {
      slow.read()
      slow.stalled = round % 2 === 0
      await turns(1)
    }
    assert.deepEqual(numbersOf(slow), range(0, 520))
  })

  it("says how many the channel itself has lost", () => {
    const sent: Uint8Array[] = []
    const channel = new Channel(
      {
        budget: new RingBudget(1e6),
        resumeTime: 1_000,
        resumeBytes: 1e6,
        publish: (_topic, bytes) => void sent.push(bytes),
        delivered: () => {},
        malformed: () => {},
      },
      5,
      { pattern: ">", history: 0, group: "", owner: "" },
    )
    const feed = { ready: Promise.resolve(), lost: 2, stop: () => {} }
    channel.start(feed)
    channel.live = 1
    const origin = new Origin("n", "n", new Codecs())
    const message = (): FabricMessage => new FabricMessage(new Envelope("a", origin), 2, Buffer.from("1"), 0, 1, null)
    channel.take(message())
    channel.flush()
    feed.lost = 7
    channel.take(message())
    channel.flush()
    const got = parseAll(sent)
    assert.deepEqual(
      got.map(one => one.type),
      [P.DATA, P.GAP, P.DATA],
    )
    assert.deepEqual([got[1].channel, got[1].position, got[1].missing], [5, 1, 5])
    assert.deepEqual(valuesIn(got, 5), [1, 1])
    channel.close()
  })

  it("closes who does not read its own answers, and nobody else", async () => {
    const { node, client } = await rig({ rate: { messages: 0, bytes: 0 } })
    node.serve("big", () => Buffer.alloc(1_000))
    const [other, deaf] = [await client(), await client()]
    deaf.stalled = true
    for (let i = 1; i <= 100 && deaf.open; i++) {
      deaf.say(
        record(P.REQUEST, out =>
          out.varint(i).byte(0).varint(0).varint(1).content("big", 5, "", null, new Uint8Array(0)),
        ),
      )
      await turns(2)
    }
    assert.equal(deaf.closed?.code, P.CLOSE_SLOW)
    assert.ok(other.open)
    await until(() => node.stats().edge?.clients === 1)
  })

  it("holds a stream back while the client does not read", async () => {
    const { node, client } = await rig({})
    let made = 0
    node.serve("endless", async function* () {
      for (;;) {
        made++
        yield Buffer.alloc(500)
        await turns(1)
      }
    })
    const slow = await client()
    slow.say(
      record(P.REQUEST, out =>
        out.varint(1).byte(P.ASK_STREAM).varint(60_000).varint(1e6).content("endless", 5, "", null, new Uint8Array(0)),
      ),
    )
    await until(() => parseAll(slow.got).filter(one => one.type === P.REPLY).length > 5)
    slow.stalled = true
    const before = made
    await turns(1_000)
    assert.ok(slow.open)
    assert.ok(slow.buffered <= BUFFER * 2, `${slow.buffered} bytes wait`)
    const stopped = made
    assert.ok(stopped - before < 600, `${stopped - before} were made for a client that does not read`)
    await turns(50)
    assert.ok(made - stopped < 10)
    slow.read()
    await until(() => made > stopped + 5)
    slow.say(record(P.CANCEL, out => out.varint(1)))
    await turns(5)
    const ended = made
    await turns(20)
    assert.ok(made <= ended + 1)
  })
})
