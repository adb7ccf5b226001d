import assert from "node:assert/strict"
import type { Bytes } from "../../../core/options.ts"
import { DealerPattern } from "../../../patterns/reqrep/dealer.ts"
import { FakePipe, type FakePipeOptions } from "../../support/fake-pipe.ts"
import { all, coded, text } from "../../support/pattern.ts"
import { options } from "./support.ts"

type Changes = Partial<{
  sendTimeout: number
  receiveHighWaterMark: number
  conflate: boolean
  probeRouter: boolean
  helloMessage: Bytes
  disconnectMessage: Bytes
  hiccupMessage: Bytes
}>

function make(changes: Changes = {}) {
  const pattern = new DealerPattern(options(changes))
  const peer = (more: FakePipeOptions = {}) => new FakePipe(pattern, { socketType: "ROUTER", ...more })
  const dialled = (more: FakePipeOptions = {}) => new FakePipe(pattern, { socketType: "ROUTER", ...more }, false)
  return { pattern, peer, dialled, inbox: pattern.inbox, outbox: pattern.outbox }
}

describe("DealerPattern", () => {
  describe("what must not work", () => {
    it("DEALER-2: nobody there: trySend is false, send waits up to sendTimeout", async () => {
      const { pattern, outbox } = make({ sendTimeout: 5 })
      assert.equal(pattern.canSend, false)
      assert.equal(outbox.trySend("a"), false)
      await assert.rejects(outbox.send("a"), coded("EAGAIN"))
    })

    it("PRES-1, PRES-2: neither hello nor probe to a REQ, no probe to a DEALER or REP", () => {
      const both: Changes = { helloMessage: "hello", probeRouter: true }
      assert.deepEqual(make(both).peer({ socketType: "REQ" }).taken(), [])
      assert.deepEqual(make(both).peer({ socketType: "DEALER" }).taken(), ["hello"])
      assert.deepEqual(make(both).peer({ socketType: "REP" }).taken(), ["hello"])
    })

    it("PRES-3, PRES-4: nothing is said of lost connections unless asked", () => {
      const { inbox, peer, dialled } = make()
      peer().leaves()
      const pipe = dialled()
      pipe.goesOnline()
      pipe.goesOffline()
      assert.equal(inbox.tryReceive(), null)
    })

    it("PRES-5: a connection that comes and goes does not fill the memory", () => {
      const { inbox, dialled } = make({ hiccupMessage: "hiccup", receiveHighWaterMark: 2 })
      const pipe = dialled()
      for (let i = 0; i < 10; i++) {
        pipe.goesOnline()
        pipe.goesOffline()
      }
      assert.equal(inbox.size, 4)
      assert.deepEqual(pipe.dropped, { full: 6 })
    })
  })

  it("DEALER-1: in turn, passing over the full ones", async () => {
    const { outbox, peer } = make()
    const pipes = [peer(), peer({ room: 1 }), peer()]
    for (const body of ["a", "b", "c", "d", "e", "f"]) await outbox.send(body)
    assert.deepEqual(
      pipes.map(pipe => pipe.taken().length),
      [3, 1, 2],
    )
  })

  it("DEALER-2: those who wait keep their order", async () => {
    const { outbox, peer } = make()
    const waiting = [outbox.send("a"), outbox.send("b"), outbox.send("c")]
    const pipe = peer({ room: 1 })
    assert.equal(outbox.waiting, 2)
    pipe.drains(5)
    await Promise.all(waiting)
    assert.deepEqual(pipe.taken(), ["a", "b", "c"])
  })

  it("DEALER-2: a peer that left is no way any more", () => {
    const { outbox, peer } = make()
    const pipe = peer()
    pipe.leaves()
    assert.equal(outbox.trySend("a"), false)
    assert.deepEqual(pipe.taken(), [])
  })

  it("DEALER-3: receives in turn, also from those who left", () => {
    const { inbox, peer } = make()
    const pipes = [peer(), peer()]
    for (const pipe of pipes) for (const body of ["1", "2"]) pipe.says(`${pipes.indexOf(pipe)}.${body}`)
    pipes[0].leaves()
    assert.deepEqual(all(inbox), ["0.1", "1.1", "0.2", "1.2"])
  })

  it("DEALER-3: a peer that sends more than the mark is not read; nor after a reconnect", () => {
    const { inbox, dialled } = make({ receiveHighWaterMark: 2 })
    const pipe = dialled()
    pipe.goesOnline()
    pipe.says("a")
    pipe.says("b")
    assert.equal(pipe.paused, true)
    pipe.paused = false
    pipe.goesOffline()
    pipe.goesOnline()
    assert.equal(pipe.paused, true)
    assert.deepEqual(all(inbox), ["a", "b"])
    assert.equal(pipe.paused, false)
  })

  it("DEALER-4: frames pass as they are", async () => {
    const { inbox, outbox, peer } = make()
    const pipe = peer()
    await outbox.send(["", "a", ""])
    assert.deepEqual(pipe.taken(), ["|a|"])
    pipe.says("", "", "b")
    assert.equal(text(inbox.tryReceive() ?? []), "||b")
    pipe.says("")
    assert.equal(text(inbox.tryReceive() ?? []), "")
  })

  it("DEALER-5: conflate keeps the newest message of each peer, whole", () => {
    const { inbox, peer } = make({ conflate: true })
    const pipes = [peer(), peer()]
    for (const pipe of pipes) for (const body of ["1", "2", "3"]) pipe.says(body, "second frame")
    assert.deepEqual(all(inbox), ["3|second frame", "3|second frame"])
    assert.deepEqual(pipes[0].dropped, { conflated: 2 })
  })

  it("PRES-1, PRES-2: hello and probe come first on each connection", () => {
    const { outbox, dialled } = make({ helloMessage: "hello", probeRouter: true })
    const pipe = dialled()
    outbox.trySend("queued")
    pipe.goesOnline()
    assert.deepEqual(pipe.taken(), ["hello", "", "queued"])
    pipe.goesOffline()
    pipe.goesOnline()
    assert.deepEqual(pipe.taken(), ["hello", ""])
  })

  it("PRES-3: disconnectMessage after the last message of a peer that had connected to us", () => {
    const { inbox, peer } = make({ disconnectMessage: "bye", hiccupMessage: "hiccup" })
    const pipe = peer()
    pipe.says("last")
    pipe.leaves()
    assert.deepEqual(all(inbox), ["last", "bye"])
  })

  it("PRES-4: hiccupMessage each time a connection that we made is lost", () => {
    const { inbox, dialled } = make({ disconnectMessage: "bye", hiccupMessage: "hiccup" })
    const pipe = dialled()
    for (let i = 0; i < 2; i++) {
      pipe.goesOnline()
      pipe.goesOffline()
    }
    assert.deepEqual(all(inbox), ["hiccup", "hiccup"])
  })
})
