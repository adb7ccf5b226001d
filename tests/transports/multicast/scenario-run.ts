import assert from "node:assert/strict"
import type { Follower } from "./follower.ts"
import type { ReceivingProcess, SendingProcess } from "./group-processes.ts"
import { World } from "./scenario-world.ts"
import type { Scenario } from "./scenarios.ts"

/** A sender that fell silent may be remembered for so many of its time-outs, in case it comes back. */
const REMEMBERED = 11

/** What a run came to. */
export interface Outcome {
  readonly delivered: number
  /** Messages in gaps, all receivers together. */
  readonly missed: number
  readonly naks: number
  /** Packets that were sent again. */
  readonly repairs: number
  readonly datagrams: number
  readonly lost: number
  readonly virtualTime: number
}

/** Beyond what rate, flow control and repairs may take: then something waits for ever (virtual milliseconds). */
const PATIENCE = 60_000

/** Plays a scenario to its end. Throws when the invariant is broken anywhere in it. */
export function play(scenario: Scenario): Outcome {
  const world = new World(scenario)
  const { receiver } = scenario
  const recovery = receiver.recoveryInterval as number
  const timeout = receiver.sessionTimeout as number
  goesOn(world, PATIENCE, () =>
    world.allGiven && world.calm ? null : `senders wait for ever: ${world.sending.map(({ left }) => left)} are left`,
  )
  if (!scenario.hostile) checkDelivery(world, recovery, timeout)
  const outcome = sum(world)
  checkEnd(world, timeout, recovery)
  return outcome
}

function checkDelivery(world: World, recovery: number, timeout: number): void {
  const { scenario } = world
  // What is missing is repaired or reported within the recovery interval after it is missed.
  waitForAll(world, 3 * recovery + timeout + 5_000)
  // Whoever lives gets what is sent now, a late joiner and a receiver that was cut off included.
  world.calmDown()
  const unknown = (): string[] =>
    world.alive.flatMap(({ sessions, host }) =>
      world.senders.filter(({ id }) => !sessions.has(id)).map(sender => `${host.name} of ${sender.host.name}`),
    )
  assert.ok(
    world.until(() => unknown().length === 0, 5_000),
    `receivers do not hear of a sender: ${unknown()}`,
  )
  world.probe()
  const unreached = (): string[] =>
    world.alive.flatMap(({ followers, host }) =>
      world.senders
        .filter(sender => !reached(followers.get(sender.id), sender))
        .map(sender => `${host.name} of ${sender.host.name}: ${followers.get(sender.id)?.next ?? "never heard"}`),
    )
  assert.ok(
    world.until(() => unreached().length === 0, 3 * recovery + timeout + 10_000),
    `the last message does not arrive: ${unreached()}; sent ${world.senders.map(({ messages }) => messages.length)}`,
  )
  if (scenario.gentle) checkNothingMissed(world)
  if (scenario.clean) checkHeardFromTheFirst(world)
}

function reached(follower: Follower | undefined, sender: SendingProcess): boolean {
  return follower?.next === sender.messages.length
}

/** What was sent is delivered or reported. With a window of one datagram that goes slowly, but it goes on. */
function waitForAll(world: World, limit: number): void {
  const waiting = (): string[] =>
    world.alive.flatMap(({ followers, host }) =>
      world.senders.flatMap(sender => {
        const follower = followers.get(sender.id)
        if (follower === undefined || follower.next === null || follower.end !== null) return []
        if (reached(follower, sender)) return []
        return [`${host.name} of ${sender.host.name}: ${follower.next} of ${sender.messages.length}`]
      }),
    )
  goesOn(world, limit, () => {
    const left = waiting()
    return left.length === 0 ? null : `what was sent is neither delivered nor reported: ${left}`
  })
}

/** Fails when something waits, and within `limit` nothing was sent, delivered or reported. Slow is not wrong. */
function goesOn(world: World, limit: number, waits: () => string | null): void {
  const progress = (): number =>
    world.senders.reduce((total, { engine }) => total + engine.stats.packets, 0) +
    world.alive.reduce((total, { engine }) => total + engine.stats.messages + engine.stats.gaps, 0)
  for (let before = -1; !world.until(() => waits() === null, limit); ) {
    const now = progress()
    assert.ok(now > before, waits() ?? "")
    before = now
  }
}

/** Where no host was cut off, late or too slow, loss alone must not cost a message. */
function checkNothingMissed(world: World): void {
  for (const { followers, host } of world.alive) {
    for (const [id, { missed }] of followers) {
      const { size: _, ...others } = missed
      assert.deepEqual(others, {}, `${host.name} of ${id}: gaps although everything could be repaired`)
    }
  }
}

/** Who was there before the sender, in a network that loses nothing, has not missed its beginning. */
function checkHeardFromTheFirst(world: World): void {
  for (const { followers, host, joinedAt } of world.alive) {
    for (const { id, startedAt } of world.senders) {
      if (joinedAt < startedAt) assert.equal(followers.get(id)?.first, 0, `${host.name} of ${id}: the beginning`)
    }
  }
}

function checkEnd(world: World, timeout: number, recovery: number): void {
  for (const { engine } of world.senders) engine.end()
  // A receiver that died is waited for first, if it holds the sender up.
  const { linger = 0, receiverTimeout = 0 } = world.scenario.sender
  const open = (): string[] => world.senders.filter(({ closed }) => !closed).map(({ host }) => host.name)
  goesOn(world, linger + receiverTimeout + 2_000, () =>
    open().length === 0 ? null : `senders do not close: ${open()}`,
  )
  const unended = (): string[] =>
    world.alive.flatMap(({ followers, host }) =>
      world.everySender.flatMap(sender =>
        followers.get(sender.id)?.end === null ? [`${host.name} of ${sender.host.name}`] : [],
      ),
    )
  assert.ok(
    world.until(() => unended().length === 0, timeout + recovery + 15_000),
    `sessions of senders that are gone do not end: ${unended()}`,
  )
  // That takes minutes of virtual time: some runs of many are enough.
  if (world.scenario.seed % 8 === 0) checkForgotten(world, REMEMBERED * timeout)
  for (const receiver of world.alive) receiver.leave(true)
  world.clock.run(world.clock.now() + 60_000)
  assert.equal(world.clock.pending, 0, "timers are left when everything is closed")
}

function checkForgotten(world: World, limit: number): void {
  const sessions = (): string[] =>
    world.alive.flatMap(({ engine, host }) =>
      engine.stats.sessions === 0 ? [] : [`${host.name}: ${engine.stats.sessions}`],
    )
  assert.ok(
    world.until(() => sessions().length === 0, limit),
    `receivers keep sessions that are over: ${sessions()}`,
  )
  for (const { host, engine } of world.alive) {
    assert.equal(engine.stats.memory, 0, `${host.name} keeps memory and knows no session`)
  }
}

function sum(world: World): Outcome {
  const add = (value: (receiver: ReceivingProcess) => number): number =>
    world.receivers.reduce((total, receiver) => total + value(receiver), 0)
  const followers = world.receivers.flatMap(receiver => [...receiver.followers.values()])
  const { sent, lost } = world.traffic
  return {
    delivered: followers.reduce((total, { delivered }) => total + delivered, 0),
    missed: followers.reduce((total, { gaps }) => total + gaps, 0),
    naks: add(({ engine }) => engine.stats.naks),
    repairs: world.everySender.reduce((total, { engine }) => total + engine.stats.repairs, 0),
    datagrams: sent,
    lost,
    virtualTime: Math.round(world.clock.now()),
  }
}
