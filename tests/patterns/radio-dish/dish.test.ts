import assert from "node:assert/strict"
import type { HeddleError } from "../../../core/errors.ts"
import { DishPattern } from "../../../patterns/radio-dish/dish.ts"
import { toGroup } from "../../../patterns/radio-dish/group.ts"
import { FakePipe, PATTERN_OPTIONS } from "../../support/fake-pipe.ts"

const dish = (settings: Partial<typeof PATTERN_OPTIONS> = {}): DishPattern =>
  new DishPattern({ ...PATTERN_OPTIONS, ...settings })
const radio = (pattern: DishPattern): FakePipe => new FakePipe(pattern, { socketType: "RADIO" })
const join = (pattern: DishPattern, ...groups: (string | Buffer)[]): void => pattern.join(groups.map(toGroup))
const leave = (pattern: DishPattern, ...groups: string[]): void => pattern.leave(groups.map(toGroup))

/** Everything that can be received now, as "group: body". */
function received(pattern: DishPattern): string[] {
  const found: string[] = []
  for (let item = pattern.inbox.tryReceive(); item !== null; item = pattern.inbox.tryReceive())
    found.push(`${item[1].group.toString("latin1")}: ${item[0]}`)
  return found
}

describe("DishPattern", () => {
  describe("what must not happen", () => {
    it("DISH-2 throws EINVAL for what is joined already, given twice or too long, and joins none", () => {
      const pattern = dish()
      const pipe = radio(pattern)
      join(pattern, "a")
      pipe.controls.length = 0
      for (const groups of [["a"], ["b", "a"], ["b", "b"], ["b", "g".repeat(256)]])
        assert.throws(() => join(pattern, ...groups), { code: "EINVAL" })
      assert.throws(() => join(pattern, 7 as unknown as string), TypeError)
      assert.deepEqual(pipe.controls, [])
      join(pattern, "b", "g".repeat(255))
    })

    it("DISH-3 throws EINVAL for what is not joined, and leaves none", () => {
      const pattern = dish()
      const pipe = radio(pattern)
      join(pattern, "a", "b")
      pipe.controls.length = 0
      for (const groups of [["x"], ["a", "x"], ["a", "a"]])
        assert.throws(() => leave(pattern, ...groups), { code: "EINVAL" })
      assert.deepEqual(pipe.controls, [])
      leave(pattern, "a", "b")
    })

    it("DISH-5 drops as filtered what is not of its groups", () => {
      const pattern = dish()
      const pipe = radio(pattern)
      join(pattern, "g")
      for (const group of ["gg", "", "h"]) pipe.says(group, "a")
      leave(pattern, "g")
      pipe.says("g", "late")
      assert.deepEqual(received(pattern), [])
      assert.deepEqual(pipe.dropped, { filtered: 4 })
    })

    it("DISH-6 refuses a radio that does not send two frames, or a long group", () => {
      const wrong = [["g"], [""], ["g", "a", "b"], ["g".repeat(256), "a"]]
      for (const frames of wrong) {
        const pattern = dish()
        const pipe = radio(pattern)
        join(pattern, "g")
        pipe.says(...frames)
        const error = pipe.closedWith as HeddleError
        assert.equal(error.code, "ERR_ZMTP_FRAME")
        assert.equal(error.fatal, true)
        assert.deepEqual(pipe.dropped, { malformed: 1 })
        assert.deepEqual(received(pattern), [])
      }
    })
  })

  it("DISH-1 gives message and group, from its radios in turn", () => {
    const pattern = dish()
    const [one, two] = [radio(pattern), radio(pattern)]
    join(pattern, "g", "h", "")
    one.says("g", "1")
    one.says("h", "2")
    two.says("", "3")
    assert.deepEqual(received(pattern), ["g: 1", ": 3", "h: 2"])
  })

  it("DISH-2, DISH-3 tells all radios at once", () => {
    const pattern = dish()
    const [one, two] = [radio(pattern), radio(pattern)]
    join(pattern, "a", Buffer.from("b"))
    leave(pattern, "a")
    for (const pipe of [one, two]) {
      assert.deepEqual(pipe.controls, [
        ["JOIN", "a"],
        ["JOIN", "b"],
        ["LEAVE", "a"],
      ])
    }
    join(pattern, "a")
  })

  it("DISH-4 tells a new connection all groups, and again the next one, also when the pipe is full", () => {
    const pattern = dish()
    const groups = Array.from({ length: 3000 }, (_, i) => `group ${i}`)
    join(pattern, ...groups)
    const pipe = new FakePipe(pattern, { room: 0 }, false)
    for (let connection = 0; connection < 2; connection++) {
      pipe.goesOnline()
      assert.deepEqual(
        pipe.controls.splice(0),
        groups.map(group => ["JOIN", group]),
      )
      pipe.goesOffline()
    }
    leave(pattern, "group 0")
    assert.deepEqual(pipe.controls, [])
  })

  it("DISH-7 a group ends at its first NUL", () => {
    const pattern = dish()
    const pipe = radio(pattern)
    join(pattern, "g\u0000ignored")
    assert.deepEqual(pipe.controls, [["JOIN", "g"]])
    assert.throws(() => join(pattern, "g"), { code: "EINVAL" })
    pipe.says("g\u0000whatever", "a")
    pipe.says("g", "b")
    pipe.says("\u0000g", "c")
    assert.deepEqual(received(pattern), ["g: a", "g: b"])
  })

  it("DISH-8 stops reading at the high-water mark; what came stays readable", () => {
    const pattern = dish({ receiveHighWaterMark: 2 })
    const pipe = new FakePipe(pattern, {}, false)
    join(pattern, "g")
    pipe.goesOnline()
    pipe.says("g", "a")
    pipe.says("g", "b")
    assert.equal(pipe.paused, true)
    pipe.goesOffline()
    pipe.paused = false
    pipe.goesOnline()
    assert.equal(pipe.paused, true)
    pipe.leaves()
    assert.deepEqual(received(pattern), ["g: a", "g: b"])
  })
})
