import assert from "node:assert/strict"
import type { Pattern } from "../../../core/contract.ts"
import { Arrivals, Follower } from "../../../patterns/pubsub/arrivals.ts"
import { FakePipe, PATTERN_OPTIONS } from "../../support/fake-pipe.ts"

const SILENT: Pattern = { attach() {}, receive() {}, writable() {}, detach() {} }

describe("Arrivals", () => {
  it("XPUB-8 keep 128 MiB of notices, drop what comes then, and keep again what fits once some were taken", () => {
    const arrivals = new Arrivals(PATTERN_OPTIONS)
    const from = new Follower(new FakePipe(SILENT))
    const topic = Buffer.alloc(1024 * 1024)
    for (let i = 0; i < 130; i++) arrivals.notice(from, 1, topic)
    // Each counts for a little more than its topic.
    assert.equal(arrivals.inbox.size, 127)
    assert.deepEqual(arrivals.dropped, { full: 3 })
    arrivals.inbox.tryReceive()
    arrivals.notice(from, 0, topic)
    assert.equal(arrivals.inbox.size, 127)
    assert.deepEqual(arrivals.dropped, { full: 3 })
    assert.equal((from.pipe as FakePipe).paused, false)
  })

  it("XPUB-8 count small ones as well", () => {
    const arrivals = new Arrivals(PATTERN_OPTIONS)
    const topic = Buffer.alloc(0)
    while (arrivals.dropped.full === undefined) arrivals.notice(null, 1, topic)
    assert.equal(arrivals.inbox.size, Math.floor(2 ** 27 / 230))
  })

  it("XPUB-7 leave the next connection of a pipe alone when the messages of the last are taken", () => {
    const arrivals = new Arrivals({ ...PATTERN_OPTIONS, receiveHighWaterMark: 2 })
    const pipe = new FakePipe(SILENT)
    const [last, next] = [new Follower(pipe), new Follower(pipe)]
    for (const follower of [last, next]) {
      for (let i = 0; i < 2; i++) arrivals.message(follower, [Buffer.from("m")])
      assert.equal(pipe.paused, true)
      last.gone = true
    }
    for (let i = 0; i < 2; i++) arrivals.inbox.tryReceive()
    assert.equal(pipe.paused, true)
    arrivals.inbox.tryReceive()
    assert.equal(pipe.paused, false)
  })
})
