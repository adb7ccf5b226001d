import assert from "node:assert/strict"
import { BusPattern } from "../../../patterns/bus/bus.ts"
import { FakePipe, type FakePipeOptions } from "../../support/fake-pipe.ts"
import { all, settings } from "../../support/pattern.ts"

function make(changes: { receiveHighWaterMark?: number } = {}) {
  const pattern = new BusPattern(settings(changes))
  const peer = (more: FakePipeOptions = {}) => new FakePipe(pattern, { socketType: "BUS", ...more })
  const dialled = () => new FakePipe(pattern, { socketType: "BUS" }, false)
  return { pattern, peer, dialled, inbox: pattern.inbox, outbox: pattern.outbox }
}

describe("BusPattern", () => {
  describe("what must not work", () => {
    it("BUS-2: a peer without room misses the message, and holds nobody up", async () => {
      const { peer, outbox } = make()
      const [full, free] = [peer({ room: 1 }), peer()]
      for (const message of ["1", "2", "3"]) await outbox.send(message)
      assert.deepEqual([full.taken(), free.taken()], [["1"], ["1", "2", "3"]])
      assert.deepEqual([full.dropped, free.dropped], [{ full: 2 }, {}])
      full.drains(1)
      await outbox.send("4")
      assert.deepEqual([full.taken(), free.taken()], [["4"], ["4"]])
    })

    it("BUS-2: an endpoint that is not connected misses the message", async () => {
      const { dialled, outbox } = make()
      const pipe = dialled()
      await outbox.send("1")
      pipe.goesOnline()
      await outbox.send("2")
      pipe.goesOffline()
      await outbox.send("3")
      assert.deepEqual(pipe.taken(), ["2"])
      assert.deepEqual(pipe.dropped, { "no-peer": 2 })
    })

    it("BUS-3: nothing is passed on, and nobody hears himself", () => {
      const { peer, inbox } = make()
      const [a, b] = [peer(), peer()]
      a.says("1")
      assert.deepEqual([a.taken(), b.taken()], [[], []])
      assert.deepEqual(all(inbox), ["1"])
    })

    it("BUS-5: a peer with the high-water mark unread is not read, and the others are", () => {
      const { peer } = make({ receiveHighWaterMark: 2 })
      const [greedy, modest] = [peer(), peer()]
      for (const message of ["1", "2"]) greedy.says(message)
      assert.deepEqual([greedy.paused, modest.paused], [true, false])
    })
  })

  it("BUS-1: a message goes to all that are connected, as they come and go in any order", async () => {
    const { peer, outbox } = make()
    const pipes = Array.from({ length: 5 }, () => peer())
    await outbox.send(["a", "b"])
    for (const pipe of pipes) assert.deepEqual(pipe.taken(), ["a|b"])
    pipes[0].leaves()
    pipes[4].leaves()
    pipes.push(peer())
    await outbox.send("c")
    assert.deepEqual(
      pipes.map(pipe => pipe.taken()),
      [[], ["c"], ["c"], ["c"], [], ["c"]],
    )
  })

  it("BUS-1: who comes while another leaves hears the next message", () => {
    const { peer, outbox } = make()
    const [stays, goes] = [peer(), peer()]
    outbox.trySend("1")
    goes.leaves()
    const comes = peer()
    outbox.trySend("2")
    assert.deepEqual(
      [stays, goes, comes].map(pipe => pipe.taken()),
      [["1", "2"], ["1"], ["2"]],
    )
  })

  it("BUS-4: send never waits", async () => {
    const { pattern, peer, outbox } = make()
    assert.equal(pattern.canSend, true)
    assert.equal(outbox.trySend("nobody there"), true)
    peer({ room: 0 })
    assert.equal(pattern.canSend, true)
    await outbox.send("all full")
  })

  it("BUS-5: messages of the peers in turn", () => {
    const { peer, inbox } = make()
    const [a, b] = [peer(), peer()]
    for (const message of ["a1", "a2"]) a.says(message, "more")
    b.says("b1")
    assert.deepEqual(all(inbox), ["a1|more", "b1", "a2|more"])
  })

  it("BUS-6: what a peer sent before it left is given", () => {
    const { peer, inbox } = make()
    const pipe = peer()
    pipe.says("a")
    pipe.leaves()
    assert.deepEqual(all(inbox), ["a"])
  })
})
