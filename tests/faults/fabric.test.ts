import assert from "node:assert/strict"
import fs from "node:fs"
import path from "node:path"
import type { Fabric, JoinOptions } from "../../index.ts"
import { directory, join, seeds } from "../../index.ts"
import { closesAfterEach, using } from "../support/cleanup.ts"
import { temporaryFolder } from "../support/folders.ts"
import { collectGarbage } from "../support/garbage.ts"
import { Program } from "../support/processes.ts"
import { LONG_RUN } from "../support/random.ts"
import { pass, turns, until } from "../support/wait.ts"

const INDEX = new URL("../../index.js", import.meta.url).href

describe("Faults of the fabric, with processes of their own", () => {
  closesAfterEach()

  let folder: string
  beforeEach(() => {
    folder = temporaryFolder()
  })

  /** A program with a node `fabric`; it lives until it is killed or its test is over. */
  const program = (options: string, body: string): Program =>
    Program.start(`
      import { directory, join, seeds } from "${INDEX}"
      const say = text => process.stdout.write(text + "\\n")
      process.stdin.on("end", () => process.exit()).resume()
      const fabric = await join("shop", { name: "child", ${options} })
      ${body}
      say("ready")
    `)

  const node = async (options: JoinOptions = {}): Promise<Fabric> =>
    using(await join("shop", { name: "parent", discovery: [directory({ path: folder })], ...options }))

  const inFolder = (): string => `discovery: [directory({ path: ${JSON.stringify(folder)} })]`

  /** The same over a Unix socket and over TCP. */
  const WAYS: Record<string, () => Promise<[fabric: Fabric, child: string]>> = {
    ipc: async () => [await node(), inFolder()],
    tcp: async () => {
      const fabric = await node({ discovery: [], listen: "tcp://127.0.0.1:0" })
      return [fabric, `discovery: [seeds(["${fabric.endpoints[0]}"])], listen: "tcp://127.0.0.1:0"`]
    },
  }

  for (const [way, open] of Object.entries(WAYS)) {
    describe(`over ${way}`, () => {
      it("a killed subscriber is found dead at once, and the others lose nothing", async () => {
        const [fabric, child] = await open()
        const victim = program(child, `fabric.subscribe("n", () => {})`)
        const got: number[] = []
        const witness = using(await join("shop", { name: "witness", ...(await likeChild(way, fabric)) }))
        await witness.subscribe("n", message => void got.push(message.data as number)).ready
        await victim.says(/ready/)
        await fabric.ready({ subject: "n", subscribers: 2 })
        const left: string[] = []
        fabric.events.on("leave", ({ peer, why }) => void left.push(`${peer.name} ${why}`))
        let sent = 0
        let dropped = 0
        while (left.length === 0) {
          if (sent === 2_000) victim.signal("SIGKILL")
          for (let i = 0; i < 20; i++) dropped += fabric.publish("n", sent++).dropped
          await turns()
        }
        assert.deepEqual(left, ["child dead"])
        // Well before the suspicion of 5 s would have ended: nothing was kept for the dead for so long.
        assert.deepEqual(
          fabric.peers.map(peer => peer.name),
          ["witness"],
        )
        await until(() => got.length === sent - dropped)
        assert.deepEqual(
          got,
          [...got].sort((x, y) => x - y),
        )
        assert.equal(dropped, 0)
      })

      it("flush waits for a subscriber that is stopped, and not for one that is killed", async () => {
        const [fabric, child] = await open()
        const victim = program(child, `fabric.subscribe("n", m => say("got " + m.data))`)
        await victim.says(/ready/)
        await fabric.ready({ subject: "n" })
        victim.signal("SIGSTOP")
        fabric.publish("n", 1)
        await assert.rejects(fabric.flush({ timeout: 100 }), { code: "ETIMEDOUT" })
        victim.signal("SIGCONT")
        await fabric.flush()
        await victim.says(/got 1/)
        victim.signal("SIGSTOP")
        fabric.publish("n", 2)
        const flushed = fabric.flush()
        victim.signal("SIGKILL")
        await flushed
        assert.equal(fabric.publish("n", 3).peers, 0)
        await fabric.drain()
      })

      it("a worker that is stopped for longer than its ackWait loses its task to another, and its late answer counts for nothing", async () => {
        const [fabric, child] = await open()
        const work = `fabric.work("jobs", async m => { say("did " + m.data); await new Promise(go => setTimeout(go, 50)) }, { ackWait: 500 })`
        const victim = program(child, work)
        await victim.says(/ready/)
        await fabric.ready({ subject: "jobs", workers: 1 })
        const task = await fabric.push("jobs", 1)
        await victim.says(/did 1/)
        victim.signal("SIGSTOP")
        const deliveries: number[] = []
        fabric.work("jobs", (_, { deliveries: count }) => void deliveries.push(count))
        await task.done()
        assert.deepEqual(deliveries, [2])
        victim.signal("SIGCONT")
        await until(() => fabric.stats().tasks.late === 1)
        assert.equal(fabric.stats().tasks.acknowledged, 1)
      })

      it("killed workers: what they had goes to others, what was acknowledged is not lost", async () => {
        const [fabric, child] = await open()
        const work = `fabric.work("jobs", async m => { say("did " + m.data); await new Promise(setImmediate) }, { concurrency: 4 })`
        const victim = program(child, work)
        const survivor = program(child, work)
        await Promise.all([victim.says(/ready/), survivor.says(/ready/)])
        await fabric.ready({ subject: "jobs", workers: 2 })
        const tasks = []
        for (let i = 0; i < 500; i++) {
          tasks.push(await fabric.push("jobs", i))
          if (i === 250) {
            await victim.says(/did/)
            victim.signal("SIGKILL")
          }
        }
        await Promise.all(tasks.map(task => task.done()))
        const done = new Map<number, number>()
        const again = tasks.filter(task => task.deliveries > 1).length
        await until(() => {
          done.clear()
          for (const { output } of [victim, survivor])
            for (const [, n] of output.matchAll(/^did (\d+)$/gm)) done.set(Number(n), (done.get(Number(n)) ?? 0) + 1)
          return done.size === 500
        })
        // Twice at most what the victim had at hand: its capacity, and the results that were on the way.
        const twice = [...done.values()].filter(count => count > 1).length
        assert.ok(twice <= again, `${twice} were done twice, ${again} delivered again`)
      })

      it("a killed server: its clients hear of it at once, and the next request goes to another", async () => {
        const [fabric, child] = await open()
        const serve = `fabric.serve("id", m => m.data === "hang" ? new Promise(() => {}) : process.pid)`
        const victim = program(child, serve)
        await victim.says(/ready/)
        await fabric.ready({ subject: "id", servers: 1 })
        const hanging = fabric.request("id", "hang", { timeout: 60_000 })
        hanging.catch(() => {})
        const first = await fabric.request("id", 1)
        assert.equal(first.data, victim.child.pid)
        const other = program(child, serve)
        await other.says(/ready/)
        await fabric.ready({ subject: "id", servers: 2 })
        victim.signal("SIGKILL")
        await assert.rejects(hanging, { code: "ECONNRESET" })
        assert.equal((await fabric.request("id", 2)).data, other.child.pid)
      })

      it("a server that counts as dead is not asked: requests fail at once, or another answers; it is asked again when it is back", async () => {
        const [fabric, child] = await open()
        const quick = "membership: { period: 200, probeTimeout: 100, suspicionTimeout: 300 }"
        const observer = using(
          await join("shop", {
            name: "observer",
            membership: { period: 200, probeTimeout: 100, suspicionTimeout: 300 },
            ...(await likeChild(way, fabric)),
          }),
        )
        const silent = program(`${child}, ${quick}`, `fabric.serve("id", () => process.pid)`)
        const other = program(child, `fabric.subscribe("go", () => { fabric.serve("id", () => process.pid) })`)
        await Promise.all([silent.says(/ready/), other.says(/ready/)])
        await observer.ready({ subject: "go", subscribers: 1 })
        await observer.ready({ subject: "id", servers: 1 })
        const left: string[] = []
        observer.events.on("leave", ({ peer, why }) => void left.push(`${peer.name} ${why}`))
        silent.signal("SIGSTOP")
        await until(() => left.length > 0)
        assert.deepEqual(left, ["child dead"])
        await assert.rejects(observer.request("id", null, { timeout: 3_600_000 }), { code: "ERR_NO_RESPONDERS" })
        observer.publish("go", null)
        await observer.ready({ subject: "id", servers: 1 })
        for (let i = 0; i < 10; i++) assert.equal((await observer.request("id", null)).data, other.child.pid)
        silent.signal("SIGCONT")
        await observer.ready({ subject: "id", servers: 2 })
        const answered = new Set<unknown>()
        while (answered.size < 2) answered.add((await observer.request("id", null)).data)
      })

      it("killed members of a queue group give their share to the others at once", async () => {
        const [fabric, child] = await open()
        const take = `let count = 0; fabric.subscribe("q", () => { if (++count % 100 === 0) say("got " + count) }, { queue: "g" })`
        const victim = program(child, take)
        const survivor = program(child, take)
        await Promise.all([victim.says(/ready/), survivor.says(/ready/)])
        await fabric.ready({ subject: "q", subscribers: 2 })
        for (let i = 0; i < 1_000; i++) fabric.publish("q", i)
        await Promise.all([victim.says(/got 400/), survivor.says(/got 400/)])
        victim.signal("SIGKILL")
        await until(() => fabric.peers.length === 1)
        for (let i = 0; i < 1_000; i++) assert.equal(fabric.publish("q", i).peers, 1)
        await survivor.says(/got 1400/)
      })

      /** A subscriber that is stopped for so long gets everything, once and in order. Gives what the publisher saw of it meanwhile. */
      const stop = async (milliseconds: number): Promise<string[]> => {
        const [fabric, child] = await open()
        const seen: string[] = []
        for (const type of ["suspect", "leave"] as const) fabric.events.on(type, event => void seen.push(event.type))
        const stopped = program(
          child,
          `let next = 0
          fabric.events.on("gap", () => say("gap"))
          fabric.subscribe("n", m => {
            if (m.data !== next) say("WRONG " + m.data + " for " + next)
            next++
            if (m.data % 1000 === 999) say("got " + (m.data + 1))
          })`,
        )
        await stopped.says(/ready/)
        await fabric.ready({ subject: "n", subscribers: 1 })
        let sent = 0
        const send = (count: number): void => {
          for (; count > 0; count--) assert.equal(fabric.publish("n", sent++).dropped, 0)
        }
        send(1_000)
        await stopped.says(/got 1000/)
        stopped.signal("SIGSTOP")
        for (let slept = 0; slept < milliseconds; slept += 100) {
          send(100)
          await pass(100)
        }
        stopped.signal("SIGCONT")
        send(1_000 - (sent % 1_000))
        send(1_000)
        await stopped.says(new RegExp(`got ${sent}\\b`))
        assert.doesNotMatch(stopped.output, /WRONG|gap/)
        assert.equal(fabric.stats().peers[0].dropped, 0)
        return seen
      }

      // The whole of the five seconds once in each run, over TCP.
      const short = LONG_RUN || way === "tcp" ? 5_000 : 600
      it("a stopped process (SIGSTOP) goes on where it stood, in order", async () => {
        assert.ok(!(await stop(short)).includes("leave"))
      })

      if (LONG_RUN)
        it("a process that is stopped until it counts as dead goes on where it stood", async () => {
          // A period, a probe that is not answered, five seconds as a suspect.
          assert.ok((await stop(12_000)).includes("leave"))
        })
    })
  }

  /** Options of another node in this process, as the children have them. */
  const likeChild = async (way: string, fabric: Fabric): Promise<JoinOptions> =>
    way === "ipc"
      ? { discovery: [directory({ path: folder })] }
      : { discovery: [seeds([fabric.endpoints[0]])], listen: "tcp://127.0.0.1:0" }

  it("a node that was killed leaves files, and the next one removes them", async () => {
    const victim = program(inFolder(), "")
    await victim.says(/ready/)
    const shop = path.join(folder, fs.readdirSync(folder)[0])
    assert.ok(fs.readdirSync(shop).length > 0)
    await victim.kill()
    const left = fs.readdirSync(shop)
    assert.ok(left.length > 0)
    await node()
    await until(() => fs.readdirSync(shop).every(file => !left.includes(file)))
  })

  it("joins and leaves in a row leave nothing behind", async () => {
    const rounds = LONG_RUN ? 200 : 10
    const fabric = await node()
    const shop = path.join(folder, fs.readdirSync(folder)[0])
    const files = fs.readdirSync(shop).sort()
    const once = async (): Promise<void> => {
      const other = await join("shop", { name: "guest", discovery: [directory({ path: folder })] })
      await other.subscribe("n", () => {}).ready
      await other.ready({ peers: 1 })
      await fabric.ready({ subject: "n", subscribers: 1 })
      fabric.publish("n", { round: 1 })
      await other.close()
      await until(() => fabric.peers.length === 0)
    }
    const settled = async (): Promise<{ open: number; heap: number }> => {
      await turns(5)
      collectGarbage()
      const open = process.getActiveResourcesInfo().filter(kind => /Wrap|Pipe|TCP|Timeout/.test(kind)).length
      return { open, heap: process.memoryUsage().heapUsed }
    }
    for (let i = 0; i < 3; i++) await once()
    const before = await settled()
    const descriptors = fs.readdirSync("/proc/self/fd").length
    for (let i = 0; i < rounds; i++) await once()
    await until(() => fs.readdirSync("/proc/self/fd").length <= descriptors)
    assert.deepEqual(fs.readdirSync(shop).sort(), files)
    const after = await settled()
    assert.ok(after.open <= before.open, `${before.open} handles and timers before, ${after.open} after`)
    // Tombstones and addresses are remembered: some hundred bytes for each.
    assert.ok(after.heap - before.heap < 2_000_000 + rounds * 20_000, `${after.heap - before.heap} bytes more`)
  })

  it("a mesh in several processes is complete", async () => {
    const [processes, each] = LONG_RUN ? [5, 10] : [2, 10]
    const all = processes * each
    const programs = Array.from({ length: processes }, () =>
      program(
        inFolder(),
        `const nodes = [fabric]
        for (let i = 1; i < ${each}; i++) nodes.push(await join("shop", { ${inFolder()} }))
        await Promise.all(nodes.map(one => one.ready({ peers: ${all} })))
        say("complete")`,
      ),
    )
    const fabric = await node()
    await fabric.ready({ peers: all })
    for (const one of programs) await one.says(/complete/)
    assert.equal(fabric.peers.length, all)
  })

  it("clock jumps change nothing: nobody is suspected, timeouts stand", async () => {
    const fabric = await node()
    const jumping = program(
      inFolder(),
      `const now = Date.now
      let shift = 0
      Date.now = () => now() + shift
      fabric.events.on("suspect", () => say("SUSPECT"))
      fabric.events.on("leave", () => say("LEAVE"))
      fabric.serve("jump", m => { shift += m.data })`,
    )
    await jumping.says(/ready/)
    await fabric.ready({ subject: "jump", servers: 1 })
    const seen: string[] = []
    for (const type of ["suspect", "leave", "down"] as const)
      fabric.events.on(type, event => void seen.push(event.type))
    for (const jump of [1e10, -3e10, 1, 1e12]) {
      await fabric.request("jump", jump)
      await pass(300)
    }
    await fabric.request("jump", 0)
    assert.deepEqual(seen, [])
    assert.doesNotMatch(jumping.output, /SUSPECT|LEAVE/)
  })

  it("a folder that vanishes breaks no link", async () => {
    const fabric = await node()
    const other = program(inFolder(), `fabric.serve("id", () => process.pid)`)
    await other.says(/ready/)
    await fabric.ready({ subject: "id", servers: 1 })
    fs.rmSync(folder, { recursive: true, force: true })
    await pass(300)
    assert.equal((await fabric.request("id", null)).data, other.child.pid)
    assert.equal(fabric.peers.length, 1)
  })
})
