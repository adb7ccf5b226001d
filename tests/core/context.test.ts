import assert from "node:assert/strict"
import { Context, type ContextMember } from "../../core/context.ts"

/** Above Node's limit of ten, at which it warns of a leak. */
const MANY = 12

function member(): ContextMember & { closed: number } {
  const made = {
    unsent: true,
    closed: 0,
    close: () => {
      made.closed++
      return Promise.resolve()
    },
  }
  return made
}

const listeners = (): number => process.listenerCount("beforeExit")

describe("Context", () => {
  it("listens for the end of the process once for all contexts with open sockets, and not without", () => {
    const before = listeners()
    const contexts = Array.from({ length: MANY }, () => new Context([]))
    assert.equal(listeners(), before)
    const members = contexts.map(context => {
      const made = [member(), member()] as const
      for (const one of made) context.add(one)
      return made
    })
    // Other contexts of this process may have sockets of their own.
    const during = listeners()
    assert.ok(during <= before + 1, `${during - before} listeners for ${MANY} contexts`)
    for (const [i, context] of contexts.entries()) {
      context.remove(members[i][0])
      assert.equal(listeners(), during)
      context.remove(members[i][1])
      // A socket that has told of its end before.
      context.remove(members[i][1])
    }
    assert.equal(listeners(), before)
  })

  it("closes what is unsent in all contexts when the process has nothing more to do, unless it is told not to", () => {
    const contexts = [new Context([]), new Context([]), new Context([], { blocky: false })]
    const members = contexts.map(context => {
      const made = member()
      context.add(made)
      return made
    })
    process.emit("beforeExit", 0)
    assert.deepEqual(
      members.map(one => one.closed),
      [1, 1, 0],
    )
    for (const [i, context] of contexts.entries()) context.remove(members[i])
  })
})
