import assert from "node:assert/strict"
import { BusyPoll } from "../../core/busy-poll.ts"

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe("BusyPoll", () => {
  /** How often it has looked; the time is what the test says. */
  let looks: number
  let now: number
  const real = performance.now
  const poll = (microseconds: number, wanted: () => boolean = () => true): BusyPoll =>
    new BusyPoll(microseconds, () => {
      looks++
      return wanted()
    })

  beforeEach(() => {
    looks = 0
    // Earlier than the real time, so that nothing goes on when it is restored.
    now = 0
    performance.now = () => now
  })
  afterEach(() => {
    performance.now = real
  })

  it("looks in each turn until its time is up", async () => {
    poll(100).start(now)
    await turn()
    await turn()
    await turn()
    const before = looks
    assert.ok(before >= 2)
    now += 0.1
    await turn()
    await turn()
    assert.ok(looks <= before + 1)
    const after = looks
    await turn()
    assert.equal(looks, after)
  })

  it("stops when nothing is expected any more", async () => {
    let wanted = true
    poll(100, () => wanted).start(now)
    await turn()
    wanted = false
    await turn()
    const before = looks
    await turn()
    await turn()
    assert.equal(looks, before)
  })

  it("goes on, in one loop, when started again; and begins anew after it stopped", async () => {
    const one = poll(100)
    one.start(now)
    one.start(now)
    now += 0.09
    one.start(now)
    now += 0.09
    await turn()
    assert.equal(looks, 1)
    now += 1
    await turn()
    await turn()
    const before = looks
    one.start(now)
    await turn()
    assert.equal(looks, before + 1)
  })

  it("leaves it be where answers come too late, and tries again now and then", async () => {
    let wanted = true
    const one = poll(100, () => wanted)
    const round = async (): Promise<boolean> => {
      const before = looks
      one.start(now)
      now += 1
      await turn()
      return looks > before
    }
    let tried = 0
    for (let i = 0; i < 64; i++) if (await round()) tried++
    assert.ok(tried >= 4 && tried <= 16, `${tried} times of 64`)
    // Answers come soon now: what it tries convinces it.
    for (let i = 0; i < 16 * 16; i++) {
      wanted = true
      one.start(now)
      wanted = false
      await turn()
    }
    wanted = true
    assert.ok(await round())
    assert.ok(await round())
  })

  it("takes an answer for a success though others are expected", async () => {
    const one = poll(100)
    for (let i = 0; i < 64; i++) {
      const before = looks
      one.start(now)
      one.answered()
      now += 1
      await turn()
      assert.ok(looks > before)
    }
  })

  it("leaves it be where somebody else has the processor between look and news", async () => {
    const one = poll(100)
    /** News that was found so many milliseconds after the last look. */
    const round = async (late: number): Promise<boolean> => {
      const before = looks
      one.start(now)
      await turn()
      now += late
      one.answered(now)
      // Its time is not up: it stops for that reason.
      await turn()
      const stopped = looks
      await turn()
      const stops = looks === stopped
      now += 1
      await turn()
      return looks > before && stops
    }
    assert.equal(await round(0.005), false)
    let stopped = 0
    for (let i = 0; i < 64; i++) if (await round(0.05)) stopped++
    assert.ok(stopped >= 4 && stopped <= 16, `${stopped} times of 64`)
  })

  it("never looks when it shall not", async () => {
    poll(0).start(now)
    await turn()
    assert.equal(looks, 0)
  })
})
