import assert from "node:assert/strict"
import { PushPattern } from "../../../patterns/pipeline/push.ts"
import { ScatterPattern } from "../../../patterns/pipeline/scatter.ts"
import { FakePipe, type FakePipeOptions } from "../../support/fake-pipe.ts"
import { coded, settings, standing } from "../../support/pattern.ts"

/** What Push and Scatter have in common: one suite for both. */
for (const { name, Pattern, clauses } of [
  { name: "PushPattern", Pattern: PushPattern, clauses: { turn: "PUSH-1", wait: "PUSH-2", deaf: "PUSH-5" } },
  {
    name: "ScatterPattern",
    Pattern: ScatterPattern,
    clauses: { turn: "SCATTER-2", wait: "SCATTER-2", deaf: "SCATTER-3" },
  },
] as const) {
  function make(changes: { sendTimeout?: number } = {}) {
    const pattern = new Pattern(settings(changes))
    const peer = (options: FakePipeOptions = {}) => new FakePipe(pattern, { socketType: "PULL", ...options })
    const dialled = () => new FakePipe(pattern, { socketType: "PULL" }, false)
    return { pattern, peer, dialled, outbox: pattern.outbox }
  }

  describe(name, () => {
    describe("what must not work", () => {
      it(`${clauses.wait}: nobody there: trySend is false, send waits up to sendTimeout`, async () => {
        const { pattern, outbox } = make({ sendTimeout: 5 })
        assert.equal(pattern.canSend, false)
        assert.equal(outbox.trySend("a"), false)
        await assert.rejects(outbox.send("a"), coded("EAGAIN"))
      })

      it(`${clauses.deaf}: what a peer says is dropped as malformed`, () => {
        const pipe = make().peer()
        pipe.says("a")
        assert.deepEqual(pipe.dropped, { malformed: 1 })
      })

      it(`${clauses.wait}, PUSH-4: all full: nothing is taken, nothing is dropped`, () => {
        const { pattern, peer, outbox } = make()
        const pipes = [peer({ room: 1 }), peer({ room: 1 })]
        assert.deepEqual(
          ["a", "b", "c"].map(message => outbox.trySend(message)),
          [true, true, false],
        )
        assert.equal(pattern.canSend, false)
        assert.deepEqual(
          pipes.map(pipe => pipe.taken()),
          [["a"], ["b"]],
        )
        assert.deepEqual(
          pipes.map(pipe => pipe.dropped),
          [{}, {}],
        )
      })

      it(`PUSH-6: a peer that left gets nothing more`, () => {
        const { peer, outbox } = make()
        const [first, second] = [peer(), peer()]
        first.leaves()
        for (const message of ["a", "b"]) outbox.trySend(message)
        assert.deepEqual([first.taken(), second.taken()], [[], ["a", "b"]])
      })
    })

    it(`${clauses.turn}: each message to one peer, in turn`, () => {
      const { peer, outbox } = make()
      const pipes = [peer(), peer(), peer()]
      for (const message of ["1", "2", "3", "4", "5", "6"]) outbox.trySend(message)
      assert.deepEqual(
        pipes.map(pipe => pipe.taken()),
        [
          ["1", "4"],
          ["2", "5"],
          ["3", "6"],
        ],
      )
    })

    it(`PUSH-4: a full peer is passed over, and is back in the turn when it has room`, () => {
      const { peer, outbox } = make()
      const [narrow, wide] = [peer({ room: 1 }), peer()]
      for (const message of ["1", "2", "3", "4"]) outbox.trySend(message)
      assert.deepEqual([narrow.taken(), wide.taken()], [["1"], ["2", "3", "4"]])
      narrow.drains(2)
      for (const message of ["5", "6", "7", "8", "9"]) outbox.trySend(message)
      assert.equal(narrow.taken().length, 2)
      assert.equal(wide.taken().length, 3)
    })

    it(`${clauses.wait}: those who wait are served in order, by whoever has room`, async () => {
      const { peer, outbox } = make()
      const waiting = ["a", "b", "c"].map(message => outbox.send(message))
      const first = peer({ room: 1 })
      await waiting[0]
      assert.equal(await standing(waiting[1]), "waits")
      const second = peer({ room: 1 })
      await waiting[1]
      first.drains(1)
      await waiting[2]
      assert.deepEqual([first.taken(), second.taken()], [["a", "c"], ["b"]])
    })

    it(`PUSH-3: an endpoint takes messages before it is connected`, () => {
      const { dialled, outbox } = make()
      const pipe = dialled()
      assert.equal(outbox.trySend("a"), true)
      assert.deepEqual(pipe.taken(), ["a"])
    })

    it(`PUSH-6: leaving in any order keeps the turn whole`, () => {
      const { peer, outbox } = make()
      const pipes = Array.from({ length: 5 }, () => peer())
      pipes[3].leaves()
      pipes[0].leaves()
      pipes.push(peer())
      const rest = [pipes[1], pipes[2], pipes[4], pipes[5]]
      for (let i = 0; i < 8; i++) outbox.trySend(String(i))
      for (const pipe of rest) assert.equal(pipe.taken().length, 2)
    })
  })
}

describe("PushPattern", () => {
  it("PUSH-1: all frames of a message to the same peer", () => {
    const pattern = new PushPattern(settings({}))
    const pipes = [new FakePipe(pattern), new FakePipe(pattern)]
    pattern.outbox.trySend(["a", "b", "c"])
    pattern.outbox.trySend(["d", ""])
    assert.deepEqual(
      pipes.map(pipe => pipe.taken()),
      [["a|b|c"], ["d|"]],
    )
  })
})

describe("ScatterPattern", () => {
  it("SCATTER-1: a message of several frames is refused, with a word on what to do, also while nobody is there", async () => {
    const pattern = new ScatterPattern(settings({}))
    await assert.rejects(pattern.outbox.send(["a", "b"]), coded("EINVAL", /one frame.*use Push/))
    const pipe = new FakePipe(pattern)
    assert.throws(() => pattern.outbox.trySend(["a", "b"]), coded("EINVAL"))
    assert.deepEqual(pipe.taken(), [])
  })
})
