import assert from "node:assert/strict"
import type { Fabric } from "../../../index.ts"
import { join } from "../../../index.ts"
import { closesAfterEach, using } from "../../support/cleanup.ts"
import { until } from "../../support/wait.ts"
import { interest, record, sized, varint, WirePeer } from "../../support/wire-peer.ts"

/** A node made from docs/wire.md, with its numbers and none of Heddle's code. */
describe("The wire of the fabric as docs/wire.md has it", () => {
  closesAfterEach()

  let node: Fabric
  let peer: WirePeer
  const introduction = WirePeer.introduction({ name: "by-hand" })
  beforeEach(async () => {
    node = using(await join("shop", { name: "heddle", listen: "tcp://127.0.0.1:0", discovery: [] }))
    peer = await WirePeer.connect(node.endpoints[0], introduction)
    using(peer.raw)
    await node.ready({ peers: 1 })
  })

  it("introduces both sides", () => {
    const { v, fabric, name, busy, node: id, endpoints, incarnation, maxPayload } = peer.theirs
    assert.deepEqual(
      [v, fabric, name, busy, id, endpoints, incarnation, maxPayload],
      [[1, 1], "shop", "heddle", false, node.id, node.endpoints, 0, 16 * 1024 * 1024],
    )
    assert.deepEqual(
      node.peers.map(({ name, node: id }) => [name, id]),
      [["by-hand", introduction.node]],
    )
  })

  it("subscribes: messages in both forms, with headers, and apart", async () => {
    await peer.send([interest(5, 0, "orders.*")])
    await node.ready({ subject: "orders.eu" })
    node.publish("orders.eu", "one", { codec: "json" })
    node.publish("orders.eu", "two", { codec: "string", headers: { "a-b": "c" } })
    node.publish("orders.eu", Buffer.alloc(20_000, 7))
    const subjects = new Map<number, string>()
    const got: unknown[] = []
    while (got.length < 3) {
      const { type, codec, body, apart } = await peer.next(0, 1, 9)
      if (type === 9) {
        subjects.set(body.varint(), body.rest().toString())
        continue
      }
      if (type === 0) {
        got.push([subjects.get(body.varint()), codec, body.rest().toString(), 0])
        continue
      }
      const options = body.byte()
      const subject = (options & 1) !== 0 ? body.text() : subjects.get(body.varint())
      if ((options & 2) !== 0) {
        body.varint()
        assert.equal(body.varint(), 1)
        got.push([subject, codec, body.text(), body.take(body.varint() / 2).toString(), body.rest().toString()])
      } else got.push([subject, codec, apart?.length ?? body.rest().toString(), options & 16])
    }
    assert.deepEqual(got, [
      ["orders.eu", 2, '"one"', 0],
      ["orders.eu", 1, "a-b", "c", "two"],
      ["orders.eu", 0, 20_000, 16],
    ])
  })

  it("is told which of its interests wants a subject that passes, where that is one", async () => {
    await peer.send([interest(500, 0, "orders.eu"), interest(6, 0, "orders.us"), interest(7, 0, "orders.us")])
    await peer.send([interest(8, 0, "*.de"), interest(9, 0, "orders.größe"), interest(10, 0, "last")])
    await node.ready({ subject: "last" })
    // More subjects than anybody remembers.
    for (let i = 0; i < 9_000; i++) node.publish(`crowd.${i}`, null)
    for (const subject of ["orders.eu", "orders.us", "orders.de", "orders.größe"])
      node.publish(subject, 1, { codec: "json" })
    const got: unknown[] = []
    for (let i = 0; i < 4; i++) {
      const { body } = await peer.next(1)
      const options = body.byte()
      const targets = (options & 4) !== 0 ? Array.from({ length: body.varint() }, () => body.varint()) : []
      got.push([options, targets, body.text(), body.rest().toString()])
    }
    assert.deepEqual(got, [
      [1 | 4 | 8 | 128, [500], "orders.eu", "1"],
      [1, [], "orders.us", "1"],
      [1, [], "orders.de", "1"],
      [1 | 4 | 8 | 128, [9], "orders.größe", "1"],
    ])
  })

  it("names a plain subscription that alone wants a message; one that is over stands for all that match", async () => {
    const got: string[] = []
    const first = node.subscribe("n.a", ({ subject, data }) => void got.push(`first ${subject} ${data as number}`))
    node.subscribe("n.>", ({ subject, data }) => void got.push(`second ${subject} ${data as number}`))
    const { body } = await peer.next(11)
    body.byte()
    body.byte()
    const id = body.varint()
    const message = (subject: string, ...ids: number[]) =>
      record(1, 2, 1 | 4 | 8 | 128, varint(ids.length), ...ids.map(varint), sized(subject), String(got.length))
    await peer.send([message("n.a", id), message("n.größe", id)])
    await until(() => got.length === 2)
    first.unsubscribe()
    await peer.send([message("n.a", id), message("n.größe", id), message("n.a", 2 ** 40)])
    await until(() => got.length === 5)
    assert.deepEqual(got, ["first n.a 0", "first n.größe 0", "second n.a 2", "second n.größe 2", "second n.a 2"])
    // Nobody waits for an answer: SYNCED is the next that comes, but for what was told of the subscriptions.
    await peer.send([record(13, 0, varint(1), varint(7))])
    assert.equal((await peer.next(8, 13)).type, 13)
  })

  it("publishes, and is acknowledged", async () => {
    const got: unknown[] = []
    node.subscribe("n.>", message => void got.push([message.subject, message.data, [...message.headers]]))
    const headers = Buffer.concat([varint(1), sized("k"), varint(2), Buffer.from("v")])
    await peer.send([
      record(9, 0, varint(0), "n.a"),
      record(0, 2, varint(0), '{"x":1}'),
      record(1, 1, 1 | 2, sized("n.b"), sized(headers), "text"),
    ])
    await peer.send([record(1, 0, 1 | 16, sized("n.c"))], Buffer.from("apart"))
    await until(() => got.length === 3)
    assert.deepEqual(got, [
      ["n.a", { x: 1 }, []],
      ["n.b", "text", [["k", "v"]]],
      ["n.c", Buffer.from("apart"), []],
    ])
    const { body } = await peer.nextUnnumbered(0)
    assert.equal(body.varint(), 2)
  })

  it("answers a request, asks one, and fails one", async () => {
    await peer.send([interest(9, 2, "stock.*")])
    await node.ready({ subject: "stock.check", servers: 1 })
    const answer = node.request("stock.check", { sku: 1 }, { codec: "json", timeout: 2_000 })
    const { codec, body } = await peer.next(2)
    const options = body.byte()
    const [id, target, timeout, credit] = [body.varint(), body.varint(), body.varint(), body.varint()]
    assert.deepEqual([codec, target, timeout <= 2_000 && timeout > 1_000, credit], [2, 9, true, 1])
    const subject = (options & 1) !== 0 ? body.text() : body.varint()
    assert.ok(subject === "stock.check" || typeof subject === "number")
    assert.equal(body.rest().toString(), '{"sku":1}')
    await peer.send([record(3, 2, 0, varint(id), '{"left":3}')])
    assert.deepEqual((await answer).data, { left: 3 })

    const failing = node.request("stock.check", null)
    const second = await peer.next(2)
    second.body.byte()
    const error = JSON.stringify({ name: "OutOfStock", code: "E_STOCK", message: "none left" })
    await peer.send([record(3, 2, 128, varint(second.body.varint()), error)])
    await assert.rejects(failing, { code: "ERR_REMOTE", remoteCode: "E_STOCK" })

    node.serve("double", message => (message.data as number) * 2)
    const announced = (await peer.next(11)).body
    assert.equal(announced.byte() & 15, 2)
    announced.byte()
    const server = announced.varint()
    await peer.send([record(2, 2, 1, varint(1), varint(server), varint(1_000), varint(1), sized("double"), "21")])
    const reply = (await peer.next(3)).body
    assert.deepEqual([reply.byte() & ~2, reply.varint()], [0, 1])
    assert.deepEqual(reply.rest(), Buffer.from([42]))
  })

  it("does a task, and answers a probe and a SYNC", async () => {
    await peer.send([interest(3, 3, "jobs")])
    await node.ready({ subject: "jobs", workers: 1 })
    const task = await node.push("jobs", "work", { codec: "string" })
    const { body } = await peer.next(4)
    body.byte()
    const id = body.varint()
    assert.deepEqual([body.varint(), body.varint()], [3, 1])
    await peer.send([record(5, 5, 0, varint(id), varint(0))])
    await task.done()
    await peer.send([record(13, 0, varint(1), varint(7))])
    const notice = (await peer.next(13)).body
    assert.deepEqual([notice.varint(), notice.varint()], [2, 7])
    await peer.sendUnnumbered([record(1, 0, '{"t":"probe","s":5}')])
    for (;;) {
      const said = JSON.parse((await peer.nextUnnumbered(1)).body.rest().toString())
      if (said.t === "ack") {
        assert.equal(said.s, 5)
        break
      }
    }
  })

  it("resumes where it stood, and hears of a gap when it does not", async () => {
    await peer.send([interest(1, 0, "n")])
    await node.ready({ subject: "n" })
    node.publish("n", 1, { codec: "json" })
    await peer.next(0, 1)
    const before = peer.batches
    await peer.acknowledge()
    await until(() => node.stats().peers[0].unacknowledged === 0)
    const stream = peer.theirs.stream
    peer.raw.reset()
    await until(() => node.peers[0].state === "down")
    node.publish("n", 2, { codec: "json" })
    const again = await WirePeer.connect(node.endpoints[0], {
      ...introduction,
      blind: false,
      heard: [stream, before, 1],
    })
    using(again.raw)
    assert.deepEqual(again.theirs.heard, [introduction.stream, 1, 0])
    const message = await again.next(0, 1)
    assert.match(message.body.rest().toString(), /2$/)
    again.raw.reset()
    await until(() => node.peers[0].state === "down")
    // It has forgotten everything: what it did not acknowledge is missing.
    const forgetful = await WirePeer.connect(node.endpoints[0], { ...introduction, blind: false, stream: "new" })
    using(forgetful.raw)
    const gap = (await forgetful.next(13)).body
    assert.deepEqual([gap.varint(), gap.varint(), gap.varint(), gap.varint()], [0, 1, 1, 2])
  })

  it("keeps what a peer wanted before until it has said anew what it wants", async () => {
    await peer.send([interest(1, 0, "old"), interest(2, 1, "group", "g")])
    await node.ready({ subject: "group" })
    peer.raw.reset()
    await until(() => node.peers[0].state === "down")
    const anew = await WirePeer.connect(node.endpoints[0], { ...introduction, blind: false, stream: "new" })
    using(anew.raw)
    await until(() => node.peers[0].state === "up")
    node.publish("old", "still", { codec: "string" })
    node.publish("group", "waits", { codec: "string" })
    let sync = (await anew.next(13)).body
    while (sync.varint() !== 1) sync = (await anew.next(13)).body
    assert.match((await anew.next(0, 1)).body.rest().toString(), /still$/)
    // The number of the member is that of another wish now: what waits for the member must not reach it.
    await anew.send([interest(2, 1, "other", "h"), interest(3, 1, "group", "g")])
    await anew.send([record(13, 0, varint(2), varint(sync.varint()))])
    const waited = (await anew.next(1)).body
    assert.deepEqual([waited.byte() & 4, waited.varint(), waited.varint()], [4, 1, 3])
    assert.equal(node.publish("old", 1).peers, 0)
    assert.deepEqual([node.publish("group", 1).peers, node.publish("other", 1).peers], [1, 1])
  })
})
