import assert from "node:assert/strict"
import type { PeerHello } from "../../../core/contract.ts"
import { HeddleError } from "../../../core/errors.ts"
import type { Bytes } from "../../../core/options.ts"
import { type RouterNotify, RouterPattern } from "../../../patterns/reqrep/router-pattern.ts"
import { RoutingTable } from "../../../patterns/reqrep/routing-table.ts"
import { FakePipe, type FakePipeOptions } from "../../support/fake-pipe.ts"
import { all, coded, text } from "../../support/pattern.ts"
import { options as defaults } from "./support.ts"

interface Changes {
  sendTimeout?: number
  receiveHighWaterMark?: number
  mandatory?: boolean
  handover?: boolean
  probeRouter?: boolean
  routerNotify?: RouterNotify
  helloMessage?: Bytes
  disconnectMessage?: Bytes
  hiccupMessage?: Bytes
}

/** A pipe that dials: refusing its peer ends the connection, not the pipe. */
class DialledPipe extends FakePipe {
  constructor(pattern: RouterPattern, options: FakePipeOptions = {}) {
    super(pattern, { socketType: "DEALER", ...options }, false)
  }

  override close(reason?: Error): void {
    this.closedWith = reason
    this.goesOffline()
  }
}

function make(changes: Changes = {}) {
  const options = defaults(changes)
  const pattern = new RouterPattern(options, new RoutingTable(0xffff))
  const peer = (routingId = "", more: FakePipeOptions = {}) =>
    new FakePipe(pattern, { socketType: "DEALER", routingId, ...more })
  const dialled = (more: FakePipeOptions = {}) => new DialledPipe(pattern, more)
  return { pattern, options, peer, dialled, inbox: pattern.inbox, outbox: pattern.outbox }
}

describe("RouterPattern", () => {
  describe("what must not work", () => {
    it("ROUTER-4: a message to nobody is dropped as unroutable", async () => {
      const { pattern, outbox, peer } = make()
      const pipe = peer("a")
      await outbox.send(["b", "x"])
      assert.equal(outbox.trySend(["", "x"]), true)
      pipe.leaves()
      await outbox.send(["a", "x"])
      assert.deepEqual(pattern.dropped, { unroutable: 3 })
      assert.deepEqual(pipe.taken(), [])
    })

    it("ROUTER-4: with mandatory it is EHOSTUNREACH", async () => {
      const { pattern, outbox, peer } = make({ mandatory: true })
      const pipe = peer("a")
      await assert.rejects(outbox.send(["b", "x"]), coded("EHOSTUNREACH"))
      assert.throws(() => outbox.trySend([Buffer.from([0, 1]), "x"]), /0x0001/)
      pipe.leaves()
      await assert.rejects(outbox.send(["a", "x"]), /"a"/)
      assert.deepEqual(pattern.dropped, {})
    })

    it("ROUTER-5: a message of one frame is dropped as malformed, mandatory or not", async () => {
      const { pattern, options, outbox, peer } = make()
      const pipe = peer("a")
      await outbox.send("a")
      options.mandatory = true
      await outbox.send(["a"])
      assert.deepEqual(pattern.dropped, { malformed: 2 })
      assert.deepEqual(pipe.taken(), [])
    })

    it("ROUTER-6: a message for a full peer is dropped as full", async () => {
      const { outbox, peer } = make()
      const pipe = peer("a", { room: 1 })
      await outbox.send(["a", "1"])
      await outbox.send(["a", "2"])
      assert.deepEqual(pipe.taken(), ["1"])
      assert.deepEqual(pipe.dropped, { full: 1 })
    })

    it("ROUTER-6: with mandatory, waiting for room ends at sendTimeout", async () => {
      const { outbox, peer } = make({ mandatory: true, sendTimeout: 5 })
      const pipe = peer("a", { room: 0 })
      assert.equal(outbox.trySend(["a", "1"]), false)
      await assert.rejects(outbox.send(["a", "1"]), coded("EAGAIN"))
      assert.deepEqual(pipe.dropped, {})
    })

    it("ROUTER-6: who waits for a peer that goes gets EHOSTUNREACH", async () => {
      const { outbox, peer } = make({ mandatory: true })
      const pipe = peer("a", { room: 0 })
      const waiting = [outbox.send(["a", "1"]), outbox.send(["a", "2"])]
      pipe.leaves()
      for (const one of waiting) await assert.rejects(one, coded("EHOSTUNREACH"))
      assert.equal(outbox.waiting, 0)
    })

    it("ROUTER-6: closing rejects those who wait", async () => {
      const { outbox, peer } = make({ mandatory: true })
      peer("a", { room: 0 })
      const waiting = outbox.send(["a", "1"])
      outbox.close()
      await assert.rejects(waiting, coded("EAGAIN"))
      await assert.rejects(outbox.send(["a", "1"]), coded("EBADF"))
      assert.throws(() => outbox.trySend(["a", "1"]), coded("EBADF"))
    })

    it("ROUTER-7: a second peer with the id is turned away, not for good; the first goes on", async () => {
      const { inbox, outbox, peer } = make({ routerNotify: "both", disconnectMessage: "bye", helloMessage: "hello" })
      const first = peer("a")
      const second = peer("a")
      assert.ok(second.isClosed)
      assert.ok(second.closedWith instanceof HeddleError && !second.closedWith.fatal)
      assert.equal(second.closedWith.code, "EBUSY")
      assert.equal(first.isClosed, false)
      await outbox.send(["a", "x"])
      assert.deepEqual([first.taken(), second.taken()], [["hello", "x"], []])
      // ROUTER-11: nobody hears of the one that was turned away.
      assert.deepEqual(all(inbox), ["a|"])
    })

    it("ROUTER-7: a peer that came to us is turned away before it is answered", () => {
      const { pattern, options, peer, dialled } = make()
      const first = peer("a")
      const newcomer = first.peer as PeerHello
      assert.throws(() => pattern.screen(newcomer), coded("EBUSY", /"a" is taken by the peer at fake:/))
      pattern.screen({ ...newcomer, routingId: Buffer.from("b") })
      pattern.screen({ ...newcomer, routingId: Buffer.alloc(0) })
      options.handover = true
      pattern.screen(newcomer)
      dialled({ assignedId: Buffer.from("mine") })
      const thief = { ...newcomer, routingId: Buffer.from("mine") }
      assert.throws(() => pattern.screen(thief), coded("EBUSY", /dialled/))
      options.handover = false
      first.leaves()
      pattern.screen(newcomer)
    })

    it("ROUTER-7: an id of a pipe that dials stays in use between two connections", () => {
      const { dialled, peer } = make()
      const pipe = dialled({ routingId: "a" })
      pipe.goesOnline()
      pipe.goesOffline()
      assert.ok(peer("a").isClosed)
      pipe.goesOnline()
      assert.equal(pipe.closedWith, undefined)
    })

    it("ROUTER-7: a dialled peer is turned away, and gets in when the id is free", async () => {
      const { outbox, dialled, peer } = make()
      const first = peer("a")
      const pipe = dialled({ routingId: "a" })
      pipe.goesOnline()
      assert.equal((pipe.closedWith as HeddleError).code, "EBUSY")
      first.leaves()
      pipe.goesOnline()
      await outbox.send(["a", "x"])
      assert.deepEqual(pipe.taken(), ["x"])
    })

    it("ROUTER-8: an id that the user assigned is not handed over", () => {
      const { dialled, peer } = make({ handover: true })
      const pipe = dialled({ assignedId: Buffer.from("a") })
      assert.ok(peer("a").isClosed)
      pipe.goesOnline()
      assert.ok(peer("a").isClosed)
      assert.equal(pipe.closedWith, undefined)
    })

    it("ROUTER-11: no notice unless asked, and none of the other kind", () => {
      for (const [routerNotify, expected] of [
        [null, []],
        ["connect", ["a|"]],
        ["disconnect", ["a|"]],
        ["both", ["a|", "a|"]],
      ] as [RouterNotify, string[]][]) {
        const { inbox, peer } = make({ routerNotify })
        const pipe = peer("a")
        const before = inbox.size
        pipe.leaves()
        assert.equal(before, routerNotify === "connect" || routerNotify === "both" ? 1 : 0)
        assert.deepEqual(all(inbox), expected)
      }
    })

    it("ROUTER-11: a dialled peer that returns under a name in use is not reported to have left twice", () => {
      const { inbox, dialled, peer } = make({ routerNotify: "disconnect" })
      peer("b")
      const pipe = dialled({ routingId: "a" })
      pipe.goesOnline()
      pipe.goesOffline()
      pipe.goesOnline("b")
      assert.ok(pipe.closedWith instanceof HeddleError)
      assert.deepEqual(all(inbox), ["a|"])
    })

    it("PRES-5: notices of a connection that comes and goes do not fill the memory", () => {
      const { inbox, dialled } = make({ routerNotify: "both", receiveHighWaterMark: 3 })
      const pipe = dialled({ routingId: "a" })
      for (let i = 0; i < 10; i++) {
        pipe.goesOnline()
        pipe.goesOffline()
      }
      assert.equal(inbox.size, 6)
      assert.deepEqual(pipe.dropped, { full: 14 })
      const unlimited = make({ routerNotify: "both", receiveHighWaterMark: 0 })
      unlimited.peer("a").leaves()
      assert.deepEqual(all(unlimited.inbox), ["a|", "a|"])
    })
  })

  it("ROUTER-1: receives in turn, the id in front", () => {
    const { inbox, peer } = make()
    const pipes = [peer("a"), peer("b")]
    for (const pipe of pipes) for (const body of ["1", "2"]) pipe.says("", body)
    assert.deepEqual(all(inbox), ["a||1", "b||1", "a||2", "b||2"])
  })

  it("ROUTER-1: a peer that sends more than the mark is not read, nor after a reconnect", () => {
    const { inbox, dialled } = make({ receiveHighWaterMark: 2 })
    const pipe = dialled({ routingId: "a" })
    pipe.goesOnline()
    pipe.says("1")
    pipe.says("2")
    assert.equal(pipe.paused, true)
    pipe.paused = false
    pipe.goesOffline()
    pipe.goesOnline()
    assert.equal(pipe.paused, true)
    assert.deepEqual(all(inbox), ["a|1", "a|2"])
    assert.equal(pipe.paused, false)
  })

  it("ROUTER-1: whatever the number of frames, an empty message included", () => {
    const { inbox, peer } = make()
    const pipe = peer("a")
    for (const frames of [[""], ["1"], ["1", "2", "3"], ["1", "2", "3", "4", "5"]]) pipe.says(...frames)
    assert.deepEqual(all(inbox), ["a|", "a|1", "a|1|2|3", "a|1|2|3|4|5"])
  })

  it("ROUTER-2: sends to whom the first frame names, without it, sharing the others", async () => {
    const { outbox, inbox, peer } = make()
    const [a, b] = [peer("a"), peer("b")]
    const body = Buffer.from("body")
    await outbox.send([Buffer.from("b"), body])
    assert.equal(b.sent[0][0], body)
    b.taken()
    a.says("", "request")
    const [id, ...rest] = inbox.tryReceive() as readonly Buffer[]
    await outbox.send([id, ...rest])
    await outbox.send(["a", "1", "2", "3", "4"])
    await outbox.send(["a", ""])
    assert.deepEqual([a.taken(), b.taken()], [["|request", "1|2|3|4", ""], []])
  })

  it("ROUTER-2: an id from an earlier connection reaches the peer that has it now", async () => {
    const { inbox, outbox, peer } = make()
    const first = peer("a")
    first.says("x")
    const [id] = inbox.tryReceive() as readonly Buffer[]
    first.leaves()
    const second = peer("a")
    await outbox.send([id, "y"])
    assert.deepEqual(second.taken(), ["y"])
  })

  it("ROUTER-3: makes up ids for those who announce none, and answers to them", async () => {
    const { inbox, outbox, peer } = make()
    const pipes = [peer(), peer()]
    for (const pipe of pipes) pipe.says("x")
    for (const hex of ["0000010000", "0000010001"]) {
      const [id] = inbox.tryReceive() as readonly Buffer[]
      assert.equal(id.toString("hex"), hex)
      await outbox.send([Buffer.from(hex, "hex"), "y"])
    }
    assert.deepEqual(
      pipes.map(pipe => pipe.taken()),
      [["y"], ["y"]],
    )
  })

  it("ROUTER-3: a made-up id stays through reconnections", () => {
    const { inbox, dialled } = make()
    const pipe = dialled()
    const ids = new Set<string>()
    for (let i = 0; i < 3; i++) {
      pipe.goesOnline()
      pipe.says("x")
      ids.add((inbox.tryReceive() as readonly Buffer[])[0].toString("hex"))
      pipe.goesOffline()
    }
    assert.deepEqual([...ids], ["0000010000"])
  })

  it("ROUTER-3: a dialled pipe has no id before its first handshake", async () => {
    const { pattern, outbox, dialled } = make()
    const pipe = dialled({ routingId: "a" })
    await outbox.send(["a", "early"])
    pipe.goesOnline()
    await outbox.send(["a", "x"])
    assert.deepEqual(pipe.taken(), ["x"])
    assert.deepEqual(pattern.dropped, { unroutable: 1 })
  })

  it("ROUTER-6: with mandatory, a full peer keeps its own senders waiting, in order, and nobody else", async () => {
    const { pattern, outbox, peer } = make({ mandatory: true })
    const [slow, quick] = [peer("slow", { room: 0 }), peer("quick")]
    const waiting = [outbox.send(["slow", "1"]), outbox.send(["slow", "2"])]
    await outbox.send(["quick", "x"])
    assert.equal(outbox.waiting, 2)
    assert.equal(pattern.canSend, true)
    quick.room = 0
    assert.equal(pattern.canSend, false)
    // Room is of no use to others while somebody waits for it.
    slow.room = 3
    assert.equal(pattern.canSend, false)
    slow.drains(3)
    await Promise.all(waiting)
    assert.deepEqual([slow.taken(), quick.taken()], [["1", "2"], ["x"]])
    assert.equal(pattern.canSend, true)
  })

  it("ROUTER-6: without mandatory, one can always send", () => {
    assert.equal(make().pattern.canSend, true)
    assert.equal(make({ mandatory: true }).pattern.canSend, false)
  })

  it("ROUTER-6: turning mandatory off lets those who wait drop", async () => {
    const { options, outbox, peer } = make({ mandatory: true })
    const pipe = peer("a", { room: 0 })
    const waiting = outbox.send(["a", "1"])
    options.mandatory = false
    pipe.drains(0)
    await waiting
    assert.deepEqual(pipe.dropped, { full: 1 })
  })

  it("ROUTER-7: the id is free once the first is gone", async () => {
    const { outbox, peer } = make()
    peer("a").leaves()
    const second = peer("a")
    await outbox.send(["a", "x"])
    assert.deepEqual(second.taken(), ["x"])
  })

  it("ROUTER-8: with handover the new peer gets the id, and the old connection is closed", async () => {
    const { inbox, outbox, peer } = make({ handover: true, routerNotify: "both", disconnectMessage: "bye" })
    const first = peer("a")
    first.says("from the first")
    const second = peer("a")
    assert.ok(first.isClosed)
    assert.ok(first.closedWith instanceof HeddleError && !first.closedWith.fatal)
    await outbox.send(["a", "x"])
    second.says("from the second")
    assert.deepEqual([first.taken(), second.taken()], [[], ["x"]])
    assert.deepEqual(all(inbox).sort(), ["a|", "a|", "a|", "a|bye", "a|from the first", "a|from the second"])
  })

  it("ROUTER-8: the user may send to the id from within the news of the handover", () => {
    const { inbox, outbox, peer } = make({ handover: true, disconnectMessage: "bye" })
    peer("a")
    const consumer = inbox.consume(message => outbox.trySend([message[0], "answer to the new one"]))
    const second = peer("a")
    assert.deepEqual(second.taken(), ["answer to the new one"])
    consumer.stop()
  })

  it("ROUTER-8: who waits for the old peer gets EHOSTUNREACH, whoever had connected", async () => {
    const { outbox, peer, dialled } = make({ handover: true, mandatory: true })
    const old = dialled({ routingId: "a", room: 0 })
    old.goesOnline()
    for (let i = 0; i < 2; i++) {
      const waiting = outbox.send(["a", "1"])
      const next = peer("a", { room: 0 })
      await assert.rejects(waiting, coded("EHOSTUNREACH"))
      assert.deepEqual(next.taken(), [])
    }
  })

  it("ROUTER-8: a dialled peer that was replaced takes the id back when it returns", async () => {
    const { outbox, dialled, peer } = make({ handover: true })
    const pipe = dialled({ routingId: "a" })
    pipe.goesOnline()
    const second = peer("a")
    assert.ok(pipe.closedWith instanceof HeddleError)
    pipe.goesOnline()
    assert.ok(second.isClosed)
    await outbox.send(["a", "x"])
    assert.deepEqual(pipe.taken(), ["x"])
  })

  it("ROUTER-9: a dialled peer that returns with another id is known by the new one", async () => {
    const { pattern, inbox, outbox, dialled } = make({ routerNotify: "both", mandatory: true })
    const pipe = dialled({ routingId: "a" })
    pipe.goesOnline()
    pipe.room = 0
    const waiting = outbox.send(["a", "1"])
    pipe.goesOffline()
    pipe.goesOnline("b")
    await assert.rejects(waiting, coded("EHOSTUNREACH"))
    pipe.drains(5)
    pipe.says("x")
    await outbox.send(["b", "y"])
    assert.deepEqual(pipe.taken(), ["y"])
    assert.equal(pattern.knows(Buffer.from("a")), false)
    assert.deepEqual(all(inbox), ["a|", "a|", "b|", "b|x"])
  })

  it("ROUTER-10: messages to an assigned id wait for the peer, whatever it announces", async () => {
    const { inbox, outbox, dialled } = make({ mandatory: true })
    const pipe = dialled({ assignedId: Buffer.from("mine"), routingId: "its own" })
    await outbox.send(["mine", "early"])
    pipe.goesOnline()
    pipe.says("x")
    await outbox.send(["mine", "later"])
    assert.deepEqual(pipe.taken(), ["early", "later"])
    assert.equal(text(inbox.tryReceive() ?? []), "mine|x")
    await assert.rejects(outbox.send(["its own", "x"]), coded("EHOSTUNREACH"))
  })

  it("ROUTER-10: an assigned id is in use until its pipe is gone", () => {
    const { pattern, dialled } = make()
    const id = Buffer.from("mine")
    const pipe = dialled({ assignedId: id })
    assert.equal(pattern.knows(Buffer.from("mine")), true)
    pattern.detach(pipe)
    assert.equal(pattern.knows(id), false)
  })

  it("ROUTER-10: of two pipes with one assigned id (option immediate), the first has it", () => {
    const { dialled } = make()
    const first = dialled({ assignedId: Buffer.from("mine") })
    const second = dialled({ assignedId: Buffer.from("mine") })
    second.goesOnline()
    assert.equal((second.closedWith as HeddleError).code, "EBUSY")
    first.goesOnline()
    assert.equal(first.closedWith, undefined)
  })

  it("ROUTER-11: notices stand in order with the peer's messages", () => {
    const { inbox, peer } = make({ routerNotify: "both" })
    const pipe = peer("a")
    pipe.says("1")
    pipe.leaves()
    assert.deepEqual(all(inbox), ["a|", "a|1", "a|"])
  })

  it("PRES-1, PRES-2: hello and probe come first on each connection", async () => {
    const { outbox, dialled } = make({ helloMessage: "hello", probeRouter: true })
    const pipe = dialled({ assignedId: Buffer.from("a"), socketType: "ROUTER" })
    await outbox.send(["a", "queued"])
    pipe.goesOnline()
    assert.deepEqual(pipe.taken(), ["hello", "", "queued"])
  })

  it("PRES-1, PRES-2: neither to a REQ; no probe to a DEALER", () => {
    const both: Changes = { helloMessage: "hello", probeRouter: true }
    assert.deepEqual(make(both).peer("a", { socketType: "REQ" }).taken(), [])
    assert.deepEqual(make(both).peer("a", { socketType: "DEALER" }).taken(), ["hello"])
  })

  it("PRES-3, PRES-4: disconnectMessage and hiccupMessage come with the id", () => {
    const { inbox, peer, dialled } = make({ disconnectMessage: "bye", hiccupMessage: "hiccup" })
    peer("a").leaves()
    const pipe = dialled({ routingId: "b" })
    pipe.goesOnline()
    pipe.goesOffline()
    assert.deepEqual(all(inbox), ["a|bye", "b|hiccup"])
  })
})
