import assert from "node:assert/strict"
import { FlushError } from "../../../index.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { type SimulatedPair, simulatedPair } from "./simulated-pair.ts"

/** Milliseconds that `near` keeps links. */
const WINDOW = 5_000

/** What became of a promise so far: "waits", "done", or the code of the error. */
function watch(promise: Promise<unknown>): { state: string; error: unknown } {
  const watched = { state: "waits", error: null as unknown }
  promise.then(
    () => {
      watched.state = "done"
    },
    (error: { code?: string }) => {
      watched.state = error.code ?? String(error)
      watched.error = error
    },
  )
  return watched
}

interface Broken extends SimulatedPair {
  /** What `far` has got of the subject n. */
  readonly got: unknown[]
  cut(): void
  /** They are linked again, and what was held has gone its way. */
  heal(): Promise<void>
}

/** Two nodes; `far` subscribes to n. */
async function pair(window = WINDOW): Promise<Broken> {
  const made = await simulatedPair(window, { membership: PATIENT })
  const { net, near, far, hosts } = made
  const got: unknown[] = []
  far.subscribe("n", ({ data }) => void got.push(data))
  await net.until(near.ready({ subject: "n" }))
  near.publish("n", 0)
  await net.run(1_000)
  return {
    ...made,
    got,
    cut: () => {
      net.partition([hosts[0]], [hosts[1]])
      hosts[0].reset()
    },
    heal: async () => {
      net.heal()
      await net.until(near.ready({ peers: 1 }))
      await net.run(1_000)
    },
  }
}

/** Nobody is taken for dead within these tests: what is meant is the link. */
const PATIENT = { suspicionTimeout: 1_000_000 }

describe("fabric: a call while a link is broken, within its window, in virtual time", () => {
  closesAfterEach()

  it("FAB-SUB-16 flush, something is held for the peer: resolves when it is back and has it", async () => {
    const { net, near, got, cut, heal } = await pair()
    cut()
    await net.run(100)
    near.publish("n", 1)
    const flush = watch(near.flush())
    await net.run(1_000)
    assert.equal(flush.state, "waits")
    assert.deepEqual(got, [0])
    await heal()
    assert.equal(flush.state, "done")
    assert.deepEqual(got, [0, 1])
  })

  it("FAB-SUB-16 flush, messages wait for room: resolves when the peer is back and has them", async () => {
    const made = await simulatedPair(WINDOW, { membership: PATIENT, resume: { time: WINDOW, bytes: 100 } })
    const { net, near, far, hosts } = made
    const got: unknown[] = []
    far.subscribe("n", ({ data }) => void got.push(data))
    await net.until(near.ready({ subject: "n" }))
    net.partition([hosts[0]], [hosts[1]])
    hosts[0].reset()
    await net.run(100)
    for (let i = 0; i < 20; i++) near.publish("n", i.toString().padStart(30))
    assert.ok(near.stats().peers[0].queued > 0)
    const flush = watch(near.flush())
    await net.run(1_000)
    assert.equal(flush.state, "waits")
    net.heal()
    await net.run(3_000)
    assert.equal(flush.state, "done")
    assert.equal(got.length, 20)
  })

  it("FAB-SUB-16 flush, the link breaks while it waits: resolves when the peer is back and has everything", async () => {
    const { net, near, got, cut, heal } = await pair()
    near.publish("n", 1)
    const flush = watch(near.flush())
    await net.run(2)
    cut()
    await net.run(1_000)
    assert.equal(flush.state, "waits")
    await heal()
    assert.equal(flush.state, "done")
    assert.deepEqual(got, [0, 1])
  })

  it("FAB-SUB-16 flush, the peer has acknowledged everything: resolves at once", async () => {
    const { net, near, cut } = await pair()
    cut()
    await net.run(100)
    const flush = watch(near.flush())
    await net.run(1)
    assert.equal(flush.state, "done")
  })

  it("FAB-SUB-16 flush with a timeout: rejects, and names the peer that is away", async () => {
    const { net, near, far, got, cut, heal } = await pair()
    cut()
    await net.run(100)
    near.publish("n", 1)
    const flush = watch(near.flush({ timeout: 500 }))
    await net.run(1_000)
    assert.equal(flush.state, "ETIMEDOUT")
    assert.ok(flush.error instanceof FlushError)
    assert.deepEqual(flush.error.holders, [{ peer: { node: far.id, name: "far" }, pattern: null, waiting: 0 }])
    await heal()
    assert.deepEqual(got, [0, 1])
  })

  it("FAB-SUB-16 flush, the window ends while it waits: resolves, nobody can get it any more", async () => {
    const { net, near, cut } = await pair()
    cut()
    near.publish("n", 1)
    const flush = watch(near.flush())
    await net.run(WINDOW - 1_000)
    assert.equal(flush.state, "waits")
    await net.run(2_000)
    assert.equal(flush.state, "done")
  })

  it("FAB-SUB-16 flush after the window: resolves at once", async () => {
    const { net, near, cut } = await pair()
    cut()
    await net.run(2 * WINDOW)
    near.publish("n", 1)
    const flush = watch(near.flush())
    await net.run(1)
    assert.equal(flush.state, "done")
  })

  it("FAB-SUB-16 flush and subscription.ready, the peer comes back and has forgotten the link: resolve", async () => {
    const hasty = { period: 200, probeTimeout: 100, suspicionTimeout: 500, redial: 1_000 }
    const { net, near, far, hosts } = await simulatedPair(
      100_000,
      { membership: PATIENT },
      { resume: { time: 500 }, remember: 0, membership: hasty },
    )
    far.subscribe("n", () => {})
    await net.until(near.ready({ subject: "n" }))
    near.publish("n", 0)
    await net.run(1_000)
    // Only the other side notices.
    net.partition([hosts[0]], [hosts[1]])
    near.publish("n", 1)
    const flush = watch(near.flush())
    const ready = watch(near.subscribe("m", () => {}).ready)
    await net.run(3_000)
    assert.deepEqual([flush.state, ready.state, near.peers[0].state, far.peers], ["waits", "waits", "up", []])
    net.heal()
    await net.run(30_000)
    assert.deepEqual([flush.state, ready.state], ["done", "done"])
  })

  it("FAB-SUB-16 flush, the peer begins anew and its answer is lost: resolves", async () => {
    const { net, near, far, hosts } = await simulatedPair(
      100_000,
      { membership: PATIENT },
      { resume: { time: 1_000 }, membership: PATIENT },
    )
    far.subscribe("n", () => {})
    await net.until(near.ready({ subject: "n" }))
    await net.run(1_000)
    near.publish("n", 1)
    const flush = watch(near.flush())
    // The question gets there, the answer does not come back.
    net.cut(hosts[1], hosts[0])
    await net.run(100)
    net.partition([hosts[0]], [hosts[1]])
    hosts[0].reset()
    hosts[1].reset()
    await net.run(3_000)
    net.heal()
    await net.run(5_000)
    assert.equal(flush.state, "done")
  })

  it("FAB-SUB-16 flush with a timeout leaves no question behind", async () => {
    const { net, near, cut } = await pair()
    cut()
    near.publish("n", 1)
    for (let i = 0; i < 100; i++) {
      const flush = watch(near.flush({ timeout: 10 }))
      await net.run(20)
      assert.equal(flush.state, "ETIMEDOUT")
    }
    const { syncs } = (near as unknown as { node: { syncs: { open: number } } }).node
    assert.equal(syncs.open, 0)
  })

  it("FAB-RDY-1 subscription.ready, the link is broken or breaks: resolves, the peer hears of it when it is back", async () => {
    const { net, near, far, cut, heal } = await pair()
    const early = watch(near.subscribe("early", () => {}).ready)
    await net.run(2)
    cut()
    await net.run(100)
    assert.equal(early.state, "done")
    const late = watch(near.subscribe("late", () => {}).ready)
    await net.run(1)
    assert.equal(late.state, "done")
    await heal()
    assert.deepEqual([far.publish("early", 1).peers, far.publish("late", 1).peers], [1, 1])
  })

  it("FAB-RDY-2 ready does not count the subscriber, resolves when it is back, rejects in time", async () => {
    const { net, near, cut, heal } = await pair()
    cut()
    await net.run(100)
    const ready = watch(near.ready({ subject: "n" }))
    const short = watch(near.ready({ subject: "n", timeout: 500 }))
    await net.run(1_000)
    assert.deepEqual([ready.state, short.state], ["waits", "ETIMEDOUT"])
    await heal()
    assert.equal(ready.state, "done")
  })

  it("FAB-SUB-15 subscription.drain: what the peer had sent before it knew is handled", async () => {
    const { net, near, far, cut, heal } = await pair()
    const got: unknown[] = []
    const subscription = near.subscribe("back", ({ data }) => void got.push(data))
    await net.until(far.ready({ subject: "back" }))
    cut()
    await net.run(100)
    for (let i = 0; i < 3; i++) far.publish("back", i)
    const drained = watch(subscription.drain())
    await net.run(1_000)
    assert.equal(drained.state, "waits")
    await heal()
    assert.equal(drained.state, "done")
    assert.deepEqual(got, [0, 1, 2])
  })

  it("FAB-SUB-15 subscription.drain, the window ends: resolves", async () => {
    const { net, near, far, cut } = await pair()
    const subscription = near.subscribe("back", () => {})
    await net.until(far.ready({ subject: "back" }))
    cut()
    await net.run(100)
    const drained = watch(subscription.drain())
    await net.run(WINDOW + 100)
    assert.equal(drained.state, "done")
  })

  it("FAB-LEA-1 drain: delivers what is held when the peer is back", async () => {
    const { net, near, far, got, cut } = await pair()
    cut()
    await net.run(100)
    near.publish("n", 1)
    const drained = watch(near.drain())
    await net.run(1_000)
    assert.equal(drained.state, "waits")
    net.heal()
    await net.run(5_000)
    assert.equal(drained.state, "done")
    assert.deepEqual(got, [0, 1])
    assert.deepEqual(far.peers, [])
  })

  for (const [end, timeout, most] of [
    ["after its timeout", 500, 600],
    ["at the end of the window", 60_000, WINDOW + 100],
  ] as const) {
    it(`FAB-LEA-3 drain closes ${end}`, async () => {
      const { net, near, cut } = await pair()
      cut()
      near.publish("n", 1)
      const drained = watch(near.drain({ timeout }))
      await net.run(most - 200)
      assert.equal(drained.state, "waits")
      // The goodbye may take a second.
      await net.run(1_500)
      assert.equal(drained.state, "done")
    })
  }

  it("FAB-LEA-4 close: at once, and whoever waits hears of it", async () => {
    const { net, near, cut } = await pair()
    cut()
    await net.run(100)
    near.publish("n", 1)
    const subscription = near.subscribe("x", () => {})
    const waiting = [near.flush(), near.ready({ subject: "n" }), subscription.drain()].map(watch)
    await net.run(100)
    const closed = watch(near.close())
    await net.run(100)
    assert.equal(closed.state, "done")
    assert.deepEqual(
      waiting.map(({ state }) => state),
      ["EBADF", "EBADF", "done"],
    )
  })
})
