import assert from "node:assert/strict"
import { GatherPattern } from "../../../patterns/pipeline/gather.ts"
import { PullPattern } from "../../../patterns/pipeline/pull.ts"
import { FakePipe } from "../../support/fake-pipe.ts"
import { all, coded, settings, text } from "../../support/pattern.ts"

/** What Pull and Gather have in common: one suite for both. */
for (const { name, Pattern, clauses } of [
  { name: "PullPattern", Pattern: PullPattern, clauses: { turn: "PULL-1", limit: "PULL-2", leave: "PULL-3" } },
  {
    name: "GatherPattern",
    Pattern: GatherPattern,
    clauses: { turn: "GATHER-1", limit: "GATHER-3", leave: "GATHER-4" },
  },
] as const) {
  function make(changes: Partial<{ receiveTimeout: number; receiveHighWaterMark: number; conflate: boolean }> = {}) {
    const pattern = new Pattern(settings(changes))
    const peer = (online = true) => new FakePipe(pattern, { socketType: "PUSH" }, online)
    return { pattern, peer, inbox: pattern.inbox }
  }

  describe(name, () => {
    describe("what must not work", () => {
      it(`${clauses.turn}: nothing there: tryReceive gives null, receive waits up to receiveTimeout`, async () => {
        const { inbox } = make({ receiveTimeout: 5 })
        assert.equal(inbox.tryReceive(), null)
        await assert.rejects(inbox.receive(), coded("EAGAIN"))
      })

      it(`${clauses.limit}: a peer with the high-water mark unread is not read, and the others are`, () => {
        const { peer, inbox } = make({ receiveHighWaterMark: 4 })
        const [greedy, modest] = [peer(), peer()]
        for (let i = 0; i < 4; i++) greedy.says(String(i))
        assert.deepEqual([greedy.paused, modest.paused], [true, false])
        inbox.tryReceive()
        assert.equal(greedy.paused, true)
        inbox.tryReceive()
        assert.equal(greedy.paused, false)
      })

      it(`${clauses.limit}: the next connection of a full endpoint is stopped, too`, () => {
        const { peer } = make({ receiveHighWaterMark: 1 })
        const pipe = peer(false)
        pipe.goesOnline()
        pipe.says("a")
        pipe.goesOffline()
        pipe.paused = false
        pipe.goesOnline()
        assert.equal(pipe.paused, true)
      })
    })

    it(`${clauses.turn}: one message of each peer in turn`, () => {
      const { peer, inbox } = make()
      const [a, b, c] = [peer(), peer(), peer()]
      for (const message of ["a1", "a2", "a3"]) a.says(message)
      for (const message of ["b1", "b2"]) b.says(message)
      c.says("c1")
      assert.deepEqual(all(inbox), ["a1", "b1", "c1", "a2", "b2", "a3"])
    })

    it(`${clauses.turn}: who waits gets the next message, in order of waiting`, async () => {
      const { peer, inbox } = make()
      const waiting = [inbox.receive(), inbox.receive()]
      const pipe = peer()
      pipe.says("a")
      pipe.says("b")
      assert.deepEqual((await Promise.all(waiting)).map(text), ["a", "b"])
    })

    it(`${clauses.leave}: what a peer sent before it left is given`, () => {
      const { peer, inbox } = make()
      const pipe = peer()
      pipe.says("a")
      pipe.says("b")
      pipe.leaves()
      assert.deepEqual(all(inbox), ["a", "b"])
    })

    it("PULL-4: conflate keeps the newest message of each peer, and counts the others", () => {
      const { peer, inbox } = make({ conflate: true })
      const [a, b] = [peer(), peer()]
      for (const message of ["a1", "a2", "a3"]) a.says(message)
      b.says("b1")
      assert.deepEqual(all(inbox), ["a3", "b1"])
      assert.deepEqual([a.dropped, b.dropped], [{ conflated: 2 }, {}])
    })
  })
}

describe("PullPattern", () => {
  it("PULL-1: messages of any number of frames", () => {
    const pattern = new PullPattern(settings({}))
    new FakePipe(pattern).says("a", "", "b")
    assert.deepEqual(all(pattern.inbox), ["a||b"])
  })
})

describe("GatherPattern", () => {
  it("GATHER-2: a message of several frames is discarded whole and counted, and the next is not", () => {
    const pattern = new GatherPattern(settings({}))
    const pipe = new FakePipe(pattern)
    pipe.says("a", "b")
    pipe.says("c")
    assert.deepEqual(pattern.inbox.tryReceive(), [Buffer.from("c")])
    assert.equal(pattern.inbox.tryReceive(), null)
    assert.deepEqual(pipe.dropped, { malformed: 1 })
  })
})
