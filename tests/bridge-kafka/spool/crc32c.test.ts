import assert from "node:assert/strict"
import { crc32c } from "../../../bridge-kafka/spool/crc32c.ts"
import { seeded } from "../../support/random.ts"

/** Bit by bit, as the polynomial is defined. */
function slow(bytes: Uint8Array): number {
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
  }
  return ~crc >>> 0
}

describe("CRC-32C", () => {
  it("gives the values of RFC 3720 B.4", () => {
    assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa)
    assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43)
    assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e)
    assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c)
  })

  it("is the same in slices of eight as bit by bit, from any place and in pieces", () =>
    seeded(random => {
      const bytes = random.bytes(300)
      for (let round = 0; round < 300; round++) {
        const start = random.int(0, 300)
        const end = random.int(start, 300)
        const middle = random.int(start, end)
        const expected = slow(bytes.subarray(start, end))
        assert.equal(crc32c(bytes, start, end), expected)
        assert.equal(crc32c(bytes, middle, end, crc32c(bytes, start, middle)), expected)
      }
    }))
})
