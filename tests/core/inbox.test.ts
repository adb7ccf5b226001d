import assert from "node:assert/strict"
import { Inbox, type InboxOptions, type InboxRules } from "../../core/inbox.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { FakeClock } from "../support/clock.ts"
import { FakePipe } from "../support/fake-pipe.ts"
import { turns } from "../support/wait.ts"

const IDLE = { attach() {}, receive() {}, writable() {}, detach() {} }

const make = (options: Partial<InboxOptions> = {}, rules?: InboxRules<string, string>) => {
  const settings = { receiveHighWaterMark: 1_000, receiveTimeout: -1, ...options }
  const inbox = new Inbox<string>(settings, rules)
  // A handler that is not stopped would keep the process alive.
  later(() => inbox.close())
  const pipe = new FakePipe(IDLE)
  const gets = (...items: string[]): void => {
    for (const item of items) inbox.deliver(pipe, item)
  }
  return { inbox, pipe, gets, settings }
}

const EAGAIN = { name: "HeddleError", code: "EAGAIN" }
const EBADF = { name: "HeddleError", code: "EBADF" }

describe("Inbox", () => {
  closesAfterEach()

  describe("receive", () => {
    it("gives what is there, in order, and tells whether something is", async () => {
      const { inbox, gets } = make()
      assert.equal(inbox.readable, false)
      assert.equal(inbox.tryReceive(), null)
      gets("a", "b", "c")
      assert.equal(inbox.readable, true)
      assert.equal(inbox.size, 3)
      assert.equal(await inbox.receive(), "a")
      assert.equal(inbox.tryReceive(), "b")
      assert.equal(await inbox.receive(), "c")
      assert.equal(inbox.readable, false)
    })

    it("serves those who wait in the order in which they came", async () => {
      const { inbox, gets } = make()
      const waiting = [inbox.receive(), inbox.receive(), inbox.receive()]
      gets("a", "b", "c", "d")
      assert.deepEqual(await Promise.all(waiting), ["a", "b", "c"])
      assert.equal(inbox.tryReceive(), "d")
    })

    it("asks the pattern first whether it may, and opens items as they are taken", async () => {
      let allowed = true
      const guard = (): void => {
        if (!allowed) throw new RangeError("not now")
      }
      const { inbox, gets } = make({}, { guard, open: item => item.toUpperCase() })
      gets("a", "b", "c", "d")
      assert.equal(await inbox.receive(), "A")
      assert.equal(inbox.tryReceive(), "B")
      allowed = false
      await assert.rejects(inbox.receive(), RangeError)
      assert.throws(() => inbox.tryReceive(), RangeError)
      await assert.rejects(inbox.receiveMany(), RangeError)
      allowed = true
      assert.deepEqual(await inbox.receiveMany(), ["C", "D"])
    })

    it("lets the event loop go on: a loop over what is there does not starve timers", async () => {
      const { inbox, gets } = make({ receiveHighWaterMark: 0 })
      for (let i = 0; i < 200_000; i++) gets("x")
      let others = 0
      const timer = setImmediate(function again() {
        others++
        timer.unref()
        if (inbox.size > 0) setImmediate(again)
      })
      const began = performance.now()
      while (inbox.size > 0) await inbox.receive()
      const took = performance.now() - began
      // A slow machine has more turns, a quick one may need a single one.
      assert.ok(others >= Math.floor(took / 50) - 1, `${others} turns in ${took} ms`)
      assert.ok(others >= 1 || took < 20)
    })
  })

  describe("receiveTimeout", () => {
    let clock: FakeClock
    beforeEach(() => {
      clock = new FakeClock().install()
    })
    afterEach(() => clock.restore())

    it("of 0 does not wait", async () => {
      const { inbox, gets } = make({ receiveTimeout: 0 })
      await assert.rejects(inbox.receive(), EAGAIN)
      gets("a")
      assert.equal(await inbox.receive(), "a")
    })

    it("rejects who waited that long, and nobody else", async () => {
      const { inbox, gets, settings } = make({ receiveTimeout: 100 })
      const first = inbox.receive()
      clock.advance(50)
      const second = inbox.receive()
      settings.receiveTimeout = -1
      const patient = inbox.receive()
      clock.advance(50)
      await assert.rejects(first, { ...EAGAIN, message: /100 ms/ })
      gets("a")
      assert.equal(await second, "a")
      clock.advance(10_000)
      gets("b")
      assert.equal(await patient, "b")
      assert.equal(clock.pending, 0)
    })
  })

  describe("receiveMany", () => {
    it("gives all that is there, or as many as asked for", async () => {
      const { inbox, gets } = make()
      gets(..."abcdef")
      assert.deepEqual(await inbox.receiveMany(4), ["a", "b", "c", "d"])
      assert.deepEqual(await inbox.receiveMany(), ["e", "f"])
    })

    it("waits for the first, and takes what came with it", async () => {
      const { inbox, gets } = make()
      const batch = inbox.receiveMany(2)
      gets("a", "b", "c")
      assert.deepEqual(await batch, ["a", "b"])
      assert.equal(inbox.size, 1)
    })
  })

  describe("iteration", () => {
    it("gives everything until the inbox is closed", async () => {
      const { inbox, gets } = make()
      const got: string[] = []
      gets("a", "b")
      const loop = (async () => {
        const iterator = inbox.iterate()
        for (let next = await iterator.next(); !next.done; next = await iterator.next()) got.push(next.value)
      })()
      await turns(2)
      gets("c")
      await turns(2)
      inbox.close()
      await loop
      assert.deepEqual(got, ["a", "b", "c"])
    })

    it("passes on what `receive` would reject with", async () => {
      const { inbox } = make({ receiveTimeout: 0 })
      await assert.rejects(inbox.iterate().next(), EAGAIN)
    })

    it("by batches gives everything that is there each time, at most so many", async () => {
      const { inbox, gets } = make()
      const got: string[][] = []
      gets("a", "b", "c")
      const loop = (async () => {
        for await (const batch of inbox.batches(2)) got.push(batch)
      })()
      await turns(3)
      assert.deepEqual(got, [["a", "b"], ["c"]])
      gets("d", "e")
      await turns(3)
      assert.deepEqual(got.slice(2), [["d", "e"]])
      inbox.close()
      await loop
    })

    it("by batches shares with other readers: none gets an empty batch", async () => {
      const { inbox, gets } = make()
      const got: string[] = []
      const read = async (): Promise<void> => {
        for await (const batch of inbox.batches()) {
          assert.ok(batch.length > 0)
          got.push(...batch)
        }
      }
      const loops = [read(), read(), read()]
      for (let i = 0; i < 20; i++) {
        gets(`${i}`)
        await turns(1)
      }
      inbox.close()
      await Promise.all(loops)
      assert.equal(got.length, 20)
    })
  })

  describe("consume", () => {
    it("calls the handler for what waits, then within each delivery", async () => {
      const { inbox, gets } = make()
      gets("a", "b")
      const got: string[] = []
      const consumer = inbox.consume(item => got.push(item))
      assert.deepEqual(got, ["a", "b"])
      gets("c")
      assert.deepEqual(got, ["a", "b", "c"])
      consumer.stop()
      consumer.stop()
      gets("d")
      assert.deepEqual(got, ["a", "b", "c"])
      assert.equal(await inbox.receive(), "d")
    })

    it("allows one handler at a time", () => {
      const { inbox } = make()
      const consumer = inbox.consume(() => {})
      assert.throws(() => inbox.consume(() => {}), TypeError)
      consumer.stop()
      inbox.consume(() => {}).stop()
    })

    it("keeps the order while a long queue is poured, and yields to the event loop", async () => {
      const { inbox, gets } = make({ receiveHighWaterMark: 0 })
      for (let i = 0; i < 200; i++) gets(`${i}`)
      const got: string[] = []
      inbox.consume(item => {
        const until = performance.now() + 0.5
        while (performance.now() < until);
        got.push(item)
      })
      assert.ok(got.length < 200, "a tenth of a second passed in one turn")
      for (let i = 200; i < 300; i++) gets(`${i}`)
      while (got.length < 300) await turns(1)
      assert.deepEqual(
        got,
        Array.from({ length: 300 }, (_, i) => `${i}`),
      )
    })

    it("stops within its handler", () => {
      const { inbox, gets } = make()
      gets("a", "b", "c")
      const got: string[] = []
      const handle = (item: string): void => {
        got.push(item)
        if (item === "d") consumer.stop()
      }
      const consumer = inbox.consume(handle)
      gets("d", "e")
      assert.deepEqual(got, ["a", "b", "c", "d"])
      assert.equal(inbox.tryReceive(), "e")
    })

    it("lets a mistake of the handler surface as an uncaught error, and goes on", async () => {
      const { inbox, gets } = make()
      const got: string[] = []
      inbox.consume(item => {
        got.push(item)
        if (item === "bad") throw new RangeError("a mistake")
      })
      const listeners = process.listeners("uncaughtException")
      process.removeAllListeners("uncaughtException")
      const caught = new Promise<Error>(resolve => process.once("uncaughtException", resolve))
      try {
        gets("bad", "good")
        assert.match((await caught).message, /a mistake/)
      } finally {
        for (const listener of listeners) process.on("uncaughtException", listener)
      }
      assert.deepEqual(got, ["bad", "good"])
    })
  })

  describe("held by its pattern", () => {
    it("gives nothing to anybody until `resume`", async () => {
      const { inbox, gets } = make()
      inbox.held = true
      const waiting = inbox.receive()
      gets("a", "b", "c")
      assert.equal(inbox.readable, false)
      assert.equal(inbox.tryReceive(), null)
      inbox.resume()
      assert.equal(await waiting, "a")
      assert.equal(inbox.tryReceive(), "b")
    })

    it("gives one at a time when opening an item holds again", async () => {
      const taken: string[] = []
      const { inbox, gets } = make(
        {},
        {
          open: item => {
            inbox.held = true
            taken.push(item)
            return item
          },
        },
      )
      gets("a", "b", "c")
      assert.deepEqual(await inbox.receiveMany(), ["a"])
      inbox.resume()
      const consumer = inbox.consume(() => {
        if (taken.length < 3) inbox.resume()
      })
      assert.deepEqual(taken, ["a", "b", "c"])
      consumer.stop()
    })
  })

  describe("close", () => {
    it("rejects who waits, refuses who comes, and counts what nobody took", async () => {
      const { inbox, pipe, gets } = make()
      const other = make()
      const waiting = [other.inbox.receive(), other.inbox.receive()]
      other.inbox.close()
      for (const promise of waiting) await assert.rejects(promise, EAGAIN)
      gets("a", "b")
      inbox.close()
      inbox.close()
      assert.deepEqual(pipe.dropped, { closed: 2 })
      assert.equal(inbox.size, 0)
      assert.equal(inbox.isClosed, true)
      await assert.rejects(inbox.receive(), EBADF)
      await assert.rejects(inbox.receiveMany(), EBADF)
      assert.throws(() => inbox.tryReceive(), EBADF)
      assert.throws(() => inbox.consume(() => {}), EBADF)
      assert.deepEqual(await inbox.iterate().next(), { value: undefined, done: true })
    })

    it("ends a handler", () => {
      const { inbox, gets } = make()
      const got: string[] = []
      inbox.consume(item => got.push(item))
      inbox.close()
      gets("a")
      assert.deepEqual(got, [])
    })
  })
})
