import assert from "node:assert/strict"
import { ServerPattern } from "../../../patterns/client-server/server.ts"
import { FakePipe, type FakePipeOptions } from "../../support/fake-pipe.ts"
import { coded, settings, standing } from "../../support/pattern.ts"

function make(changes: Partial<{ sendTimeout: number; receiveHighWaterMark: number }> = {}, lastId?: number) {
  const pattern = new ServerPattern(settings(changes), "Server", lastId)
  const peer = (options: FakePipeOptions = {}) => new FakePipe(pattern, { socketType: "CLIENT", ...options })
  const dialled = () => new FakePipe(pattern, { socketType: "CLIENT" }, false)
  return { pattern, peer, dialled, inbox: pattern.inbox, outbox: pattern.outbox }
}

describe("ServerPattern", () => {
  describe("what must not work", () => {
    it("SERVER-5: a number that nobody has", async () => {
      const { peer, outbox } = make({}, 10)
      peer()
      assert.throws(() => outbox.trySend("a", { routingId: 12 }), coded("EHOSTUNREACH", /routingId 12/))
      await assert.rejects(outbox.send("a", { routingId: 12 }), coded("EHOSTUNREACH"))
    })

    it("SERVER-5: no number, or what cannot be one", async () => {
      const { peer, outbox } = make()
      peer()
      for (const routingId of [0, -1, 1.5, Number.NaN, 2 ** 32, "11", undefined, null]) {
        const option = { routingId } as unknown as { routingId: number }
        await assert.rejects(outbox.send("a", option), coded("EINVAL", /as receive gave it/), String(routingId))
      }
      await assert.rejects(outbox.send("a"), coded("EINVAL"))
    })

    it("SERVER-5: a peer that left, and those who wait for its room", async () => {
      const { pattern, peer, outbox } = make()
      const pipe = peer({ room: 0 })
      const routingId = pattern.idOf(pipe)
      const waiting = [outbox.send("a", { routingId }), outbox.send("b", { routingId })]
      pipe.leaves()
      for (const one of waiting) await assert.rejects(one, coded("EHOSTUNREACH"))
      await assert.rejects(outbox.send("c", { routingId }), coded("EHOSTUNREACH"))
    })

    it("SERVER-6: a message of several frames is refused, with a word on what to do", async () => {
      const { pattern, peer, outbox } = make()
      const pipe = peer()
      const option = { routingId: pattern.idOf(pipe) }
      await assert.rejects(outbox.send(["a", "b"], option), coded("EINVAL", /one frame.*use Router/))
      assert.deepEqual(pipe.taken(), [])
    })

    it("SERVER-7: a received message of several frames is discarded whole and counted, and the next is not", () => {
      const { peer, inbox } = make()
      const pipe = peer()
      pipe.says("a", "b")
      pipe.says("c")
      assert.equal(inbox.tryReceive()?.[0].toString(), "c")
      assert.equal(inbox.tryReceive(), null)
      assert.deepEqual(pipe.dropped, { malformed: 1 })
    })

    it("SERVER-4: a peer without room: trySend is false, send waits up to sendTimeout", async () => {
      const { pattern, peer, outbox } = make({ sendTimeout: 5 })
      const pipe = peer({ room: 0 })
      const option = { routingId: pattern.idOf(pipe) }
      assert.equal(pattern.canSend, false)
      assert.equal(outbox.trySend("a", option), false)
      await assert.rejects(outbox.send("a", option), coded("EAGAIN"))
    })

    it("SERVER-2: a peer with the high-water mark unread is not read", () => {
      const { peer } = make({ receiveHighWaterMark: 2 })
      const pipe = peer()
      pipe.says("a")
      pipe.says("b")
      assert.equal(pipe.paused, true)
    })

    it("a closed outbox takes nothing, and rejects those who wait", async () => {
      const { pattern, peer, outbox } = make()
      const option = { routingId: pattern.idOf(peer({ room: 0 })) }
      const waiting = outbox.send("a", option)
      outbox.close()
      await assert.rejects(waiting, coded("EAGAIN"))
      await assert.rejects(outbox.send("b", option), coded("EBADF"))
      assert.throws(() => outbox.trySend("b", option), coded("EBADF"))
    })
  })

  it("SERVER-1: a message goes to the peer that it names, and to no other", async () => {
    const { pattern, peer, outbox } = make()
    const pipes = [peer(), peer(), peer()]
    for (const i of [2, 0, 2]) await outbox.send(`to ${i}`, { routingId: pattern.idOf(pipes[i]) })
    assert.deepEqual(
      pipes.map(pipe => pipe.taken()),
      [["to 0"], [], ["to 2", "to 2"]],
    )
  })

  it("SERVER-2: gives [frame, { routingId }], of the peers in turn; the answer takes the same object", async () => {
    const { peer, inbox, outbox } = make({}, 100)
    const [a, b] = [peer(), peer()]
    a.says("a1")
    a.says("a2")
    b.says("b1")
    const heard = [inbox.tryReceive(), inbox.tryReceive(), inbox.tryReceive()].map(
      item => item as NonNullable<typeof item>,
    )
    assert.deepEqual(heard, [
      [Buffer.from("a1"), { routingId: 101 }],
      [Buffer.from("b1"), { routingId: 102 }],
      [Buffer.from("a2"), { routingId: 101 }],
    ])
    for (const [frame, from] of heard) await outbox.send(`re ${frame}`, from)
    assert.deepEqual([a.taken(), b.taken()], [["re a1", "re a2"], ["re b1"]])
  })

  it("SERVER-2: what a peer sent before it left is given", () => {
    const { peer, inbox } = make({}, 7)
    const pipe = peer()
    pipe.says("a")
    pipe.leaves()
    assert.deepEqual(inbox.tryReceive(), [Buffer.from("a"), { routingId: 8 }])
  })

  it("SERVER-3: numbers are never 0 and never taken, also when they begin anew", () => {
    const { pattern, peer } = make({}, 2 ** 32 - 3)
    const first = [peer(), peer(), peer(), peer()]
    assert.deepEqual(
      first.map(pipe => pattern.idOf(pipe)),
      [2 ** 32 - 2, 2 ** 32 - 1, 1, 2],
    )
    const again = make({}, 0)
    const one = again.peer()
    for (const pipe of [again.peer(), again.peer()]) pipe.leaves()
    assert.equal(again.pattern.idOf(one), 1)
    assert.equal(again.pattern.idOf(again.peer()), 4)
  })

  it("SERVER-3: a number that is in use is passed over", () => {
    const { pattern, peer } = make({}, 2 ** 32 - 2)
    const old = peer()
    assert.equal(pattern.idOf(old), 2 ** 32 - 1)
    Object.assign(pattern, { lastId: 2 ** 32 - 2 })
    assert.equal(pattern.idOf(peer()), 1)
  })

  it("SERVER-3: numbers begin at a random place", () => {
    const starts = new Set(
      Array.from({ length: 5 }, () => {
        const { pattern, peer } = make()
        return pattern.idOf(peer())
      }),
    )
    assert.ok(starts.size > 1)
  })

  it("SERVER-3: an endpoint keeps its number from one connection to the next", async () => {
    const { pattern, dialled, outbox, inbox } = make({}, 5)
    const pipe = dialled()
    assert.equal(pattern.idOf(pipe), 6)
    await outbox.send("early", { routingId: 6 })
    pipe.goesOnline()
    pipe.goesOffline()
    pipe.goesOnline()
    pipe.says("a")
    assert.deepEqual(inbox.tryReceive(), [Buffer.from("a"), { routingId: 6 }])
    assert.deepEqual(pipe.taken(), ["early"])
  })

  it("SERVER-4: a peer without room keeps only its own sends waiting, and their order", async () => {
    const { pattern, peer, outbox } = make()
    const [full, free] = [peer({ room: 0 }), peer()]
    const [toFull, toFree] = [full, free].map(pipe => ({ routingId: pattern.idOf(pipe) }))
    const waiting = [outbox.send("a", toFull), outbox.send("b", toFull)]
    await outbox.send("c", toFree)
    assert.equal(pattern.canSend, true)
    assert.equal(outbox.waiting, 2)
    assert.equal(await standing(waiting[0]), "waits")
    full.drains(5)
    await Promise.all(waiting)
    assert.deepEqual([full.taken(), free.taken()], [["a", "b"], ["c"]])
  })
})
