import assert from "node:assert/strict"
import type { PeerHello } from "../../../core/contract.ts"
import type { HeddleError } from "../../../core/errors.ts"
import { PairPattern } from "../../../patterns/pair/pair.ts"
import { FakePipe, type FakePipeOptions } from "../../support/fake-pipe.ts"
import { all, coded, settings, standing, text } from "../../support/pattern.ts"

function make(changes: Partial<{ sendTimeout: number; receiveHighWaterMark: number }> = {}) {
  const pattern = new PairPattern(settings(changes))
  const peer = (options: FakePipeOptions = {}) => new FakePipe(pattern, options)
  const dialled = (options: FakePipeOptions = {}) => new FakePipe(pattern, options, false)
  return { pattern, peer, dialled, inbox: pattern.inbox, outbox: pattern.outbox }
}

describe("PairPattern", () => {
  describe("what must not work", () => {
    it("PAIR-5: nobody there: trySend is false, send waits up to sendTimeout", async () => {
      const { pattern, outbox } = make({ sendTimeout: 5 })
      assert.equal(pattern.canSend, false)
      assert.equal(outbox.trySend("a"), false)
      await assert.rejects(outbox.send("a"), coded("EAGAIN"))
    })

    it("PAIR-3: a second peer is turned away before it is answered, not for ever", () => {
      const { pattern, peer } = make()
      const first = peer()
      assert.throws(
        () => pattern.screen(another("fake://second")),
        (error: HeddleError) => coded("EBUSY", /fake:\/\/second/)(error) && !error.fatal,
      )
      assert.equal(first.isClosed, false)
    })

    it("PAIR-3, PAIR-4: a second peer that got through the handshake is turned away after it, not for ever", async () => {
      const { peer, outbox } = make()
      const first = peer()
      const second = peer()
      assert.equal(second.isClosed, true)
      assert.ok(coded("EBUSY")(second.closedWith))
      assert.equal((second.closedWith as HeddleError).fatal, false)
      await outbox.send("a")
      assert.deepEqual([first.taken(), second.taken()], [["a"], []])
    })

    it("PAIR-2, PAIR-3: an endpoint has the place from connect on, against who comes before it is reached", () => {
      const { pattern, dialled, peer } = make()
      const first = dialled()
      assert.throws(() => pattern.screen(another()), coded("EBUSY", /being dialled/))
      assert.equal(peer().isClosed, true)
      first.goesOnline()
      assert.equal(first.isClosed, false)
    })

    it("PAIR-5: a full peer takes nothing", async () => {
      const { pattern, peer, outbox } = make()
      const pipe = peer({ room: 1 })
      assert.equal(outbox.trySend("a"), true)
      assert.equal(pattern.canSend, false)
      assert.equal(outbox.trySend("b"), false)
      assert.deepEqual(pipe.taken(), ["a"])
    })
  })

  it("PAIR-1: messages of any number of frames, in order", async () => {
    const { peer, outbox, inbox } = make()
    const pipe = peer()
    await outbox.send("a")
    await outbox.send(["b", "", "c"])
    assert.deepEqual(pipe.taken(), ["a", "b||c"])
    pipe.says("d", "e")
    pipe.says("f")
    assert.deepEqual(all(inbox), ["d|e", "f"])
  })

  it("PAIR-2: messages queue for an endpoint before it is connected, and between two connections", async () => {
    const { pattern, dialled, outbox } = make()
    const pipe = dialled()
    assert.equal(pattern.canSend, true)
    await outbox.send("a")
    pipe.goesOnline()
    pipe.goesOffline()
    await outbox.send("b")
    assert.deepEqual(pipe.taken(), ["a", "b"])
  })

  it("PAIR-5: those who wait are served in order when a peer comes, or has room again", async () => {
    const { peer, outbox } = make()
    const waiting = ["a", "b", "c"].map(message => outbox.send(message))
    const pipe = peer({ room: 1 })
    await waiting[0]
    assert.equal(await standing(waiting[1]), "waits")
    pipe.drains(5)
    await Promise.all(waiting)
    assert.deepEqual(pipe.taken(), ["a", "b", "c"])
  })

  it("PAIR-3: when the first has gone, the next gets in", async () => {
    const { pattern, peer, outbox, inbox } = make()
    peer().leaves()
    const sent = outbox.send("a")
    assert.equal(await standing(sent), "waits")
    const next = peer()
    assert.equal(next.isClosed, false)
    assert.throws(() => pattern.screen(another()), coded("EBUSY"))
    await sent
    next.says("b")
    assert.deepEqual([next.taken(), all(inbox)], [["a"], ["b"]])
  })

  it("PAIR-3: a second endpoint gets in with its next connection after the first has gone", async () => {
    const { dialled, outbox } = make()
    const first = dialled()
    const second = dialled()
    first.goesOnline()
    first.leaves()
    const sent = outbox.send("a")
    second.goesOnline()
    await sent
    assert.equal(second.isClosed, false)
    assert.deepEqual(second.taken(), ["a"])
  })

  it("PAIR-6: a peer with the high-water mark unread is not read until half of it is taken", () => {
    const { peer, inbox } = make({ receiveHighWaterMark: 4 })
    const pipe = peer()
    for (const message of ["a", "b", "c"]) pipe.says(message)
    assert.equal(pipe.paused, false)
    pipe.says("d")
    assert.equal(pipe.paused, true)
    inbox.tryReceive()
    assert.equal(pipe.paused, true)
    inbox.tryReceive()
    assert.equal(pipe.paused, false)
  })

  it("PAIR-6: the next connection of a full endpoint is stopped, too", () => {
    const { dialled } = make({ receiveHighWaterMark: 1 })
    const pipe = dialled()
    pipe.goesOnline()
    pipe.says("a")
    pipe.goesOffline()
    pipe.paused = false
    pipe.goesOnline()
    assert.equal(pipe.paused, true)
  })

  it("PAIR-7: the next peer is heard when everything of the one before was taken", async () => {
    const { peer, inbox } = make()
    const first = peer()
    first.says("a")
    first.says("b")
    first.leaves()
    const next = peer()
    assert.equal(next.paused, true)
    assert.equal(text(await inbox.receive()), "a")
    assert.equal(next.paused, true)
    assert.equal(text(await inbox.receive()), "b")
    assert.equal(next.paused, false)
    next.says("c")
    assert.deepEqual(all(inbox), ["c"])
  })

  it("PAIR-7: a next peer that left unheard does not hold up the one after", () => {
    const { peer, inbox } = make()
    const first = peer()
    first.says("a")
    first.leaves()
    peer().leaves()
    const third = peer()
    assert.deepEqual(all(inbox), ["a"])
    assert.equal(third.paused, false)
  })
})

function another(address = "fake://another"): PeerHello {
  const routingId = Buffer.alloc(0)
  return { socketType: "PAIR", routingId, metadata: new Map(), address, mechanism: "NULL", userId: "" }
}
