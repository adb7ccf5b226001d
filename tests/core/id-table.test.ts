import assert from "node:assert/strict"
import { IdTable } from "../../core/id-table.ts"
import { seeded } from "../support/random.ts"

describe("IdTable", () => {
  it("agrees with a Map, in the order of numbers", () =>
    seeded(random => {
      const table = new IdTable<{ readonly id: number }>()
      const map = new Map<number, { readonly id: number }>()
      let next = random.int(0, 2 ** 32)
      for (let i = 0; i < 5000; i++) {
        const known = map.size > 0 && random.chance(i % 1000 < 500 ? 0.3 : 0.7)
        if (known) {
          const id = random.pick([...map.keys()].slice(0, 20))
          map.delete(id)
          table.delete(id)
          table.delete(id)
        } else {
          const id = next
          next += random.int(1, random.chance(0.01) ? 2 ** 33 : 3)
          map.set(id, { id })
          table.set(id, { id: -1 })
          table.set(id, map.get(id) as { readonly id: number })
        }
        assert.equal(table.size, map.size)
        const asked = next - random.int(1, 50)
        assert.equal(table.get(asked), map.get(asked))
      }
      assert.deepEqual([...table], [...map.values()])
    }))

  it("has nothing under numbers that nobody gave", () => {
    const table = new IdTable<object>()
    table.set(5, {})
    for (const id of [0, 4, 6, 5 + 256, 5 + 2 ** 31, 5 + 2 ** 32, 5 + 2 ** 40, 2 ** 53 - 1])
      assert.equal(table.get(id), undefined)
  })

  it("reads what is there", () => {
    const table = new IdTable<object>()
    const values = [{}, {}]
    table.set(7, values[0])
    table.set(3000, values[1])
    const read: unknown[] = []
    table.bringNear(Int32Array.of(7, 8, 3000, -1, 7), 4, value => read.push(value))
    assert.deepEqual(read, [values[0], undefined, values[1], undefined])
  })
})
