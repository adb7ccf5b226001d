import assert from "node:assert/strict"
import { StreamPattern } from "../../../patterns/stream/stream.ts"
import { FakePipe, type FakePipeOptions } from "../../support/fake-pipe.ts"
import { coded, settings, standing } from "../../support/pattern.ts"
import { turns } from "../../support/wait.ts"

type Changes = Partial<{ sendTimeout: number; receiveHighWaterMark: number; notify: boolean }>

function make(changes: Changes = {}, lastId = 0) {
  const options = settings({ notify: false, ...changes })
  const pattern = new StreamPattern(options, lastId)
  const peer = (more: FakePipeOptions = {}) => new FakePipe(pattern, { socketType: "STREAM", ...more })
  const dialled = (assignedId: string | null = null) =>
    new FakePipe(
      pattern,
      { socketType: "STREAM", assignedId: assignedId === null ? null : Buffer.from(assignedId) },
      false,
    )
  const heard = () => {
    const found: string[] = []
    for (let item = pattern.inbox.tryReceive(); item !== null; item = pattern.inbox.tryReceive())
      found.push(`${name(item[0])}:${item[1]}`)
    return found
  }
  return { options, pattern, peer, dialled, heard, inbox: pattern.inbox, outbox: pattern.outbox }
}

/** Ids that we make, as their number; others as text. */
function name(id: Buffer): string {
  return id[0] === 0 ? `#${id.readUInt32BE(1)}` : id.toString()
}

/** The id that is made as the nth. */
function made(n: number): Buffer {
  return Buffer.from([0, 0, 0, 0, n])
}

describe("StreamPattern", () => {
  describe("what must not work", () => {
    it("STREAM-5: other than two frames, with a word on what to do", async () => {
      const { peer, outbox } = make()
      const pipe = peer()
      for (const message of [[made(1)], [made(1), "a", "b"]])
        await assert.rejects(outbox.send(message), coded("EINVAL", /\[id, data\].*join/))
      assert.throws(() => outbox.trySend("a"), coded("EINVAL"))
      assert.deepEqual(pipe.taken(), [])
    })

    it("STREAM-5: an id that no connection has", async () => {
      const { peer, outbox } = make()
      peer()
      assert.throws(() => outbox.trySend([made(2), "a"]), coded("EHOSTUNREACH", /0000000002/))
      await assert.rejects(outbox.send(["nobody", "a"]), coded("EHOSTUNREACH"))
    })

    it("STREAM-5: a connection that ended, and those who wait for its room", async () => {
      const { peer, outbox } = make()
      const pipe = peer({ room: 0 })
      const waiting = outbox.send([made(1), "a"])
      assert.equal(await standing(waiting), "waits")
      pipe.leaves()
      await assert.rejects(waiting, coded("EHOSTUNREACH"))
      await assert.rejects(outbox.send([made(1), "b"]), coded("EHOSTUNREACH"))
    })

    it("STREAM-4: nothing can be sent after the end", async () => {
      const { peer, outbox } = make()
      const pipe = peer()
      await outbox.send([made(1), ""])
      assert.throws(() => outbox.trySend([made(1), "a"]), coded("EHOSTUNREACH"))
      await turns()
      assert.equal(pipe.isFinished, true)
      assert.deepEqual(pipe.taken(), [])
    })

    it("STREAM-3: a connection without room: trySend is false, send waits up to sendTimeout", async () => {
      const { pattern, peer, outbox } = make({ sendTimeout: 5 })
      peer({ room: 0 })
      assert.equal(pattern.canSend, false)
      assert.equal(outbox.trySend([made(1), "a"]), false)
      await assert.rejects(outbox.send([made(1), "a"]), coded("EAGAIN"))
    })

    it("STREAM-2: a connection with the high-water mark unread is not read", () => {
      const { peer, inbox } = make({ receiveHighWaterMark: 2 })
      const pipe = peer()
      pipe.says("a")
      pipe.says("b")
      assert.equal(pipe.paused, true)
      inbox.tryReceive()
      assert.equal(pipe.paused, false)
    })

    it("STREAM-6: an endpoint that comes and goes while nobody reads does not fill the memory", () => {
      const { dialled, heard } = make({ notify: true, receiveHighWaterMark: 2 })
      const pipe = dialled()
      for (let i = 0; i < 10; i++) {
        pipe.goesOnline()
        pipe.goesOffline()
      }
      assert.deepEqual(heard(), ["#1:", "#1:", "#1:", "#1:"])
      assert.deepEqual(pipe.dropped, { full: 8 })
      pipe.goesOnline()
      assert.deepEqual(heard(), ["#1:"])
    })

    it("STREAM-1: an id that is taken is known as such", () => {
      const { pattern, dialled } = make()
      dialled("mine")
      assert.equal(pattern.has(Buffer.from("mine")), true)
      assert.equal(pattern.has(Buffer.from("yours")), false)
    })
  })

  it("STREAM-1: ids are five bytes that count; one that was given is kept", () => {
    const { peer, dialled, heard } = make({}, 2 ** 32 - 2)
    for (const pipe of [peer(), peer(), dialled("mine")]) pipe.says("a")
    assert.deepEqual(heard(), [`#${2 ** 32 - 1}:a`, "#0:a", "mine:a"])
  })

  it("STREAM-1: of two endpoints with one id that come to be together, the second gets a made one", () => {
    const { dialled, heard } = make()
    for (const pipe of [dialled("mine"), dialled("mine")]) pipe.says("a")
    assert.deepEqual(heard(), ["mine:a", "#1:a"])
  })

  it("STREAM-2: data of the connections in turn, in the order of each", () => {
    const { peer, heard } = make()
    const [a, b] = [peer(), peer()]
    for (const data of ["a1", "a2", "a3"]) a.says(data)
    b.says("b1")
    assert.deepEqual(heard(), ["#1:a1", "#2:b1", "#1:a2", "#1:a3"])
  })

  it("STREAM-3: data goes to the connection that it names; one without room keeps no other waiting", async () => {
    const { pattern, peer, outbox } = make()
    const [a, b] = [peer({ room: 1 }), peer()]
    await outbox.send([made(1), "1"])
    const waiting = outbox.send([made(1), "2"])
    await outbox.send([made(2), "3"])
    assert.equal(await standing(waiting), "waits")
    assert.equal(pattern.canSend, true)
    a.drains(1)
    await waiting
    assert.deepEqual([a.taken(), b.taken()], [["1", "2"], ["3"]])
  })

  it("STREAM-4: the end comes after what was sent before, also what waited", async () => {
    const { peer, outbox } = make()
    const pipe = peer({ room: 1 })
    await outbox.send([made(1), "1"])
    const waiting = [outbox.send([made(1), "2"]), outbox.send([made(1), ""])]
    await turns()
    assert.equal(pipe.isFinished, false)
    pipe.drains(1)
    await Promise.all(waiting)
    await turns()
    assert.deepEqual(pipe.taken(), ["1", "2"])
    assert.equal(pipe.isFinished, true)
  })

  it("STREAM-6: notices stand before the first data and after the last", () => {
    const { peer, heard } = make({ notify: true })
    const pipe = peer()
    pipe.says("a")
    pipe.leaves()
    assert.deepEqual(heard(), ["#1:", "#1:a", "#1:"])
  })

  it("STREAM-6: no notices without notify; a change acts on the next connection", () => {
    const { options, peer, heard } = make({ notify: false })
    const first = peer()
    options.notify = true
    first.leaves()
    assert.deepEqual(heard(), [])
    const second = peer()
    options.notify = false
    second.leaves()
    assert.deepEqual(heard(), ["#2:", "#2:"])
  })

  it("STREAM-7: an endpoint keeps its id; what is sent while it is away queues", async () => {
    const { dialled, outbox, heard } = make({ notify: true })
    const pipe = dialled("mine")
    await outbox.send(["mine", "1"])
    pipe.goesOnline()
    pipe.goesOffline()
    await outbox.send(["mine", "2"])
    pipe.goesOnline()
    pipe.says("a")
    assert.deepEqual(heard(), ["mine:", "mine:", "mine:", "mine:a"])
    assert.deepEqual(pipe.taken(), ["1", "2"])
  })
})
