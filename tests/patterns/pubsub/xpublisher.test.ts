import assert from "node:assert/strict"
import type { HeddleError } from "../../../core/errors.ts"
import { XPublisherPattern } from "../../../patterns/pubsub/xpublisher-pattern.ts"
import { FakePipe } from "../../support/fake-pipe.ts"
import { received, settingsOf, text, xpublisher } from "./support.ts"

const peer = (pattern: XPublisherPattern): FakePipe => new FakePipe(pattern, { socketType: "XSUB" })
const topic = (name: string): Buffer => Buffer.from(name)

describe("XPublisherPattern", () => {
  describe("what must not happen", () => {
    it("XPUB-5 does not tell the end of what never began", () => {
      for (const verbosity of [null, "allSubs", "allSubsUnsubs"] as const) {
        for (const manual of [false, true]) {
          const pattern = xpublisher({ verbosity, manual })
          const pipe = peer(pattern)
          pipe.notes("CANCEL", "a")
          pipe.says("\u0000a")
          pipe.notes("CANCEL", "")
          assert.deepEqual(received(pattern.inbox), [], `${verbosity} ${manual}`)
        }
      }
    })

    it("PUB-12 refuses who asks for too much, and tells the end of what was told, and of nothing else", () => {
      const pattern = xpublisher({ maxSubscriptions: 2 })
      const pipe = peer(pattern)
      for (const name of ["a", "b", "c"]) pipe.notes("SUBSCRIBE", name)
      assert.equal((pipe.closedWith as HeddleError).code, "ERR_SUBSCRIPTION_LIMIT")
      assert.deepEqual(received(pattern.inbox).sort(), ["+a", "+b", "-a", "-b"])
    })

    it("PUB-12, XPUB-9 counts requests with manual, and not what is granted", () => {
      const pattern = xpublisher({ maxSubscriptions: 2, manual: true })
      const pipe = peer(pattern)
      pipe.notes("SUBSCRIBE", "a")
      assert.deepEqual(received(pattern.inbox), ["+a"])
      for (const name of ["x", "y", "z"]) pattern.grant(topic(name))
      assert.equal(pattern.topicsCount, 3)
      pipe.notes("SUBSCRIBE", "b")
      assert.equal(pipe.isClosed, false)
      pipe.notes("SUBSCRIBE", "c")
      assert.equal(pipe.isClosed, true)
      assert.equal(pattern.topicsCount, 0)
    })

    it("keeps nothing once the socket is closed", () => {
      const pattern = xpublisher()
      const pipe = peer(pattern)
      pipe.notes("SUBSCRIBE", "a")
      pattern.inbox.close()
      assert.deepEqual(pattern.dropped, { closed: 1 })
      pipe.notes("SUBSCRIBE", "b")
      pipe.says("hello")
      pipe.leaves()
      assert.equal(pattern.inbox.size, 0)
    })

    it("XPUB-10 grants nothing before something was taken, nor to a peer that is gone", () => {
      const pattern = xpublisher({ manual: true })
      const pipe = peer(pattern)
      pipe.notes("SUBSCRIBE", "a")
      assert.equal(pattern.grant(topic("a")), false)
      assert.deepEqual(received(pattern.inbox), ["+a"])
      pipe.leaves()
      assert.equal(pattern.grant(topic("a")), false)
      assert.equal(pattern.revoke(topic("a")), false)
      assert.equal(pattern.topicsCount, 0)
      assert.deepEqual(received(pattern.inbox), ["-a"])
      const other = peer(pattern)
      assert.equal(pattern.grant(topic("a")), false, "that a peer is gone is news from nobody")
      pattern.outbox.trySend("a")
      assert.deepEqual(other.taken(), [])
    })

    it("XPUB-10 grants nothing to the next connection of a peer for a request of the last", () => {
      const pattern = xpublisher({ manual: true })
      const pipe = new FakePipe(pattern, {}, false)
      pipe.goesOnline()
      pipe.notes("SUBSCRIBE", "a")
      pipe.goesOffline()
      pipe.goesOnline()
      assert.equal(text(pattern.inbox.tryReceive() ?? []), "+a")
      assert.equal(pattern.grant(topic("a")), false)
      assert.equal(pattern.topicsCount, 0)
    })
  })

  it("XPUB-1, XPUB-2 tells the first subscription and the end of the last", () => {
    const pattern = xpublisher()
    const one = peer(pattern)
    const two = peer(pattern)
    one.notes("SUBSCRIBE", "a")
    one.says("\u0001a")
    two.notes("SUBSCRIBE", "a")
    two.notes("SUBSCRIBE", "")
    one.notes("CANCEL", "a")
    two.says("\u0000a")
    assert.deepEqual(received(pattern.inbox), ["+a", "+", "-a"])
  })

  it("XPUB-1 keeps the order over all peers, however much of one peer is waiting", () => {
    const pattern = xpublisher()
    const one = peer(pattern)
    const two = peer(pattern)
    for (let i = 0; i < 20; i++) one.notes("SUBSCRIBE", `topic ${i}`)
    one.notes("SUBSCRIBE", "a")
    two.notes("SUBSCRIBE", "a")
    one.notes("CANCEL", "a")
    two.notes("CANCEL", "a")
    two.says("hello")
    assert.deepEqual(received(pattern.inbox).slice(20), ["+a", "-a", "hello"])
  })

  it("XPUB-1 follows a subscription before it tells of it", () => {
    const pattern = xpublisher()
    const pipe = peer(pattern)
    const consumer = pattern.inbox.consume(message => pattern.outbox.trySend(message[0].subarray(1)))
    pipe.notes("SUBSCRIBE", "welcome")
    consumer.stop()
    assert.deepEqual(pipe.taken(), ["welcome"])
  })

  describe("XPUB-3 verbosity", () => {
    const script = (pattern: XPublisherPattern): string[] => {
      const one = peer(pattern)
      const two = peer(pattern)
      one.notes("SUBSCRIBE", "a")
      one.notes("SUBSCRIBE", "a")
      two.notes("SUBSCRIBE", "a")
      one.notes("CANCEL", "a")
      one.notes("CANCEL", "a")
      two.notes("CANCEL", "a")
      return received(pattern.inbox)
    }

    it("null: first and last", () => {
      assert.deepEqual(script(xpublisher()), ["+a", "-a"])
    })

    it("allSubs: every subscription, and the last end", () => {
      assert.deepEqual(script(xpublisher({ verbosity: "allSubs" })), ["+a", "+a", "+a", "-a"])
    })

    it("allSubsUnsubs: every one", () => {
      assert.deepEqual(script(xpublisher({ verbosity: "allSubsUnsubs" })), ["+a", "+a", "+a", "-a", "-a"])
    })

    it("acts at once when it is changed", () => {
      const settings = settingsOf()
      const pattern = new XPublisherPattern(settings)
      const pipe = peer(pattern)
      const ask = (): string[] => {
        pipe.notes("SUBSCRIBE", "a")
        return received(pattern.inbox)
      }
      assert.deepEqual(ask(), ["+a"])
      assert.deepEqual(ask(), [])
      settings.verbosity = "allSubs"
      assert.deepEqual(ask(), ["+a"])
      settings.verbosity = null
      assert.deepEqual(ask(), [])
    })
  })

  describe("XPUB-4 loss of a peer", () => {
    const script = (pattern: XPublisherPattern): string[] => {
      const one = peer(pattern)
      const two = peer(pattern)
      for (const name of ["a", "b", "b", "c"]) one.notes("SUBSCRIBE", name)
      for (const name of ["b", "d"]) two.notes("SUBSCRIBE", name)
      received(pattern.inbox)
      one.leaves()
      return received(pattern.inbox)
    }

    it("null and allSubs: what nobody else holds", () => {
      assert.deepEqual(script(xpublisher()).sort(), ["-a", "-c"])
      assert.deepEqual(script(xpublisher({ verbosity: "allSubs" })).sort(), ["-a", "-c"])
    })

    it("allSubsUnsubs: all that it held", () => {
      assert.deepEqual(script(xpublisher({ verbosity: "allSubsUnsubs" })), ["-a", "-b", "-c"])
    })

    it("manual: all that it asked for, whatever was granted", () => {
      const pattern = xpublisher({ manual: true })
      const one = peer(pattern)
      const two = peer(pattern)
      one.notes("SUBSCRIBE", "a")
      two.notes("SUBSCRIBE", "a")
      one.notes("SUBSCRIBE", "b")
      assert.deepEqual(received(pattern.inbox), ["+a", "+a", "+b"])
      pattern.grant(topic("granted"))
      one.leaves()
      assert.deepEqual(received(pattern.inbox), ["-a", "-b"])
      assert.equal(pattern.topicsCount, 0)
      two.leaves()
      assert.deepEqual(received(pattern.inbox), ["-a"])
    })

    it("a dialled peer that goes offline", () => {
      const pattern = xpublisher()
      const pipe = new FakePipe(pattern, {}, false)
      pipe.goesOnline()
      pipe.notes("SUBSCRIBE", "a")
      pipe.goesOffline()
      pipe.goesOnline()
      pipe.notes("SUBSCRIBE", "a")
      assert.deepEqual(received(pattern.inbox), ["+a", "-a", "+a"])
      pipe.leaves()
      assert.deepEqual(received(pattern.inbox), ["-a"])
    })

    it("a handler that sends meanwhile does not reach the peer that is gone", () => {
      const pattern = xpublisher()
      const one = peer(pattern)
      const two = peer(pattern)
      for (const name of ["a", "b", "c"]) one.notes("SUBSCRIBE", name)
      two.notes("SUBSCRIBE", "gone")
      received(pattern.inbox)
      const consumer = pattern.inbox.consume(message => {
        pattern.outbox.trySend([`gone ${text(message)}`])
        pattern.outbox.trySend("a")
      })
      one.leaves()
      consumer.stop()
      assert.deepEqual(one.taken(), [])
      assert.equal(two.taken().length, 3)
    })
  })

  it("XPUB-6 gives messages of peers as they are", () => {
    const pattern = xpublisher()
    const pipe = peer(pattern)
    pipe.says("hello")
    pipe.says("two", "frames")
    pipe.says("")
    pipe.says("", "\u0002x")
    assert.deepEqual(received(pattern.inbox), ["hello", "two|frames", "", "|\u0002x"])
  })

  it("XPUB-6, PUB-10 gives subscriptions of a message of several frames first, the rest as one", () => {
    const pattern = xpublisher()
    peer(pattern).says("head", "\u0001a", "tail")
    assert.deepEqual(received(pattern.inbox), ["+a", "head|tail"])
  })

  it("XPUB-7 stops reading from a peer whose messages wait, until half were taken", () => {
    const pattern = xpublisher({ receiveHighWaterMark: 4 })
    const busy = peer(pattern)
    const calm = peer(pattern)
    for (let i = 0; i < 3; i++) busy.says("m")
    for (let i = 0; i < 10; i++) calm.notes("SUBSCRIBE", `${i}`)
    assert.equal(busy.paused, false)
    busy.says("m")
    assert.equal(busy.paused, true)
    assert.equal(calm.paused, false, "subscriptions do not count")
    pattern.inbox.tryReceive()
    assert.equal(busy.paused, true)
    pattern.inbox.tryReceive()
    assert.equal(busy.paused, false)
    received(pattern.inbox)
    for (let i = 0; i < 4; i++) busy.says("m")
    assert.equal(busy.paused, true)
  })

  it("XPUB-7 does not stop a peer whose messages are handled at once", () => {
    const pattern = xpublisher({ receiveHighWaterMark: 1 })
    const pipe = peer(pattern)
    const consumer = pattern.inbox.consume(() => {})
    for (let i = 0; i < 10; i++) pipe.says("m")
    consumer.stop()
    assert.equal(pipe.paused, false)
  })

  it("XPUB-7 does not stop anybody without a high-water mark", () => {
    const pattern = xpublisher({ receiveHighWaterMark: 0 })
    const pipe = peer(pattern)
    for (let i = 0; i < 5000; i++) pipe.says("m")
    assert.equal(pipe.paused, false)
  })

  describe("XPUB-9, XPUB-10 manual", () => {
    it("follows nothing by itself", () => {
      const pattern = xpublisher({ manual: true })
      const pipe = peer(pattern)
      pipe.notes("SUBSCRIBE", "a")
      pipe.notes("SUBSCRIBE", "a")
      pipe.notes("CANCEL", "a")
      pattern.outbox.trySend("a")
      assert.deepEqual(pipe.taken(), [])
      assert.deepEqual(received(pattern.inbox), ["+a", "+a", "-a"])
    })

    it("grants and revokes other topics than were asked for", () => {
      const pattern = xpublisher({ manual: true })
      const pipe = peer(pattern)
      pipe.notes("SUBSCRIBE", "a")
      received(pattern.inbox)
      assert.equal(pattern.grant(topic("xa")), true)
      for (const word of ["a", "xa"]) pattern.outbox.trySend(word)
      assert.deepEqual(pipe.taken(), ["xa"])
      assert.equal(pattern.subscribersOf(null), 1)
      pipe.notes("CANCEL", "a")
      pattern.outbox.trySend("xa")
      assert.deepEqual(pipe.taken(), ["xa"])
      received(pattern.inbox)
      assert.equal(pattern.revoke(topic("xa")), true)
      pattern.outbox.trySend("xa")
      assert.deepEqual(pipe.taken(), [])
      assert.equal(pattern.subscribersOf(null), 0)
    })

    it("applies to the peer whose message was taken last, messages that are no subscription included", () => {
      const pattern = xpublisher({ manual: true })
      const one = peer(pattern)
      const two = peer(pattern)
      one.says("hello")
      two.notes("SUBSCRIBE", "b")
      one.notes("SUBSCRIBE", "a")
      two.says("hello")
      const grants = ["for one", "for two", "for one too", "for two too"]
      for (const name of grants) {
        pattern.inbox.tryReceive()
        assert.equal(pattern.grant(topic(name)), true)
      }
      for (const name of grants) pattern.outbox.trySend(name)
      assert.deepEqual(one.taken(), ["for one", "for one too"])
      assert.deepEqual(two.taken(), ["for two", "for two too"])
    })

    it("follows by itself again when it is switched off", () => {
      const settings = { ...settingsOf(), manual: true }
      const pattern = new XPublisherPattern(settings)
      const pipe = peer(pattern)
      pipe.notes("SUBSCRIBE", "a")
      settings.manual = false
      pipe.notes("SUBSCRIBE", "b")
      for (const word of ["a", "b"]) pattern.outbox.trySend(word)
      assert.deepEqual(pipe.taken(), ["b"])
      pipe.leaves()
      assert.deepEqual(received(pattern.inbox), ["+a", "+b", "-b"])
    })
  })

  describe("XPUB-11 lastValue", () => {
    it("sends the first message after a subscription to the new subscriber alone", () => {
      const pattern = xpublisher({ lastValue: true })
      const [one, two] = [peer(pattern), peer(pattern)]
      for (const pipe of [one, two]) {
        pipe.notes("SUBSCRIBE", "a")
        assert.deepEqual(received(pattern.inbox), ["+a"])
        pattern.grant(topic("a"))
        pattern.outbox.trySend("a last")
        pattern.outbox.trySend("a new")
      }
      assert.deepEqual(one.taken(), ["a last", "a new", "a new"])
      assert.deepEqual(two.taken(), ["a last", "a new"])
    })

    it("sends it to nobody when no topic of the subscriber matches, and then as always", () => {
      const pattern = xpublisher({ lastValue: true })
      const [one, two] = [peer(pattern), peer(pattern)]
      one.notes("SUBSCRIBE", "a")
      received(pattern.inbox)
      pattern.grant(topic("a"))
      pattern.outbox.trySend("a0")
      two.notes("SUBSCRIBE", "b")
      received(pattern.inbox)
      pattern.grant(topic("b"))
      pattern.outbox.trySend("a1")
      pattern.outbox.trySend("a2")
      assert.deepEqual(one.taken(), ["a0", "a2"])
      assert.deepEqual(two.taken(), [])
    })

    it("sends as always after the end of a subscription, after a message, and when the subscriber is gone", () => {
      const pattern = xpublisher({ lastValue: true })
      const [one, two] = [peer(pattern), peer(pattern)]
      one.notes("SUBSCRIBE", "a")
      received(pattern.inbox)
      pattern.grant(topic("a"))
      pattern.outbox.trySend("a0")
      two.notes("SUBSCRIBE", "b")
      two.notes("CANCEL", "b")
      received(pattern.inbox)
      pattern.outbox.trySend("a1")
      two.says("hello")
      received(pattern.inbox)
      pattern.outbox.trySend("a2")
      two.notes("SUBSCRIBE", "b")
      received(pattern.inbox)
      two.leaves()
      pattern.outbox.trySend("a3")
      assert.deepEqual(one.taken(), ["a0", "a1", "a2", "a3"])
    })

    it("still means the subscriber when it had no room at first, with noDrop", async () => {
      const pattern = xpublisher({ lastValue: true, noDrop: true })
      const [one, two] = [peer(pattern), peer(pattern)]
      for (const pipe of [one, two]) {
        pipe.notes("SUBSCRIBE", "a")
        received(pattern.inbox)
        pattern.grant(topic("a"))
        pattern.outbox.trySend("first")
      }
      two.notes("SUBSCRIBE", "a")
      received(pattern.inbox)
      two.room = 0
      const sent = pattern.outbox.send("a1")
      two.drains(1)
      await sent
      assert.deepEqual(one.taken(), [])
      assert.deepEqual(two.taken(), ["a1"])
    })
  })

  it("XPUB-12 greets each new connection with the welcome message, before anything else", () => {
    const pattern = xpublisher({ welcomeMessage: "welcome" })
    const pipe = new FakePipe(pattern, {}, false)
    pipe.goesOnline()
    pipe.notes("SUBSCRIBE", "")
    pattern.outbox.trySend("news")
    assert.deepEqual(pipe.taken(), ["welcome", "news"])
    pipe.goesOffline()
    pipe.goesOnline()
    assert.deepEqual(pipe.taken(), ["welcome"])
  })

  it("XPUB-12 greets nobody without one", () => {
    assert.deepEqual(peer(xpublisher()).taken(), [])
  })

  it("PUB-7, PUB-8 has noDrop and invertMatching as PUB has", () => {
    const pattern = xpublisher({ noDrop: true, invertMatching: true })
    const one = peer(pattern)
    one.notes("SUBSCRIBE", "a")
    one.room = 0
    assert.equal(pattern.outbox.trySend("a"), true)
    assert.equal(pattern.outbox.trySend("b"), false)
    one.drains(1)
    assert.equal(pattern.outbox.trySend("b"), true)
    assert.deepEqual(one.taken(), ["b"])
  })
})
