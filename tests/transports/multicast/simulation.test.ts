import assert from "node:assert/strict"
import { RECEIVER_DEFAULTS, SENDER_DEFAULTS } from "../../../transports/multicast/engine.ts"
import { SeededRandom } from "../../../transports/simulated/random.ts"
import { LONG_RUN } from "../../support/random.ts"
import { play } from "./scenario-run.ts"
import { makeScenario, type Scenario } from "./scenarios.ts"
import { playMany } from "./simulation-long.ts"

/** One sender of 1,000 messages in datagrams of their own, and so many receivers who lose some of them, all the same or each others. */
function crowd(receivers: number, shared: boolean, loss = 0.05, parity: "auto" | false = false): Scenario {
  return {
    seed: receivers,
    senders: [{ startsAt: 0, messages: 1_000, largest: 1_400, frames: 1, burst: 1, pause: 2, restartsAt: null }],
    receivers: Array.from({ length: receivers }, () => ({
      joinsAt: 0,
      diesAt: null,
      leavesAt: null,
      nervous: 0,
      cost: 0,
      parity: true,
    })),
    conditions: { delay: [0.1, 0.3], loss: shared ? 0 : loss },
    groupLoss: shared ? loss : 0,
    replies: true,
    sender: { ...SENDER_DEFAULTS, linger: 500, parity },
    receiver: RECEIVER_DEFAULTS,
    incidents: [],
    gentle: true,
    clean: false,
    hostile: false,
    uplink: 0,
  }
}

/** How many of a run of `npm test`; the long one has its own driver (simulation-long.ts). */
const SCENARIOS = 300

describe("Multicast in a simulated network", () => {
  const given = process.env.HEDDLE_SEED

  /** Plays one; what fails says how to see it again. */
  const attempt = (seed: number): void => {
    const scenario = makeScenario(seed)
    try {
      play(scenario)
    } catch (error) {
      console.error(`This scenario failed; repeat it with HEDDLE_SEED=${seed}\n${JSON.stringify(scenario, null, 1)}`)
      throw error
    }
  }

  if (given !== undefined) it(`keeps its promises in scenario ${given}`, () => attempt(Number(given)))
  else {
    it(`delivers each message once and in order, or says exactly what is missing: ${SCENARIOS} scenarios`, () => {
      const seeds = new SeededRandom(Math.floor(Math.random() * 2 ** 32))
      for (let i = 0; i < SCENARIOS; i++) attempt(Math.floor(seeds.next() * 2 ** 32))
    })
  }

  it("plays the same run for the same seed", () => {
    for (const seed of [1, 2, 3, 4, 5]) assert.deepEqual(play(makeScenario(seed)), play(makeScenario(seed)))
  })

  for (const shared of [true, false]) {
    it(`asks about once for a packet that ${shared ? "all" : "some"} have lost, in large groups`, () => {
      const perRepair: number[] = []
      for (const receivers of [1, 4, 16, 64]) {
        const { naks, repairs, missed } = play(crowd(receivers, shared))
        assert.equal(missed, 0)
        assert.ok(repairs > 20, `${repairs} repairs`)
        perRepair.push(naks / repairs)
      }
      // Up to 32 receivers nobody hears another's NAK, and each asks for itself (MC-42).
      const most = [3, 4 + 1, 16 + 1, 3]
      for (const [i, ratio] of perRepair.entries()) assert.ok(ratio < most[i], `NAKs for each repair: ${perRepair}`)
    })
  }

  it("is asked for few of the packets that are lost where there is PARITY", () => {
    for (const receivers of [4, 16, 64]) {
      const without = play(crowd(receivers, false))
      const { naks, missed, lost } = play(crowd(receivers, false, 0.05, "auto"))
      assert.equal(missed, 0)
      assert.ok(naks < without.naks / 3, `${naks} NAKs for ${lost} losses, ${without.naks} for ${without.lost} without`)
    }
  })

  it("gives everything to 200 receivers of whom each loses 1 %, and none asks much more than once", () => {
    const { delivered, missed, naks } = play(crowd(200, false, 0.01))
    assert.equal(missed, 0)
    // Who joined by a later packet than the first has fewer.
    assert.ok(delivered > 0.99 * 200 * 1_000, `${delivered} delivered`)
    // Some 2,000 packets are lost in all.
    assert.ok(naks < 3_000, `${naks} NAKs`)
  })

  if (LONG_RUN) {
    it("keeps its promises in 100,000 scenarios", async function () {
      this.timeout(0)
      const result = await playMany(100_000)
      console.log(JSON.stringify(result))
      assert.equal(result.failed, 0)
    })
  }
})
