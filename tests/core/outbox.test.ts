import assert from "node:assert/strict"
import { HeddleError } from "../../core/errors.ts"
import { Outbox } from "../../core/outbox.ts"
import { FakeClock } from "../support/clock.ts"

/** An outbox whose sender has room for so many messages. */
const make = (room = 0, sendTimeout = -1) => {
  const sent: string[] = []
  const state = { room, fault: null as Error | null }
  const options = { sendTimeout }
  const outbox = new Outbox<string>((message, option) => {
    if (state.fault !== null) throw state.fault
    if (state.room <= 0) return false
    state.room--
    sent.push(message.join("|") + (option === undefined ? "" : `@${option}`))
    return true
  }, options)
  return { outbox, sent, state, options }
}

const EAGAIN = { name: "HeddleError", code: "EAGAIN" }
const EBADF = { name: "HeddleError", code: "EBADF" }

describe("Outbox", () => {
  it("gives a frame by itself to a pattern that takes it so, in the order of all others", async () => {
    const sent: string[] = []
    let room = 2
    const take = (text: string): boolean => {
      if (room <= 0) return false
      room--
      sent.push(text)
      return true
    }
    const outbox = new Outbox(
      message => take(`list ${message.join("|")}`),
      { sendTimeout: -1 },
      frame => take(`frame ${frame}`),
    )
    assert.equal(outbox.trySend(Buffer.from("a")), true)
    await outbox.send(Buffer.from("b"))
    assert.equal(outbox.trySend(Buffer.from("none")), false)
    const waiting = [outbox.send(Buffer.from("c")), outbox.send(["d", "e"]), outbox.send("f")]
    assert.equal(outbox.waiting, 3)
    room = 10
    assert.equal(outbox.trySend(Buffer.from("passes by")), false, "nobody passes those who wait")
    outbox.flush()
    await Promise.all(waiting)
    assert.equal(outbox.trySend(new Uint8Array([0x67])), true)
    assert.deepEqual(sent, ["frame a", "frame b", "list c", "list d|e", "list f", "list g"])
    outbox.close()
    assert.throws(() => outbox.trySend(Buffer.from("z")), EBADF)
    await assert.rejects(outbox.send(Buffer.from("z")), EBADF)
  })

  it("sends at once while there is room", async () => {
    const { outbox, sent } = make(3)
    await outbox.send("a")
    await outbox.send(["b", "c"], "option")
    assert.equal(outbox.trySend(Buffer.from("d")), true)
    assert.equal(outbox.trySend("e"), false)
    assert.deepEqual(sent, ["a", "b|c@option", "d"])
    assert.equal(outbox.waiting, 0)
  })

  it("lets those wait for whom there is none, in their order", async () => {
    const { outbox, sent, state } = make()
    const done: string[] = []
    const sends = ["a", "b", "c"].map(text => outbox.send(text, "o").then(() => done.push(text)))
    assert.equal(outbox.waiting, 3)
    state.room = 2
    outbox.flush()
    await Promise.all(sends.slice(0, 2))
    assert.deepEqual(sent, ["a@o", "b@o"])
    state.room = 10
    assert.equal(outbox.trySend("passes by"), false, "nobody passes those who wait")
    const last = outbox.send("d")
    outbox.flush()
    await Promise.all([...sends, last])
    assert.deepEqual(sent, ["a@o", "b@o", "c@o", "d"])
    assert.deepEqual(done, ["a", "b", "c"])
    assert.equal(outbox.waiting, 0)
  })

  it("rejects what cannot be a message, without a trace", async () => {
    const { outbox } = make()
    await assert.rejects(outbox.send(undefined), TypeError)
    await assert.rejects(outbox.send([]), TypeError)
    assert.throws(() => outbox.trySend([]), TypeError)
    assert.equal(outbox.waiting, 0)
  })

  it("passes on what the pattern refuses, at once and for who waits; the others go on", async () => {
    const { outbox, sent, state } = make()
    const fault = new HeddleError("EHOSTUNREACH", "nobody has this id")
    const waiting = outbox.send("waits")
    state.fault = fault
    outbox.flush()
    await assert.rejects(waiting, fault)
    await assert.rejects(outbox.send("a"), fault)
    assert.throws(() => outbox.trySend("a"), fault)
    state.fault = null
    state.room = 1
    await outbox.send("b")
    assert.deepEqual(sent, ["b"])
  })

  describe("sendTimeout", () => {
    let clock: FakeClock
    beforeEach(() => {
      clock = new FakeClock().install()
    })
    afterEach(() => clock.restore())

    it("of 0 does not wait", async () => {
      const { outbox } = make(0, 0)
      await assert.rejects(outbox.send("a"), EAGAIN)
      assert.equal(outbox.waiting, 0)
    })

    it("rejects who waited that long; the message is not sent later", async () => {
      const { outbox, sent, state } = make(0, 100)
      const first = outbox.send("a")
      clock.advance(60)
      const second = outbox.send("b")
      clock.advance(40)
      await assert.rejects(first, { ...EAGAIN, message: /100 ms/ })
      state.room = 5
      outbox.flush()
      await second
      assert.deepEqual(sent, ["b"])
      assert.equal(clock.pending, 0)
    })

    it("of one in the middle leaves the order of the others", async () => {
      const { outbox, sent, state, options } = make(0, -1)
      const first = outbox.send("a")
      options.sendTimeout = 100
      const middle = outbox.send("b")
      options.sendTimeout = -1
      const last = outbox.send("c")
      clock.advance(100)
      await assert.rejects(middle, EAGAIN)
      state.room = 5
      outbox.flush()
      await Promise.all([first, last])
      assert.deepEqual(sent, ["a", "c"])
    })
  })

  it("rejects who waits when it is closed, and refuses who comes", async () => {
    const { outbox, sent, state } = make()
    const waiting = [outbox.send("a"), outbox.send("b")]
    outbox.close()
    for (const promise of waiting) await assert.rejects(promise, EAGAIN)
    state.room = 5
    outbox.flush()
    await assert.rejects(outbox.send("c"), EBADF)
    assert.throws(() => outbox.trySend("c"), EBADF)
    assert.deepEqual(sent, [])
  })

  it("lets the event loop go on: a loop of sends does not starve others", async () => {
    const { outbox } = make(Number.POSITIVE_INFINITY)
    let others = 0
    let going = true
    setImmediate(function again() {
      others++
      if (going) setImmediate(again)
    })
    const began = performance.now()
    for (let i = 0; i < 200_000; i++) await outbox.send("x")
    going = false
    const took = performance.now() - began
    assert.ok(others >= Math.floor(took / 50) - 1, `${others} turns in ${took} ms`)
    assert.ok(others >= 1 || took < 20)
  })
})
