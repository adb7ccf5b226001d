import assert from "node:assert/strict"
import { type Fabric, type JoinOptions, join, seeds } from "../../../index.ts"
import { type HostOfSimulation, simulate } from "../../../testing.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { type SimulatedPair, simulatedPair } from "./simulated-pair.ts"

/** Milliseconds that links are kept. */
const WINDOW = 1_000

/** What a request came to: the answer, or the code of the error. */
const outcome = (reply: Promise<{ data: unknown }>): Promise<unknown> =>
  reply.then(
    ({ data }) => data,
    (error: { code: string }) => error.code,
  )

/** `begin` at the moment when the peer of `node` is linked, and so many milliseconds after it: one way takes five. */
function afterUp(node: Fabric, begin: () => Promise<unknown>): Promise<unknown>[] {
  const results: Promise<unknown>[] = []
  node.events.on("up", () => {
    for (const delay of [0, 1, 3, 5, 8, 11, 20]) {
      if (delay === 0) results.push(begin())
      else setTimeout(() => results.push(begin()), delay)
    }
  })
  return results
}

describe("fabric: the first request to a peer that says anew what it wants, in virtual time", () => {
  closesAfterEach()

  for (const [how, open] of [
    ["both have been away for too long", () => simulatedPair(WINDOW)],
    ["the server has been away for too long", () => simulatedPair(100_000, {}, { resume: { time: WINDOW } })],
    ["the client has been away for too long", () => simulatedPair(100_000, { resume: { time: WINDOW } }, {})],
    ["the server has forgotten the link", () => simulatedPair(100_000, {}, { resume: { time: WINDOW }, remember: 0 })],
    ["the client has forgotten the link", () => simulatedPair(100_000, { resume: { time: WINDOW }, remember: 0 }, {})],
    ["both have forgotten the link", () => simulatedPair(WINDOW, { remember: 0 })],
  ] as const) {
    it(`FAB-REQ-21 is answered when ${how}`, async () => {
      const { net, near, far, away } = await open()
      far.serve("price", ({ data }) => data)
      await net.until(near.ready({ subject: "price", servers: 1 }))
      let asked = 0
      const results = afterUp(near, () => outcome(near.request("price", asked++)))
      await away(3 * WINDOW)
      assert.deepEqual(await net.until(Promise.all(results)), [0, 1, 2, 3, 4, 5, 6])
    })
  }

  it("FAB-REQ-21 is answered when a node has just started, and its servers find it", async () => {
    const net = simulate({ seed: 1, time: "virtual", delay: [5, 5] })
    const enter = (host: HostOfSimulation, addresses: readonly string[]): Promise<Fabric> =>
      net.until(
        join("demo", { context: host.context, discovery: [seeds(addresses)], listen: "tcp://*:7000", busyPoll: 0 }),
      )
    const server = await enter(net.host("server"), ["tcp://client:7000"])
    server.serve("price", ({ data }) => data)
    // It finds nobody by itself.
    const client = await enter(net.host("client"), [])
    later(async () => {
      await net.until(Promise.all([client.close(), server.close()]))
      await net.close()
    })
    assert.deepEqual(client.peers, [])
    let asked = 0
    const results = afterUp(client, () => outcome(client.request("price", asked++)))
    await net.until(client.ready({ subject: "price", servers: 1 }))
    await net.run(100)
    assert.deepEqual(await net.until(Promise.all(results)), [0, 1, 2, 3, 4, 5, 6])
  })

  /** The client will know nothing of the server any more when it has been away. */
  const forgetful = async (): Promise<SimulatedPair> => {
    const pair = await simulatedPair(100_000, { resume: { time: WINDOW }, remember: 0 }, {})
    const { net, near, far } = pair
    far.serve("price", ({ data }) => data)
    far.serve("many", async function* () {
      yield 1
      yield 2
    })
    await net.until(near.ready({ subject: "many", servers: 1 }))
    return pair
  }

  /** They are linked again, and it takes the server long to say what it wants. */
  const slowly = async (options: JoinOptions = {}): Promise<SimulatedPair & { back(): Promise<void> }> => {
    const pair = await simulatedPair(100_000, { resume: { time: WINDOW }, remember: 0, ...options }, {})
    const { net, near, far, hosts } = pair
    for (let i = 0; i < 4_000; i++) far.subscribe(`filler.${i}`, () => {})
    far.serve("price", () => "at last")
    await net.until(near.ready({ subject: "price", servers: 1 }))
    const back = async (): Promise<void> => {
      net.partition([hosts[0]], [hosts[1]])
      hosts[0].reset()
      await net.run(3 * WINDOW)
      net.set({ rate: 20_000 })
      net.heal()
      await net.until(near.ready({ peers: 1 }))
    }
    return { ...pair, back }
  }

  it("FAB-REQ-21 streams, requests to all servers and those of the server's side are answered, too", async () => {
    const got: Promise<unknown>[] = []
    const back: Promise<unknown>[] = []
    const all = async (replies: AsyncIterable<{ data: unknown }>): Promise<unknown> => {
      const list: unknown[] = []
      for await (const { data } of replies) list.push(data)
      return list
    }
    const { net, near, far, away } = await forgetful()
    near.serve("back", () => "back")
    near.events.on("up", () => {
      got.push(all(near.stream("many", null)), all(near.requestMany("price", "all")))
    })
    far.events.on("up", () => back.push(outcome(far.request("back", null))))
    await away(3 * WINDOW)
    assert.deepEqual(await net.until(Promise.all(got)), [[1, 2], ["all"]])
    assert.deepEqual(await net.until(Promise.all(back)), ["back"])
  })

  it("FAB-REQ-21 fails when the peer has said all that it wants, and nobody serves the subject", async () => {
    const took: number[] = []
    const codes: unknown[] = []
    const { net, near, away } = await forgetful()
    near.events.on("up", () => {
      const began = net.now()
      const over = (code: unknown): void => {
        codes.push(code)
        took.push(net.now() - began)
      }
      void outcome(near.request("nobody", null)).then(over)
      const first = (replies: AsyncIterator<{ data: unknown }>): Promise<unknown> =>
        outcome(replies.next().then(({ value }) => value))
      void first(near.requestMany("nobody", null)).then(over)
      void first(near.stream("nobody", null)).then(over)
    })
    await away(3 * WINDOW)
    assert.deepEqual(codes, Array(3).fill("ERR_NO_RESPONDERS"))
    assert.ok(
      took.every(time => time < 50),
      String(took),
    )
    // Now it is known: at once.
    assert.equal(await outcome(near.request("nobody", null)), "ERR_NO_RESPONDERS")
    assert.equal(near.stats().requests, 0)
    await net.run(100)
  })

  it("FAB-REQ-21 a request that waits for word ends as any other: deadline, signal, too many, a closed node", async () => {
    const codes: Promise<unknown>[] = []
    const { net, near, back } = await slowly({ maxRequests: 3 })
    near.events.on("up", () => {
      const controller = new AbortController()
      setTimeout(() => controller.abort(), 50)
      codes.push(outcome(near.request("price", 1, { timeout: 100 })))
      codes.push(outcome(near.request("price", 2, { signal: controller.signal })))
      codes.push(outcome(near.request("price", 3)))
      codes.push(outcome(near.request("price", 4)))
    })
    await back()
    assert.equal(near.stats().requests, 3)
    await net.run(200)
    assert.equal(near.stats().requests, 1)
    await net.until(near.close())
    assert.deepEqual(await Promise.all(codes), ["ETIMEDOUT", "ECANCELED", "EBADF", "EAGAIN"])
  })

  it("FAB-REQ-21 nobody waits for more than two seconds for a peer that does not come to the end", async () => {
    const { net, near, back } = await slowly()
    const results: unknown[] = []
    near.events.on("up", () => {
      const began = net.now()
      const ask = (timeout: number): void => {
        const asked = outcome(near.request("price", 1, { timeout }))
        void asked.then(code => results.push([timeout, code, Math.round((net.now() - began) / 100)]))
      }
      for (const timeout of [1_000, 20_000]) ask(timeout)
      setTimeout(() => ask(30_000), 500)
      setTimeout(() => ask(40_000), 2_500)
    })
    await back()
    await net.run(3_000)
    assert.deepEqual(results, [
      [1_000, "ETIMEDOUT", 10],
      [20_000, "ERR_NO_RESPONDERS", 20],
      [30_000, "ERR_NO_RESPONDERS", 20],
      [40_000, "ERR_NO_RESPONDERS", 25],
    ])
    net.set({ rate: 0 })
    await net.until(near.ready({ subject: "price", servers: 1 }))
    assert.equal(await net.until(outcome(near.request("price", null))), "at last")
  })

  it("FAB-TSK-7 a task that was given by the new connection is not given again because of what was lost by the old one", async () => {
    const { net, near, far, away } = await simulatedPair(100_000, {}, { resume: { time: WINDOW } })
    const deliveries: number[] = []
    far.work("job", (_, task) => void deliveries.push(task.deliveries))
    await net.until(near.ready({ subject: "job", workers: 1 }))
    const done: Promise<unknown>[] = []
    near.events.on("up", () => done.push(near.push("job", null).then(task => task.done())))
    await away(3 * WINDOW)
    await net.until(Promise.all(done))
    assert.deepEqual(deliveries, [1])
  })
})
