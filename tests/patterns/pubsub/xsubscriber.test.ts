import assert from "node:assert/strict"
import { XSubscriberPattern } from "../../../patterns/pubsub/xsubscriber-pattern.ts"
import { FakePipe, PATTERN_OPTIONS } from "../../support/fake-pipe.ts"
import { received } from "./support.ts"

const settingsOf = () => ({ ...PATTERN_OPTIONS, onlyFirstSubscribe: false, verboseUnsubscribe: false })
const xsubscriber = (settings: Partial<ReturnType<typeof settingsOf>> = {}): XSubscriberPattern =>
  new XSubscriberPattern({ ...settingsOf(), ...settings })
const publisher = (pattern: XSubscriberPattern): FakePipe => new FakePipe(pattern, { socketType: "XPUB" })

describe("XSubscriberPattern", () => {
  describe("what must not happen", () => {
    it("XSUB-4 never waits: a full publisher misses the message, without one it is dropped as no-peer", async () => {
      const pattern = xsubscriber()
      await pattern.outbox.send("hello")
      assert.deepEqual(pattern.dropped, { "no-peer": 1 })
      const [full, free] = [publisher(pattern), publisher(pattern)]
      full.room = 0
      await pattern.outbox.send("hello")
      assert.equal(pattern.canSend, true)
      assert.deepEqual(full.dropped, { full: 1 })
      assert.deepEqual(free.taken(), ["hello"])
    })

    it("SUB-9 refuses a topic of more than 64 KiB, and does nothing else with the message", () => {
      const pattern = xsubscriber()
      const pipe = publisher(pattern)
      const long = `\u0001${"x".repeat(65537)}`
      assert.throws(() => pattern.outbox.trySend(long), { code: "EINVAL" })
      assert.throws(() => pattern.outbox.trySend(["\u0001a", long, "b"]), { code: "EINVAL" })
      assert.deepEqual(pipe.controls, [])
      assert.deepEqual(pipe.taken(), [])
      assert.equal(pattern.topicsCount, 0)
    })

    it("SUB-3 tells nobody that something is taken back that was not given", () => {
      const pattern = xsubscriber()
      const pipe = publisher(pattern)
      pattern.outbox.trySend("\u0000a")
      assert.deepEqual(pipe.controls, [])
      assert.deepEqual(pipe.taken(), [])
    })
  })

  it("XSUB-1, SUB-2, SUB-3 subscribes and takes back by messages", () => {
    const pattern = xsubscriber()
    const pipe = publisher(pattern)
    for (const message of ["\u0001a", "\u0001a", "\u0000a", "\u0000a", "\u0001"]) pattern.outbox.trySend(message)
    assert.deepEqual(pipe.controls, [
      ["SUBSCRIBE", "a"],
      ["SUBSCRIBE", "a"],
      ["CANCEL", "a"],
      ["SUBSCRIBE", ""],
    ])
    assert.deepEqual(pipe.taken(), [])
    assert.equal(pattern.topicsCount, 1)
  })

  it("SUB-4 tells a new connection all topics, each once", () => {
    const pattern = xsubscriber()
    for (const message of ["\u0001a", "\u0001a", "\u0001b"]) pattern.outbox.trySend(message)
    const pipe = new FakePipe(pattern, {}, false)
    pipe.goesOnline()
    pipe.goesOffline()
    pipe.goesOnline()
    assert.deepEqual(pipe.controls.map(([name, topic]) => name + topic).sort(), [
      "SUBSCRIBEa",
      "SUBSCRIBEa",
      "SUBSCRIBEb",
      "SUBSCRIBEb",
    ])
  })

  it("XSUB-2 gives all that comes", () => {
    const pattern = xsubscriber()
    const pipe = publisher(pattern)
    pipe.says("whatever", "it is")
    assert.deepEqual(received(pattern.inbox), ["whatever|it is"])
  })

  it("XSUB-3 sends other messages to all publishers, those that are being dialled included", () => {
    const pattern = xsubscriber()
    const one = publisher(pattern)
    const two = new FakePipe(pattern, {}, false)
    for (const message of ["hello", ["two", "frames"], "", "\u0002x"]) pattern.outbox.trySend(message)
    for (const pipe of [one, two]) assert.deepEqual(pipe.taken(), ["hello", "two|frames", "", "\u0002x"])
    two.leaves()
    pattern.outbox.trySend("for one")
    assert.deepEqual(one.taken(), ["for one"])
    assert.deepEqual(two.taken(), [])
  })

  it("XSUB-5 tells every time with verboseUnsubscribe", () => {
    const pattern = xsubscriber({ verboseUnsubscribe: true })
    const pipe = publisher(pattern)
    for (const message of ["\u0001a", "\u0001a", "\u0000a", "\u0000a", "\u0000a"]) pattern.outbox.trySend(message)
    assert.deepEqual(
      pipe.controls.map(([name]) => name),
      ["SUBSCRIBE", "SUBSCRIBE", "CANCEL", "CANCEL", "CANCEL"],
    )
  })

  it("XSUB-6 looks into every frame, the others are one message", () => {
    const pattern = xsubscriber()
    const pipe = publisher(pattern)
    pattern.outbox.trySend(["head", "\u0001a", "tail", "\u0001b"])
    assert.deepEqual(pipe.controls, [
      ["SUBSCRIBE", "a"],
      ["SUBSCRIBE", "b"],
    ])
    assert.deepEqual(pipe.taken(), ["head|tail"])
    pattern.outbox.trySend(["\u0000a", "\u0000b"])
    assert.deepEqual(pipe.taken(), [])
    assert.equal(pattern.topicsCount, 0)
  })

  it("XSUB-6 looks into the first frame only, with onlyFirstSubscribe", () => {
    const pattern = xsubscriber({ onlyFirstSubscribe: true })
    const pipe = publisher(pattern)
    pattern.outbox.trySend(["head", "\u0001a"])
    pattern.outbox.trySend(["\u0001b", "\u0001c"])
    assert.deepEqual(pipe.controls, [["SUBSCRIBE", "b"]])
    assert.deepEqual(pipe.taken(), ["head|\u0001a", "\u0001c"])
  })

  it("SUB-7 stops reading at the high-water mark; what came stays readable", () => {
    const pattern = xsubscriber({ receiveHighWaterMark: 1 })
    const pipe = publisher(pattern)
    pipe.says("a")
    assert.equal(pipe.paused, true)
    pipe.leaves()
    assert.deepEqual(received(pattern.inbox), ["a"])
  })
})
