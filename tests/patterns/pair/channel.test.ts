import assert from "node:assert/strict"
import { ChannelPattern } from "../../../patterns/pair/channel.ts"
import { FakePipe } from "../../support/fake-pipe.ts"
import { all, coded, settings } from "../../support/pattern.ts"

function make(changes: { sendTimeout?: number } = {}) {
  const pattern = new ChannelPattern(settings(changes))
  return { pattern, peer: () => new FakePipe(pattern, { socketType: "CHANNEL" }), ...pattern }
}

describe("ChannelPattern", () => {
  describe("what must not work", () => {
    it("CHANNEL-1: a message of several frames is refused, with a word on what to do", async () => {
      const { peer, outbox } = make()
      const pipe = peer()
      assert.throws(() => outbox.trySend(["a", "b"]), coded("EINVAL", /one frame.*use Pair/))
      await assert.rejects(outbox.send(["a", "b"]), coded("EINVAL"))
      assert.deepEqual(pipe.taken(), [])
    })

    it("CHANNEL-1: refused at once, also while nobody is there", async () => {
      await assert.rejects(make().outbox.send(["a", "b"]), coded("EINVAL"))
    })

    it("CHANNEL-2: a received message of several frames is discarded whole, and the next is not", () => {
      const { peer, inbox } = make()
      const pipe = peer()
      pipe.says("a", "b")
      pipe.says("c")
      assert.deepEqual(all(inbox), ["c"])
      assert.deepEqual(pipe.dropped, { malformed: 1 })
    })

    it("PAIR-3: a second peer is turned away", () => {
      const { peer } = make()
      peer()
      assert.ok(coded("EBUSY", /Channel has one peer/)(peer().closedWith))
    })

    it("PAIR-5: nobody there: send waits up to sendTimeout", async () => {
      await assert.rejects(make({ sendTimeout: 5 }).outbox.send("a"), coded("EAGAIN"))
    })
  })

  it("CHANNEL-3: gives [frame]", () => {
    const { peer, inbox } = make()
    peer().says("a")
    assert.deepEqual(inbox.tryReceive(), [Buffer.from("a")])
  })

  it("PAIR-1: messages of one frame, in order", async () => {
    const { peer, outbox } = make()
    const pipe = peer()
    await outbox.send("a")
    await outbox.send(["b"])
    await outbox.send(null)
    assert.deepEqual(pipe.taken(), ["a", "b", ""])
  })
})
