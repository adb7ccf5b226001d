import assert from "node:assert/strict"
import { directory, type Fabric, join, seeds } from "../../../index.ts"
import { freeTcp } from "../../support/addresses.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import type { Network } from "../../support/network.ts"
import { LONG_RUN, seeded } from "../../support/random.ts"
import { pass, until } from "../../support/wait.ts"
import { WirePeer } from "../../support/wire-peer.ts"
import { downsOf, gapsOf, inOrder, node, numbersOf, pair, state } from "./bad-network.ts"

describe("Links of the fabric", () => {
  closesAfterEach()

  describe("whose window is full", () => {
    const BYTES = 64 * 1024
    const padding = Buffer.alloc(1_000)

    const stalled = async (): Promise<{ a: Fabric; b: Fabric; network: Network }> => {
      const { a, b, network } = await pair({ resume: { bytes: BYTES } })
      return { a, b, network }
    }

    it("keep no more than their bytes, and drop by policy, counted exactly", async () => {
      const { a, b, network } = await stalled()
      const got: number[] = []
      await b.subscribe("n", message => void got.push(message.data as number), { limit: 10 }).ready
      const drops: number[] = []
      a.events.on("drop", ({ count, reason, where, peer }) => {
        assert.deepEqual([reason, where, peer?.name], ["full", "sending", "b"])
        drops.push(count)
      })
      const told: number[] = []
      b.events.on("drop", ({ count, where, peer }) => {
        assert.deepEqual([where, peer?.name], ["peer", "a"])
        told.push(count)
      })
      network.online = false
      network.cut(true)
      await until(() => state(a) === "down")
      let dropped = 0
      for (let i = 0; i < 500; i++) {
        dropped += a.publish("n", i, { headers: { padding } }).dropped
        assert.ok(a.stats().peers[0].unacknowledged < BYTES + 2_000)
      }
      assert.ok(dropped > 400)
      assert.equal(a.stats().peers[0].queued, 10)
      network.online = true
      const sum = (list: number[]): number => list.reduce((total, one) => total + one, 0)
      await until(() => got.length === 500 - dropped && sum(told) === dropped)
      inOrder(got, 500 - dropped)
      assert.equal(sum(drops), dropped)
      assert.equal(a.stats().peers[0].dropped, dropped)
    })

    it("keep the newest of each subject for who wants that", async () => {
      const { a, b, network } = await stalled()
      const got: string[] = []
      await b.subscribe("price.*", message => void got.push(`${message.subject} ${message.data}`), {
        policy: "conflate",
      }).ready
      network.online = false
      network.cut(true)
      await until(() => state(a) === "down")
      while (a.stats().peers[0].queued === 0) a.publish("price.a", 0, { headers: { padding } })
      for (let i = 1; i <= 50; i++) for (const name of ["a", "b", "c"]) a.publish(`price.${name}`, i)
      network.online = true
      await until(() => got.includes("price.c 50"))
      assert.deepEqual(got.slice(-3), ["price.a 50", "price.b 50", "price.c 50"])
      assert.ok(!got.includes("price.b 49"))
    })

    it("do not drop requests: they wait for room", async () => {
      const { a, b, network } = await stalled()
      await b.serve("echo", message => message.data).ready
      network.online = false
      network.cut(true)
      await until(() => state(a) === "down")
      const answers = Array.from({ length: 200 }, (_, i) =>
        a.request("echo", i, { headers: { padding }, timeout: 30_000 }).then(reply => reply.data),
      )
      assert.ok(a.stats().peers[0].unacknowledged < BYTES + 2_000)
      network.online = true
      assert.deepEqual(
        await Promise.all(answers),
        Array.from({ length: 200 }, (_, i) => i),
      )
    })
  })

  describe("between every two nodes", () => {
    it("are one, though both dial at once", () =>
      seeded(async random => {
        for (let round = 0; round < (LONG_RUN ? 200 : 12); round++) {
          const [first, second] = [await freeTcp(), await freeTcp()]
          const late = random.int(0, 3)
          const [a, b] = await Promise.all([
            join("shop", { name: "a", listen: first, discovery: [seeds([second])] }),
            pass(late).then(() => join("shop", { name: "b", listen: second, discovery: [seeds([first])] })),
          ])
          try {
            await Promise.all([a.ready({ peers: 1 }), b.ready({ peers: 1 })])
            const got = await numbersOf(a, "n")
            const back = await numbersOf(b, "n")
            await Promise.all([a.ready({ subject: "n", subscribers: 2 }), b.ready({ subject: "n", subscribers: 2 })])
            a.publish("n", 0)
            await until(() => got.length === 1 && back.length === 1)
            assert.deepEqual([a.peers.length, b.peers.length], [1, 1])
          } finally {
            await Promise.all([a.close(), b.close()])
          }
          // Nobody has listened: all events are still there.
          for (const one of [a, b]) {
            const seen: string[] = []
            for await (const { type } of one.events) seen.push(type)
            assert.deepEqual(
              seen.filter(type => type === "up" || type === "down"),
              ["up"],
            )
          }
        }
      }))

    it("are one when ten nodes start at once in a folder", async () => {
      const path = temporaryFolder()
      const nodes = await Promise.all(
        Array.from({ length: 10 }, (_, i) => node(`n${i}`, { listen: undefined, discovery: [directory({ path })] })),
      )
      for (const one of nodes) await one.ready({ peers: 9 })
      const downs = nodes.map(downsOf)
      const counts = new Map<string, number>()
      for (const one of nodes) {
        await one.subscribe("hello", message => {
          const key = `${message.data} ${one.name}`
          counts.set(key, (counts.get(key) ?? 0) + 1)
        }).ready
      }
      for (const one of nodes) await one.ready({ subject: "hello", subscribers: 10 })
      for (const one of nodes) one.publish("hello", one.name)
      await until(() => counts.size === 100)
      for (const one of nodes) await one.flush()
      assert.deepEqual(new Set(counts.values()), new Set([1]))
      assert.deepEqual(downs.flat(), [])
    })

    it("are not given up for a file that only another machine could have", async () => {
      const a = await node("a", {})
      const far = await WirePeer.connect(a.endpoints[0], {
        name: "far",
        endpoints: [`ipc://${temporaryFolder()}/node.sock`, await freeTcp()],
      })
      await a.ready({ peers: 1 })
      const left: string[] = []
      a.events.on("leave", ({ peer }) => void left.push(peer.name))
      far.raw.reset()
      await until(() => state(a) === "down")
      // Both addresses have been tried by then.
      await pass(800)
      assert.deepEqual([state(a), left], ["down", []])
    })

    it("belong to the process: another with the same name and address is a new node", async () => {
      const address = await freeTcp()
      const b = await node("b", { discovery: [seeds([address], { retry: 50 })] })
      const first = await join("shop", { name: "a", listen: address, discovery: [] })
      await b.ready({ peers: 1 })
      const id = b.peers[0].node
      const gaps = gapsOf(b)
      const told: string[] = []
      for (const type of ["join", "leave"] as const)
        b.events.on(type, event => void told.push(`${event.type} ${event.peer.name} ${event.peer.node === id}`))
      const got = await numbersOf(b, "n")
      first.publish("n", 0)
      await until(() => got.length === 1)
      await first.close()
      await until(() => told.length === 1)
      const second = await node("a", { listen: address, discovery: [] })
      await second.ready({ subject: "n" })
      second.publish("n", 1)
      await until(() => got.length === 2)
      assert.deepEqual(told, ["leave a true", "join a false"])
      assert.deepEqual([got, gaps], [[0, 1], []])
    })
  })

  describe("that have nothing to do", () => {
    it("have acknowledged all soon, and hold no bytes", async () => {
      const { a, b } = await pair()
      const got = await numbersOf(b, "n")
      for (let i = 0; i < 1_000; i++) a.publish("n", i)
      await until(() => got.length === 1_000 && a.stats().peers[0].unacknowledged === 0)
      await until(() => b.stats().peers[0].unacknowledged === 0)
    })

    it("cost nothing but the probes of membership", async () => {
      const { a, b, network } = await pair({ membership: { period: 100_000, probeTimeout: 50_000 } })
      await numbersOf(b, "n")
      await a.flush()
      // Notes of what arrived, and news of who is there, are still on their way.
      let before = -1
      while (network.bytes !== before) {
        before = network.bytes
        await pass(300)
      }
      await pass(500)
      assert.equal(network.bytes, before)
    })
  })
})
