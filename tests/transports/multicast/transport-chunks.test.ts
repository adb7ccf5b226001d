import assert from "node:assert/strict"
import { Chunks } from "../../../transports/multicast/chunks.ts"

describe("Chunks of a sender", () => {
  it("are used again when none of their packets is kept, and not before", () => {
    const chunks = new Chunks(100, true)
    const first = chunks.next(0, 1)
    const second = chunks.next(4, 1)
    assert.notEqual(second, first)
    // Packet 4 is kept.
    const third = chunks.next(8, 4)
    assert.ok(third !== first && third !== second)
    assert.equal(chunks.next(12, 5), first)
    assert.equal(chunks.next(16, 9), second)
    assert.equal(chunks.next(20, 21), third)
  })

  it("are as many as the window needs in the long run", () => {
    const chunks = new Chunks(100, true)
    const seen = new Set<Buffer>()
    for (let last = 0; last < 10_000; last += 4) seen.add(chunks.next(last, Math.max(1, last - 30)))
    assert.ok(seen.size <= 10, `${seen.size}`)
  })

  it("go when they came of a burst", () => {
    const chunks = new Chunks(100, true)
    const burst = new Set<Buffer>()
    for (let last = 0; last < 400; last += 4) burst.add(chunks.next(last, 1))
    assert.equal(burst.size, 100)
    const later = new Set<Buffer>()
    for (let last = 400; last < 4_000; last += 4) later.add(chunks.next(last, last))
    assert.ok(later.size <= 6, `${later.size}`)
  })

  it("are fresh each time where whoever sends may keep them", () => {
    const chunks = new Chunks(100, false)
    const seen = new Set<Buffer>()
    for (let last = 0; last < 100; last++) seen.add(chunks.next(last, last))
    assert.equal(seen.size, 100)
  })
})
