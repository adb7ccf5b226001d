import assert from "node:assert/strict"
import type { FabricMessage } from "../../patterns/fabric/browser/message.ts"
import {
  DATA,
  DONE,
  GAP,
  KEPT,
  OF_SUBSCRIBE,
  PING,
  PONG,
  READY,
  SUB_HISTORY,
  SUB_QUEUE,
  SUB_RESUME,
  SUB_SLOW,
  SUBSCRIBE,
  SUBSCRIBED,
  UNSUBSCRIBE,
} from "../../patterns/fabric/edge/protocol.ts"
import type { RecordReader, RecordWriter } from "../../patterns/fabric/edge/wire.ts"
import { closesAfterEach } from "../support/cleanup.ts"
import { turns } from "../support/wait.ts"
import { ScriptedNode, type Wire } from "./scripted-node.ts"

function head(body: RecordReader): [id: number, pattern: string, flags: number] {
  return [body.varint(), body.text(), body.byte()]
}

interface Answer {
  position?: number
  resumed?: boolean
  /** -1 = nobody knows. */
  missing?: number
}

function subscribed(
  wire: Wire,
  id: number,
  channel: number,
  { position = 0, resumed = false, missing = 0 }: Answer = {},
): void {
  wire.say(SUBSCRIBED, writer =>
    writer
      .varint(id)
      .varint(channel)
      .varint(position)
      .byte(resumed ? 1 : 0)
      .varint(missing + 1),
  )
}

const text = (writer: RecordWriter, subject: string | undefined, data: string, kept = false): RecordWriter =>
  writer.content(subject, 1, "", null, Buffer.from(data), kept)

/** Messages `a0, a1...` from sequence `first` on. */
function data(wire: Wire, channel: number, first: number, ...texts: string[]): void {
  wire.say(DATA, writer => {
    writer.varint(channel).varint(first)
    texts.forEach((one, i) => {
      text(writer, i === 0 ? "prices.tin" : undefined, one)
    })
  })
}

const collect =
  (into: unknown[]) =>
  (message: FabricMessage): void =>
    void into.push(message.data)

describe("A client of the edge subscribes", () => {
  closesAfterEach()

  it("and gets what the channel brings, whoever else has the same channel", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client()
    const got: unknown[] = []
    const first = fabric.subscribe("prices.>", message => {
      got.push([message.subject, message.data, message.kept, message.encoding, message.size, message.headers.size])
    })
    assert.deepEqual(head(await wire.hears(SUBSCRIBE)), [1, "prices.>", 0])
    subscribed(wire, 1, 7, { position: 41 })
    wire.say(READY, writer => writer.varint(1))
    await first.ready
    data(wire, 7, 42, "1", "2")
    data(wire, 8, 1, "of another channel")
    assert.deepEqual(got, [
      ["prices.tin", "1", false, "string", 1, 0],
      ["prices.tin", "2", false, "string", 1, 0],
    ])
    const late: unknown[] = []
    const second = fabric.subscribe("prices.>", collect(late))
    assert.deepEqual(head(await wire.hears(SUBSCRIBE)), [2, "prices.>", 0])
    subscribed(wire, 2, 7, { position: 43 })
    // What was on the way when the second was made is not its own.
    data(wire, 7, 43, "2", "3")
    assert.deepEqual([got.length, late], [3, ["3"]])
    first.unsubscribe()
    assert.equal((await wire.hears(UNSUBSCRIBE)).varint(), 1)
    data(wire, 7, 45, "4")
    assert.deepEqual([got.length, late, first.closed, second.closed], [3, ["3", "4"], true, false])
  })

  it("nothing that cannot be", async () => {
    const node = new ScriptedNode()
    const [fabric] = await node.client()
    for (const pattern of ["", "a..b", ">.a", "$heddle.>"])
      assert.throws(() => fabric.subscribe(pattern), { code: "EINVAL" })
    for (const options of [{ policy: "block" }, { limit: 0 }, { queue: "" }, { queue: "q", history: 1 }, { hstory: 1 }])
      assert.throws(() => fabric.subscribe("a", options as never), { code: "EINVAL" })
  })

  it("with history, which comes first", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client()
    const got: unknown[] = []
    const subscription = fabric.subscribe("prices.*", message => void got.push([message.data, message.kept]), {
      history: "last",
    })
    const body = await wire.hears(SUBSCRIBE)
    assert.deepEqual([head(body), body.varint()], [[1, "prices.*", SUB_HISTORY], 1])
    subscribed(wire, 1, 3)
    wire.say(KEPT, writer => text(text(writer.varint(1), "prices.tin", "old", true), "prices.copper", "older", true))
    data(wire, 3, 1, "new")
    assert.deepEqual(got, [
      ["old", true],
      ["older", true],
      ["new", false],
    ])
    assert.equal(subscription.delivered, 3)
  })

  it("and hears of a refusal, by its promise, its iterator and an event", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client()
    const errors: unknown[] = []
    fabric.events.on("error", ({ subject, error }) => errors.push([subject, (error as { code: string }).code]))
    const secret = fabric.subscribe("secret.>")
    const ready = assert.rejects(secret.ready, { code: "EACCES" })
    const loop = assert.rejects(
      async () => {
        for await (const _ of secret);
      },
      { code: "EACCES", message: "not for you" },
    )
    await wire.hears(SUBSCRIBE)
    wire.refuse(OF_SUBSCRIBE, 1, "EACCES", "not for you")
    await Promise.all([ready, loop])
    assert.deepEqual([errors, secret.closed], [[["secret.>", "EACCES"]], true])
    // It is not said again.
    wire.end()
    const second = await node.wire(1)
    await second.welcome()
    await turns(3)
    assert.deepEqual(second.said, [])
  })

  it("as an iterator, which ends with its loop", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client()
    const subscription = fabric.subscribe("prices.*", { max: 3 })
    subscribed(wire, 1, 1)
    data(wire, 1, 1, "1", "2", "3", "4")
    const got: unknown[] = []
    for await (const message of subscription) got.push(message.data)
    assert.deepEqual(got, ["1", "2", "3"])
    const another = fabric.subscribe("prices.*")
    subscribed(wire, 2, 1, { position: 4 })
    const waiting = another.receive()
    data(wire, 1, 5, "5", "6")
    assert.equal((await waiting).data, "5")
    for await (const message of another) {
      assert.equal(message.data, "6")
      break
    }
    assert.equal(another.closed, true)
    await assert.rejects(another.receive(), { code: "EBADF" })
    const handled = fabric.subscribe("a", () => {})
    assert.throws(() => handled[Symbol.asyncIterator](), { code: "EINVAL" })
  })

  it("and goes on where it stopped when the connection is back", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client()
    const got: unknown[] = []
    const gaps: unknown[] = []
    fabric.events.on("gap", ({ pattern, count }) => gaps.push([pattern, count]))
    const subscription = fabric.subscribe("prices.*", collect(got))
    subscribed(wire, 1, 5, { position: 10 })
    data(wire, 5, 11, "11", "12")
    wire.end()
    const second = await node.wire(1)
    await second.welcome({ resumed: true })
    const body = await second.hears(SUBSCRIBE)
    assert.deepEqual([head(body), body.varint(), body.varint()], [[1, "prices.*", SUB_RESUME], 5, 12])
    subscribed(second, 1, 5, { position: 12, resumed: true })
    // A batch may begin with what has come already.
    data(second, 5, 12, "12", "13", "14")
    assert.deepEqual([got, gaps], [["11", "12", "13", "14"], []])
    second.end()
    const third = await node.wire(2)
    await third.welcome({ resumed: true })
    await third.hears(SUBSCRIBE)
    // It was away for longer than the ring reaches.
    subscribed(third, 1, 5, { position: 17, resumed: true, missing: 3 })
    data(third, 5, 18, "18")
    assert.deepEqual([got.slice(4), gaps, subscription.missed], [["18"], [["prices.*", 3]], 3])
    third.end()
    const fourth = await node.wire(3)
    // Another node, whose channel 5 is another one.
    await fourth.welcome({ session: "s2" })
    await fourth.hears(SUBSCRIBE)
    data(fourth, 5, 1, "not for us")
    subscribed(fourth, 1, 9, { position: 2, missing: -1 })
    data(fourth, 9, 3, "3")
    assert.deepEqual([got.slice(5), gaps.slice(1)], [["3"], [["prices.*", null]]])
  })

  it("and is told of gaps: those that the node tells, and any hole in the sequence", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client()
    const got: unknown[] = []
    const seen: unknown[] = []
    fabric.events.on("gap", ({ count }) => seen.push(["gap", count]))
    fabric.events.on("drop", ({ reason, count }) => seen.push([reason, count]))
    const all = fabric.subscribe("prices.*", collect(got))
    const newest = fabric.subscribe("prices.tin", collect(got), { policy: "conflate" })
    assert.deepEqual(head(await wire.hears(SUBSCRIBE)), [1, "prices.*", 0])
    const body = await wire.hears(SUBSCRIBE)
    assert.deepEqual([head(body), body.byte(), body.varint()], [[2, "prices.tin", SUB_SLOW], 1, 1])
    subscribed(wire, 1, 1)
    subscribed(wire, 2, 2)
    data(wire, 1, 1, "1")
    wire.say(GAP, writer => writer.varint(1).varint(5).varint(4))
    data(wire, 1, 6, "6")
    data(wire, 1, 9, "9")
    wire.say(GAP, writer => writer.varint(2).varint(20).varint(20))
    data(wire, 2, 21, "21")
    assert.deepEqual(got, ["1", "6", "9", "21"])
    assert.deepEqual(seen, [
      ["gap", 4],
      ["gap", 2],
      ["conflated", 20],
    ])
    assert.deepEqual([all.missed, newest.missed, newest.droppedBefore], [6, 0, 20])
  })

  it("and keeps order and limits while its handler is busy", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client()
    const drops: unknown[] = []
    fabric.events.on("drop", ({ pattern, reason, count }) => drops.push([pattern, reason, count]))
    const began: unknown[] = []
    const finish: (() => void)[] = []
    const slow = fabric.subscribe(
      "prices.tin",
      message => {
        began.push(message.data)
        return new Promise<void>(resolve => finish.push(resolve))
      },
      { policy: "drop-old", limit: 2, concurrency: 2 },
    )
    subscribed(wire, 1, 1)
    data(wire, 1, 1, "1", "2", "3", "4", "5", "6")
    assert.deepEqual([began, slow.queued, slow.dropped], [["1", "2"], 2, 2])
    assert.deepEqual(drops, [
      ["prices.tin", "full", 1],
      ["prices.tin", "full", 1],
    ])
    for (const done of finish.splice(0)) done()
    await turns()
    assert.deepEqual([began, slow.delivered], [["1", "2", "5", "6"], 4])
  })

  it("and goes on when a handler throws", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client()
    const errors: unknown[] = []
    fabric.events.on("error", ({ subject, error }) => errors.push([subject, String(error)]))
    const got: unknown[] = []
    const subscription = fabric.subscribe("prices.*", message => {
      got.push(message.data)
      if (message.data === "1") throw new Error("no")
      return message.data === "2" ? Promise.reject(new Error("not either")) : undefined
    })
    subscribed(wire, 1, 1)
    data(wire, 1, 1, "1", "2", "3")
    await turns()
    assert.deepEqual(got, ["1", "2", "3"])
    assert.deepEqual(errors, [
      ["prices.*", "Error: no"],
      ["prices.*", "Error: not either"],
    ])
    assert.equal(subscription.failed, 2)
  })

  it("as a member of a queue group, and says how many it has done", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client()
    const finish: (() => void)[] = []
    fabric.subscribe("jobs.*", () => new Promise<void>(resolve => finish.push(resolve)), {
      queue: "workers",
      concurrency: 2,
    })
    const body = await wire.hears(SUBSCRIBE)
    assert.deepEqual([head(body), body.text(), body.varint()], [[1, "jobs.*", SUB_QUEUE], "workers", 3])
    subscribed(wire, 1, 4)
    data(wire, 4, 1, "1", "2", "3")
    for (const done of finish.splice(0)) done()
    const done = await wire.hears(DONE)
    assert.deepEqual([done.varint(), done.varint()], [1, 2])
    await turns()
    wire.end()
    for (const one of finish.splice(0)) one()
    await turns()
    const second = await node.wire(1)
    await second.welcome({ resumed: true })
    await second.hears(SUBSCRIBE)
    subscribed(second, 1, 4, { position: 3, resumed: true })
    const again = await second.hears(DONE)
    assert.deepEqual([again.varint(), again.varint()], [1, 3])
    data(second, 4, 4, "4")
    second.end()
    const third = await node.wire(2)
    await third.welcome({ session: "s2" })
    await third.hears(SUBSCRIBE)
    subscribed(third, 1, 1, { missing: -1 })
    // Of a channel that is no more: it is not counted for the new one.
    for (const one of finish.splice(0)) one()
    await turns(3)
    data(third, 1, 1, "5")
    for (const one of finish.splice(0)) one()
    const fresh = await third.hears(DONE)
    assert.deepEqual([fresh.varint(), fresh.varint()], [1, 1])
  })

  it("and drains: what is on the way is still handled", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client()
    const got: unknown[] = []
    const subscription = fabric.subscribe("prices.*", async message => {
      await turns()
      got.push(message.data)
    })
    subscribed(wire, 1, 1)
    const drained = subscription.drain()
    await wire.hears(UNSUBSCRIBE)
    const token = (await wire.hears(PING)).varint()
    data(wire, 1, 1, "1", "2")
    wire.say(PONG, writer => writer.varint(token))
    await drained
    assert.deepEqual([got, subscription.closed], [["1", "2"], true])
    await turns()
    assert.equal(
      wire.said.some(({ type }) => type === UNSUBSCRIBE),
      false,
    )
  })

  it("and ends with the client", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client()
    const subscription = fabric.subscribe("prices.*")
    subscribed(wire, 1, 1)
    const rest = (async () => {
      for await (const _ of subscription);
      return "ended"
    })()
    await fabric.close()
    assert.deepEqual([await rest, subscription.closed], ["ended", true])
    await subscription.ready
  })
})
