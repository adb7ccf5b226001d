import assert from "node:assert/strict"
import { withFirst, withoutFirst } from "../../../patterns/reqrep/frames.ts"

const frames = (...texts: string[]): Buffer[] => texts.map(text => Buffer.from(text))

describe("reqrep/frames", () => {
  for (let length = 1; length <= 6; length++) {
    const message = Object.freeze(frames(..."abcdef".slice(0, length)))

    it(`adds a first frame to ${length} frames, sharing them`, () => {
      const first = Buffer.from("id")
      const longer = withFirst(first, message)
      assert.equal(longer.length, length + 1)
      assert.equal(longer[0], first)
      for (let i = 0; i < length; i++) assert.equal(longer[i + 1], message[i])
    })

    if (length > 1) {
      it(`takes the first of ${length} frames away, sharing the rest`, () => {
        const shorter = withoutFirst(message)
        assert.equal(shorter.length, length - 1)
        for (let i = 1; i < length; i++) assert.equal(shorter[i - 1], message[i])
      })
    }
  }
})
