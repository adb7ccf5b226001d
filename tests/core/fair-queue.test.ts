import assert from "node:assert/strict"
import { FairQueue, type FairQueueOptions } from "../../core/fair-queue.ts"
import { FakePipe } from "../support/fake-pipe.ts"
import { seeded } from "../support/random.ts"

const IDLE = { attach() {}, receive() {}, writable() {}, detach() {} }
const pipe = (): FakePipe => new FakePipe(IDLE)

const make = (options: Partial<FairQueueOptions> = {}): FairQueue<string> =>
  new FairQueue<string>({ receiveHighWaterMark: 1_000, ...options })

const all = (queue: FairQueue<string>): string[] => {
  const items: string[] = []
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) items.push(item)
  return items
}

describe("FairQueue", () => {
  it("takes one item of each pipe in turn", () => {
    const queue = make()
    const [a, b, c] = [pipe(), pipe(), pipe()]
    for (const item of ["a1", "a2", "a3"]) queue.push(a, item)
    for (const item of ["b1"]) queue.push(b, item)
    for (const item of ["c1", "c2"]) queue.push(c, item)
    assert.equal(queue.size, 6)
    assert.deepEqual(all(queue), ["a1", "b1", "c1", "a2", "c2", "a3"])
    assert.equal(queue.size, 0)
  })

  it("goes on with the next pipe when one comes back", () => {
    const queue = make()
    const [a, b] = [pipe(), pipe()]
    queue.push(a, "a1")
    queue.push(b, "b1")
    queue.push(b, "b2")
    assert.equal(queue.shift(), "a1")
    queue.push(a, "a2")
    assert.deepEqual(all(queue), ["b1", "a2", "b2"])
  })

  describe("everything at once", () => {
    it("is given when one pipe has sent it, which goes on", () => {
      const queue = make({ receiveHighWaterMark: 3 })
      const a = pipe()
      for (let round = 0; round < 3; round++) {
        for (const item of ["1", "2", "3"]) queue.push(a, item)
        assert.equal(a.paused, true)
        assert.deepEqual(queue.takeAll(), ["1", "2", "3"])
        assert.equal(a.paused, false)
        assert.equal(queue.size, 0)
        assert.equal(queue.shift(), undefined)
      }
      assert.equal(queue.takeAll(), null)
      queue.push(a, "4")
      assert.deepEqual(all(queue), ["4"])
    })

    it("is not given past the turn of another pipe, nor what a peer left behind", () => {
      const queue = make()
      const [a, b] = [pipe(), pipe()]
      queue.push(a, "a1")
      queue.push(a, "a2")
      queue.push(b, "b1")
      assert.equal(queue.takeAll(), null)
      assert.deepEqual(all(queue), ["a1", "b1", "a2"])
      queue.push(a, "a3")
      a.lane?.left()
      assert.equal(queue.takeAll(), null)
      assert.deepEqual(all(queue), ["a3"])
    })
  })

  it("keeps the order of each pipe and starves none, whatever comes and goes", () =>
    seeded(random => {
      const queue = make({ receiveHighWaterMark: 0 })
      const pipes = Array.from({ length: 7 }, pipe)
      const sent = pipes.map(() => 0)
      const got = pipes.map(() => 0)
      let waiting = 0
      let sinceServed = pipes.map(() => 0)
      for (let step = 0; step < 50_000; step++) {
        if (random.chance(0.51)) {
          const i = random.int(0, pipes.length - 1)
          queue.push(pipes[i], `${i}/${sent[i]++}`)
          waiting++
        } else {
          const item = queue.shift()
          if (item === undefined) {
            assert.equal(waiting, 0)
            continue
          }
          waiting--
          const [i, n] = item.split("/").map(Number)
          assert.equal(n, got[i]++)
          sinceServed = sinceServed.map((turns, other) => (other === i || got[other] === sent[other] ? 0 : turns + 1))
          assert.ok(Math.max(...sinceServed) <= pipes.length, "a pipe with items was passed over")
        }
        assert.equal(queue.size, waiting)
      }
    }))

  describe("high-water mark", () => {
    it("pauses a pipe whose lane is full, and resumes it when half is read", () => {
      const queue = make({ receiveHighWaterMark: 4 })
      const [a, b] = [pipe(), pipe()]
      for (const item of ["1", "2", "3"]) queue.push(a, item)
      assert.equal(a.paused, false)
      queue.push(a, "4")
      assert.equal(a.paused, true)
      queue.push(b, "b")
      assert.equal(b.paused, false, "one full lane is no other pipe's affair")
      queue.shift()
      assert.equal(a.paused, true)
      queue.shift()
      queue.shift()
      assert.equal(a.paused, false)
    })

    it("of 1 lets one item wait", () => {
      const queue = make({ receiveHighWaterMark: 1 })
      const a = pipe()
      for (let round = 0; round < 3; round++) {
        queue.push(a, "x")
        assert.equal(a.paused, true)
        queue.shift()
        assert.equal(a.paused, false)
      }
    })

    it("of 0 is no limit", () => {
      const queue = make({ receiveHighWaterMark: 0 })
      const a = pipe()
      for (let i = 0; i < 10_000; i++) queue.push(a, "x")
      assert.equal(a.paused, false)
    })

    it("is read live", () => {
      const options = { receiveHighWaterMark: 2 }
      const queue = new FairQueue<string>(options)
      const a = pipe()
      queue.push(a, "1")
      options.receiveHighWaterMark = 10
      queue.push(a, "2")
      assert.equal(a.paused, false)
      options.receiveHighWaterMark = 3
      queue.push(a, "3")
      assert.equal(a.paused, true)
      options.receiveHighWaterMark = 0
      all(queue)
      assert.equal(a.paused, false)
    })

    it("pauses the next connection of a pipe whose lane is still full", () => {
      const queue = make({ receiveHighWaterMark: 2 })
      const a = pipe()
      queue.push(a, "1")
      queue.reconnected(a)
      assert.equal(a.paused, false)
      queue.push(a, "2")
      a.paused = false // the new connection
      queue.reconnected(a)
      assert.equal(a.paused, true)
      queue.reconnected(pipe())
    })
  })

  describe("conflate", () => {
    it("keeps the newest item of each pipe, and counts the others", () => {
      const queue = make({ conflate: true })
      const [a, b] = [pipe(), pipe()]
      for (const item of ["a1", "a2", "a3"]) queue.push(a, item)
      queue.push(b, "b1")
      assert.equal(queue.size, 2)
      assert.deepEqual(all(queue), ["a3", "b1"])
      assert.deepEqual(a.dropped, { conflated: 2 })
      assert.deepEqual(b.dropped, {})
    })

    it("never pauses: what comes replaces what waits, whatever the high-water mark", () => {
      const queue = make({ conflate: true, receiveHighWaterMark: 1 })
      const a = pipe()
      queue.push(a, "old")
      assert.equal(a.paused, false)
      queue.push(a, "new")
      assert.deepEqual(all(queue), ["new"])
    })
  })

  it("forgets everything, counts it, and lets paused pipes go on", () => {
    const queue = make({ receiveHighWaterMark: 2 })
    const [a, b] = [pipe(), pipe()]
    queue.push(a, "1")
    queue.push(a, "2")
    queue.push(b, "3")
    queue.clear("stale")
    assert.equal(queue.size, 0)
    assert.equal(queue.shift(), undefined)
    assert.equal(a.paused, false)
    assert.deepEqual(a.dropped, { stale: 2 })
    assert.deepEqual(b.dropped, { stale: 1 })
    queue.push(a, "4")
    assert.deepEqual(all(queue), ["4"])
  })

  describe("what peers left behind", () => {
    const leaves = (one: FakePipe): void => one.lane?.left()

    it("stops newcomers, and forgets those of them that leave before they were read", () => {
      const queue = make({ receiveHighWaterMark: 2 })
      const gone = pipe()
      for (const item of ["1", "2"]) queue.push(gone, item)
      leaves(gone)
      const newcomer = pipe()
      queue.reconnected(newcomer)
      assert.equal(newcomer.paused, true)
      leaves(newcomer)
      all(queue)
      assert.equal(newcomer.paused, true, "nobody has anything to say to it any more")
      assert.equal((queue as unknown as { held: Set<unknown> }).held.size, 0)
    })

    it("stops newcomers once it fills a lane, and reads them when half of it was taken", () => {
      const queue = make({ receiveHighWaterMark: 4 })
      for (const name of ["a", "b"]) {
        const gone = pipe()
        for (const n of [1, 2]) queue.push(gone, name + n)
        leaves(gone)
      }
      const [first, second] = [pipe(), pipe()]
      for (const one of [first, second]) queue.reconnected(one)
      assert.deepEqual([first.paused, second.paused], [true, true])
      queue.shift()
      assert.equal(first.paused, true, "three of four are still there")
      queue.shift()
      assert.deepEqual([first.paused, second.paused], [false, false])
      assert.equal(queue.size, 2, "and nothing was dropped")
    })

    it("does not stop those who are there, nor newcomers while there is little of it", () => {
      const queue = make({ receiveHighWaterMark: 4 })
      const [stays, gone] = [pipe(), pipe()]
      for (const n of [1, 2, 3]) queue.push(gone, `gone${n}`)
      leaves(gone)
      leaves(gone)
      queue.push(stays, "here")
      const newcomer = pipe()
      queue.reconnected(newcomer)
      assert.deepEqual([stays.paused, newcomer.paused], [false, false])
    })

    it("without a high-water mark stops nobody", () => {
      const queue = make({ receiveHighWaterMark: 0 })
      const gone = pipe()
      for (let n = 0; n < 5_000; n++) queue.push(gone, String(n))
      leaves(gone)
      const newcomer = pipe()
      queue.reconnected(newcomer)
      assert.equal(newcomer.paused, false)
    })

    it("lets newcomers go on when all is forgotten", () => {
      const queue = make({ receiveHighWaterMark: 1 })
      const gone = pipe()
      queue.push(gone, "x")
      leaves(gone)
      const newcomer = pipe()
      queue.reconnected(newcomer)
      queue.clear("stale")
      assert.equal(newcomer.paused, false)
    })
  })
})
