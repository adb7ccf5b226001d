import assert from "node:assert/strict"
import type { HeddleError } from "../../../core/errors.ts"
import { PublisherPattern } from "../../../patterns/pubsub/publisher-pattern.ts"
import { FakePipe } from "../../support/fake-pipe.ts"
import { publisher, settingsOf } from "./support.ts"

/** A peer that has subscribed to these topics. */
function subscriber(pattern: PublisherPattern, ...topics: string[]): FakePipe {
  const pipe = new FakePipe(pattern, { socketType: "SUB" })
  for (const topic of topics) pipe.notes("SUBSCRIBE", topic)
  return pipe
}

describe("PublisherPattern", () => {
  describe("what must not happen", () => {
    it("PUB-3 drops what nobody wants, before and after there is a peer, and counts it as no-peer", () => {
      const pattern = publisher()
      assert.equal(pattern.outbox.trySend("a"), true)
      const pipe = subscriber(pattern, "b")
      assert.equal(pattern.outbox.trySend("a"), true)
      assert.deepEqual(pipe.taken(), [])
      assert.deepEqual(pattern.dropped, { "no-peer": 2 })
    })

    it("PUB-3 keeps nothing for a peer that is being dialled and has not subscribed yet", () => {
      const pattern = publisher()
      const pipe = new FakePipe(pattern, {}, false)
      pattern.outbox.trySend("early")
      pipe.goesOnline()
      pipe.notes("SUBSCRIBE", "")
      assert.deepEqual(pipe.taken(), [])
    })

    it("PUB-11 drops as malformed what a peer says and is no subscription", () => {
      const pattern = publisher()
      const pipe = subscriber(pattern)
      pipe.says("hello")
      pipe.says("")
      pipe.says("hello", "world")
      assert.deepEqual(pipe.dropped, { malformed: 3 })
      assert.equal(pattern.topicsCount, 0)
    })

    it("PUB-2 ignores notices that are none of its own", () => {
      const pattern = publisher()
      const pipe = subscriber(pattern)
      pipe.notes("JOIN", "a")
      pipe.notes("LEAVE", "a")
      assert.equal(pattern.topicsCount, 0)
      assert.equal(pipe.isClosed, false)
    })

    it("PUB-6 does not mind that something is cancelled that was not subscribed to", () => {
      const pattern = publisher()
      const pipe = subscriber(pattern, "a")
      pipe.notes("CANCEL", "b")
      pipe.notes("CANCEL", "")
      pipe.notes("CANCEL", "aa")
      pattern.outbox.trySend("a1")
      assert.deepEqual(pipe.taken(), ["a1"])
    })

    it("PUB-12 refuses a topic of more than 64 KiB in both forms, and takes one of exactly 64 KiB", () => {
      for (const form of ["notice", "message"]) {
        const pattern = publisher()
        const pipe = subscriber(pattern)
        const ask = (length: number) =>
          form === "notice" ? pipe.notes("SUBSCRIBE", "x".repeat(length)) : pipe.says(`\u0001${"x".repeat(length)}`)
        ask(65536)
        assert.equal(pattern.topicsCount, 1, form)
        ask(65537)
        assert.equal(pipe.isClosed, true, form)
        const error = pipe.closedWith as HeddleError
        assert.equal(error.code, "ERR_SUBSCRIPTION_LIMIT")
        assert.equal(error.fatal, true)
        assert.match(error.message, /65537 bytes/)
        assert.equal(pattern.topicsCount, 0, form)
      }
    })

    it("PUB-12 cancels nothing for a topic of more than 64 KiB", () => {
      const pattern = publisher()
      const pipe = subscriber(pattern, "")
      pipe.notes("CANCEL", "x".repeat(65537))
      assert.equal(pipe.isClosed, false)
      assert.equal(pattern.topicsCount, 1)
    })

    it("PUB-12 refuses a peer with more topics than allowed, and forgets all of them", () => {
      const pattern = publisher({ maxSubscriptions: 3 })
      const other = subscriber(pattern, "other")
      const pipe = subscriber(pattern, "a", "b", "c")
      pipe.notes("SUBSCRIBE", "c")
      assert.equal(pipe.isClosed, false, "a repeated one is not one more")
      pipe.notes("SUBSCRIBE", "d")
      assert.equal((pipe.closedWith as HeddleError).code, "ERR_SUBSCRIPTION_LIMIT")
      assert.equal(pattern.topicsCount, 1)
      pattern.outbox.trySend("other")
      pattern.outbox.trySend("a")
      assert.deepEqual(other.taken(), ["other"])
      assert.deepEqual(pipe.taken(), [])
    })

    it("PUB-12 makes room again by a cancellation", () => {
      const pattern = publisher({ maxSubscriptions: 2 })
      const pipe = subscriber(pattern, "a", "b")
      pipe.notes("CANCEL", "a")
      pipe.notes("SUBSCRIBE", "c")
      assert.equal(pipe.isClosed, false)
      assert.equal(pattern.topicsCount, 2)
    })

    it("PUB-12 refuses a peer whose topics are long beyond measure, though few", () => {
      const pattern = publisher({ maxSubscriptions: 4 })
      const pipe = subscriber(pattern, "x".repeat(512), "y".repeat(512))
      assert.equal(pipe.isClosed, false)
      pipe.notes("SUBSCRIBE", "z")
      assert.equal((pipe.closedWith as HeddleError).code, "ERR_SUBSCRIPTION_LIMIT")
    })

    it("PUB-12 has no limit with maxSubscriptions 0", () => {
      const pattern = publisher({ maxSubscriptions: 0 })
      const pipe = subscriber(pattern)
      for (let i = 0; i < 2000; i++) pipe.notes("SUBSCRIBE", `topic ${i}`)
      assert.equal(pipe.isClosed, false)
      assert.equal(pattern.topicsCount, 2000)
    })

    it("PUB-12 takes nothing more from the message that a peer was refused for", () => {
      const pattern = publisher({ maxSubscriptions: 1 })
      const pipe = subscriber(pattern)
      pipe.says("\u0001a", "\u0001b", "\u0001c", "rest")
      assert.equal(pipe.isClosed, true)
      assert.equal(pattern.topicsCount, 0)
      assert.deepEqual(pipe.dropped, {})
    })
  })

  it("PUB-1 sends to those that subscribed to a prefix of the first frame, and to nobody else", () => {
    const pattern = publisher()
    const all = subscriber(pattern, "")
    const exact = subscriber(pattern, "news.eu")
    const longer = subscriber(pattern, "news.eu.de")
    const prefix = subscriber(pattern, "news")
    const none = subscriber(pattern)
    pattern.outbox.trySend(["news.eu", "news.eu.de"])
    for (const pipe of [all, exact, prefix]) assert.deepEqual(pipe.taken(), ["news.eu|news.eu.de"])
    for (const pipe of [longer, none]) assert.deepEqual(pipe.taken(), [])
  })

  it("PUB-1 sends once to a peer of which several topics match", () => {
    const pattern = publisher()
    const one = subscriber(pattern, "", "a", "ab", "abc", "abcd")
    const two = subscriber(pattern, "a", "ab")
    pattern.outbox.trySend("abc")
    assert.deepEqual(one.taken(), ["abc"])
    assert.deepEqual(two.taken(), ["abc"])
  })

  it("PUB-1 an empty first frame is wanted by those that want everything", () => {
    const pattern = publisher()
    const all = subscriber(pattern, "")
    const some = subscriber(pattern, "a")
    pattern.outbox.trySend(["", "a"])
    assert.deepEqual(all.taken(), ["|a"])
    assert.deepEqual(some.taken(), [])
  })

  it("PUB-1 takes topics of any bytes", () => {
    const pattern = publisher()
    const pipe = subscriber(pattern, "\u0000\u0001\u00ff")
    pattern.outbox.trySend(Buffer.from([0, 1, 255, 7]))
    pattern.outbox.trySend(Buffer.from([0, 1, 254]))
    assert.deepEqual(pipe.taken(), ["\u0000\u0001\u00ff\u0007"])
  })

  it("PUB-1 finds topics as deep as 65,535 bytes, and one inside the other", () => {
    const pattern = publisher()
    const deep = "d".repeat(65535)
    const pipe = subscriber(pattern, deep)
    const stairs = subscriber(pattern, ...Array.from({ length: 1500 }, (_, i) => "d".repeat(i + 1)))
    pattern.outbox.trySend(deep.slice(1))
    assert.equal(pipe.sent.length, 0)
    assert.equal(stairs.taken().length, 1)
    pattern.outbox.trySend(`${deep}!`)
    assert.equal(pipe.taken().length, 1)
    assert.equal(stairs.taken().length, 1)
    stairs.leaves()
    pipe.leaves()
    assert.equal(pattern.topicsCount, 0)
  })

  it("PUB-2 takes notices and messages alike, and one cancels what the other asked for", () => {
    const pattern = publisher()
    const pipe = subscriber(pattern)
    pipe.says("\u0001a")
    pipe.notes("SUBSCRIBE", "b")
    pattern.outbox.trySend("a")
    pattern.outbox.trySend("b")
    assert.deepEqual(pipe.taken(), ["a", "b"])
    pipe.says("\u0000b")
    pipe.notes("CANCEL", "a")
    pattern.outbox.trySend("a")
    pattern.outbox.trySend("b")
    assert.deepEqual(pipe.taken(), [])
    pipe.says("\u0001")
    pattern.outbox.trySend("all")
    assert.deepEqual(pipe.taken(), ["all"])
  })

  it("PUB-6 subscribed twice and cancelled once is not subscribed", () => {
    const pattern = publisher()
    const pipe = subscriber(pattern, "a", "a")
    pipe.notes("CANCEL", "a")
    pattern.outbox.trySend("a")
    assert.deepEqual(pipe.taken(), [])
  })

  it("PUB-6 what one peer cancels, another keeps", () => {
    const pattern = publisher()
    const one = subscriber(pattern, "a")
    const two = subscriber(pattern, "a")
    one.notes("CANCEL", "a")
    pattern.outbox.trySend("a")
    assert.deepEqual(one.taken(), [])
    assert.deepEqual(two.taken(), ["a"])
  })

  it("PUB-4, PUB-5 drops for a full peer only, whole messages, and never waits", async () => {
    const pattern = publisher()
    const slow = subscriber(pattern, "")
    const quick = subscriber(pattern, "")
    slow.room = 1
    for (const word of ["a", "b", "c"]) await pattern.outbox.send([word, "body"])
    assert.deepEqual(slow.taken(), ["a|body"])
    assert.deepEqual(slow.dropped, { full: 2 })
    assert.deepEqual(quick.taken(), ["a|body", "b|body", "c|body"])
    assert.deepEqual(quick.dropped, {})
    assert.equal(pattern.canSend, true)
  })

  it("PUB-9 forgets a dialled peer's subscriptions when the connection ends, and takes new ones", () => {
    const pattern = publisher()
    const pipe = new FakePipe(pattern, {}, false)
    pipe.goesOnline()
    pipe.notes("SUBSCRIBE", "a")
    pipe.goesOffline()
    pattern.outbox.trySend("a1")
    assert.equal(pattern.topicsCount, 0)
    pipe.goesOnline()
    pattern.outbox.trySend("a2")
    pipe.notes("SUBSCRIBE", "a")
    pattern.outbox.trySend("a3")
    assert.deepEqual(pipe.taken(), ["a3"])
  })

  it("PUB-9 forgets a peer that leaves", () => {
    const pattern = publisher()
    const pipe = subscriber(pattern, "a", "b")
    pipe.leaves()
    assert.equal(pattern.topicsCount, 0)
    assert.equal(pattern.subscribersOf(null), 0)
    pattern.outbox.trySend("a")
    assert.deepEqual(pipe.taken(), [])
  })

  it("PUB-10 looks into every frame, and passes the rest on as one message", () => {
    const pattern = publisher()
    const pipe = subscriber(pattern)
    pipe.says("\u0001a", "hello", "\u0001b")
    pattern.outbox.trySend("a")
    pattern.outbox.trySend("b")
    assert.deepEqual(pipe.taken(), ["a", "b"])
    assert.deepEqual(pipe.dropped, { malformed: 1 })
  })

  it("PUB-10 looks into the first frame only, with onlyFirstSubscribe", () => {
    const pattern = publisher({ onlyFirstSubscribe: true })
    const pipe = subscriber(pattern)
    pipe.says("\u0001a", "\u0001b")
    pipe.says("hello", "\u0001c")
    assert.equal(pattern.topicsCount, 1)
    pattern.outbox.trySend("a")
    assert.deepEqual(pipe.taken(), ["a"])
    assert.deepEqual(pipe.dropped, { malformed: 2 })
  })

  describe("PUB-7 noDrop", () => {
    it("sends nothing to anyone while one that wants it is full", () => {
      const pattern = publisher({ noDrop: true })
      const quick = subscriber(pattern, "a")
      const slow = subscriber(pattern, "a")
      slow.room = 0
      assert.equal(pattern.outbox.trySend("a"), false)
      assert.equal(pattern.canSend, false)
      assert.deepEqual(quick.taken(), [])
      assert.deepEqual(slow.dropped, {})
    })

    it("does not mind that somebody is full who does not want it", () => {
      const pattern = publisher({ noDrop: true })
      const quick = subscriber(pattern, "a")
      const slow = subscriber(pattern, "b")
      slow.room = 0
      assert.equal(pattern.outbox.trySend("a"), true)
      assert.deepEqual(quick.taken(), ["a"])
    })

    it("keeps the order of those who wait, and goes on when there is room", async () => {
      const pattern = publisher({ noDrop: true })
      const quick = subscriber(pattern, "")
      const slow = subscriber(pattern, "")
      slow.room = 0
      const sends = [pattern.outbox.send("a"), pattern.outbox.send("b")]
      assert.equal(pattern.outbox.trySend("c"), false)
      assert.deepEqual(quick.taken(), [])
      slow.drains(1)
      await sends[0]
      assert.deepEqual(quick.taken(), ["a"])
      slow.drains(5)
      await sends[1]
      assert.deepEqual(quick.taken(), ["b"])
      assert.deepEqual(slow.taken(), ["a", "b"])
    })

    it("goes on when the full peer cancels", async () => {
      const pattern = publisher({ noDrop: true })
      const quick = subscriber(pattern, "a")
      const slow = subscriber(pattern, "a")
      slow.room = 0
      const sent = pattern.outbox.send("a")
      slow.notes("CANCEL", "a")
      await sent
      assert.deepEqual(quick.taken(), ["a"])
    })

    it("goes on when the full peer is gone, also the last", async () => {
      const pattern = publisher({ noDrop: true })
      const slow = subscriber(pattern, "a")
      slow.room = 0
      const sent = pattern.outbox.send("a")
      slow.leaves()
      await sent
      assert.equal(pattern.canSend, true)
    })

    it("rejects with EAGAIN after sendTimeout 0", async () => {
      const pattern = publisher({ noDrop: true, sendTimeout: 0 })
      subscriber(pattern, "").room = 0
      await assert.rejects(pattern.outbox.send("a"), { code: "EAGAIN" })
    })

    it("acts at once when it is set later", () => {
      const settings = settingsOf()
      const pattern = new PublisherPattern(settings)
      subscriber(pattern, "").room = 0
      assert.equal(pattern.outbox.trySend("a"), true)
      settings.noDrop = true
      assert.equal(pattern.outbox.trySend("a"), false)
    })
  })

  describe("PUB-8 invertMatching", () => {
    it("sends to those that did not subscribe to it", () => {
      const pattern = publisher({ invertMatching: true })
      const a = subscriber(pattern, "a")
      const b = subscriber(pattern, "b")
      const nothing = subscriber(pattern)
      const everything = subscriber(pattern, "")
      for (const word of ["a1", "a2", "b1", "c1"]) pattern.outbox.trySend(word)
      assert.deepEqual(a.taken(), ["b1", "c1"])
      assert.deepEqual(b.taken(), ["a1", "a2", "c1"])
      assert.deepEqual(nothing.taken(), ["a1", "a2", "b1", "c1"])
      assert.deepEqual(everything.taken(), [])
    })

    it("follows peers that come, go, subscribe and cancel between two messages of one topic", () => {
      const pattern = publisher({ invertMatching: true })
      const first = subscriber(pattern, "a")
      pattern.outbox.trySend("a1")
      const second = subscriber(pattern)
      pattern.outbox.trySend("a2")
      first.notes("CANCEL", "a")
      pattern.outbox.trySend("a3")
      second.leaves()
      pattern.outbox.trySend("a4")
      first.notes("SUBSCRIBE", "a")
      pattern.outbox.trySend("a5")
      assert.deepEqual(first.taken(), ["a3", "a4"])
      assert.deepEqual(second.taken(), ["a2", "a3"])
      assert.deepEqual(pattern.dropped, { "no-peer": 2 })
    })

    it("sends nothing to a peer that is not connected", () => {
      const pattern = publisher({ invertMatching: true })
      const pipe = new FakePipe(pattern, {}, false)
      pattern.outbox.trySend("a")
      assert.deepEqual(pipe.taken(), [])
    })
  })

  describe("PUB-14 ready", () => {
    it("counts peers with any topic, and peers that get a topic", () => {
      const pattern = publisher()
      const one = subscriber(pattern, "a", "b")
      const two = subscriber(pattern, "ab")
      subscriber(pattern)
      const count = (topic: string) => pattern.subscribersOf(Buffer.from(topic))
      assert.equal(pattern.subscribersOf(null), 2)
      assert.deepEqual([count("a"), count("ab"), count("b"), count("c")], [1, 2, 1, 0])
      one.notes("CANCEL", "a")
      assert.equal(pattern.subscribersOf(null), 2)
      one.notes("CANCEL", "b")
      assert.equal(pattern.subscribersOf(null), 1)
      two.leaves()
      assert.equal(pattern.subscribersOf(null), 0)
    })

    it("tells of every change, and of nothing else", () => {
      const pattern = publisher()
      let changes = 0
      pattern.subscriptionsChanged = () => changes++
      const pipe = subscriber(pattern, "a", "a")
      pipe.notes("CANCEL", "b")
      assert.equal(changes, 1)
      pipe.notes("CANCEL", "a")
      assert.equal(changes, 2)
    })

    it("counts the topics", () => {
      const pattern = publisher()
      subscriber(pattern, "a", "b")
      subscriber(pattern, "b", "c")
      assert.equal(pattern.topicsCount, 3)
    })
  })
})
