import assert from "node:assert/strict"
import { RespondentPattern } from "../../../patterns/survey/respondent.ts"
import { FakePipe, type FakePipeOptions } from "../../support/fake-pipe.ts"
import { all, coded, settings, text } from "../../support/pattern.ts"

const ID = Buffer.from("80000001", "hex")
const OTHER = Buffer.from("80000002", "hex")

/** A number that a device pushed. */
function hop(n: number): Buffer {
  return Buffer.from([0, 0, 0, n])
}

function make(changes: { receiveHighWaterMark?: number } = {}) {
  const pattern = new RespondentPattern(settings(changes))
  const peer = (more: FakePipeOptions = {}) => new FakePipe(pattern, { socketType: "SURVEYOR", ...more })
  return { pattern, peer, inbox: pattern.inbox, outbox: pattern.outbox }
}

describe("RespondentPattern", () => {
  describe("what must not work", () => {
    it("RESPONDENT-3: an answer before the first survey, and a second one", async () => {
      const { pattern, peer, inbox, outbox } = make()
      await assert.rejects(outbox.send("a"), coded("EFSM", /receive one first/))
      assert.equal(pattern.canSend, false)
      const pipe = peer()
      pipe.says(ID, "who?")
      assert.throws(() => outbox.trySend("not received yet"), coded("EFSM"))
      inbox.tryReceive()
      assert.equal(pattern.canSend, true)
      await outbox.send("me")
      await assert.rejects(outbox.send("me again"), coded("EFSM"))
      assert.equal(pipe.sent.length, 1)
    })

    it("RESPONDENT-2: what is no survey is dropped as malformed", () => {
      const { peer, inbox } = make()
      const pipe = peer()
      pipe.says("who?")
      pipe.says(ID)
      pipe.says("abc", "body")
      pipe.says(hop(1), "body")
      pipe.says(hop(1), hop(2), ID)
      pipe.says("", ID, "body")
      assert.equal(inbox.tryReceive(), null)
      assert.deepEqual(pipe.dropped, { malformed: 6 })
    })

    it("RESPONDENT-2: a stack of more than 8 numbers and the id", () => {
      const { peer, inbox } = make()
      const pipe = peer()
      const hops = [1, 2, 3, 4, 5, 6, 7, 8].map(hop)
      pipe.says(...hops, ID, "far")
      pipe.says(hop(0), ...hops, ID, "too far")
      assert.deepEqual(all(inbox), ["far"])
      assert.deepEqual(pipe.dropped, { malformed: 1 })
    })

    it("RESPONDENT-4: an answer to a surveyor without room, or one that has left", async () => {
      const { pattern, peer, inbox, outbox } = make()
      const [full, gone] = [peer({ room: 0 }), peer()]
      full.says(ID, "who?")
      inbox.tryReceive()
      await outbox.send("me")
      gone.says(ID, "who?")
      gone.leaves()
      inbox.tryReceive()
      await outbox.send("me")
      assert.deepEqual([full.dropped, gone.sent, pattern.dropped], [{ full: 1 }, [], { "no-peer": 1 }])
    })

    it("RESPONDENT-1: a surveyor with the high-water mark unread is not read", () => {
      const { peer } = make({ receiveHighWaterMark: 2 })
      const pipe = peer()
      pipe.says(ID, "1")
      pipe.says(OTHER, "2")
      assert.equal(pipe.paused, true)
    })
  })

  it("RESPONDENT-1: bodies of the surveys, of the surveyors in turn", () => {
    const { peer, inbox } = make()
    const [a, b] = [peer(), peer()]
    a.says(ID, "a1", "more")
    a.says(OTHER, "a2")
    b.says(ID, "b1")
    assert.deepEqual(all(inbox), ["a1|more", "b1", "a2"])
  })

  it("RESPONDENT-2: the stack comes back before the answer, to the one who asked", async () => {
    const { peer, inbox, outbox } = make()
    const [a, b] = [peer(), peer()]
    a.says(hop(7), hop(0), ID, "who?")
    b.says(OTHER, "who?")
    assert.equal(text(await inbox.receive()), "who?")
    await outbox.send(["me", "too"])
    assert.equal(text(await inbox.receive()), "who?")
    await outbox.send("me")
    assert.deepEqual(a.sent, [[hop(7), hop(0), ID, Buffer.from("me"), Buffer.from("too")]])
    assert.deepEqual(b.sent, [[OTHER, Buffer.from("me")]])
  })

  it("RESPONDENT-3: receiving the next survey gives up the one before", async () => {
    const { peer, inbox, outbox } = make()
    const pipe = peer()
    pipe.says(ID, "1")
    pipe.says(OTHER, "2")
    all(inbox)
    await outbox.send("me")
    assert.deepEqual(pipe.sent, [[OTHER, Buffer.from("me")]])
  })
})
