import assert from "node:assert/strict"
import type { Message } from "../../core/contract.ts"
import { Distributor } from "../../core/distributor.ts"
import { type PipeOwner, SocketPipe } from "../../core/pipe.ts"
import { Decoding } from "../support/decoding.ts"
import { FakeConnection } from "../support/fake-connection.ts"
import { seeded } from "../support/random.ts"

const IDLE = { attach() {}, receive() {}, writable() {}, detach() {} }
const OWNER: PipeOwner = { connectionClosed() {}, finished() {}, refused() {} }
const tick = (): Promise<void> => new Promise(resolve => process.nextTick(resolve))

/** A connection that decodes what it is given, and remembers whose memory it was. */
class Listening extends FakeConnection {
  readonly decoding = new Decoding()
  readonly chunks: Buffer[] = []
  batches = 0

  override send(message: Message): boolean {
    this.decoding.items.push({ command: false, frames: [...message] })
    return super.send(message)
  }

  override sendEncoded(bytes: Buffer, count: number): boolean {
    this.batches++
    this.chunks.push(bytes)
    const before = this.decoding.items.length
    this.decoding.all(bytes)
    assert.equal(this.decoding.items.length - before, count, "a batch holds as many messages as it says")
    return super.sendEncoded(bytes, count)
  }

  get heard(): string[] {
    return this.decoding.items.map(item => item.frames.map(frame => frame.toString("latin1")).join("|"))
  }
}

const member = (room = Number.POSITIVE_INFINITY, sendHighWaterMark = 1_000) => {
  const pipe = new SocketPipe(IDLE, { sendHighWaterMark }, OWNER)
  const connection = new Listening(room)
  pipe.attachConnection(connection)
  return { pipe, connection }
}

const text = (value: string): Message => [Buffer.from(value)]

describe("Distributor", () => {
  it("sends to nobody, and to one pipe in that pipe's own way", async () => {
    const distributor = new Distributor()
    const { pipe, connection } = member()
    distributor.send(text("lost"), [])
    distributor.send(text("one"), [pipe])
    assert.deepEqual(connection.sent, ["one"])
    await tick()
    assert.equal(connection.batches, 0)
  })

  it("keeps the place of a pipe that a send of its own stalled between two batches", async () => {
    const distributor = new Distributor()
    const [a, b] = [member(2), member()]
    const both = [a.pipe, b.pipe]
    distributor.send(text("1"), both)
    await tick()
    distributor.send(text("2"), [a.pipe])
    assert.equal(a.pipe.flowing, false)
    distributor.send(text("3"), both)
    await tick()
    assert.equal(a.pipe.queued, 1)
    assert.equal(a.pipe.dropped, null)
    assert.deepEqual(b.connection.heard, ["1", "3"])
  })

  it("encodes a run of messages once, for all", async () => {
    const distributor = new Distributor()
    const members = [member(), member(), member()]
    const pipes = members.map(one => one.pipe)
    for (let i = 0; i < 100; i++) distributor.send(text(`${i}`), pipes)
    assert.equal(members[0].connection.batches, 0)
    await tick()
    for (const { connection } of members) {
      assert.equal(connection.batches, 1)
      assert.equal(connection.chunks[0].buffer, members[0].connection.chunks[0].buffer, "the same memory for all")
      assert.deepEqual(
        connection.heard,
        Array.from({ length: 100 }, (_, i) => `${i}`),
      )
    }
    assert.equal(pipes[0].messagesSent, 100)
  })

  it("knows the same pipes in another array", async () => {
    const distributor = new Distributor()
    const members = [member(), member()]
    distributor.send(text("a"), [members[0].pipe, members[1].pipe])
    distributor.send(text("b"), [members[1].pipe, members[0].pipe])
    await tick()
    assert.equal(members[0].connection.batches, 1)
    assert.deepEqual(members[1].connection.heard, ["a", "b"])
  })

  it("keeps the order when the pipes change from message to message", async () => {
    const distributor = new Distributor()
    const [a, b, c] = [member(), member(), member()]
    distributor.send(text("ab1"), [a.pipe, b.pipe])
    distributor.send(text("bc2"), [b.pipe, c.pipe])
    distributor.send(text("b3"), [b.pipe])
    distributor.send(text("abc4"), [a.pipe, b.pipe, c.pipe])
    distributor.send(text("ab5"), [a.pipe, b.pipe])
    await tick()
    assert.deepEqual(a.connection.heard, ["ab1", "abc4", "ab5"])
    assert.deepEqual(b.connection.heard, ["ab1", "bc2", "b3", "abc4", "ab5"])
    assert.deepEqual(c.connection.heard, ["bc2", "abc4"])
  })

  it("passes large messages by reference, in their place", async () => {
    const distributor = new Distributor()
    const members = [member(), member()]
    const pipes = members.map(one => one.pipe)
    const large = Buffer.alloc(20_000, "L")
    distributor.send(text("before"), pipes)
    distributor.send([large], pipes)
    distributor.send(text("after"), pipes)
    await tick()
    for (const { connection } of members) {
      assert.deepEqual(connection.heard, ["before", large.toString(), "after"])
      assert.equal(connection.decoding.items[1].frames[0], large)
    }
  })

  it("passes a full chunk on at once, and never writes to it again", () => {
    const distributor = new Distributor()
    const members = [member(), member()]
    const pipes = members.map(one => one.pipe)
    for (let i = 0; i < 40; i++) distributor.send([Buffer.alloc(4_000, i)], pipes)
    const { connection } = members[0]
    assert.ok(connection.batches >= 2)
    const copies = connection.chunks.map(chunk => Buffer.from(chunk))
    for (let i = 0; i < 200; i++) distributor.send([Buffer.alloc(4_000, 0xee)], pipes)
    for (const [i, copy] of copies.entries()) assert.ok(copy.equals(connection.chunks[i]))
  })

  it("lets slow pipes queue, and drop and count what they cannot, without the others noticing", async () => {
    const distributor = new Distributor()
    const quick = member()
    const slow = member(1, 5)
    const pipes = [quick.pipe, slow.pipe]
    for (let turn = 0; turn < 10; turn++) {
      distributor.send(text(`${turn}`), pipes)
      await tick()
    }
    assert.equal(quick.connection.heard.length, 10)
    assert.deepEqual(slow.connection.heard, ["0"])
    assert.equal(slow.pipe.queued, 5)
    assert.deepEqual(slow.pipe.dropped, { full: 4 })
    slow.connection.drains(1_000)
    distributor.send(text("again"), pipes)
    await tick()
    assert.deepEqual(slow.connection.heard, ["0", "1", "2", "3", "4", "5", "again"])
    assert.equal(quick.connection.heard.length, 11)
  })

  it("serves pipes without a connection by their queues", async () => {
    const distributor = new Distributor()
    const pipes = [0, 1].map(() => new SocketPipe(IDLE, { sendHighWaterMark: 3 }, OWNER))
    for (const value of "abcd") distributor.send(text(value), pipes)
    await tick()
    for (const pipe of pipes) {
      assert.equal(pipe.queued, 3)
      assert.deepEqual(pipe.dropped, { full: 1 })
    }
  })

  it("goes over to batches when pipes that did not flow do so again", async () => {
    const distributor = new Distributor()
    const members = [member(1), member(1)]
    const pipes = members.map(one => one.pipe)
    // Both are filled, so that a batch opens without any member.
    for (const { pipe } of members) pipe.send(text("fill"))
    for (let i = 0; i < 3; i++) distributor.send(text("slow"), pipes)
    await tick()
    for (const { connection } of members) connection.drains(1_000)
    for (let turn = 0; turn < 3; turn++) {
      for (let i = 0; i < 3; i++) distributor.send(text("quick"), pipes)
      await tick()
    }
    for (const { connection } of members) {
      assert.ok(connection.batches >= 2, "still one by one")
      assert.deepEqual(connection.heard, ["fill", ...Array(3).fill("slow"), ...Array(9).fill("quick")])
    }
  })

  it("counts what a pipe misses whose connection is lost with an open batch", async () => {
    const distributor = new Distributor()
    const members = [member(), member()]
    const pipes = members.map(one => one.pipe)
    distributor.send(text("a"), pipes)
    distributor.send(text("b"), pipes)
    members[0].connection.close()
    distributor.forget()
    assert.deepEqual(pipes[0].dropped, { closed: 2 })
    assert.deepEqual(members[1].connection.heard, ["a", "b"])
    await tick()
    assert.deepEqual(members[1].connection.heard, ["a", "b"])
  })

  it("fuzzed: everybody hears what was meant for him, in order, as far as nothing was dropped", () =>
    seeded(async random => {
      const distributor = new Distributor()
      const members = Array.from({ length: 6 }, () => ({ ...member(random.int(1, 30), 20), expected: [] as string[] }))
      let next = 0
      for (let step = 0; step < 20_000; step++) {
        const action = random.int(0, 99)
        if (action < 80) {
          const chosen = members.filter(() => random.chance(0.6))
          const value = `${next++} ${"x".repeat(random.pick([0, 10, 500, 5_000, 9_000]))}`
          const before = chosen.map(one => one.pipe.dropped?.full ?? 0)
          distributor.send(
            text(value),
            chosen.map(one => one.pipe),
          ) // prettier-ignore
          chosen.forEach((one, i) => {
            if ((one.pipe.dropped?.full ?? 0) === before[i]) one.expected.push(value)
          })
        } else if (action < 92) random.pick(members).connection.drains(random.int(1, 60))
        else await tick()
      }
      await tick()
      for (const { pipe, connection, expected } of members) {
        connection.drains(Number.POSITIVE_INFINITY)
        assert.equal(pipe.queued, 0)
        assert.deepEqual(connection.heard, expected)
        assert.ok(connection.batches > 0)
      }
    }))
})
