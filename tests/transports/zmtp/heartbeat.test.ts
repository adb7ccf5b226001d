import assert from "node:assert/strict"
import { Heartbeat, type HeartbeatTarget } from "../../../transports/zmtp/heartbeat.ts"
import { FakeClock } from "../../support/clock.ts"
import { LINK_OPTIONS } from "../../support/link-options.ts"

/** A connection whose peer answers each PING, or not. */
class Target implements HeartbeatTarget {
  bytesReceived = 100
  deaf = false
  answers = true
  /** When each PING went out, and when the peer was given up, on the test's clock. */
  readonly pings: number[] = []
  readonly deaths: number[] = []
  silence = 0
  private readonly clock: FakeClock
  private readonly began: number

  constructor(clock: FakeClock) {
    this.clock = clock
    this.began = clock.now
  }

  ping(): void {
    this.pings.push(this.clock.now - this.began)
    if (this.answers) this.bytesReceived += 7
  }

  dead(silence: number): void {
    this.deaths.push(this.clock.now - this.began)
    this.silence = silence
    this.heartbeat?.stop()
  }

  heartbeat: Heartbeat | null = null

  watch(heartbeatInterval: number, heartbeatTimeout: number): this {
    this.heartbeat = Heartbeat.for(this, { ...LINK_OPTIONS, heartbeatInterval, heartbeatTimeout }, true)
    return this
  }
}

describe("Heartbeat", () => {
  let clock: FakeClock
  let target: Target

  beforeEach(() => {
    clock = new FakeClock().install()
    target = new Target(clock)
  })
  afterEach(() => clock.restore())

  it("watches nobody with an interval of 0, nor a peer that knows no PING", () => {
    assert.equal(Heartbeat.for(target, { ...LINK_OPTIONS, heartbeatInterval: 0 }, true), null)
    assert.equal(Heartbeat.for(target, { ...LINK_OPTIONS, heartbeatInterval: 100 }, false), null)
    assert.equal(clock.pending, 0)
  })

  for (const [interval, timeout] of [
    [5_000, 10_000],
    [100, 400],
    [100, 100],
    [100, -1],
    [5_000, 1_000],
    [100, 1],
    [100, 0],
  ]) {
    it(`never gives up a silent peer that answers (interval ${interval}, timeout ${timeout})`, () => {
      target.watch(interval, timeout)
      clock.advance(interval * 20)
      assert.deepEqual(target.deaths, [])
      assert.ok(target.pings.length >= 15 && target.pings.length <= 21, `${target.pings.length} pings in 20 intervals`)
    })

    it(`asks a peer before it gives it up (interval ${interval}, timeout ${timeout})`, () => {
      target.answers = false
      target.watch(interval, timeout)
      clock.advance(interval * 20)
      assert.equal(target.deaths.length, 1)
      assert.ok(target.pings.length >= 1)
      const grace = timeout < 0 ? interval : timeout
      // At the earliest after the timeout, and not much later than libzmq, which counts it from the PING.
      assert.ok(target.deaths[0] >= Math.max(grace, target.pings[0]), `dead after ${target.deaths[0]}`)
      assert.ok(target.deaths[0] <= interval + grace + Math.min(interval, Math.max(grace, 10)) + 2)
      assert.ok(target.silence >= grace)
    })
  }

  it("takes any byte for life, also those of a frame that is not whole (libzmq#2709)", () => {
    target.answers = false
    target.watch(100, 200)
    for (let i = 0; i < 50; i++) {
      clock.advance(99)
      target.bytesReceived++
    }
    assert.deepEqual(target.deaths, [])
    clock.advance(500)
    assert.equal(target.deaths.length, 1)
  })

  it("says nothing about a peer that we do not read", () => {
    target.answers = false
    target.watch(100, 200)
    target.deaf = true
    clock.advance(5_000)
    assert.deepEqual(target.deaths, [])
    target.deaf = false
    clock.advance(150)
    assert.deepEqual(target.deaths, [], "what had been sent meanwhile is still to be read")
    clock.advance(500)
    assert.equal(target.deaths.length, 1)
  })

  it("gives the peer another interval when our own event loop stood still", () => {
    target.answers = false
    target.watch(100, 200)
    clock.advance(100)
    clock.jump(60_000)
    assert.deepEqual(target.deaths, [])
    clock.advance(500)
    assert.equal(target.deaths.length, 1)
  })

  it("stops", () => {
    target.watch(100, 200)
    target.heartbeat?.stop()
    clock.advance(1_000)
    assert.deepEqual(target.pings, [])
    assert.equal(clock.pending, 0)
  })

  describe("for the peer's time to live", () => {
    it("gives up after that much silence, without asking", () => {
      target.heartbeat = Heartbeat.forTimeToLive(target, 500)
      clock.advance(2_000)
      assert.deepEqual(target.deaths, [500])
      assert.deepEqual(target.pings, [])
    })

    it("takes any byte for life", () => {
      target.heartbeat = Heartbeat.forTimeToLive(target, 500)
      for (let i = 0; i < 20; i++) {
        clock.advance(400)
        target.bytesReceived++
      }
      assert.deepEqual(target.deaths, [])
      clock.advance(1_100)
      assert.equal(target.deaths.length, 1)
    })
  })
})
