import assert from "node:assert/strict"
import { loadNative, nativeStatus } from "../../../../transports/native/native.ts"
import { SeededRandom } from "../../../../transports/simulated/random.ts"
import { MachineMemory } from "./machine-memory.ts"
import { IDLE, makeCrowd, makeNearScenario, makeOverrun, type NearScenario } from "./plans.ts"
import { type Outcome, playNear } from "./run.ts"

/** How many of a run of `npm test`; HEDDLE_SCENARIOS says another number. */
const SCENARIOS = Number(process.env.HEDDLE_SCENARIOS ?? 200)

describe("Members of a group on one machine, simulated", () => {
  const given = process.env.HEDDLE_SEED

  /** Plays one; what fails says how to see it again. */
  const attempt = async (scenario: NearScenario, memory?: MachineMemory): Promise<Outcome> => {
    try {
      return await playNear(scenario, memory)
    } catch (error) {
      console.error(
        `This scenario failed; repeat it with HEDDLE_SEED=${scenario.seed}\n${JSON.stringify(scenario, null, 1)}`,
      )
      throw error
    }
  }
  const seeds = (count: number): number[] => {
    if (given !== undefined) return [Number(given)]
    const random = new SeededRandom(Math.floor(Math.random() * 2 ** 32))
    return Array.from({ length: count }, () => Math.floor(random.next() * 2 ** 32))
  }

  it(`messages come once and in order, or it is said exactly what is missing: ${SCENARIOS} scenarios`, async function () {
    this.timeout(0)
    let openings = 0
    for (const seed of seeds(SCENARIOS)) openings += (await attempt(makeNearScenario(seed))).openings
    if (given === undefined) assert.ok(openings > SCENARIOS / 2, `memory was opened ${openings} times`)
  })

  it("the same with memory of the native addon", async function () {
    const native = loadNative()
    if (native === null) {
      console.log(`      skipped: ${nativeStatus().reason}`)
      this.skip()
    }
    this.timeout(0)
    for (const seed of seeds(SCENARIOS / 20)) await attempt(makeNearScenario(seed), new MachineMemory(native))
  })

  it("most of what receivers on the same machine get is never sent to them", async () => {
    for (const seed of seeds(5)) {
      const { bytes, asDatagrams } = await attempt(makeCrowd(seed, { loss: 0.05 * (seed % 2) }))
      assert.ok(asDatagrams < bytes / 2, `seed ${seed}: ${asDatagrams} of ${bytes} bytes went out as datagrams`)
    }
  })

  for (const strangers of [0, 2]) {
    it(`where nothing is lost nothing is asked for, comes twice or waits, with ${strangers} strangers`, async () => {
      for (const seed of seeds(5)) {
        const outcome = await attempt(makeCrowd(seed, { strangers }))
        const { naks, repairs, duplicates, missed, virtualTime } = outcome
        assert.deepEqual({ naks, repairs, duplicates, missed }, { naks: 0, repairs: 0, duplicates: 0, missed: 0 })
        // A second before it, and at most 80 ms between bursts: nobody waits for a heartbeat to go on.
        if (strangers === 0) assert.ok(virtualTime < 1_200, `seed ${seed}: it took until ${virtualTime}`)
      }
    })
  }

  it("a sender that is idle leaves its memory, and takes another when there is traffic", async () => {
    for (const seed of seeds(5)) {
      const crowd = makeCrowd(seed)
      const [sender] = crowd.senders
      const [phase] = sender.phases
      const { memories, openings, missed } = await attempt({
        ...crowd,
        senders: [{ ...sender, phases: [phase, { ...phase, wait: IDLE }, { ...phase, wait: 1_000 }] }],
      })
      assert.deepEqual([memories, openings, missed], [2, 2 * crowd.receivers.length, 0])
    }
  })

  it("who stands still while memory is used again takes nothing that is not what was sent", async () => {
    let missed = 0
    for (const seed of seeds(8)) missed += (await attempt(makeOverrun(seed))).missed
    assert.ok(missed > 0 || given !== undefined, "nobody was late")
  })

  it("plays the same run for the same seed", async () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      assert.deepEqual(await attempt(makeNearScenario(seed)), await attempt(makeNearScenario(seed)))
    }
  })
})
