import assert from "node:assert/strict"
import { LONG_RUN } from "../../support/random.ts"
import { Ledger } from "./chaos/ledger.ts"
import { Work } from "./chaos/work.ts"
import { World } from "./chaos/world.ts"

/** HEDDLE_SEED repeats one run. */
const FIRST = Number(process.env.HEDDLE_SEED ?? 1)
const ONE = process.env.HEDDLE_SEED !== undefined
const RUNS = ONE ? 1 : LONG_RUN ? 2_000 : 150

const NOBODY: ReadonlySet<string> = new Set()

/** Repeats nothing, loses nothing in silence, keeps the order: one subscription to everything at each of three nodes. */
async function messages(seed: number): Promise<World> {
  const ledgers: Ledger[] = []
  const world = new World(seed, 3, member => {
    ledgers.push(new Ledger(member.fabric, "n.>", {}, () => undefined))
  })
  const { random } = world
  await world.begin()
  for (let step = 0; step < 60; step++) {
    if (random.chance(0.15)) world.harm()
    for (const member of world.alive)
      for (let i = random.int(0, 5); i > 0; i--) {
        const n = member.next("n")
        member.fabric.publish(`n.${n % 3}`, { from: member.fabric.id, n, padding: "x".repeat(random.int(0, 300)) })
      }
    await world.net.run(random.int(10, 1_000))
  }
  await world.heal()
  for (const member of world.alive) member.fabric.publish("n.0", { from: member.fabric.id, n: member.next("n") })
  await world.net.run(2_000)
  const alive = new Set(world.alive.map(({ fabric }) => fabric.id))
  for (const ledger of ledgers) {
    const lives = alive.has(ledger.node)
    world.faults.push(...ledger.audit(lives ? alive : NOBODY))
    for (const { fabric, published } of lives ? world.alive : [])
      if (ledger.last(fabric.id) !== published.get("n"))
        world.faults.push(`${ledger.node}: has ${ledger.last(fabric.id)} of ${published.get("n")} of ${fabric.id}`)
  }
  return world
}

/** Queue groups, requests, tasks and history, with takers that come and go. */
async function working(seed: number): Promise<World> {
  const world: World = new World(seed, 3, member => work.settle(member))
  const work = new Work(world)
  const { random } = world
  await world.begin()
  for (let step = 0; step < 60; step++) {
    if (random.chance(0.15)) world.harm()
    for (const member of world.alive) for (let i = random.int(0, 4); i > 0; i--) work.act(member)
    await world.net.run(random.int(10, 1_000))
  }
  const { net } = world
  // Who is there when all is well again takes what is left.
  for (const member of world.alive.slice(0, 1)) work.provide(member)
  await world.heal()
  work.provide(random.pick(world.alive))
  await net.run(60_000)
  world.faults.push(...work.audit())
  return world
}

/** Says what is wrong in all runs, with the log of the one that was asked for. */
async function all(run: (seed: number) => Promise<World>): Promise<void> {
  const faults: string[] = []
  const unhandled = (error: unknown): void => void faults.push(`unhandled rejection: ${(error as Error).stack}`)
  process.on("unhandledRejection", unhandled)
  try {
    for (let seed = FIRST; seed < FIRST + RUNS; seed++) {
      const before = faults.length
      const world = await run(seed)
      faults.push(...world.faults)
      await world.end()
      if (faults.length > before) faults.splice(before, 0, `HEDDLE_SEED=${seed}`)
      if (faults.length > before && ONE) console.error(world.log.join("\n"))
    }
  } finally {
    process.off("unhandledRejection", unhandled)
  }
  assert.deepEqual(faults, [])
}

describe("fabric: chaos, in virtual time", function () {
  // A minute of each run takes some 50 ms.
  this.timeout(600_000)

  it("FAB-LNK-2, FAB-LNK-3 messages come once and in order, and what is missing is told", () => all(messages))

  it("FAB-QUE, FAB-REQ, FAB-TSK, FAB-HIS every request ends, every task is done, no member gets what another has", () =>
    all(working))
})
