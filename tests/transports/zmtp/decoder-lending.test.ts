import assert from "node:assert/strict"
import { HeddleError } from "../../../core/errors.ts"
import { COMMAND, command, frame, MORE, message } from "../../support/bytes.ts"
import { FakeClock } from "../../support/clock.ts"
import { Decoding } from "../../support/decoding.ts"

const text = ({ items }: Decoding): string[] =>
  items.map(item => (item.command ? "/" : "") + item.frames.map(part => part.toString("latin1")).join("|"))

const borrowing = (limit = -1, willing: () => boolean = () => true): Decoding => {
  const decoding = new Decoding(limit)
  decoding.borrows = willing
  return decoding
}

/** How much new memory was asked for while `body` ran. */
function allocated(body: () => void): number {
  const real = Buffer.allocUnsafeSlow
  let total = 0
  Buffer.allocUnsafeSlow = size => {
    total += size
    return real(size)
  }
  try {
    body()
  } finally {
    Buffer.allocUnsafeSlow = real
  }
  return total
}

describe("ZMTP decoder that lends", () => {
  // It stands still: no budget of a turn ends, unless the test says so.
  let clock: FakeClock
  beforeEach(() => {
    clock = new FakeClock().install()
  })
  afterEach(() => clock.restore())

  it("lends single frames, several, empty ones and long ones, wherever the stream is cut", () => {
    const long = "x".repeat(300)
    const stream = Buffer.concat([message("a"), message("b", "", "c"), message(""), message(long), message(long, "d")])
    const expected = ["a", "b||c", "", long, `${long}|d`]
    for (let cut = 0; cut <= stream.length; cut++) {
      const decoding = borrowing().all(stream.subarray(0, cut), stream.subarray(cut))
      assert.deepEqual(text(decoding), expected, `cut at ${cut}`)
      assert.equal(decoding.lent, 5, `cut at ${cut}`)
    }
    const slow = borrowing()
    for (let at = 0; at < stream.length; at++) slow.all(stream.subarray(at, at + 1))
    assert.deepEqual([text(slow), slow.lent], [expected, 5])
  })

  it("makes no slabs: a megabyte of small messages takes no new memory", () => {
    const small = Buffer.concat(Array.from({ length: 1_000 }, () => message("0123456789".repeat(6))))
    const decoding = borrowing().all(small)
    const taken = allocated(() => {
      for (let i = 0; i < 16; i++) decoding.all(small)
    })
    assert.equal(decoding.lent, 17_000)
    assert.equal(taken, 0)
  })

  it("keeps commands where they were sent, also between the frames of a message", () => {
    const stream = Buffer.concat([
      message("a"),
      command("PING", Buffer.from("..")),
      message("b"),
      frame(MORE, Buffer.from("c")),
      frame(COMMAND, Buffer.from("!")),
      frame(0, Buffer.from("d")),
      message("e"),
    ])
    assert.deepEqual(text(borrowing().all(stream)), ["a", "/\u0004PING..", "b", "/!", "c|d", "e"])
  })

  it("hands on as messages what the borrower does not take, in order, in memory of its own", () => {
    let left = 3
    const decoding = borrowing(-1, () => left-- > 0)
    const items = Array.from({ length: 100 }, (_, i) => `${i}`)
    decoding.all(...items.map(one => message(one)))
    assert.deepEqual(text(decoding), items)
    left = 2
    const stopped = borrowing(-1, () => left-- > 0).all(Buffer.concat(items.map(one => message(one))))
    // What came as messages is still what it was once the memory of reads was used again.
    borrowing().all(message("z".repeat(5_000)))
    assert.deepEqual(text(stopped), items)
    // It was asked once for the read, and once for each message.
    assert.equal(stopped.lent, 1)
  })

  it("delivers nothing after a pause within a loan, and goes on where it stopped", () => {
    const decoding = borrowing()
    decoding.onItem = () => {
      decoding.decoder.paused = true
    }
    assert.equal(decoding.push(Buffer.concat([message("a"), message("b", "c"), message("d")])), false)
    assert.deepEqual(text(decoding), ["a"])
    for (const expected of [
      ["a", "b|c"],
      ["a", "b|c", "d"],
    ]) {
      decoding.decoder.paused = false
      decoding.decoder.go()
      assert.deepEqual(text(decoding), expected)
    }
  })

  it("yields to the event loop: the budget of a turn ends a run of loans", () => {
    const decoding = borrowing()
    decoding.onItem = () => clock.advance(0.2)
    const stream = Buffer.concat(Array.from({ length: 200 }, () => message("x")))
    assert.equal(decoding.push(stream), false)
    assert.ok(decoding.items.length < 200, "200 messages of 0.2 ms in one turn")
    decoding.onItem = null
    while (!decoding.decoder.go());
    assert.equal(decoding.items.length, 200)
  })

  it("does not lend within a loan: a connection that is read meanwhile gives messages", () => {
    const inner = borrowing()
    const outer = borrowing()
    outer.onItem = () => void inner.all(message("inner"))
    outer.all(Buffer.concat([message("first"), message("second")]))
    assert.deepEqual([text(outer), outer.lent], [["first", "second"], 2])
    assert.deepEqual([text(inner), inner.lent], [["inner", "inner"], 0])
  })

  it("gathers large frames, and messages whose beginning is large, as ever", () => {
    const big = "b".repeat(100_000)
    const middle = "m".repeat(20_000)
    const stream = Buffer.concat([message("a"), message(big), message(middle, middle, middle), message("z")])
    for (const size of [1_000, 60_000, stream.length]) {
      const pieces: Buffer[] = []
      for (let at = 0; at < stream.length; at += size) pieces.push(stream.subarray(at, at + size))
      assert.deepEqual(text(borrowing().all(...pieces)), ["a", big, `${middle}|${middle}|${middle}`, "z"])
    }
  })

  it("lends up to 64 frames, and makes messages of more", () => {
    const many = (count: number): Buffer[] => Array.from({ length: count }, (_, i) => Buffer.from(`${i}`))
    const decoding = borrowing().all(message(...many(64)), message(...many(65)), message("after"))
    assert.deepEqual(
      decoding.items.map(({ frames }) => frames.length),
      [64, 65, 1],
    )
    assert.deepEqual(decoding.items[1].frames, many(65))
    assert.equal(decoding.lent, 2)
  })

  it("holds maxMessageSize: by one frame, short or long, and by all together, before the body comes", () => {
    const refused = (limit: number, bytes: Buffer): void => {
      assert.throws(
        () => borrowing(limit).all(bytes),
        (error: unknown) => error instanceof HeddleError && error.code === "EMSGSIZE",
      )
    }
    for (const limit of [0, 10, 254, 255, 256, 1_000]) {
      assert.deepEqual(borrowing(limit).all(message("x".repeat(limit))).lent, 1)
      refused(limit, message("x".repeat(limit + 1)))
      if (limit > 0) refused(limit, message("x", "x".repeat(limit)))
      refused(limit, message("x".repeat(limit + 1)).subarray(0, limit < 255 ? 2 : 9))
    }
    // Lengths that no number holds, and more than can be had.
    refused(-1, Buffer.from("02ffffffffffffffff", "hex"))
    refused(-1, Buffer.from("0300200000000000010000", "hex"))
  })

  it("pins no memory on an idle connection", () => {
    const decoding = borrowing().all(message("a"))
    const { memory, bytes } = decoding.decoder as unknown as { memory: ArrayBufferLike; bytes: Buffer }
    assert.deepEqual([memory.byteLength, bytes.length], [0, 0])
  })
})
