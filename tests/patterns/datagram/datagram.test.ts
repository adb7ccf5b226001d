import assert from "node:assert/strict"
import type { Pattern } from "../../../core/contract.ts"
import { DatagramPattern } from "../../../patterns/datagram/datagram.ts"
import { FakePipe } from "../../support/fake-pipe.ts"
import { all, coded, settings, standing, text } from "../../support/pattern.ts"

const endpoint = (pattern: Pattern, room?: number): FakePipe =>
  new FakePipe(pattern, { socketType: "DGRAM", room, largestDatagram: 100 })

const make = (changes = {}): DatagramPattern => new DatagramPattern(settings(changes))

describe("DatagramPattern", () => {
  it("DGRAM-2 rejects what has no two frames or no address, and what is too long", async () => {
    const pattern = make()
    endpoint(pattern)
    for (const message of [["x"], ["a", "b", "c"], ["nonsense", "b"], ["127.0.0.1:0", "b"], ["", "b"]]) {
      assert.throws(() => pattern.outbox.trySend(message), coded("EINVAL"))
      await assert.rejects(pattern.outbox.send(message), coded("EINVAL"))
    }
    assert.throws(() => pattern.outbox.trySend(["127.0.0.1:5", Buffer.alloc(101)]), coded("EMSGSIZE", /101.*100/))
    assert.equal(pattern.outbox.trySend(["127.0.0.1:5", Buffer.alloc(100)]), true)
  })

  it("DGRAM-1, DGRAM-2 passes both frames as they are", () => {
    const pattern = make()
    const pipe = endpoint(pattern)
    pipe.says("1.2.3.4:5\0", "in")
    assert.deepEqual(all(pattern.inbox), ["1.2.3.4:5\0|in"])
    pattern.outbox.trySend(["1.2.3.4:5\0", "out"])
    pattern.outbox.trySend(["[::1]:5", ""])
    assert.deepEqual(pipe.taken(), ["1.2.3.4:5\0|out", "[::1]:5|"])
  })

  it("DGRAM-4 waits before it is bound and while it is full", async () => {
    const pattern = make()
    assert.equal(pattern.canSend, false)
    assert.equal(pattern.outbox.trySend(["1.2.3.4:5", "no"]), false)
    const early = pattern.outbox.send(["1.2.3.4:5", "a"])
    const long = pattern.outbox.send(["1.2.3.4:5", Buffer.alloc(101)])
    long.catch(() => {})
    assert.equal(await standing(early), "waits")
    const pipe = endpoint(pattern, 1)
    await early
    await assert.rejects(long, coded("EMSGSIZE"))
    assert.equal(pattern.canSend, false)
    const late = pattern.outbox.send(["1.2.3.4:5", "b"])
    assert.equal(await standing(late), "waits")
    pipe.drains(2)
    await late
    assert.deepEqual(pipe.taken(), ["1.2.3.4:5|a", "1.2.3.4:5|b"])
    pipe.leaves()
    assert.equal(pattern.canSend, false)
    assert.equal(pattern.outbox.trySend(["1.2.3.4:5", "no"]), false)
    await assert.rejects(make({ sendTimeout: 0 }).outbox.send(["1.2.3.4:5", "no"]), coded("EAGAIN"))
  })

  it("DGRAM-5 stops reading at the high-water mark", () => {
    const pattern = make({ receiveHighWaterMark: 2 })
    const pipe = endpoint(pattern)
    pipe.says("1.2.3.4:5", "a")
    assert.equal(pipe.paused, false)
    pipe.says("1.2.3.4:6", "b")
    assert.equal(pipe.paused, true)
    assert.equal(text(pattern.inbox.tryReceive() ?? []), "1.2.3.4:5|a")
    assert.equal(pipe.paused, false)
  })
})
