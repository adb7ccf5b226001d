import assert from "node:assert/strict"
import { MachineMemory } from "./machine-memory.ts"
import type { NearScenario } from "./plans.ts"
import type { NearProcess } from "./process.ts"
import { NearWorld } from "./world.ts"

/** Beyond what flow control, repairs and time-outs may take: then something waits for ever (virtual milliseconds). */
const PATIENCE = 60_000

/** What a run came to. */
export interface Outcome {
  readonly delivered: number
  readonly missed: number
  /** Bytes of packets, and of those that went out as datagrams. */
  readonly bytes: number
  readonly asDatagrams: number
  readonly naks: number
  readonly repairs: number
  readonly duplicates: number
  readonly memories: number
  readonly openings: number
  readonly virtualTime: number
}

/** Plays a scenario to its end. Throws when the invariant is broken anywhere in it. */
export async function playNear(scenario: NearScenario, memory = new MachineMemory()): Promise<Outcome> {
  const world = new NearWorld(scenario, memory)
  await goesOn(world, () =>
    world.calm ? "" : `senders wait for ever: ${world.senders.map(({ left }) => left)} are left`,
  )
  await checkDelivery(world)
  checkBells(world)
  if (scenario.clean) checkNothingMissed(world, scenario)
  const outcome = sum(world, memory)
  await checkEnd(world, memory)
  return outcome
}

async function checkDelivery(world: NearWorld): Promise<void> {
  world.network.set({ loss: 0 })
  for (const { host } of world.everybody) host.cost = 0
  const staying = world.senders.filter(({ plan, process }) => plan.linger === null && process.alive)
  // A Bus that is closed behind its last message may be gone at any time.
  const pairs = (): { receiver: NearProcess; process: NearProcess }[] =>
    world.alive.flatMap(receiver =>
      staying.filter(({ process }) => process !== receiver).map(({ process }) => ({ receiver, process })),
    )
  const strange = (): string[] =>
    pairs()
      .filter(({ receiver, process }) => !receiver.followers.has(process.source))
      .map(({ receiver, process }) => `${receiver.host.name} of ${process.id}`)
  await goesOn(world, () => (strange().length === 0 ? "" : `receivers do not hear of a sender: ${strange()}`))
  for (const { process } of staying) world.probe(process)
  const unreached = (): string[] =>
    pairs().flatMap(({ receiver, process }) => {
      const next = receiver.followers.get(process.source)?.next
      return next === process.messages.length
        ? []
        : [`${receiver.host.name} of ${process.id}: ${next} of ${process.messages.length}`]
    })
  await goesOn(world, () => (unreached().length === 0 ? "" : `the last message does not arrive: ${unreached()}`))
}

/** Each packet wakes each reader once at most, and perhaps the sender, who waits for room: bells do not ring bells for ever. */
function checkBells(world: NearWorld): void {
  const bells = world.everybody.reduce((total, { bells }) => total + bells, 0)
  const packets = world.senders.reduce((total, { process }) => total + (process.sender?.stats.packets ?? 0), 0)
  const most = packets * (world.receivers.length + 1)
  assert.ok(bells <= most, `${bells} bells for ${packets} packets`)
}

/** Fails when something waits, and for long nothing was sent, delivered or told. Slow is not wrong. */
async function goesOn(world: NearWorld, waits: () => string): Promise<void> {
  const progress = (): number =>
    world.senders.reduce((total, { process }) => total + (process.sender?.stats.packets ?? 0), 0) +
    world.alive.reduce((total, { station }) => {
      const stats = station?.inlet?.receiver.stats
      return total + (stats?.messages ?? 0) + (stats?.gaps ?? 0)
    }, 0)
  for (let before = -1; !(await world.until(() => waits() === "", PATIENCE)); ) {
    const now = progress()
    assert.ok(now > before, waits())
    before = now
  }
}

/** Who was there before the sender has everything, who came later everything from then on. */
function checkNothingMissed(world: NearWorld, { options }: NearScenario): void {
  for (const receiver of world.alive) {
    for (const { process, plan } of world.senders) {
      if (process === receiver) continue
      const follower = receiver.followers.get(process.source)
      const name = `${receiver.host.name} of ${process.id} (${options.multicastFlow})`
      assert.deepEqual(follower?.missed ?? {}, {}, `${name}: gaps without a reason`)
      if (receiver.startedAt >= process.startedAt) continue
      assert.equal(follower?.first, 0, `${name}: the beginning`)
      // One that is closed may have no time to wait for the last packets.
      if (plan.linger === null) assert.equal(follower?.delivered, process.messages.length, name)
    }
  }
}

async function checkEnd(world: NearWorld, memory: MachineMemory): Promise<void> {
  for (const { process } of world.senders) {
    if (!process.alive) continue
    process.sender?.end()
    process.flush()
  }
  const open = (): string[] => world.senders.filter(({ process }) => process.alive).map(({ process }) => process.id)
  await goesOn(world, () => (open().length === 0 ? "" : `senders do not close: ${open()}`))
  const unended = (): string[] =>
    world.alive.flatMap(({ followers, host }) =>
      [...followers].flatMap(([source, { end }]) => (end === null ? [`${host.name} of ${source}`] : [])),
    )
  await goesOn(world, () =>
    unended().length === 0 ? "" : `sessions of senders that are gone do not end: ${unended()}`,
  )
  for (const process of world.everybody) {
    if (process.alive) process.close()
    else process.bury()
  }
  await world.until(() => false, 60_000)
  assert.equal(world.clock.pending, 0, "timers are left when everything is closed")
  assert.equal(memory.descriptors, 0, "descriptors are left when everything is closed")
  assert.equal(memory.held, 0, "memory is held when everything is closed")
}

function sum(world: NearWorld, { created, openings }: MachineMemory): Outcome {
  const followers = world.receivers.flatMap(receiver => [...receiver.followers.values()])
  const add = (value: (process: NearProcess) => number): number =>
    world.senders.reduce((total, { process }) => total + value(process), 0)
  return {
    delivered: followers.reduce((total, { delivered }) => total + delivered, 0),
    missed: followers.reduce((total, { gaps }) => total + gaps, 0),
    bytes: add(({ sender }) => sender?.stats.bytes ?? 0),
    asDatagrams: add(({ asDatagrams }) => asDatagrams),
    naks: add(({ sender }) => sender?.stats.naks ?? 0),
    repairs: add(({ sender }) => sender?.stats.repairs ?? 0),
    duplicates: world.receivers.reduce(
      (total, { station }) => total + (station?.inlet?.receiver.stats.duplicates ?? 0),
      0,
    ),
    memories: created,
    openings,
    virtualTime: Math.round(world.clock.now()),
  }
}
