import assert from "node:assert/strict"
import type { Fabric } from "../../../../index.ts"
import { closesAfterEach } from "../../../support/cleanup.ts"
import { GroupHub } from "../../../support/group.ts"
import { LONG_RUN, type Random, seeded } from "../../../support/random.ts"
import { pass, turns, until } from "../../../support/wait.ts"
import { CarryRig, GROUP, linksOf, type Subscriber } from "./rig.ts"

/** Milliseconds: so short that a busy machine changes the ways of messages without being told to. */
const SHORT = 120
const STEPS = 25
const RUNS = LONG_RUN ? 100 : 2

describe("Carried subjects, whatever happens", () => {
  closesAfterEach()

  for (let run = 0; run < RUNS; run++) {
    it(`arrive once and in order, or are told as a gap (FAB-CAR-1, 4, 5), run ${run}`, () =>
      seeded(async random => {
        const hub = new GroupHub()
        const rig = new CarryRig(hub)
        const carry = { "ticks.>": { group: GROUP, probe: SHORT } }
        // A small window, so that some of it is lost for good.
        const options = { carry, resume: { bytes: random.pick([30_000, 8_000_000]) } }
        const p = await rig.join("p", options)
        const subscribers: Subscriber[] = []
        for (let i = 0; i < 3; i++) subscribers.push(await rig.subscriber(`s${i}`, options))
        const loss = new Map<string, number>()
        hub.lose = (_from, to) => random.chance(loss.get(to) ?? 0)
        const steps = Array.from({ length: STEPS }, () => trouble(random))
        let running = true
        const busy = (async () => {
          while (running) {
            rig.tick(p, random.int(1, 40))
            await turns(random.int(1, 6))
          }
        })()
        try {
          for (const step of steps) {
            await step({ hub, rig, p, loss, victim: `s${random.int(0, 2)}` })
            await pass(random.int(0, SHORT))
          }
        } finally {
          running = false
          await busy
        }
        loss.clear()
        for (const host of ["p", "s0", "s1", "s2"]) {
          hub.thaw(host)
          hub.flow(host)
        }
        await until(() => p.peers.every(({ state }) => state === "up"))
        await p.flush()
        const count = rig.published(p)
        const dropped = p.stats().dropped
        let lost = 0
        for (const one of subscribers) {
          const { missing } = one
          const holes = one.holes(count)
          lost += holes - missing
          assert.ok(holes >= missing, `${one.node.name}: ${holes} are missing, ${missing} are told`)
          assert.ok(!one.events.some(event => event.type === "gap" && event.missing === null))
        }
        assert.equal(lost, dropped, "what is neither there nor a gap was dropped, and counted")
      }))
  }
})

interface Scene {
  hub: GroupHub
  rig: CarryRig
  p: Fabric
  loss: Map<string, number>
  victim: string
}

function trouble(random: Random): (scene: Scene) => Promise<void> | void {
  const rate = random.pick([0, 0, 0.05, 0.3, 1])
  const time = random.int(1, 2 * SHORT)
  return random.pick<(scene: Scene) => Promise<void> | void>([
    ({ loss, victim }) => void loss.set(victim, rate),
    ({ loss }) => loss.clear(),
    async ({ hub, victim }) => {
      hub.freeze(victim)
      await pass(time)
      hub.thaw(victim)
    },
    async ({ hub }) => {
      hub.stall("p")
      await pass(time)
      hub.flow("p")
    },
    ({ hub }) => hub.fail("p"),
    ({ p, victim }) => {
      for (const link of linksOf(p)) if (link.name === victim) link.connection?.close()
    },
    () => pass(3 * time),
  ])
}
