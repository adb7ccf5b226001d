import assert from "node:assert/strict"
import { Codecs } from "../../../core/codec.ts"
import { loadMsgpack } from "../../../core/codecs/msgpack.ts"
import { Interest, SERVE } from "../../../patterns/fabric/interest.ts"
import { NOTHING } from "../../../patterns/fabric/link/parcel.ts"
import { END, FAILED, MORE } from "../../../patterns/fabric/link/records.ts"
import { FabricMessage, Origin } from "../../../patterns/fabric/message.ts"
import { encodeFailure } from "../../../patterns/fabric/requests/failures.ts"
import { Requests } from "../../../patterns/fabric/requests/requests.ts"
import { Topic } from "../../../patterns/fabric/topics.ts"
import { closesAfterEach, using } from "../../support/cleanup.ts"
import { until } from "../../support/wait.ts"
import { interest, record, varint, WirePeer } from "../../support/wire-peer.ts"
import { events, overTcp } from "./nodes.ts"

const LONG = 60_000

describe("Numbers of requests", () => {
  let origin: Origin
  before(async () => {
    await loadMsgpack()
    origin = new Origin("node", "name", new Codecs(), true)
  })

  /** Requests to a server whose answers the test makes up. */
  function rig() {
    const policy = { policy: "drop-new", limit: 1, keep: 1, ttl: 0 } as const
    const spec = {
      id: 1,
      kind: SERVE,
      pattern: "x",
      group: "",
      targeted: true,
      policy,
      history: 0,
      capacity: 1,
    } as const
    const topic = new Topic("x")
    topic.services = [new Interest(spec, null, {})]
    const sent: number[] = []
    const host = {
      topic: () => topic,
      call: (_: unknown, id: number) => sent.push(id),
      cancel: () => {},
      credit: () => {},
    }
    const requests = new Requests(host as never, 16, 0)
    const ask = (signal?: AbortSignal): { id: number; reply: Promise<FabricMessage> } => {
      const reply = requests.request(topic, NOTHING, LONG, signal)
      reply.catch(() => {})
      return { id: sent.at(-1) as number, reply }
    }
    const answer = (id: number, text: string, options = 0): void => {
      const bytes = (options & FAILED) !== 0 ? encodeFailure(new Error(text)) : Buffer.from(text)
      requests.replied(id, options, new FabricMessage(origin.nameless, 1, bytes, 0, bytes.length, null), null)
    }
    return { requests, ask, answer }
  }

  it("FAB-REQ-5 a late answer to a cancelled request is nobody else's", async () => {
    const { requests, ask, answer } = rig()
    for (let i = 0; i < 50; i++) {
      const controller = new AbortController()
      const first = ask(controller.signal)
      controller.abort()
      await assert.rejects(first.reply, { code: "ECANCELED" })
      const second = ask()
      assert.notEqual(second.id, first.id)
      answer(first.id, "late")
      assert.equal(requests.outstanding, 1)
      answer(second.id, `${i}`)
      assert.equal((await second.reply).data, `${i}`)
    }
  })

  it("stay small when requests are answered, however they are", async () => {
    const { requests, ask, answer } = rig()
    for (let i = 0; i < 1_000; i++) {
      const [a, b, c] = [ask(), ask(), ask()]
      assert.ok(Math.max(a.id, b.id, c.id) <= 16)
      answer(b.id, "b")
      answer(a.id, "no", FAILED)
      answer(c.id, "", END)
      assert.equal((await b.reply).data, "b")
      await assert.rejects(a.reply, { code: "ERR_REMOTE" })
      await assert.rejects(c.reply, { code: "ERR_REMOTE" })
    }
    assert.equal(requests.outstanding, 0)
  })

  it("are not used again where more replies may be on the way", async () => {
    const { ask, answer } = rig()
    const first = ask()
    answer(first.id, "one", MORE)
    assert.equal((await first.reply).data, "one")
    const second = ask()
    assert.notEqual(second.id, first.id)
    answer(first.id, "two", MORE)
    answer(first.id, "", END)
    answer(second.id, "mine")
    assert.equal((await second.reply).data, "mine")
  })
})

describe("fabric: a server that answers twice", () => {
  closesAfterEach()

  it("FAB-REQ-20 is cut off, and no later request gets its answer", async () => {
    const [node, honest] = await overTcp(2)
    honest.serve("fine", ({ data }) => data)
    await node.ready({ subject: "fine", servers: 1 })
    const warnings = events(node, "warning")
    const peer = await WirePeer.connect(node.endpoints[0], { fabric: node.fabric })
    using(peer.raw)
    await peer.send([interest(1, 2, "stock")])
    await node.ready({ subject: "stock", servers: 1 })
    const replies = ["one", "two"].map(text => node.request("stock", text, { codec: "string" }))
    const settled = replies.map(reply => reply.then(({ data }) => data))
    const ids: number[] = []
    for (const _ of replies) {
      const { body } = await peer.next(2)
      body.byte()
      ids.push(body.varint())
    }
    const answer = (id: number): Buffer => record(3, 1, 0, varint(id), `to ${id}`)
    await peer.send([answer(ids[0]), answer(ids[1])])
    assert.deepEqual(await Promise.all(settled), [`to ${ids[0]}`, `to ${ids[1]}`])
    // Requests to others are on their way when the second answer comes.
    const others = Array.from({ length: 90 }, (_, i) => node.request("fine", i))
    await peer.send([answer(ids[1])])
    await until(() => node.peers.length === 1)
    assert.match(warnings[0].error.message, /answered request \d+, which had its last reply/)
    assert.deepEqual(
      (await Promise.all(others)).map(({ data }) => data),
      others.map((_, i) => i),
    )
    assert.equal(node.stats().requests, 0)
  })
})

describe("fabric: a server that streams more than it was granted", () => {
  closesAfterEach()

  /** A node, and the number of its stream at a server made by hand. */
  const scene = async () => {
    const [node] = await overTcp(1)
    const warnings = events(node, "warning")
    const peer = await WirePeer.connect(node.endpoints[0], { fabric: node.fabric })
    using(peer.raw)
    await peer.send([interest(1, 2, "stock")])
    await node.ready({ subject: "stock", servers: 1 })
    const replies = node.stream("stock", "all", { codec: "string" })
    const { body } = await peer.next(2)
    body.byte()
    const [id, , , credit] = [body.varint(), body.varint(), body.varint(), body.varint()]
    const send = (from: number, count: number): Promise<void> =>
      peer.send(Array.from({ length: count }, (_, i) => record(3, 1, MORE, varint(id), String(from + i))))
    return { node, warnings, replies, credit, send, peer, id }
  }

  it("FAB-REQ-17 is cut off, and the reader gets no more than what was granted", async () => {
    const { node, warnings, replies, credit, send } = await scene()
    await send(0, credit + 1)
    await until(() => node.peers.length === 0)
    assert.match(warnings[0].error.message, /more replies to request \d+ than it was granted/)
    const got: string[] = []
    await assert.rejects(
      async () => {
        for await (const { data } of replies) got.push(data as string)
      },
      { code: "ECONNRESET" },
    )
    assert.equal(got.length, credit)
  })

  it("FAB-REQ-17 may send one more for each that was read", async () => {
    const { node, replies, credit, send, peer, id } = await scene()
    await send(0, credit)
    for (let i = 0; i < 100; i++) assert.equal((await replies.next()).value?.data, String(i))
    await send(credit, 100)
    await peer.send([record(3, 0, END, varint(id))])
    for (let i = 100; i < credit + 100; i++) assert.equal((await replies.next()).value?.data, String(i))
    assert.equal((await replies.next()).done, true)
    assert.equal(node.peers.length, 1)
  })
})
