import assert from "node:assert/strict"
import { closesAfterEach } from "../../support/cleanup.ts"
import { events } from "./nodes.ts"
import { simulatedPair } from "./simulated-pair.ts"

/** Milliseconds that links are kept. */
const WINDOW = 1_000

describe("fabric: a link that breaks, in virtual time", () => {
  closesAfterEach()

  it("FAB-QUE-6 a blocking member for whom messages wait keeps its place, and nothing else waits for it", async () => {
    const { net, near, far, away } = await simulatedPair(WINDOW)
    const blocked: unknown[] = []
    const plain: unknown[] = []
    const never = ({ data }: { data: unknown }): Promise<void> => {
      blocked.push(data)
      return new Promise(() => {})
    }
    far.subscribe("q", never, { queue: "g", policy: "block", limit: 4 })
    far.subscribe("n", ({ data }) => void plain.push(data))
    await net.until(near.ready({ subject: "q" }))
    let sent = 0
    while (near.publish("q", sent).taken) {
      sent++
      await net.run(50)
    }
    assert.ok(sent > 4)
    await away(WINDOW / 2)
    for (let i = 0; i < 3; i++) near.publish("n", i)
    await net.run(1_000)
    assert.deepEqual(plain, [0, 1, 2])
    assert.equal(near.stats().peers[0].queued, 0)
  })

  it("FAB-LNK-12 what a peer wanted holds while it says anew what it wants: all is sent, or told as missing", async () => {
    const { net, near, far, hosts } = await simulatedPair(WINDOW)
    // So many that their announcement takes a while.
    for (let i = 0; i < 2_000; i++) far.subscribe(`filler.${i}`, () => {})
    const got: number[] = []
    far.subscribe("n", ({ data }) => void got.push(data as number))
    const gaps = events(far, "gap")
    await net.until(near.ready({ subject: "n" }))
    let sent = 0
    const publish = (): void => void near.publish("n", sent++)
    publish()
    await net.run(100)
    net.set({ rate: 20_000 })
    net.partition([hosts[0]], [hosts[1]])
    hosts[0].reset()
    await net.run(3 * WINDOW)
    publish()
    net.heal()
    await net.until(near.ready({ peers: 1 }))
    // Before, between and after the records that say it.
    for (let i = 0; i < 100; i++) {
      publish()
      await net.run(100)
    }
    net.set({ rate: 0 })
    publish()
    await net.run(5_000)
    const missing = gaps.reduce((sum, one) => sum + (one.missing ?? Number.NaN), 0)
    assert.equal(got.at(-1), sent - 1)
    assert.equal(got.length + missing, sent)
    assert.equal(missing, 1)
  })

  /** `far` forgets the link when its window is over, `near` does not. */
  const forgetful = () => simulatedPair(100_000, {}, { resume: { time: WINDOW }, remember: 0 })

  it("FAB-LNK-12 also when the peer has forgotten the link", async () => {
    const { net, near, far, away } = await forgetful()
    const got: unknown[] = []
    far.subscribe("n", ({ data }) => void got.push(data))
    const named: unknown[] = []
    far.subscribe("n", ({ data }) => void named.push(data), { policy: "block" })
    const shared: unknown[] = []
    far.subscribe("n", ({ data }) => void shared.push(data), { queue: "g" })
    await net.until(near.ready({ subject: "n", subscribers: 3 }))
    near.publish("n", 0)
    await net.run(100)
    let results: unknown = null
    near.events.on("up", () => {
      results = near.publish("n", 1)
    })
    await away(3 * WINDOW)
    assert.deepEqual(results, { peers: 1, dropped: 0, taken: true })
    near.publish("n", 2)
    await net.run(1_000)
    for (const list of [got, named, shared]) assert.deepEqual(list, [0, 1, 2])
    assert.equal(near.stats().peers[0].queued, 0)
  })

  for (const [how, open] of [
    ["has been away for too long", () => simulatedPair(WINDOW)],
    ["has forgotten the link", forgetful],
  ] as const) {
    it(`FAB-LNK-12 what a peer that ${how} does not want any more is over when it is through`, async () => {
      const { net, near, far, hosts } = await open()
      const subjects = ["a", "b", "c", "d", "e"]
      const wishes = [
        far.subscribe("a", () => {}),
        far.subscribe("b", () => {}, { queue: "g" }),
        far.subscribe("c", () => {}, { policy: "block" }),
        far.serve("d", () => null),
        far.work("e", () => {}),
      ]
      far.subscribe("f", () => {})
      await net.until(near.ready({ subject: "e", workers: 1 }))
      net.partition([hosts[0]], [hosts[1]])
      hosts[0].reset()
      await net.run(3 * WINDOW)
      for (const wish of wishes) "unsubscribe" in wish ? wish.unsubscribe() : wish.close()
      net.heal()
      await net.until(near.ready({ peers: 1 }))
      await net.run(2_000)
      for (const subject of subjects) assert.equal(near.publish(subject, 1).peers, 0)
      assert.equal(near.publish("f", 1).peers, 1)
      assert.equal(near.peers[0].interests, 1)
      await assert.rejects(near.request("d", null), { code: "ERR_NO_RESPONDERS" })
    })
  }

  it("FAB-LNK-12 a wish of the same number that says something else takes the place of the old one", async () => {
    const { net, near, far, away } = await simulatedPair(WINDOW)
    const wish = far.subscribe("before", () => {})
    await net.until(near.ready({ subject: "before" }))
    Object.assign(wish.spec, { pattern: "after" })
    await away(3 * WINDOW)
    assert.deepEqual([near.publish("before", 1).peers, near.publish("after", 1).peers], [0, 1])
    Object.assign(wish.spec, { pattern: "before" })
  })

  /** Four wishes of one peer for one subject. */
  const several = async () => {
    const pair = await simulatedPair(WINDOW)
    const { net, near, far } = pair
    const got: Record<string, unknown[]> = { plain: [], block: [], member: [], history: [] }
    const take = (list: unknown[]) => (message: { data: unknown }) => void list.push(message.data)
    far.subscribe("n", take(got.plain))
    far.subscribe("n", take(got.block), { policy: "block" })
    far.subscribe("n", take(got.member), { queue: "g" })
    far.subscribe("n", take(got.history), { history: "last" })
    await net.until(near.ready({ subject: "n", subscribers: 4 }))
    near.publish("n", "first")
    await net.run(100)
    return { ...pair, got, gaps: events(far, "gap") }
  }

  it("FAB-LNK-3 a gap counts messages, not the subscriptions that wanted them", async () => {
    const { net, near, got, gaps, hosts } = await several()
    net.partition([hosts[0]], [hosts[1]])
    hosts[0].reset()
    await net.run(3 * WINDOW)
    assert.deepEqual(near.publish("n", "away"), { peers: 1, dropped: 1, taken: true })
    near.publish("n", "away, too")
    net.heal()
    await net.until(near.ready({ peers: 1 }))
    await net.run(1_000)
    near.publish("n", "last")
    await net.run(1_000)
    for (const list of Object.values(got)) assert.deepEqual(list, ["first", "last"])
    assert.deepEqual(
      gaps.map(({ missing }) => missing),
      [2],
    )
  })

  for (const bytes of [100, 300, 10_000]) {
    it(`FAB-LNK-3 nor those whose copies waited for themselves, with a window of ${bytes} bytes`, async () => {
      const pair = await simulatedPair(WINDOW, { resume: { time: WINDOW, bytes } })
      const { net, near, far, hosts } = pair
      const lists: unknown[][] = [[], [], []]
      const gaps = events(far, "gap")
      let stands = true
      // It asks to wait: copies for it are kept apart from those for the others.
      const slow = async ({ data }: { data: unknown }): Promise<void> => {
        lists[0].push(data)
        while (stands) await new Promise(resolve => setTimeout(resolve, 100))
      }
      far.subscribe("n", slow, { policy: "block", limit: 8 })
      far.subscribe("n", ({ data }) => void lists[1].push(data))
      far.subscribe("n", ({ data }) => void lists[2].push(data), { queue: "g" })
      await net.until(near.ready({ subject: "n", subscribers: 3 }))
      let sent = 0
      for (; sent < 12; sent++) {
        assert.ok(near.publish("n", sent).taken)
        await net.run(50)
      }
      net.partition([hosts[0]], [hosts[1]])
      hosts[0].reset()
      // Some of these wait for room, or are sent and never come.
      for (; sent < 14; sent++) near.publish("n", sent)
      await net.run(3 * WINDOW)
      near.publish("n", sent++)
      stands = false
      net.heal()
      await net.until(near.ready({ peers: 1 }))
      await net.run(5_000)
      near.publish("n", sent++)
      await net.run(5_000)
      assert.equal(near.stats().peers[0].dropped, 0)
      const all = Array.from({ length: sent }, (_, n) => n)
      const missed = new Set(lists.flatMap(list => all.filter(n => !list.includes(n))))
      assert.ok(missed.size > 3)
      const told = gaps.reduce((sum, { missing }) => sum + (missing ?? Number.NaN), 0)
      assert.equal(told, missed.size)
      for (const list of lists) assert.equal(list.at(-1), sent - 1)
    })
  }

  it("FAB-POL-1 what was dropped is told once, also when word of it was lost with the link", async () => {
    const { net, near, far, hosts } = await simulatedPair(WINDOW, { resume: { time: WINDOW, bytes: 200 } })
    const subscription = far.subscribe("n", () => {}, { limit: 1 })
    const told = events(far, "drop")
    await net.until(near.ready({ subject: "n" }))
    let dropped = 0
    for (let round = 0; round < 5; round++) {
      // The window is full: some are dropped, and word of it goes out when there is room.
      for (let i = 0; i < 20; i++) dropped += near.publish("n", "x".repeat(50)).dropped
      await net.run([8, 3, 12, 100, 6][round])
      net.partition([hosts[0]], [hosts[1]])
      hosts[0].reset()
      await net.run(3 * WINDOW)
      net.heal()
      await net.until(near.ready({ peers: 1 }))
      await net.run(round * 10)
    }
    await net.run(5_000)
    assert.ok(dropped > 50)
    assert.equal(subscription.droppedBefore, dropped)
    assert.equal(
      told.reduce((sum, { count }) => sum + count, 0),
      dropped,
    )
  })

  for (const [how, open] of [
    ["is away for too long", () => simulatedPair(WINDOW)],
    ["has forgotten the link", forgetful],
    ["was forgotten", () => simulatedPair(100_000, { resume: { time: WINDOW }, remember: 0 }, {})],
  ] as const) {
    it(`FAB-HIS-3 a subscriber that ${how} gets nothing twice, and what it missed as far as it was kept`, async () => {
      const { net, near, far, hosts } = await open()
      near.keep("h.*", { last: 3 })
      const got: string[] = []
      const subjects = ["h.a", "h.b"]
      let n = 0
      const publish = (count: number): void => {
        for (let i = 0; i < count; i++) for (const subject of subjects) near.publish(subject, n++)
      }
      publish(2)
      far.subscribe("h.*", ({ data, kept }) => void got.push(`${data}${kept ? " kept" : ""}`), { history: 3 })
      far.subscribe("h.a", () => {}, { history: "last" })
      await net.until(near.ready({ subject: "h.a" }))
      publish(1)
      await net.run(100)
      assert.deepEqual(got.splice(0), ["0 kept", "1 kept", "2 kept", "3 kept", "4", "5"])
      for (let round = 0; round < 3; round++) {
        net.partition([hosts[0]], [hosts[1]])
        hosts[0].reset()
        await net.run(3 * WINDOW)
        // Four of each, three are kept; in the second round nothing.
        const first = n
        if (round !== 1) publish(4)
        net.heal()
        await net.until(near.ready({ peers: 1 }))
        await net.run(2_000)
        const expected = Array.from({ length: n - first }, (_, i) => `${first + i} kept`).slice(-6)
        assert.deepEqual(got.splice(0), round === 1 ? [] : expected)
        publish(1)
        await net.run(100)
        assert.deepEqual(got.splice(0), [`${n - 2}`, `${n - 1}`])
      }
    })
  }

  it("FAB-HIS-3 with conflate, too, where messages take the places of earlier ones", async () => {
    const { net, near, far, hosts } = await simulatedPair(WINDOW, { resume: { time: WINDOW, bytes: 200 } })
    near.keep("h.*", { last: 1 })
    const got: string[] = []
    const options = { history: "last", policy: "conflate" } as const
    far.subscribe("h.*", ({ subject, data }) => void got.push(`${subject} ${data}`), options)
    await net.until(near.ready({ subject: "h.a" }))
    let n = 0
    const last = new Map<string, number>()
    for (let step = 0; step < 60; step++) {
      for (let i = 0; i < 12; i++) {
        const subject = `h.${"abcde"[(n * 7 + step) % 5]}`
        near.publish(subject, n)
        last.set(subject, n++)
      }
      await net.run(step % 7)
      if (step % 10 !== 9) continue
      net.partition([hosts[0]], [hosts[1]])
      hosts[0].reset()
      await net.run(3 * WINDOW)
      net.heal()
      await net.until(near.ready({ peers: 1 }))
      await net.run(step % 20)
    }
    await net.run(10_000)
    assert.equal(new Set(got).size, got.length)
    for (const [subject, value] of last) assert.ok(got.includes(`${subject} ${value}`), `${subject} ${value}`)
  })
})
