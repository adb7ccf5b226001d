import assert from "node:assert/strict"
import type { Message } from "../../../core/contract.ts"
import { HeddleError } from "../../../core/errors.ts"
import { PullPattern } from "../../../patterns/pipeline/pull.ts"
import { Flow } from "../../../patterns/proxy/flow.ts"
import { FakePipe } from "../../support/fake-pipe.ts"
import { settings, text } from "../../support/pattern.ts"
import { turns, until } from "../../support/wait.ts"

/** A target with so much room, and a way to make more. */
class Shelf {
  sendTimeout = 0
  readonly taken: string[] = []
  private readonly waiting: { message: Message; done: () => void; fail: (error: Error) => void }[] = []
  private room: number

  constructor(room = Number.POSITIVE_INFINITY) {
    this.room = room
  }

  trySend(message: Message): boolean {
    if (text(message) === "unwanted") throw new HeddleError("EHOSTUNREACH", "nobody wants it")
    if (this.room === 0) return false
    this.room--
    this.taken.push(text(message))
    return true
  }

  send(message: Message): Promise<void> {
    return new Promise((done, fail) => {
      this.waiting.push({ message, done, fail })
    })
  }

  drain(room: number): void {
    this.room += room
    for (let one = this.waiting.shift(); one !== undefined; one = this.waiting.shift()) {
      this.trySend(one.message)
      one.done()
    }
  }

  burn(): void {
    for (const one of this.waiting.splice(0)) one.fail(new HeddleError("EHOSTUNREACH", "burnt down"))
  }
}

function make(target: Shelf, highWaterMark = 1000) {
  const pattern = new PullPattern(settings({ receiveHighWaterMark: highWaterMark }))
  const pipe = new FakePipe(pattern)
  const inbox = pattern.inbox
  const source = { closed: false, consume: inbox.consume.bind(inbox) }
  const from = { messagesIn: 0, bytesIn: 0, messagesOut: 0, bytesOut: 0 }
  const to = { ...from }
  const seen: string[] = []
  const log = { undeliverable: 0, errors: [] as unknown[] }
  const flow = new Flow(source, target, from, to, {
    captured: message => void seen.push(text(message)),
    undeliverable: () => void log.undeliverable++,
    failed: error => void log.errors.push(error),
  })
  return { flow, pipe, inbox, source, from, to, seen, log }
}

describe("Flow", () => {
  describe("what must not work", () => {
    it("PROXY-3: without room nothing more is taken, and the source's peer is stopped", async () => {
      const shelf = new Shelf(2)
      const { flow, pipe, inbox, from, to } = make(shelf, 4)
      flow.start()
      for (let i = 1; i <= 7; i++) pipe.says(String(i))
      assert.deepEqual(shelf.taken, ["1", "2"])
      assert.equal(inbox.size, 4)
      assert.equal(pipe.paused, true)
      assert.deepEqual([from.messagesIn, to.messagesOut], [3, 2])
      shelf.drain(100)
      await until(() => shelf.taken.length === 7)
      assert.deepEqual(shelf.taken, ["1", "2", "3", "4", "5", "6", "7"])
      assert.equal(pipe.paused, false)
      flow.stop()
    })

    it("PROXY-5: a message that nobody wants is counted, and the flow goes on", () => {
      const shelf = new Shelf()
      const { flow, pipe, log, to } = make(shelf)
      flow.start()
      for (const message of ["a", "unwanted", "b"]) pipe.says(message)
      assert.deepEqual(shelf.taken, ["a", "b"])
      assert.deepEqual([log.undeliverable, to.messagesOut], [1, 2])
      flow.stop()
    })

    it("PROXY-5: a message that waited for room in vain is counted, and the flow goes on", async () => {
      const shelf = new Shelf(0)
      const { flow, pipe, log } = make(shelf)
      flow.start()
      for (const message of ["a", "b"]) pipe.says(message)
      shelf.burn()
      await turns()
      assert.equal(log.undeliverable, 1)
      shelf.drain(5)
      await turns()
      assert.deepEqual(shelf.taken, ["b"])
      flow.stop()
    })

    it("PROXY-6: nothing is taken while it is stopped, also when room comes in between", async () => {
      const shelf = new Shelf(1)
      const { flow, pipe, inbox } = make(shelf)
      flow.start()
      for (const message of ["a", "b", "c"]) pipe.says(message)
      flow.stop()
      shelf.drain(5)
      await turns()
      assert.deepEqual([shelf.taken, inbox.size], [["a", "b"], 1])
      flow.start()
      assert.deepEqual(shelf.taken, ["a", "b", "c"])
      flow.stop()
    })

    it("PROXY-3: started again while a message waits, it does not overtake that message", async () => {
      const shelf = new Shelf(0)
      const { flow, pipe, from } = make(shelf)
      flow.start()
      pipe.says("a")
      pipe.says("b")
      flow.stop()
      flow.start()
      pipe.says("c")
      assert.equal(from.messagesIn, 1)
      shelf.drain(5)
      await turns()
      assert.deepEqual(shelf.taken, ["a", "b", "c"])
      flow.stop()
    })

    it("PROXY-8: a source that was closed while a message waited is not asked again", async () => {
      const shelf = new Shelf(0)
      const { flow, pipe, source, inbox, log } = make(shelf)
      flow.start()
      pipe.says("a")
      source.closed = true
      inbox.close()
      shelf.drain(1)
      await turns()
      assert.deepEqual([shelf.taken, log.errors], [["a"], []])
    })

    it("a source that somebody else has begun to read in between is an error for the proxy", async () => {
      const shelf = new Shelf(0)
      const { flow, pipe, inbox, log } = make(shelf)
      flow.start()
      pipe.says("a")
      const other = inbox.consume(() => {})
      shelf.drain(1)
      await turns()
      assert.equal(log.errors.length, 1)
      assert.ok(log.errors[0] instanceof TypeError)
      other.stop()
      flow.stop()
    })
  })

  it("PROXY-1, PROXY-10: whole messages in order, counted on both sides, and shown to who looks on", () => {
    const shelf = new Shelf()
    const { flow, pipe, from, to, seen } = make(shelf)
    flow.start()
    pipe.says("one", "", "two")
    pipe.says("three")
    assert.deepEqual(shelf.taken, ["one||two", "three"])
    assert.deepEqual(seen, shelf.taken)
    assert.deepEqual(from, { messagesIn: 2, bytesIn: 11, messagesOut: 0, bytesOut: 0 })
    assert.deepEqual(to, { messagesIn: 0, bytesIn: 0, messagesOut: 2, bytesOut: 11 })
    flow.stop()
  })

  it("a target that is waited for has no sendTimeout", () => {
    const shelf = new Shelf()
    const { flow } = make(shelf)
    flow.start()
    assert.equal(shelf.sendTimeout, -1)
    flow.stop()
  })

  it("PROXY-4: the rest of the program goes on while a full source is emptied", async () => {
    const shelf = new Shelf()
    const { flow, pipe, inbox } = make(shelf, 0)
    for (let i = 0; i < 2000; i++) pipe.says("x")
    const trySend = shelf.trySend.bind(shelf)
    shelf.trySend = message => {
      for (const end = performance.now() + 0.02; performance.now() < end; );
      return trySend(message)
    }
    let left = 0
    setImmediate(() => {
      left = inbox.size
    })
    flow.start()
    await until(() => shelf.taken.length === 2000)
    assert.ok(left > 0, "2,000 messages of 20 µs each passed in one turn")
    flow.stop()
  })
})
