import assert from "node:assert/strict"
import { Pacer } from "../../cli/pacer.ts"

/** Time passes only in `sleep`, and each sleep takes longer than asked, as real timers do. */
function lateClock(lateness: number) {
  const clock = {
    time: 1000,
    now: () => clock.time,
    sleep: async (milliseconds: number) => {
      clock.time += milliseconds + lateness
    },
  }
  return clock
}

const NEVER = new AbortController().signal

describe("cli pacer", () => {
  it("late timers do not add up: the last of many messages is late by one timer only", async () => {
    const clock = lateClock(0.9)
    const pacer = new Pacer(100, NEVER, clock)
    const began = clock.time
    for (let i = 0; i <= 1000; i++) await pacer.next()
    // 1,000 intervals of 10 ms.
    assert.ok(Math.abs(clock.time - began - 10_000) < 1, `took ${clock.time - began} ms`)
  })

  it("sends several at once when the interval is shorter than a timer can be", async () => {
    const clock = lateClock(1)
    const pacer = new Pacer(10_000, NEVER, clock)
    const began = clock.time
    for (let i = 0; i <= 10_000; i++) await pacer.next()
    assert.ok(Math.abs(clock.time - began - 1000) < 2, `took ${clock.time - began} ms`)
  })

  it("makes up for a short delay, not for a long one", async () => {
    const clock = lateClock(0)
    const pacer = new Pacer(10, NEVER, clock)
    await pacer.next()
    clock.time += 350
    for (let i = 0; i < 3; i++) await pacer.next()
    assert.equal(clock.now(), 1350, "three messages were due")
    await pacer.next()
    assert.equal(clock.now(), 1400)
    clock.time += 60_000
    await pacer.next()
    await pacer.next()
    assert.equal(clock.now(), 61_500, "no burst after a minute, but the next one an interval later")
  })

  it("a wait ends with the command", async () => {
    const ending = new AbortController()
    const pacer = new Pacer(0.001, ending.signal)
    await pacer.next()
    const waiting = pacer.next()
    ending.abort()
    await waiting
  })
})
