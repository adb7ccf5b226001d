import assert from "node:assert/strict"
import { HeddleError } from "../../core/errors.ts"
import { MAX_VARINT_SIZE, Reader, varintSize, writeVarint } from "../../core/varint.ts"
import { seeded } from "../support/random.ts"

const isProtocolError = (error: unknown) => error instanceof HeddleError && error.code === "EPROTO"

function written(n: number): Buffer {
  const bytes = Buffer.alloc(MAX_VARINT_SIZE + 2, 0xee)
  const end = writeVarint(n, bytes, 1)
  assert.equal(bytes[0], 0xee)
  assert.equal(bytes[end], 0xee, "a byte too many was written")
  return bytes.subarray(1, end)
}

describe("Varint", () => {
  it("is unsigned LEB128", () => {
    assert.deepEqual([...written(0)], [0])
    assert.deepEqual([...written(127)], [127])
    assert.deepEqual([...written(128)], [0x80, 1])
    assert.deepEqual([...written(624485)], [0xe5, 0x8e, 0x26])
    assert.deepEqual([...written(Number.MAX_SAFE_INTEGER)], [255, 255, 255, 255, 255, 255, 255, 15])
  })

  it("comes back for every size, with the announced number of bytes", () =>
    seeded(random => {
      const edges = Array.from({ length: 53 }, (_, bit) => [2 ** bit - 1, 2 ** bit, 2 ** bit + 1]).flat()
      const others = Array.from({ length: 10_000 }, () => Math.floor(random.next() * 2 ** random.int(1, 53)))
      for (const n of [...edges, ...others, Number.MAX_SAFE_INTEGER]) {
        const bytes = written(n)
        assert.equal(varintSize(n), bytes.length)
        const reader = new Reader(bytes)
        assert.equal(reader.varint(), n)
        assert.equal(reader.left, 0)
      }
    }))

  it("is refused when it ends too soon or is too large", () => {
    for (const bytes of [
      [],
      [0x80],
      [0xff, 0xff],
      Array(8).fill(0x80),
      [...Array(7).fill(255), 16],
      Array(20).fill(255),
    ])
      assert.throws(() => new Reader(Buffer.from(bytes)).varint(), isProtocolError, String(bytes))
  })
})

describe("Reader", () => {
  it("reads what is between its start and end, and nothing else", () => {
    const reader = new Reader(Buffer.from("..abcdé!.."), 2, 9)
    assert.equal(reader.byte(), 97)
    reader.skip(1)
    assert.equal(reader.latin1(1), "c")
    assert.equal(reader.left, 4)
    assert.equal(reader.view(1).toString(), "d")
    assert.equal(reader.utf8(2), "é")
    assert.equal(reader.left, 1)
    reader.skip(0)
    for (const read of [() => reader.skip(2), () => reader.view(2), () => reader.utf8(2 ** 40), () => reader.skip(-1)])
      assert.throws(read, isProtocolError)
    assert.throws(() => reader.skip(Number.NaN), isProtocolError)
    reader.byte()
    assert.throws(() => reader.byte(), isProtocolError)
    assert.throws(() => reader.varint(), isProtocolError)
  })

  it("gives views, and can be used again", () => {
    const bytes = Buffer.from("abc")
    const reader = new Reader(bytes)
    const view = reader.view(2)
    bytes[0] = 120
    assert.equal(view.toString(), "xb")
    reader.reset(Buffer.from([5, 6]), 1)
    assert.equal(reader.varint(), 6)
    assert.equal(reader.left, 0)
    reader.reset(Buffer.from([5]), 0, 99)
    assert.equal(reader.left, 1, "an end beyond the buffer counts as its end")
  })
})
