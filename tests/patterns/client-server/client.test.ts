import assert from "node:assert/strict"
import { ClientPattern } from "../../../patterns/client-server/client.ts"
import { FakePipe, type FakePipeOptions } from "../../support/fake-pipe.ts"
import { all, coded, settings, standing } from "../../support/pattern.ts"

function make(changes: Partial<{ sendTimeout: number; receiveHighWaterMark: number }> = {}) {
  const pattern = new ClientPattern(settings(changes))
  const peer = (options: FakePipeOptions = {}) => new FakePipe(pattern, { socketType: "SERVER", ...options })
  return { pattern, peer, inbox: pattern.inbox, outbox: pattern.outbox }
}

describe("ClientPattern", () => {
  describe("what must not work", () => {
    it("CLIENT-1: a message of several frames is refused, with a word on what to do", async () => {
      const { peer, outbox } = make()
      await assert.rejects(outbox.send(["a", "b"]), coded("EINVAL"))
      const pipe = peer()
      assert.throws(() => outbox.trySend(["a", "b"]), coded("EINVAL", /one frame.*use Dealer/))
      assert.deepEqual(pipe.taken(), [])
    })

    it("CLIENT-2: nobody there: trySend is false, send waits up to sendTimeout", async () => {
      const { pattern, outbox } = make({ sendTimeout: 5 })
      assert.equal(pattern.canSend, false)
      assert.equal(outbox.trySend("a"), false)
      await assert.rejects(outbox.send("a"), coded("EAGAIN"))
    })

    it("CLIENT-4: a received message of several frames is discarded whole and counted, and the next is not", () => {
      const { peer, inbox } = make()
      const pipe = peer()
      pipe.says("a", "b")
      pipe.says("c")
      assert.deepEqual(all(inbox), ["c"])
      assert.deepEqual(pipe.dropped, { malformed: 1 })
    })

    it("CLIENT-3: a server with the high-water mark unread is not read", () => {
      const { peer } = make({ receiveHighWaterMark: 2 })
      const pipe = peer()
      pipe.says("a")
      pipe.says("b")
      assert.equal(pipe.paused, true)
    })
  })

  it("CLIENT-2: each message to one server, in turn over those that have room", async () => {
    const { peer, outbox } = make()
    const [a, b] = [peer(), peer({ room: 1 })]
    for (const message of ["1", "2", "3", "4"]) await outbox.send(message)
    assert.deepEqual([a.taken(), b.taken()], [["1", "3", "4"], ["2"]])
    a.room = 0
    const waiting = outbox.send("5")
    assert.equal(await standing(waiting), "waits")
    b.drains(1)
    await waiting
    assert.deepEqual(b.taken(), ["5"])
  })

  it("CLIENT-3: gives [frame], of each server in turn", () => {
    const { peer, inbox } = make()
    const [a, b] = [peer(), peer()]
    a.says("a1")
    a.says("a2")
    b.says("b1")
    assert.deepEqual(inbox.tryReceive(), [Buffer.from("a1")])
    b.leaves()
    assert.deepEqual(all(inbox), ["b1", "a2"])
  })
})
