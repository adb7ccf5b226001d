import assert from "node:assert/strict"
import { Alarm, type Clock } from "../../../transports/multicast/clock.ts"

/** Timers that ring when the test says so. */
class Time implements Clock {
  time = 0
  made = 0
  private timers: { at: number; run: () => void }[] = []

  now(): number {
    return this.time
  }

  after(milliseconds: number, run: () => void): { cancel(): void } {
    this.made++
    const timer = { at: this.time + milliseconds, run }
    this.timers.push(timer)
    return {
      cancel: () => {
        this.timers = this.timers.filter(one => one !== timer)
      },
    }
  }

  get set(): number {
    return this.timers.length
  }

  pass(milliseconds: number): void {
    const end = this.time + milliseconds
    for (;;) {
      const next = this.timers.filter(one => one.at <= end).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.timers = this.timers.filter(one => one !== next)
      this.time = Math.max(this.time, next.at)
      next.run()
    }
    this.time = end
  }
}

describe("Alarm", () => {
  const rings: number[] = []
  const alarm = (time: Time): Alarm => {
    rings.length = 0
    return new Alarm(time, () => rings.push(time.now()))
  }

  it("rings once, at the time that was set last", () => {
    const time = new Time()
    const one = alarm(time)
    one.set(100)
    one.set(20)
    time.pass(50)
    assert.deepEqual(rings, [20])
    time.pass(500)
    assert.deepEqual(rings, [20])
    one.set(600)
    one.set(700)
    time.pass(500)
    assert.deepEqual(rings, [20, 700])
    assert.equal(time.set, 0)
  })

  it("leaves the timer alone when it is set to a later time again and again", () => {
    const time = new Time()
    const one = alarm(time)
    for (let index = 0; index < 1_000; index++) one.set(10 + index)
    assert.equal(time.made, 1)
    time.pass(2_000)
    assert.deepEqual(rings, [1_009])
    assert.equal(time.made, 2)
  })

  it("waits longer than a timer of Node's can", () => {
    const time = new Time()
    const one = alarm(time)
    one.set(2 ** 40)
    time.pass(2 ** 32)
    assert.deepEqual(rings, [])
    time.pass(2 ** 40)
    assert.deepEqual(rings, [2 ** 40])
  })

  it("may be set from within, for the past and for never", () => {
    const time = new Time()
    let left = 3
    const one: Alarm = new Alarm(time, () => {
      if (left-- > 0) one.set(time.now() - 1)
    })
    one.set(5)
    time.pass(10)
    assert.equal(left, -1)
    one.set(20)
    one.set(Number.POSITIVE_INFINITY)
    time.pass(100)
    assert.equal(left, -1)
    one.set(200)
    one.cancel()
    time.pass(200)
    assert.equal(left, -1)
    assert.equal(time.set, 0)
  })
})
