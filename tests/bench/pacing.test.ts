import assert from "node:assert/strict"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, it } from "mocha"
import { Arguments } from "../../bench/task.ts"
import { ControlListener, ControlSender } from "../../bench/workers/control.ts"
import { FanMeter } from "../../bench/workers/fan-meter.ts"
import { StreamMeter, timeTrips } from "../../bench/workers/meters.ts"
import { awaitSubscribers, publishPaced } from "../../bench/workers/publishing.ts"
import { randomTopics, topic } from "../../bench/workers/topics.ts"

const SIZE = 8

function task(values: Record<string, number>): Arguments {
  return new Arguments(Object.entries({ size: SIZE, ...values }).map(([key, value]) => `${key}=${value}`))
}

describe("bench/workers: pacing", () => {
  let folder: string
  let listener: ControlListener
  let sender: ControlSender

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "heddle-bench-test-"))
    const path = `ipc://${join(folder, "control.sock")}`
    // The receiver may be there first.
    const connecting = ControlSender.connect(path)
    listener = await ControlListener.listen(path)
    sender = await connecting
  })

  afterEach(async () => {
    sender.close()
    await listener.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it("greets until every subscriber has heard it", async () => {
    const meter = new FanMeter(task({ subscribers: 3, step: 5, warm: 5, count: 5 }), sender, () => {})
    let next = 0
    await awaitSubscribers(listener, () => {
      meter.message(next++ % 3, 1)
      return undefined
    })
    assert.equal(listener.heard, 0)
    assert.equal(meter.result.received, 0)
  })

  it("never has more on the way than the window, and waits for the slowest subscriber", async () => {
    const window = 20
    const total = 400
    let finished = false
    const meter = new FanMeter(task({ subscribers: 2, step: 5, warm: 100, count: 300 }), sender, () => {
      finished = true
    })
    meter.message(0, 1)
    meter.message(1, 1)
    await listener.word(10_000)
    let most = 0
    let published = 0
    const slow: number[] = []
    const whole = await publishPaced(
      index => {
        published = index + 1
        most = Math.max(most, published - Math.max(0, listener.heard))
        meter.message(0, SIZE)
        slow.push(index)
        // The second one is a turn of the event loop behind.
        setImmediate(() => slow.shift() !== undefined && meter.message(1, SIZE))
        return undefined
      },
      0,
      total,
      window,
      listener,
    )
    assert.equal(whole, true)
    assert.equal(published, total)
    assert.ok(most <= window, `${most} on the way`)
    assert.equal(finished, true)
    const { received, deliveries, seconds } = meter.result
    assert.equal(received, 2 * total)
    assert.ok(deliveries > 0 && deliveries <= 2 * 300)
    assert.ok(seconds > 0)
  })

  it("counts nothing as delivered before all were warm", () => {
    const meter = new FanMeter(task({ subscribers: 2, step: 5, warm: 5, count: 10 }), sender, () => {})
    for (let i = 0; i < 15; i++) meter.message(0, SIZE)
    assert.deepEqual(meter.result, { received: 15, seconds: 0, deliveries: 0 })
    for (let i = 0; i < 15; i++) meter.message(1, SIZE)
    assert.equal(meter.result.deliveries, 10)
  })
})

describe("bench/workers: meters", () => {
  it("measures from the last message of the warm-up to the last of all", async () => {
    const meter = new StreamMeter(task({ warm: 2, count: 3 }))
    const last = Array.from({ length: 5 }, () => meter.message(SIZE))
    assert.deepEqual(last, [false, false, false, false, true])
    await meter.done
    assert.equal(meter.result.count, 3)
    assert.ok(meter.result.seconds >= 0)
  })

  it("does not take a message of another size for one of the stream", () => {
    const meter = new StreamMeter(task({ warm: 1, count: 1 }))
    assert.throws(() => meter.message(SIZE + 1), /a message of 9 bytes instead of 8/)
  })

  it("times each round trip after the warm-up, and checks its answer", async () => {
    let trips = 0
    const answer = Buffer.alloc(SIZE)
    const result = await timeTrips(task({ warm: 10, count: 50 }), async () => {
      trips++
      return answer
    })
    assert.equal(trips, 60)
    assert.equal(result.count, 50)
    assert.ok(result.p50 > 0 && result.p50 <= result.p99)
    const wrong = timeTrips(task({ warm: 0, count: 1 }), async () => Buffer.alloc(1))
    await assert.rejects(wrong, /an answer of 1 bytes instead of 8/)
  })

  it("makes topics that are no prefix of one another, wanted and unwanted as neighbours", () => {
    const names = new Set(Array.from({ length: 2000 }, (_, i) => [topic(i), topic(i, false)]).flat())
    assert.equal(names.size, 4000)
    assert.equal(new Set([...names].map(name => name.length)).size, 1)
    assert.equal(topic(12), "orders.eu.00000024")
    assert.equal(topic(12, false), "orders.eu.00000025")
    const wanted = new Set(Array.from({ length: 100 }, (_, i) => topic(i)))
    assert.ok(randomTopics(100, 500, true).every(name => wanted.has(name.toString())))
    assert.ok(!randomTopics(100, 500, false).some(name => wanted.has(name.toString())))
  })
})
