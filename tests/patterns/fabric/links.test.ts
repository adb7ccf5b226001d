import assert from "node:assert/strict"
import type { Fabric, JoinOptions } from "../../../index.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import type { Network } from "../../support/network.ts"
import { LONG_RUN, type Random, seeded } from "../../support/random.ts"
import { turns, until } from "../../support/wait.ts"
import { gapsOf, inOrder, numbersOf, pair, state } from "./bad-network.ts"

describe("Links of the fabric", () => {
  closesAfterEach()

  describe("that break", () => {
    /** Both publish while the network does what `harm` says, until it has been cut `cuts` times. */
    const underLoad = async (
      random: Random,
      cuts: number,
      size: number,
      harm: (network: Network) => void,
      options: JoinOptions = {},
    ): Promise<void> => {
      const { a, b, network } = await pair(options)
      const gaps = [gapsOf(a), gapsOf(b)]
      const atA = await numbersOf(a, "from.b")
      const atB = await numbersOf(b, "from.a")
      const padding = "x".repeat(size)
      await b.subscribe("sized", () => {}).ready
      let sent = 0
      for (let cut = 0; cut < cuts; cut++) {
        for (let burst = random.int(1, 30); burst > 0; burst--) {
          // Requests of both sides are on their way when it breaks.
          for (let i = random.int(1, 40); i > 0; i--, sent++) {
            assert.equal(a.publish("from.a", sent).dropped, 0)
            assert.equal(b.publish("from.b", sent).dropped, 0)
            if (size > 0) a.publish("sized", padding)
          }
          await turns()
        }
        const before = network.made
        harm(network)
        if (random.chance(0.5)) await until(() => network.made > before && state(a) === "up" && state(b) === "up")
      }
      await until(() => atA.length >= sent && atB.length >= sent)
      await turns(3)
      inOrder(atA, sent)
      inOrder(atB, sent)
      assert.deepEqual(gaps, [[], []])
    }

    const cuts = LONG_RUN ? 200 : 15

    it("resume without loss, duplicate or change of order, in both directions", () =>
      seeded(random => underLoad(random, cuts, 0, network => network.cut(random.chance(0.5)))))

    it("resume with payloads that travel apart", () =>
      seeded(random => underLoad(random, Math.ceil(cuts / 3), 9_000, network => network.cut(random.chance(0.5)))))

    it("resume over a network that is slow and cuts pieces anywhere", () =>
      seeded(random =>
        underLoad(random, Math.ceil(cuts / 3), 100, network => {
          network.delay = () => random.int(0, 3)
          network.cut(random.chance(0.5))
        }),
      ))

    it("resume when the network loses what is on the way before it breaks", () =>
      seeded(random =>
        underLoad(random, Math.ceil(cuts / 2), 0, network => {
          network.swallow()
          setTimeout(() => network.cut(true), random.int(0, 10))
        }),
      ))

    it("resume when only one direction ends", () =>
      seeded(random =>
        underLoad(random, Math.ceil(cuts / 2), 0, network => network.halve(random.pick(["near", "far"] as const))),
      ))

    it("finish requests, and answers, once", async () => {
      const { a, b, network } = await pair()
      let calls = 0
      const service = a.serve("twice", async message => {
        calls++
        await turns(calls % 3)
        return (message.data as number) * 2
      })
      await service.ready
      const answers: Promise<unknown>[] = []
      for (let i = 0; i < 300; i++) {
        answers.push(b.request("twice", i).then(reply => assert.equal(reply.data, i * 2)))
        if (i % 50 === 49) {
          await turns(2)
          network.cut(i % 100 === 99)
          await until(() => state(b) === "up" && network.links === 1)
        }
      }
      await Promise.all(answers)
      assert.equal(calls, 300)
    })

    it("carry structures and subjects of before, and headers", async () => {
      const { a, b, network } = await pair()
      const got: unknown[] = []
      await b.subscribe("things.>", message => void got.push([message.subject, message.data, message.headers.get("n")]))
        .ready
      const expected: unknown[] = []
      for (let i = 0; i < 60; i++) {
        const thing = { id: i, name: `n${i}`, [`k${i % 7}`]: true }
        a.publish(`things.${i % 5}`, thing, { headers: { n: String(i) } })
        expected.push([`things.${i % 5}`, thing, String(i)])
        if (i % 10 === 5) {
          await turns(2)
          network.cut(true)
        }
      }
      await until(() => got.length >= expected.length)
      assert.deepEqual(got, expected)
    })

    it("tell of it: down, up, and no join or leave", async () => {
      const { a, b, network } = await pair()
      const seen: string[] = []
      for (const type of ["join", "leave", "down", "up", "gap"] as const) {
        b.events.on(type, event => void seen.push(`${event.type} ${event.peer.name}`))
      }
      network.cut(true)
      await until(() => seen.includes("up a"))
      assert.deepEqual(seen, ["down a", "up a"])
      await until(() => state(a) === "up")
    })

    it("are noticed when the network swallows everything: the silent peer counts as dead, then comes back without loss", async () => {
      const membership = { period: 50, probeTimeout: 25, suspicionTimeout: 100 }
      const { a, b, network } = await pair({ membership })
      const got = await numbersOf(b, "n")
      a.publish("n", 0)
      await until(() => got.length === 1)
      const left: string[] = []
      // Whoever is first closes the connection, and the other one hears of it.
      for (const one of [a, b]) one.events.on("leave", ({ why }) => void left.push(why))
      network.swallow()
      a.publish("n", 1)
      await until(() => left.length > 0 && state(a) === "up" && got.length === 2)
      assert.equal(left[0], "dead")
      inOrder(got, 2)
      a.publish("n", 2)
      await until(() => got.length === 3)
    })
  })

  describe("beyond the resume window", () => {
    const options: JoinOptions = { resume: { time: 60 } }

    /** Both sides have given up. */
    const lapse = async (a: Fabric, b: Fabric, network: Network): Promise<void> => {
      network.online = false
      network.cut(true)
      await until(() => state(a) === "lapsed" && state(b) === "lapsed")
    }

    it("say exactly how many are missing, and from whom", async () => {
      const { a, b, network } = await pair(options)
      const got = await numbersOf(b, "n")
      const gaps = gapsOf(b)
      for (let i = 0; i < 10; i++) a.publish("n", i)
      await until(() => got.length === 10)
      network.online = false
      network.cut(true)
      await until(() => state(a) === "down" || state(a) === "lapsed")
      for (let i = 10; i < 17; i++) a.publish("n", i)
      await until(() => state(a) === "lapsed" && state(b) === "lapsed")
      for (let i = 17; i < 30; i++) assert.equal(a.publish("n", i).dropped, 1)
      network.online = true
      await until(() => gaps.length > 0)
      assert.deepEqual(
        gaps.map(({ peer, missing }) => [peer.name, peer.node, missing]),
        [["a", a.id, 20]],
      )
      a.publish("n", 30)
      await until(() => got.length === 11)
      assert.equal(got[10], 30)
    })

    it("count what was on the way too", async () => {
      const { a, b, network } = await pair(options)
      const got = await numbersOf(b, "n")
      const gaps = gapsOf(b)
      a.publish("n", 0)
      await until(() => got.length === 1)
      network.swallow()
      for (let i = 1; i <= 50; i++) {
        a.publish("n", i)
        if (i % 10 === 0) await turns()
      }
      await lapse(a, b, network)
      network.online = true
      await until(() => gaps.length > 0)
      assert.equal(gaps[0].missing, 50)
      assert.equal(got.length, 1)
    })

    it("say nothing when nothing is missing, and wishes stand", async () => {
      const { a, b, network } = await pair(options)
      const got = await numbersOf(b, "n")
      const gaps = gapsOf(b)
      await lapse(a, b, network)
      network.online = true
      await until(() => state(a) === "up" && state(b) === "up")
      await a.ready({ subject: "n" })
      a.publish("n", 0)
      await until(() => got.length === 1)
      assert.deepEqual(gaps, [])
    })

    it("take wishes that changed meanwhile", async () => {
      const { a, b, network } = await pair(options)
      const old = b.subscribe("old", () => {})
      await old.ready
      await lapse(a, b, network)
      old.unsubscribe()
      const got: number[] = []
      b.subscribe("new", message => void got.push(message.data as number))
      network.online = true
      await a.ready({ subject: "new" })
      // It holds until b has said that it is through.
      await until(() => a.publish("old", 1).peers === 0)
      a.publish("new", 2)
      await until(() => got.length === 1)
    })

    it("count again and again, and carry records after each", async () => {
      const { a, b, network } = await pair(options)
      const got: unknown[] = []
      await b.subscribe("things", message => void got.push(message.data)).ready
      const gaps = gapsOf(b)
      let total = 0
      for (let round = 1; round <= 3; round++) {
        await a.ready({ subject: "things" })
        a.publish("things", { round, first: true })
        await until(() => got.length === round)
        await lapse(a, b, network)
        for (let i = 0; i < round; i++) a.publish("things", { lost: i })
        total += round
        network.online = true
        await until(() => gaps.length === round)
        assert.equal(gaps[round - 1].missing, round)
      }
      assert.equal(total, 6)
      assert.deepEqual(
        got,
        [1, 2, 3].map(round => ({ round, first: true })),
      )
    })

    it("do not forget what a gap counted that never arrived", async () => {
      const { a, b, network } = await pair(options)
      await numbersOf(b, "n")
      const gaps = gapsOf(b)
      await lapse(a, b, network)
      for (let i = 0; i < 5; i++) a.publish("n", i)
      // It comes back, but all that `a` says vanishes, the gap too.
      let connected = false
      const swallow = (): void => {
        connected = true
        network.swallow()
      }
      for (const fabric of [a, b]) fabric.events.on("up", swallow)
      network.online = true
      await until(() => connected)
      for (const fabric of [a, b]) fabric.events.off("up", swallow)
      await lapse(a, b, network)
      for (let i = 0; i < 2; i++) a.publish("n", i)
      network.online = true
      await until(() => gaps.length > 0)
      assert.equal(
        gaps.reduce((sum, { missing }) => sum + (missing ?? 0), 0),
        7,
      )
    })

    it("fail what waits for an answer at once", async () => {
      const { a, b, network } = await pair(options)
      await a.serve("never", () => new Promise(() => {})).ready
      const answer = b.request("never", null, { timeout: 50_000 })
      await turns(3)
      network.online = false
      network.cut(true)
      await assert.rejects(answer, { code: "ECONNRESET" })
    })

    it("are forgotten in the end", async () => {
      const { a, b, network } = await pair({ resume: { time: 20 }, remember: 30 })
      network.online = false
      network.cut(true)
      await until(() => a.peers.length === 0 && b.peers.length === 0)
      network.online = true
    })
  })
})
