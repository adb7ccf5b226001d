import assert from "node:assert/strict"
import { ContiguousPrefix } from "../../../bridge-kafka/sink/contiguous-prefix.ts"
import { Ranges } from "../../../bridge-kafka/sink/ranges.ts"
import { Reader } from "../../../core/varint.ts"
import { seeded } from "../../support/random.ts"

describe("sets of numbers", () => {
  it("hold what was added, whatever the order, also after a way over the wire", () =>
    seeded(random => {
      for (let round = 0; round < 200; round++) {
        const ranges = new Ranges()
        const plain = new Set<number>()
        const most = random.int(1, 300)
        for (let i = random.int(0, 200); i > 0; i--) {
          if (random.chance(0.02)) {
            const upTo = random.int(0, most)
            ranges.addUpTo(upTo)
            for (let n = 0; n <= upTo; n++) plain.add(n)
          } else {
            const n = random.int(0, most)
            ranges.add(n)
            plain.add(n)
          }
        }
        const bytes = Buffer.alloc(ranges.encodedSize())
        assert.equal(ranges.encode(bytes, 0), bytes.length)
        const back = Ranges.decode(new Reader(bytes))
        let holes = 0
        for (let n = 0; n <= most + 1; n++) {
          assert.equal(ranges.has(n), plain.has(n), `${n}`)
          assert.equal(back.has(n), plain.has(n), `${n}`)
          if (n > 0 && plain.has(n) && !plain.has(n - 1)) holes++
        }
        assert.equal(ranges.last, plain.size === 0 ? -1 : Math.max(...plain))
        assert.equal(ranges.holes, Math.max(0, holes - (plain.has(0) ? 0 : 1)))
      }
    }))

  it("close their first hole only below the floor", () => {
    const ranges = new Ranges()
    for (const n of [1, 2, 5, 9]) ranges.add(n)
    assert.equal(ranges.closeHole(4), false)
    assert.equal(ranges.closeHole(5), true)
    assert.deepEqual(
      [3, 4, 6].map(n => ranges.has(n)),
      [true, true, false],
    )
  })

  it("refuse bytes that they did not write", () => {
    for (const bytes of [
      [2, 0, 1, 1, 1],
      [1, 5],
      [200, 200, 200, 200, 200, 200, 200, 200, 200],
    ])
      assert.throws(() => Ranges.decode(new Reader(Buffer.from(bytes))), { code: "EPROTO" })
  })
})

describe("the beginning that is done", () => {
  it("goes up to the first number that is not, with gaps and in any order", () =>
    seeded(random => {
      for (let round = 0; round < 50; round++) {
        const first = random.int(0, 1_000)
        const prefix = new ContiguousPrefix(first)
        const done = new Set<number>()
        const open: number[] = []
        let next = first
        for (let step = 0; step < 400; step++) {
          if (random.chance(0.03)) {
            const to = next + random.int(1, 6_000)
            prefix.skip(next, to)
            for (let n = next; n < to; n++) done.add(n)
            next = to
          } else if (random.chance(0.6)) open.push(next++)
          else if (open.length > 0) {
            const [n] = open.splice(random.int(0, open.length - 1), 1)
            prefix.add(n)
            done.add(n)
          }
          let expected = first
          while (done.has(expected)) expected++
          assert.equal(prefix.next, expected)
        }
      }
    }))
})
