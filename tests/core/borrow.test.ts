import assert from "node:assert/strict"
import type { Message } from "../../core/contract.ts"
import { type FrameHandler, Inbox, type InboxOptions, type InboxRules } from "../../core/inbox.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { FakePipe } from "../support/fake-pipe.ts"
import { Lent } from "../support/lent.ts"
import { coded } from "../support/pattern.ts"
import { turns } from "../support/wait.ts"

const IDLE = { attach() {}, receive() {}, writable() {}, detach() {} }

const toFrames = (text: string): Buffer[] => text.split("|").map(part => Buffer.from(part))

const make = (options: Partial<InboxOptions> = {}, rules?: InboxRules<Message, Message>) => {
  const inbox = new Inbox<Message>({ receiveHighWaterMark: 1_000, receiveTimeout: -1, ...options }, rules)
  later(() => inbox.close())
  const pipe = new FakePipe(IDLE)
  /** As a connection does: lent while that is wanted, otherwise as a message. Returns how many were lent. */
  const gets = (...messages: string[]): number => {
    let lent = 0
    for (const message of messages) {
      const loan = new Lent(toFrames(message))
      if (inbox.borrows && inbox.lend(loan)) lent++
      else inbox.deliver(pipe, toFrames(message))
      loan.spoil()
    }
    return lent
  }
  return { inbox, pipe, gets }
}

/** Puts together what a handler is given: "a|b" for a message of two frames. */
class Reader {
  readonly messages: string[] = []
  /** Frames whose message is not whole. */
  open = ""
  onFrame: ((text: string, more: boolean) => void) | null = null
  readonly handler: FrameHandler = (bytes, start, end, more) => {
    const text = bytes.toString("latin1", start, end)
    if (more) this.open += `${text}|`
    else {
      this.messages.push(this.open + text)
      this.open = ""
    }
    this.onFrame?.(text, more)
  }
}

/** The first error that surfaces as uncaught while `body` runs or soon after. */
async function uncaught(body: () => void): Promise<Error> {
  const listeners = process.listeners("uncaughtException")
  process.removeAllListeners("uncaughtException")
  try {
    const caught = new Promise<Error>(resolve => process.once("uncaughtException", resolve))
    body()
    return await caught
  } finally {
    process.removeAllListeners("uncaughtException")
    for (const listener of listeners) process.on("uncaughtException", listener)
  }
}

describe("Inbox.borrow", () => {
  closesAfterEach()

  it("gives what waits, as messages, then what comes, as loans, with the frames of a message in a row", () => {
    const { inbox, gets } = make()
    const reader = new Reader()
    assert.equal(gets("a", "b|c"), 0)
    const consumer = inbox.borrow(reader.handler)
    assert.deepEqual(reader.messages, ["a", "b|c"])
    assert.equal(gets("d", "e||f", ""), 3)
    assert.deepEqual(reader.messages, ["a", "b|c", "d", "e||f", ""])
    consumer.stop()
    consumer.stop()
    assert.equal(gets("g"), 0)
    assert.deepEqual(inbox.tryReceive()?.map(String), ["g"])
  })

  it("takes turns with consume: one handler at a time, whichever", () => {
    const { inbox, gets } = make()
    const reader = new Reader()
    const got: string[] = []
    const first = inbox.consume(message => got.push(message.join("|")))
    assert.throws(() => inbox.borrow(reader.handler), TypeError)
    assert.equal(inbox.borrows, false)
    assert.equal(gets("a"), 0)
    first.stop()
    const second = inbox.borrow(reader.handler)
    assert.throws(() => inbox.borrow(() => {}), TypeError)
    assert.throws(() => inbox.consume(() => {}), TypeError)
    assert.equal(gets("b"), 1)
    second.stop()
    inbox.consume(message => got.push(message.join("|")))
    first.stop()
    second.stop()
    gets("c")
    assert.deepEqual([got, reader.messages], [["a", "c"], ["b"]])
  })

  it("lends nothing while anything waits: the order stays, and a long queue yields to the event loop", async () => {
    const { inbox, gets } = make({ receiveHighWaterMark: 0 })
    const expected = Array.from({ length: 300 }, (_, i) => `${i}`)
    gets(...expected.slice(0, 200))
    const reader = new Reader()
    reader.onFrame = () => {
      const until = performance.now() + 0.5
      while (performance.now() < until);
    }
    inbox.borrow(reader.handler)
    assert.ok(reader.messages.length < 200, "a tenth of a second passed in one turn")
    assert.equal(gets(...expected.slice(200)), 0)
    while (reader.messages.length < 300) await turns(1)
    assert.deepEqual(reader.messages, expected)
    assert.equal(gets("x"), 1)
  })

  it("ends within a message: no frame more of that message, the next ones wait", () => {
    for (const waits of [true, false]) {
      const { inbox, gets } = make()
      const reader = new Reader()
      if (waits) gets("a", "b|c|d", "e")
      reader.onFrame = text => {
        if (text === "c") consumer.stop()
      }
      // While what waits is poured out there is no consumer yet.
      const consumer = waits ? { stop: () => inbox.close() } : inbox.borrow(reader.handler)
      if (waits) inbox.borrow(reader.handler)
      else gets("a", "b|c|d", "e")
      assert.deepEqual([reader.messages, reader.open], [["a"], "b|c|"])
      if (!waits) assert.deepEqual(inbox.tryReceive()?.map(String), ["e"])
    }
  })

  it("lets a mistake of the handler surface as an uncaught error, and goes on, with the message at hand too", async () => {
    const { inbox, gets } = make()
    const reader = new Reader()
    reader.onFrame = text => {
      if (text === "bad") throw new RangeError("a mistake")
    }
    gets("bad|waited")
    const first = await uncaught(() => {
      inbox.borrow(reader.handler)
    })
    assert.match(first.message, /a mistake/)
    const second = await uncaught(() => void gets("bad|lent", "good"))
    assert.match(second.message, /a mistake/)
    assert.deepEqual(reader.messages, ["bad|waited", "bad|lent", "good"])
  })

  it("opens what the pattern opens, and gives nothing while the pattern holds", () => {
    const { inbox, gets } = make({}, { open: message => message.slice(1) })
    const reader = new Reader()
    gets("id|a")
    inbox.borrow(reader.handler)
    assert.deepEqual(reader.messages, ["a"])
    inbox.held = true
    assert.equal(inbox.borrows, false)
    gets("id|b")
    assert.deepEqual(reader.messages, ["a"])
    inbox.resume()
    assert.deepEqual(reader.messages, ["a", "b"])
  })

  it("is refused where what users get is more than frames, and by who is closed", () => {
    const { inbox } = make({}, { framesOnly: false })
    assert.throws(() => inbox.borrow(() => {}), coded("ENOTSUP", /consume/))
    const other = make().inbox
    other.close()
    assert.throws(() => other.borrow(() => {}), coded("EBADF"))
    assert.equal(other.borrows, false)
  })

  it("ends when the inbox closes", () => {
    const { inbox, gets } = make()
    const reader = new Reader()
    inbox.borrow(reader.handler)
    inbox.close()
    assert.equal(gets("a"), 0)
    assert.deepEqual(reader.messages, [])
  })
})
