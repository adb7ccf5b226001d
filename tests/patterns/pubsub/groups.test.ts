import assert from "node:assert/strict"
import { XPublisherPattern } from "../../../patterns/pubsub/xpublisher-pattern.ts"
import { FakePipe } from "../../support/fake-pipe.ts"
import { publisher, settingsOf } from "./support.ts"

/** Publishers whose pipes lead to a group, where nobody is who could subscribe. */
/** A pipe that flows, and takes single frames. */
class FramePipe extends FakePipe {
  override flowing = true
  frames: string[] = []

  sendFrame(frame: Buffer): boolean {
    this.frames.push(`${frame}`)
    return true
  }
}

describe("PublisherPattern with a group", () => {
  it("PUB-16 gives it everything, before it is online and while it is not", () => {
    const pattern = publisher()
    const group = new FakePipe(pattern, { addressed: true }, false)
    for (const step of ["early", "online", "offline"]) {
      if (step === "online") group.goesOnline()
      if (step === "offline") group.goesOffline()
      pattern.outbox.trySend(step)
      pattern.flush()
      assert.deepEqual(group.taken(), [step])
    }
    group.leaves()
    pattern.outbox.trySend("late")
    assert.deepEqual(group.taken(), [])
    assert.deepEqual(pattern.dropped, { "no-peer": 1 })
    assert.equal(pattern.topicsCount, 0)
  })

  it("PUB-16 counts it as one that has subscribed to the empty topic, while it is online", () => {
    const pattern = publisher()
    let changes = 0
    pattern.subscriptionsChanged = () => changes++
    const group = new FakePipe(pattern, { addressed: true }, false)
    assert.deepEqual([pattern.subscribersOf(null), pattern.subscribersOf(Buffer.from("a"))], [0, 1])
    group.goesOnline()
    assert.deepEqual([pattern.subscribersOf(null), changes], [1, 1])
    const peer = new FakePipe(pattern, { socketType: "SUB" })
    peer.notes("SUBSCRIBE", "a")
    assert.deepEqual([pattern.subscribersOf(null), pattern.subscribersOf(Buffer.from("a"))], [2, 2])
    assert.equal(pattern.topicsCount, 2)
    group.goesOffline()
    assert.equal(pattern.subscribersOf(null), 1)
    group.goesOnline()
    group.leaves()
    assert.deepEqual([pattern.subscribersOf(null), pattern.topicsCount], [1, 1])
  })

  it("PUB-1, PUB-16 sends to peers what they want beside it", () => {
    const pattern = publisher()
    const group = new FakePipe(pattern, { addressed: true })
    const peer = new FakePipe(pattern, { socketType: "SUB" })
    peer.notes("SUBSCRIBE", "a")
    for (const text of ["a1", "b1", "a2"]) pattern.outbox.trySend(text)
    pattern.flush()
    assert.deepEqual(group.taken(), ["a1", "b1", "a2"])
    assert.deepEqual(peer.taken(), ["a1", "a2"])
  })

  it("PUB-1, PUB-16 gives it frames without a look at subscriptions, exactly while it is alone", () => {
    const pattern = publisher({ noDrop: true })
    const send = (text: string): unknown => pattern.outbox.trySend(Buffer.from(text))
    send("nobody")
    const group = new FramePipe(pattern, { addressed: true }, false)
    send("before it is online")
    group.goesOnline()
    send("online")
    const peer = new FakePipe(pattern, { socketType: "SUB" })
    send("not yet subscribed")
    peer.notes("SUBSCRIBE", "")
    send("for both")
    peer.leaves()
    send("alone again")
    const second = new FramePipe(pattern, { addressed: true })
    send("for two groups")
    second.leaves()
    send("one group")
    group.leaves()
    send("nobody")
    pattern.flush()
    assert.deepEqual(group.frames, ["before it is online", "online", "alone again", "one group"])
    assert.deepEqual(group.taken(), ["not yet subscribed", "for both", "for two groups"])
    assert.deepEqual(peer.taken(), ["for both"])
    assert.deepEqual([second.frames, second.taken()], [[], ["for two groups"]])
    assert.deepEqual(pattern.dropped, { "no-peer": 2 })
  })

  it("PUB-8, PUB-16 sends it everything with invertMatching, too", () => {
    const pattern = publisher({ invertMatching: true })
    const group = new FakePipe(pattern, { addressed: true }, false)
    const peer = new FakePipe(pattern, { socketType: "SUB" })
    peer.notes("SUBSCRIBE", "a")
    pattern.outbox.trySend("a1")
    group.goesOnline()
    pattern.outbox.trySend("b1")
    pattern.flush()
    assert.deepEqual(group.taken(), ["a1", "b1"])
    assert.deepEqual(peer.taken(), ["b1"])
  })

  it("PUB-5, PUB-7 drops for it, or waits for it, when it is full", async () => {
    const dropping = publisher()
    const full = new FakePipe(dropping, { addressed: true, room: 1 })
    for (const text of ["1", "2"]) assert.equal(dropping.outbox.trySend(text), true)
    assert.deepEqual(full.dropped, { full: 1 })

    const waiting = publisher({ noDrop: true })
    const group = new FakePipe(waiting, { addressed: true, room: 1 })
    assert.equal(waiting.outbox.trySend("1"), true)
    assert.equal(waiting.canSend, false)
    const sent = waiting.outbox.send("2")
    group.drains(1)
    await sent
    assert.deepEqual(group.taken(), ["1", "2"])
    const late = waiting.outbox.send("3")
    group.leaves()
    await late
    assert.deepEqual(waiting.dropped, { "no-peer": 1 })
  })

  it("XPUB-12 does not welcome it, and tells its user nothing of it", () => {
    const pattern = new XPublisherPattern({
      ...settingsOf(),
      verbosity: "allSubsUnsubs",
      manual: false,
      lastValue: false,
      welcomeMessage: "hello",
    })
    const group = new FakePipe(pattern, { addressed: true })
    pattern.outbox.trySend("x")
    pattern.flush()
    assert.deepEqual(group.taken(), ["x"])
    group.goesOffline()
    group.goesOnline()
    group.leaves()
    assert.equal(pattern.inbox.tryReceive(), null)
  })
})
