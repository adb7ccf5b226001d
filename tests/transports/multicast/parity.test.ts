import assert from "node:assert/strict"
import { ParitySum } from "../../../transports/multicast/parity.ts"
import { SessionParity } from "../../../transports/multicast/session-parity.ts"
import { blockFlags, blockSize, blockStart, DATA, HEADER, putU16, putU48 } from "../../../transports/multicast/wire.ts"
import { type Random, seeded } from "../../support/random.ts"

const KEY = { high: 0x01020304, low: 0x05060708 }

/** A DATA packet as a sender would seal it, at any place in memory. */
function packet(random: Random, sequence: number, size: number, longest = 200): Buffer {
  const length = HEADER + random.int(1, longest)
  const memory = Buffer.alloc(length + 8)
  const at = random.int(0, 7)
  const bytes = memory.subarray(at, at + length)
  random.bytes(length - HEADER).copy(bytes, HEADER)
  bytes.set([0x48, 0x4d, 1, DATA, blockFlags(size), 7])
  putU16(bytes, 6, random.chance(0.3) ? 0 : random.int(HEADER, length - 1))
  bytes.writeUInt32BE(KEY.high, 8)
  bytes.writeUInt32BE(KEY.low, 12)
  putU48(bytes, 16, sequence)
  putU48(bytes, 24, 1)
  putU48(bytes, 32, random.int(0, 2 ** 40))
  return bytes
}

/** Byte by byte, as SPEC.md says it (MC-71). */
function reference(packets: readonly Buffer[], start: number, size: number): Buffer {
  const longest = Math.max(...packets.map(({ length }) => length))
  const parity = Buffer.alloc(longest)
  for (const bytes of packets) {
    for (let i = 0; i < bytes.length; i++) if (i === 6 || i === 7 || i >= 32) parity[i] ^= bytes[i]
  }
  parity.set([0x48, 0x4d, 1, 5, blockFlags(size), 7])
  putU48(parity, 16, start)
  putU16(parity, 24, packets.length)
  putU16(
    parity,
    26,
    packets.reduce((sum, { length }) => sum ^ length, 0),
  )
  return parity
}

const memory = (limit = 10_000_000) => ({ used: 0, limit })

describe("Multicast parity", () => {
  it("numbers blocks from packet 1 on (MC-70)", () => {
    for (const size of [4, 8, 16]) {
      assert.equal(blockSize(blockFlags(size)), size)
      assert.equal(blockSize(blockFlags(size) | 1 | 128), size)
      for (const sequence of [1, 2, 15, 16, 17, 1_000, 2 ** 47, 2 ** 47 + 1]) {
        const start = blockStart(sequence, size)
        assert.ok(start <= sequence && sequence < start + size)
        assert.equal((start - 1) % size, 0)
      }
    }
    assert.equal(blockSize(1 | 2 | 4 | 8 | 128), 0)
  })

  it("sums as a plain loop does, wherever packets lie (MC-71)", () =>
    seeded(random => {
      for (let round = 0; round < 50; round++) {
        const packets = Array.from({ length: random.int(1, 16) }, (_none, i) => packet(random, 1 + i, 16))
        const sum = new ParitySum(random.chance(0.5) ? 0 : 400)
        for (const bytes of packets) sum.add(bytes, bytes.length)
        const expected = reference(packets, 1, 16)
        assert.deepEqual(sum.bytes.subarray(0, sum.filled), expected.subarray(HEADER))
        assert.equal(sum.lengths, expected.readUInt16BE(26))
        assert.equal(sum.first, expected.readUInt16BE(6))
        assert.equal(sum.messageHigh * 2 ** 32 + sum.messageLow, expected.readUIntBE(32, 6))
      }
    }))

  it("reckons the one packet that is missing, be it repaired late or written over by its reader (MC-73)", () =>
    seeded(random => {
      for (let round = 0; round < 200; round++) {
        const size = random.pick([4, 8, 16])
        const start = 1 + size * random.int(0, 2 ** 30)
        const packets = Array.from({ length: size }, (_none, i) => packet(random, start + i, size))
        const budget = memory()
        const session = new SessionParity(KEY, budget)
        const missing = random.int(0, size - 1)
        const late = random.chance(0.5) ? random.int(0, size - 1) : missing
        const parity = reference(packets, start, size)
        const expected = Buffer.from(packets[missing])
        const add = (i: number) => {
          const mended = session.add(packets[i], start + i, size)
          packets[i].fill(0xee)
          return mended
        }
        const order = [...packets.keys()].filter(i => i !== missing && i !== late)
        order.sort(() => random.next() - 0.5)
        for (const i of order) assert.equal(add(i), null)
        if (random.chance(0.2) && order.length > 0)
          assert.equal(session.add(parity, start + order[0], size), null, "twice")
        let mended = session.parity(parity, start, size, size)
        if (late !== missing) {
          assert.equal(mended, null)
          mended = add(late)
        }
        assert.equal(mended?.sequence, start + missing)
        assert.deepEqual(mended?.bytes, expected)
        assert.ok(budget.used > 0)
        session.free()
        assert.equal(budget.used, 0)
      }
    }))

  it("reckons again and again while a block grows (MC-72)", () =>
    seeded(random => {
      for (let round = 0; round < 50; round++) {
        const session = new SessionParity(KEY, memory())
        const packets = Array.from({ length: 16 }, (_none, i) => packet(random, 17 + i, 16))
        let lost = 0
        for (const [i, bytes] of packets.entries()) {
          if (random.chance(0.3)) lost++
          else assert.equal(session.add(bytes, 17 + i, 16), null)
          const parity = reference(packets.slice(0, i + 1), 17, 16)
          const mended = session.parity(parity, 17, i + 1, 16)
          assert.deepEqual(mended?.bytes, lost === 1 ? bytes : undefined)
          if (mended !== null) lost = 0
        }
      }
    }))

  it("mends nothing by what makes no sense, and keeps within memory", () =>
    seeded(random => {
      const packets = Array.from({ length: 4 }, (_none, i) => packet(random, 1 + i, 4))
      const parity = reference(packets, 1, 4)
      for (const [at, value] of [
        [26, 0xffff],
        [26, 0],
        [6, 0xffff],
      ]) {
        const lie = Buffer.from(parity)
        putU16(lie, at, value)
        const session = new SessionParity(KEY, memory())
        for (let i = 1; i < 4; i++) session.add(packets[i], 1 + i, 4)
        const mended = session.parity(lie, 1, 4, 4)
        if (mended === null) continue
        const first = mended.bytes.readUInt16BE(6)
        assert.ok(first === 0 || (first >= HEADER && first < mended.bytes.length))
        assert.ok(mended.bytes.length > HEADER && mended.bytes.length <= parity.length)
      }
      const budget = memory(300)
      const session = new SessionParity(KEY, budget)
      for (let i = 0; i < 4_000; i++) session.add(packet(random, 1 + i, 4), 1 + i, 4)
      assert.ok(budget.used <= 300)
      const many = memory()
      const all = new SessionParity(KEY, many)
      for (let i = 0; i < 4_000; i++) all.add(packet(random, 1 + i, 4), 1 + i, 4)
      // Eight blocks, each of which may have grown to twice the longest packet.
      assert.ok(many.used <= 8 * 2 * 204, `${many.used} bytes`)
    }))

  it("keeps the newest blocks, and lets no old packet take their place", () =>
    seeded(random => {
      const session = new SessionParity(KEY, memory())
      const all = Array.from({ length: 400 }, (_none, i) => packet(random, 1 + i, 4))
      for (let i = 0; i < 400; i++) if (i % 4 !== 2) session.add(all[i], 1 + i, 4)
      for (let i = 0; i < 400; i += 4) {
        const mended = session.parity(reference(all.slice(i, i + 4), 1 + i, 4), 1 + i, 4, 4)
        assert.deepEqual(mended?.bytes, i < 400 - 8 * 4 ? undefined : all[i + 2])
      }
    }))
})
