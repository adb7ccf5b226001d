import assert from "node:assert/strict"
import { HeddleError } from "../../../core/errors.ts"
import { RequestPattern } from "../../../patterns/reqrep/request.ts"
import { FakePipe, type FakePipeOptions } from "../../support/fake-pipe.ts"
import { coded, text } from "../../support/pattern.ts"
import { options as defaults } from "./support.ts"

type Changes = Partial<{
  correlate: boolean
  relaxed: boolean
  probeRouter: boolean
  sendTimeout: number
  receiveTimeout: number
  receiveHighWaterMark: number
}>

function make(changes: Changes = {}) {
  const options = defaults(changes)
  const pattern = new RequestPattern(options)
  const peer = (more: FakePipeOptions = {}) => new FakePipe(pattern, { socketType: "REP", ...more })
  return { pattern, options, peer, inbox: pattern.inbox, outbox: pattern.outbox }
}

/** The id of the last request, as text. */
function idOf(pipe: FakePipe): Buffer {
  return (pipe.sent.at(-1) as readonly Buffer[])[0]
}

describe("RequestPattern", () => {
  describe("what must not work", () => {
    it("REQ-3: receiving without a request is EFSM", async () => {
      const { inbox, peer } = make()
      peer()
      await assert.rejects(inbox.receive(), coded("EFSM"))
      assert.throws(() => inbox.tryReceive(), coded("EFSM"))
      await assert.rejects(inbox.receiveMany(), coded("EFSM"))
    })

    it("REQ-3: a second request before the reply is EFSM, and the first still gets its reply", async () => {
      const { inbox, outbox, peer } = make()
      const pipe = peer()
      await outbox.send("one")
      await assert.rejects(outbox.send("two"), coded("EFSM"))
      assert.throws(() => outbox.trySend("two"), coded("EFSM"))
      assert.deepEqual(pipe.taken(), ["|one"])
      pipe.says("", "reply")
      await assert.rejects(outbox.send("two"), coded("EFSM"))
      assert.equal(text(await inbox.receive()), "reply")
    })

    it("REQ-3: receiving twice is EFSM", async () => {
      const { inbox, outbox, peer } = make()
      const pipe = peer()
      await outbox.send("one")
      pipe.says("", "reply")
      await inbox.receive()
      await assert.rejects(inbox.receive(), coded("EFSM"))
    })

    for (const [what, frames] of [
      ["an empty message", [""]],
      ["a body without a delimiter", ["body"]],
      ["a body of two frames without a delimiter", ["body", "more"]],
      ["an id without a delimiter", ["1234"]],
      ["an id with a body but no delimiter", ["1234", "body"]],
      ["an id and a delimiter without a body", ["1234", ""]],
      ["an id of three octets", ["123", "", "body"]],
      ["an id of five octets", ["12345", "", "body"]],
    ] as [string, string[]][]) {
      it(`REQ-10: ${what} closes the peer for good`, async () => {
        const { outbox, pattern, peer } = make()
        const pipe = peer()
        await outbox.send("request")
        pipe.says(...frames)
        assert.ok(pipe.isClosed)
        assert.ok(pipe.closedWith instanceof HeddleError && pipe.closedWith.fatal)
        assert.equal(pipe.closedWith.code, "ERR_ZMTP_FRAME")
        assert.deepEqual(pipe.dropped, { malformed: 1 })
        assert.equal(pattern.inbox.readable, false)
      })
    }

    it("REQ-10: also when no reply is awaited", () => {
      const pipe = make().peer()
      pipe.says("no delimiter")
      assert.ok(pipe.isClosed)
    })

    it("REQ-9: what comes unasked is dropped as stale", async () => {
      const { inbox, outbox, peer } = make()
      const pipe = peer()
      pipe.says("", "early")
      await outbox.send("request")
      pipe.says("", "reply")
      pipe.says("", "once more")
      assert.deepEqual(pipe.dropped, { stale: 2 })
      assert.equal(text(await inbox.receive()), "reply")
      pipe.says("", "late")
      assert.deepEqual(pipe.dropped, { stale: 3 })
    })

    it("REQ-5: a reply of another peer is dropped as stale", async () => {
      const { inbox, outbox, peer } = make()
      const [asked, other] = [peer(), peer()]
      await outbox.send("request")
      assert.deepEqual([asked.taken(), other.taken()], [["|request"], []])
      other.says("", "wrong")
      assert.deepEqual(other.dropped, { stale: 1 })
      asked.says("", "right")
      assert.equal(text(await inbox.receive()), "right")
    })

    it("REQ-8: without correlate, a reply with an id is dropped as stale", async () => {
      const { inbox, outbox, peer } = make()
      const pipe = peer()
      await outbox.send("request")
      pipe.says("1234", "", "wrong")
      assert.deepEqual(pipe.dropped, { stale: 1 })
      pipe.says("", "right")
      assert.equal(text(await inbox.receive()), "right")
    })

    it("REQ-8: with correlate, a reply with another id or none is dropped as stale", async () => {
      const { inbox, outbox, peer } = make({ correlate: true })
      const pipe = peer()
      await outbox.send("request")
      const id = idOf(pipe)
      const other = Buffer.from(id)
      other[3] ^= 1
      pipe.says(other, "", "wrong")
      pipe.says("", "none")
      assert.deepEqual(pipe.dropped, { stale: 2 })
      pipe.says(id, "", "right")
      assert.equal(text(await inbox.receive()), "right")
    })

    it("REQ-6: a request is not sent again when its peer is gone, and the next one is EFSM", async () => {
      const { outbox, peer } = make()
      const [first, second] = [peer(), peer()]
      await outbox.send("request")
      first.leaves()
      assert.deepEqual(second.taken(), [])
      await assert.rejects(outbox.send("again"), coded("EFSM"))
    })
  })

  it("REQ-1: requests go to the peers in turn, passing over the full ones", async () => {
    const { inbox, outbox, peer } = make()
    const pipes = [peer(), peer({ room: 0 }), peer()]
    for (const body of ["a", "b", "c", "d"]) {
      await outbox.send(body)
      for (const pipe of pipes) pipe.says("", "reply")
      await inbox.receive()
    }
    assert.deepEqual(
      pipes.map(pipe => pipe.taken()),
      [["|a", "|c"], [], ["|b", "|d"]],
    )
  })

  it("REQ-1: waits for a peer, and for room", async () => {
    const { pattern, outbox, inbox, peer } = make()
    assert.equal(pattern.canSend, false)
    assert.equal(outbox.trySend("no"), false)
    const sent = outbox.send("one")
    const pipe = peer({ room: 0 })
    assert.equal(outbox.waiting, 1)
    pipe.drains(1)
    await sent
    assert.deepEqual(pipe.taken(), ["|one"])
    pipe.says("", "reply")
    await inbox.receive()
  })

  it("REQ-1: gives up after sendTimeout with EAGAIN, and takes the next request", async () => {
    const { outbox, peer } = make({ sendTimeout: 5 })
    await assert.rejects(outbox.send("one"), coded("EAGAIN"))
    const pipe = peer()
    await outbox.send("two")
    assert.deepEqual(pipe.taken(), ["|two"])
  })

  it("REQ-2: adds and removes the delimiter, whatever the body", async () => {
    const { inbox, outbox, peer } = make()
    const pipe = peer()
    await outbox.send(["", "b", ""])
    assert.deepEqual(pipe.taken(), ["||b|"])
    pipe.says("", "", "x", "", "y")
    assert.equal(text(await inbox.receive()), "|x||y")
    await outbox.send("z")
    pipe.says("", "")
    assert.equal(text(await inbox.receive()), "")
  })

  it("REQ-3: a receive may wait for the reply to a request that waits for room", async () => {
    const { inbox, outbox, peer } = make()
    const sent = outbox.send("request")
    const reply = inbox.receive()
    const pipe = peer()
    await sent
    pipe.says("", "reply")
    assert.equal(text(await reply), "reply")
  })

  it("REQ-3: of two requests that wait for room, the first is sent and the second is EFSM", async () => {
    const { outbox, peer } = make()
    const first = outbox.send("one")
    const second = outbox.send("two")
    const pipe = peer()
    await first
    await assert.rejects(second, coded("EFSM"))
    assert.deepEqual(pipe.taken(), ["|one"])
  })

  it("REQ-4: the next request may be sent once the reply is taken, not before", async () => {
    const { pattern, inbox, outbox, peer } = make()
    const pipe = peer()
    assert.equal(pattern.canSend, true)
    await outbox.send("one")
    assert.equal(pattern.canSend, false)
    pipe.says("", "reply")
    assert.equal(pattern.canSend, false)
    assert.equal(text(inbox.tryReceive() ?? []), "reply")
    assert.equal(pattern.canSend, true)
    await outbox.send("two")
    assert.deepEqual(pipe.taken(), ["|one", "|two"])
  })

  it("REQ-4: a handler may send the next request at once", () => {
    const { inbox, outbox, peer } = make()
    const pipe = peer()
    const replies: string[] = []
    const consumer = inbox.consume(reply => {
      replies.push(text(reply))
      if (replies.length < 3) outbox.trySend(`request ${replies.length}`)
    })
    outbox.trySend("request 0")
    for (let i = 0; i < 3; i++) pipe.says("", `reply ${i}`)
    assert.deepEqual(replies, ["reply 0", "reply 1", "reply 2"])
    consumer.stop()
  })

  it("REQ-6: when its peer is gone, whoever has a reply may bring it", async () => {
    const { inbox, outbox, peer } = make()
    const [first, second] = [peer(), peer()]
    await outbox.send("request")
    second.says("", "too early")
    first.leaves()
    const reply = inbox.receive()
    second.says("", "reply")
    assert.equal(text(await reply), "reply")
    assert.deepEqual(second.dropped, { stale: 1 })
  })

  it("REQ-6: a peer that is dialled again is not gone", async () => {
    const { pattern, inbox, outbox, peer } = make()
    const dialled = new FakePipe(pattern, { socketType: "REP" }, false)
    dialled.goesOnline()
    await outbox.send("request")
    const other = peer()
    dialled.goesOffline()
    other.says("", "wrong")
    dialled.goesOnline()
    dialled.says("", "right")
    assert.equal(text(await inbox.receive()), "right")
    assert.deepEqual(other.dropped, { stale: 1 })
  })

  it("a reply stays readable when its peer leaves", async () => {
    const { inbox, outbox, peer } = make()
    const pipe = peer()
    await outbox.send("request")
    pipe.says("", "reply")
    pipe.leaves()
    assert.equal(text(await inbox.receive()), "reply")
  })

  it("REQ-7: relaxed takes a new request, and drops the reply that nobody took", async () => {
    const { inbox, outbox, peer, pattern } = make({ relaxed: true })
    const pipe = peer()
    await outbox.send("one")
    assert.equal(pattern.canSend, true)
    await outbox.send("two")
    assert.deepEqual(pipe.taken(), ["|one", "|two"])
    pipe.says("", "reply")
    await outbox.send("three")
    assert.equal(inbox.readable, false)
    assert.deepEqual(pipe.dropped, { stale: 1 })
    pipe.says("", "reply to three")
    assert.equal(text(await inbox.receive()), "reply to three")
  })

  it("REQ-7: relaxed with correlate takes no reply to a request that was given up", async () => {
    const { inbox, outbox, peer } = make({ relaxed: true, correlate: true })
    const pipe = peer()
    await outbox.send("one")
    const first = idOf(pipe)
    await outbox.send("two")
    const second = idOf(pipe)
    pipe.says(first, "", "to one")
    pipe.says(second, "", "to two")
    assert.equal(text(await inbox.receive()), "to two")
    assert.deepEqual(pipe.dropped, { stale: 1 })
  })

  it("REQ-7: the earlier request stands while the new one waits for room", async () => {
    const { inbox, outbox, peer } = make({ relaxed: true })
    const pipe = peer({ room: 1 })
    await outbox.send("one")
    const sent = outbox.send("two")
    pipe.says("", "to one")
    assert.equal(text(await inbox.receive()), "to one")
    pipe.drains(1)
    await sent
    pipe.says("", "to two")
    assert.equal(text(await inbox.receive()), "to two")
  })

  it("REQ-7: relaxed may be set while a request is stuck", async () => {
    const { options, outbox, peer } = make()
    const pipe = peer()
    await outbox.send("one")
    options.relaxed = true
    await outbox.send("two")
    assert.deepEqual(pipe.taken(), ["|one", "|two"])
  })

  it("REQ-8: request ids are 4 octets, one more each time; each reply is told by its own", async () => {
    const { inbox, outbox, peer } = make({ correlate: true })
    const pipe = peer()
    const ids: number[] = []
    for (let i = 0; i < 3; i++) {
      await outbox.send(["body", `${i}`])
      const [id, delimiter, ...body] = pipe.sent.at(-1) as readonly Buffer[]
      assert.deepEqual([id.length, delimiter.length, text(body)], [4, 0, `body|${i}`])
      ids.push(id.readUInt32BE(0))
      pipe.says(id, "", "reply", `${i}`)
      assert.equal(text(await inbox.receive()), `reply|${i}`)
    }
    assert.deepEqual(
      ids.map(id => (id - ids[0]) >>> 0),
      [0, 1, 2],
    )
  })

  it("REQ-8: a request that found no room uses up no id", async () => {
    const { inbox, outbox, peer } = make({ correlate: true })
    const pipe = peer({ room: 1 })
    await outbox.send("one")
    const first = idOf(pipe)
    pipe.says(first, "", "reply")
    await inbox.receive()
    assert.equal(outbox.trySend("no room"), false)
    pipe.drains(1)
    await outbox.send("two")
    assert.equal((idOf(pipe).readUInt32BE(0) - first.readUInt32BE(0)) >>> 0, 1)
  })

  it("REQ-8: random ids at first", () => {
    const ids = new Set<string>()
    for (let i = 0; i < 20; i++) {
      const { outbox, peer } = make({ correlate: true })
      const pipe = peer()
      outbox.trySend("request")
      ids.add(idOf(pipe).toString("hex"))
    }
    // Twenty equal numbers of 32 bits do not happen by chance.
    assert.ok(ids.size > 1)
  })

  it("a peer that sends more than the mark is not read, nor after a reconnect", async () => {
    const { pattern, inbox, outbox } = make({ receiveHighWaterMark: 1 })
    const pipe = new FakePipe(pattern, { socketType: "REP" }, false)
    pipe.goesOnline()
    await outbox.send("request")
    pipe.says("", "reply")
    assert.equal(pipe.paused, true)
    pipe.paused = false
    pipe.goesOffline()
    pipe.goesOnline()
    assert.equal(pipe.paused, true)
    assert.equal(text(await inbox.receive()), "reply")
    assert.equal(pipe.paused, false)
  })

  it("PRES-2: probes a ROUTER, before the request that waited, on each connection", () => {
    const { pattern, outbox } = make({ probeRouter: true })
    const pipe = new FakePipe(pattern, { socketType: "ROUTER" }, false)
    outbox.trySend("request")
    pipe.goesOnline()
    assert.deepEqual(pipe.taken(), ["", "|request"])
    pipe.goesOffline()
    pipe.goesOnline()
    assert.deepEqual(pipe.taken(), [""])
  })

  it("PRES-2: does not probe a REP, nor anybody without the option", () => {
    assert.deepEqual(make({ probeRouter: true }).peer().taken(), [])
    assert.deepEqual(make().peer({ socketType: "ROUTER" }).taken(), [])
  })
})
