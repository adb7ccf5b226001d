import assert from "node:assert/strict"
import { LoadBalancer } from "../../core/load-balancer.ts"
import { FakePipe, type FakePipeOptions } from "../support/fake-pipe.ts"
import { seeded } from "../support/random.ts"

/** Pipes that are attached to a balancer, as a pattern would do it. */
const make = () => {
  const balancer = new LoadBalancer()
  const pattern = {
    attach: (pipe: FakePipe) => balancer.attach(pipe),
    receive() {},
    writable: (pipe: FakePipe) => balancer.activate(pipe),
    detach: (pipe: FakePipe) => balancer.detach(pipe),
  }
  const pipe = (options?: FakePipeOptions): FakePipe => new FakePipe(pattern as never, options)
  const send = (text: string): FakePipe | null => balancer.send([Buffer.from(text)]) as FakePipe | null
  return { balancer, pipe, send }
}

describe("LoadBalancer", () => {
  it("takes nothing without pipes", () => {
    const { balancer, send } = make()
    assert.equal(send("x"), null)
    assert.equal(balancer.writable, false)
    assert.equal(balancer.length, 0)
  })

  it("goes around, one message to each", () => {
    const { pipe, send } = make()
    const [a, b, c] = [pipe(), pipe(), pipe()]
    for (const text of "1234567") send(text)
    assert.deepEqual(
      [a.taken(), b.taken(), c.taken()],
      [
        ["1", "4", "7"],
        ["2", "5"],
        ["3", "6"],
      ],
    ) // prettier-ignore
  })

  it("passes over full pipes until they have room again", () => {
    const { balancer, pipe, send } = make()
    const [a, b] = [pipe({ room: 1 }), pipe({ room: 2 })]
    for (const text of "123") assert.notEqual(send(text), null)
    assert.equal(send("4"), null)
    assert.equal(balancer.writable, false)
    assert.deepEqual([a.taken(), b.taken()], [["1"], ["2", "3"]])
    b.drains(1)
    assert.equal(balancer.writable, true)
    assert.equal(send("4"), b)
    assert.equal(send("5"), null)
    a.drains(1)
    b.drains(1)
    assert.deepEqual(new Set([send("5"), send("6")]), new Set([a, b]))
  })

  it("forgets pipes that leave, and goes on with the others", () => {
    const { balancer, pipe, send } = make()
    const [a, b, c] = [pipe(), pipe({ room: 0 }), pipe()]
    send("1")
    a.leaves()
    b.leaves()
    assert.equal(balancer.length, 1)
    for (const text of "23") assert.equal(send(text), c)
    c.leaves()
    assert.equal(send("4"), null)
  })

  it("never loses a pipe with room, keeps the shares even, whatever comes, fills and goes", () =>
    seeded(random => {
      const { balancer, pipe, send } = make()
      let pipes: FakePipe[] = []
      for (let step = 0; step < 30_000; step++) {
        const action = random.int(0, 99)
        if (action < 3 && pipes.length < 12) pipes.push(pipe({ room: random.int(0, 5) }))
        else if (action < 5 && pipes.length > 0) {
          const leaver = random.pick(pipes)
          pipes = pipes.filter(one => one !== leaver)
          leaver.leaves()
        } else if (action < 25 && pipes.length > 0) {
          const one = random.pick(pipes)
          one.drains(one.room + random.int(1, 3))
        } else if (action < 30) {
          assert.equal(
            balancer.writable,
            pipes.some(one => one.room > 0),
          )
        } else {
          const open = pipes.filter(one => one.room > 0)
          const taker = send("x")
          if (open.length === 0) assert.equal(taker, null)
          else assert.ok(taker !== null && open.includes(taker))
        }
        assert.equal(balancer.length, pipes.length)
        for (const one of pipes) assert.ok(one.sendSlot >= 0)
      }
    }))
})
