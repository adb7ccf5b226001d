import assert from "node:assert/strict"
import { ReplyPattern } from "../../../patterns/reqrep/reply.ts"
import { FakePipe, type FakePipeOptions } from "../../support/fake-pipe.ts"
import { coded, standing, text } from "../../support/pattern.ts"
import { turns } from "../../support/wait.ts"
import { options } from "./support.ts"

function make(changes: { receiveTimeout?: number; receiveHighWaterMark?: number } = {}) {
  const pattern = new ReplyPattern(options(changes))
  const peer = (more: FakePipeOptions = {}) => new FakePipe(pattern, { socketType: "REQ", ...more })
  return { pattern, peer, inbox: pattern.inbox, outbox: pattern.outbox }
}

describe("ReplyPattern", () => {
  describe("what must not work", () => {
    it("REP-4: a reply without a request is EFSM", async () => {
      const { pattern, outbox, peer } = make()
      const pipe = peer()
      pipe.says("", "not taken yet")
      await assert.rejects(outbox.send("reply"), coded("EFSM"))
      assert.throws(() => outbox.trySend("reply"), coded("EFSM"))
      assert.equal(pattern.canSend, false)
      assert.deepEqual(pipe.taken(), [])
    })

    it("REP-4: receiving again before the reply is EFSM, and the reply still goes to the first", async () => {
      const { inbox, outbox, peer } = make()
      const [first, second] = [peer(), peer()]
      first.says("", "one")
      second.says("", "two")
      assert.equal(text(await inbox.receive()), "one")
      await assert.rejects(inbox.receive(), coded("EFSM"))
      assert.throws(() => inbox.tryReceive(), coded("EFSM"))
      await assert.rejects(inbox.receiveMany(), coded("EFSM"))
      await outbox.send("reply")
      assert.deepEqual([first.taken(), second.taken()], [["|reply"], []])
    })

    it("REP-4: a second reply is EFSM", async () => {
      const { inbox, outbox, peer } = make()
      const pipe = peer()
      pipe.says("", "one")
      await inbox.receive()
      await outbox.send("reply")
      await assert.rejects(outbox.send("reply"), coded("EFSM"))
      assert.deepEqual(pipe.taken(), ["|reply"])
    })

    for (const [what, frames] of [
      ["one empty frame", [""]],
      ["no empty frame", ["body"]],
      ["several frames, none empty", ["id", "body", "more"]],
      ["nothing behind the empty frame", ["id", ""]],
    ] as [string, string[]][]) {
      it(`REP-3: ${what}: dropped as malformed`, () => {
        const { inbox, peer } = make()
        const pipe = peer()
        pipe.says(...frames)
        assert.deepEqual(pipe.dropped, { malformed: 1 })
        assert.equal(inbox.tryReceive(), null)
        assert.equal(pipe.isClosed, false)
      })
    }

    it("REP-6: a reply to a peer that is gone is dropped as no-peer", async () => {
      const { pattern, inbox, outbox, peer } = make()
      const pipe = peer()
      pipe.says("", "one")
      pipe.says("", "two")
      await inbox.receive()
      pipe.leaves()
      await outbox.send("reply")
      assert.equal(text(await inbox.receive()), "two")
      await outbox.send("reply")
      assert.deepEqual(pattern.dropped, { "no-peer": 2 })
      assert.deepEqual(pipe.taken(), [])
    })

    it("REP-6: a reply for which there is no room is dropped as full", async () => {
      const { inbox, outbox, peer } = make()
      const pipe = peer({ room: 0 })
      pipe.says("", "one")
      await inbox.receive()
      await outbox.send("reply")
      assert.deepEqual(pipe.dropped, { full: 1 })
      pipe.says("", "two")
      pipe.drains(1)
      await inbox.receive()
      await outbox.send("reply to two")
      assert.deepEqual(pipe.taken(), ["|reply to two"])
    })

    it("REP-4: a value that is no message leaves the request open", async () => {
      const { inbox, outbox, peer } = make()
      const pipe = peer()
      pipe.says("", "one")
      await inbox.receive()
      await assert.rejects(outbox.send(undefined), TypeError)
      await outbox.send("reply")
      assert.deepEqual(pipe.taken(), ["|reply"])
    })
  })

  it("REP-1: receives from its peers in turn", async () => {
    const { inbox, outbox, peer } = make()
    const pipes = [peer(), peer()]
    for (const pipe of pipes) for (const body of ["1", "2"]) pipe.says("", `${pipes.indexOf(pipe)}.${body}`)
    const order: string[] = []
    for (let i = 0; i < 4; i++) {
      order.push(text(await inbox.receive()))
      await outbox.send(`to ${order[i]}`)
    }
    assert.deepEqual(order, ["0.1", "1.1", "0.2", "1.2"])
    assert.deepEqual(
      pipes.map(pipe => pipe.taken()),
      [
        ["|to 0.1", "|to 0.2"],
        ["|to 1.1", "|to 1.2"],
      ],
    )
  })

  it("REP-1: a peer that sends more than the mark is not read, nor after a reconnect", () => {
    const { pattern, inbox } = make({ receiveHighWaterMark: 2 })
    const pipe = new FakePipe(pattern, { socketType: "DEALER" }, false)
    pipe.goesOnline()
    pipe.says("", "1")
    pipe.says("", "2")
    assert.equal(pipe.paused, true)
    pipe.paused = false
    pipe.goesOffline()
    pipe.goesOnline()
    assert.equal(pipe.paused, true)
    assert.equal(text(inbox.tryReceive() ?? []), "1")
    assert.equal(pipe.paused, false)
  })

  for (const envelope of [[""], ["1234", ""], ["a", "b", "c", "d", ""]]) {
    it(`REP-2: keeps an envelope of ${envelope.length} frames, body and reply of several`, async () => {
      const { inbox, outbox, peer } = make()
      const pipe = peer()
      pipe.says(...envelope, "body", "", "more")
      assert.equal(text(await inbox.receive()), "body||more")
      await outbox.send(["reply", "", "x"])
      assert.deepEqual(pipe.taken(), [[...envelope, "reply", "", "x"].join("|")])
    })
  }

  it("REP-2: an empty body is a body", async () => {
    const { inbox, outbox, peer } = make()
    const pipe = peer()
    pipe.says("", "")
    assert.equal(text(await inbox.receive()), "")
    await outbox.send(null)
    assert.deepEqual(pipe.taken(), ["|"])
  })

  it("REP-4: the turn changes when the user takes the request", async () => {
    const { pattern, inbox, outbox, peer } = make()
    const pipe = peer()
    pipe.says("", "one")
    assert.deepEqual([inbox.readable, pattern.canSend], [true, false])
    await inbox.receive()
    pipe.says("", "two")
    assert.deepEqual([inbox.readable, pattern.canSend], [false, true])
    await outbox.send("reply")
    assert.deepEqual([inbox.readable, pattern.canSend], [true, false])
  })

  it("REP-5: of two waiting receives, the second gets its request after the reply to the first", async () => {
    const { inbox, outbox, peer } = make()
    const [first, second] = [inbox.receive(), inbox.receive()]
    const pipe = peer()
    pipe.says("", "one")
    pipe.says("", "two")
    assert.equal(text(await first), "one")
    assert.equal(await standing(second), "waits")
    await outbox.send("to one")
    assert.equal(text(await second), "two")
    await outbox.send("to two")
    assert.deepEqual(pipe.taken(), ["|to one", "|to two"])
  })

  it("REP-5: a second receive that waits in vain times out, and its request stays", async () => {
    const { inbox, outbox, peer } = make({ receiveTimeout: 5 })
    const first = inbox.receive()
    const second = inbox.receive()
    const pipe = peer()
    pipe.says("", "one")
    pipe.says("", "two")
    await first
    await assert.rejects(second, coded("EAGAIN"))
    await outbox.send("reply")
    assert.equal(text(await inbox.receive()), "two")
  })

  it("REP-5: receiveMany gives one request", async () => {
    const { inbox, outbox, peer } = make()
    const pipe = peer()
    const waiting = inbox.receiveMany()
    pipe.says("", "one")
    pipe.says("", "two")
    pipe.says("", "three")
    assert.deepEqual((await waiting).map(text), ["one"])
    await outbox.send("reply")
    assert.deepEqual((await inbox.receiveMany()).map(text), ["two"])
  })

  it("REP-5: batches give one request each", async () => {
    const { inbox, outbox, peer } = make()
    const pipe = peer()
    for (let i = 0; i < 3; i++) pipe.says("", `${i}`)
    const seen: string[][] = []
    for await (const batch of inbox.batches()) {
      seen.push(batch.map(text))
      await outbox.send("reply")
      if (seen.length === 3) break
    }
    assert.deepEqual(seen, [["0"], ["1"], ["2"]])
    assert.deepEqual(pipe.taken(), ["|reply", "|reply", "|reply"])
  })

  it("REP-5: consume goes on after the reply, given later", async () => {
    const { inbox, outbox, peer } = make()
    const pipe = peer()
    pipe.says("", "0")
    const seen: string[] = []
    const consumer = inbox.consume(request => seen.push(text(request)))
    pipe.says("", "1")
    pipe.says("", "2")
    for (let i = 0; i < 3; i++) {
      await turns()
      assert.equal(seen.length, i + 1)
      await outbox.send(`to ${seen[i]}`)
    }
    consumer.stop()
    assert.deepEqual(pipe.taken(), ["|to 0", "|to 1", "|to 2"])
  })

  it("REP-5: consume goes on after the reply, given at once, thousands of times without growing the stack", async () => {
    const { inbox, outbox, peer } = make({ receiveHighWaterMark: 0 })
    const pipe = peer()
    const count = 20_000
    for (let i = 0; i < count; i++) pipe.says("", `${i}`)
    let deepest = 0
    let depth = 0
    await new Promise<void>(resolve => {
      const consumer = inbox.consume(request => {
        deepest = Math.max(deepest, ++depth)
        outbox.trySend(request)
        depth--
        if (pipe.sent.length < count) return
        consumer.stop()
        resolve()
      })
    })
    assert.equal(deepest, 1)
    assert.deepEqual(
      pipe.taken(),
      Array.from({ length: count }, (_, i) => `|${i}`),
    )
  })

  it("REP-5: a for await loop that answers each request sees them all", async () => {
    const { inbox, outbox, peer } = make()
    const pipe = peer()
    for (let i = 0; i < 50; i++) pipe.says("", `${i}`)
    let count = 0
    for await (const request of { [Symbol.asyncIterator]: () => inbox.iterate() }) {
      await outbox.send(request)
      if (++count === 50) break
    }
    assert.equal(pipe.taken().at(-1), "|49")
  })

  it("REP-6: a dialled peer that comes back gets the reply", async () => {
    const { pattern, inbox, outbox } = make()
    const pipe = new FakePipe(pattern, { socketType: "DEALER" }, false)
    pipe.goesOnline()
    pipe.says("client", "", "request")
    await inbox.receive()
    pipe.goesOffline()
    await outbox.send("reply")
    pipe.goesOnline()
    assert.deepEqual(pipe.taken(), ["client||reply"])
    assert.deepEqual(pattern.dropped, {})
  })
})
