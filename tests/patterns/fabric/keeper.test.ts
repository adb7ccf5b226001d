import assert from "node:assert/strict"
import { Keeper } from "../../../patterns/fabric/history.ts"
import { Parcel } from "../../../patterns/fabric/link/parcel.ts"
import { Topic } from "../../../patterns/fabric/topics.ts"

const parcel = (text: string, headers: Buffer | null = null): Parcel => Parcel.of(Buffer.from(text), 1, "", headers)

function store(keeper: Keeper, ...values: string[]): void {
  for (const value of values) keeper.store(new Topic(`s.${value[0]}`), parcel(value))
}

function recall(keeper: Keeper, pattern = ">", most = 1_000): string[] {
  return keeper.recall(pattern, most).map(kept => kept.parcel.payload.toString())
}

describe("Keeper", () => {
  it("FAB-HIS-1 keeps the last message of each subject, and gives them back oldest first", () => {
    const keeper = new Keeper("s.>")
    store(keeper, "a1", "b1", "a2", "c1")
    assert.deepEqual(recall(keeper), ["b1", "a2", "c1"])
    assert.deepEqual(recall(keeper, "s.a"), ["a2"])
    assert.deepEqual(recall(keeper, "s.x"), [])
    assert.equal(keeper.subjects, 3)
    assert.equal(keeper.bytes, 6)
  })

  it("FAB-HIS-2 keeps the last n, and gives the newest that are asked for", () => {
    const keeper = new Keeper("s.>", { last: 3 })
    store(keeper, "a1", "b1", "a2", "a3", "a4", "b2")
    assert.deepEqual(recall(keeper), ["b1", "a2", "a3", "a4", "b2"])
    assert.deepEqual(recall(keeper, "s.*", 2), ["b1", "a3", "a4", "b2"])
    assert.deepEqual(recall(keeper, "s.*", 1), ["a4", "b2"])
  })

  it("FAB-HIS-10 forgets the subject that has been silent longest when there are too many", () => {
    const keeper = new Keeper("s.>", { subjects: 2, last: 2 })
    store(keeper, "a1", "b1", "a2", "c1")
    assert.deepEqual(recall(keeper), ["a1", "a2", "c1"])
    assert.equal(keeper.subjects, 2)
    assert.equal(keeper.bytes, 6)
  })

  it("FAB-HIS-10 and when the bytes are too many, then the oldest messages; the newest stays", () => {
    const keeper = new Keeper("s.>", { bytes: 10, last: 100 })
    store(keeper, "a1", "b1", "b2", "c1", "c2")
    assert.deepEqual(recall(keeper), ["a1", "b1", "b2", "c1", "c2"])
    store(keeper, "c3")
    assert.deepEqual(recall(keeper), ["b1", "b2", "c1", "c2", "c3"])
    store(keeper, "c456789")
    assert.deepEqual(recall(keeper), ["c3", "c456789"])
    assert.equal(keeper.bytes, 9)
    store(keeper, "dxxxxxxxxxxxxxxxxxxx")
    assert.deepEqual(recall(keeper), ["dxxxxxxxxxxxxxxxxxxx"])
    assert.equal(keeper.bytes, 20)
    store(keeper, "d1")
    assert.deepEqual(recall(keeper), ["d1"])
    assert.equal(keeper.bytes, 2)
  })

  it("FAB-HIS-10 counts headers", () => {
    const keeper = new Keeper("s.>", { bytes: 10, last: 100 })
    for (let i = 0; i < 3; i++) keeper.store(new Topic("s.a"), parcel("x", Buffer.alloc(4)))
    assert.equal(keeper.bytes, 10)
    assert.equal(recall(keeper).length, 2)
  })

  it("FAB-HIS-6 clears one subject, or all", () => {
    const keeper = new Keeper("s.>", { last: 2 })
    store(keeper, "a1", "a2", "b1")
    keeper.clear("s.x")
    keeper.clear("s.a")
    assert.deepEqual(recall(keeper), ["b1"])
    assert.equal(keeper.bytes, 2)
    keeper.clear()
    assert.deepEqual(recall(keeper), [])
    assert.equal(keeper.bytes, 0)
    store(keeper, "a3")
    assert.deepEqual(recall(keeper), ["a3"])
  })

  for (const options of [
    { last: 0 },
    { last: 1.5 },
    { subjects: -1 },
    { bytes: Number.NaN },
    { bytes: "1" as never },
  ]) {
    it(`FAB-HIS-11 refuses ${JSON.stringify(options)}, and says what it takes`, () => {
      assert.throws(() => new Keeper("s", options), { code: "EINVAL", message: /keep\("s"\): \w+ is .*whole number/ })
    })
  }
})
