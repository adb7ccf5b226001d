import assert from "node:assert/strict"
import fs from "node:fs"
import { directory, type Fabric, join } from "../../../index.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import { Handles } from "../../support/handles.ts"
import { coded, standing } from "../../support/pattern.ts"
import { Program } from "../../support/processes.ts"
import { turns, until } from "../../support/wait.ts"
import { collect, events, Gate, overTcp, range } from "./nodes.ts"

const INDEX = JSON.stringify(new URL("../../../index.js", import.meta.url))

/** A process with a node in a folder of its own. It says what is open when it ends, and dies of rejections that nobody handles. */
function program(text: string, folder = temporaryFolder()): Program {
  return Program.start(`
    process.on("unhandledRejection", error => {
      console.log("unhandled", error)
      process.exit(9)
    })
    const idle = ["PipeWrap", "TTYWrap"]
    process.on("beforeExit", () => {
      console.log("open", JSON.stringify(process.getActiveResourcesInfo().filter(one => !idle.includes(one))))
    })
    const { directory, join, seeds } = await import(${INDEX})
    const fabric = await join("leaving", { discovery: [directory({ path: ${JSON.stringify(folder)} })] })
    ${text}
    console.log("through")
  `)
}

/** It must end by itself, with nothing open and nothing unhandled. */
async function endsCleanly(one: Program): Promise<void> {
  assert.equal(await one.exited, 0, one.output)
  assert.match(one.output, /^through$/m)
  assert.match(one.output, /^open \[\]$/m)
}

describe("fabric: leaving", () => {
  closesAfterEach()

  it("FAB-LEA-1 drain: what has come is handled and answered, and others take over", async () => {
    const [client, leaver, stayer] = await overTcp(3)
    const gate = new Gate()
    const got = collect<number>(leaver, "news")
    const slow = leaver.subscribe("slow", gate.handler)
    const answer = async (message: Parameters<Gate["handler"]>[0]): Promise<unknown> => {
      await gate.handler(message)
      return `leaver ${message.data}`
    }
    const service = leaver.serve("ask", answer, { concurrency: 1 })
    const worker = leaver.work("job", answer)
    await Promise.all([got.subscription.ready, slow.ready, service.ready, worker.ready])
    const left = events(client, "leave")
    for (const i of range(1_000)) client.publish("news", i)
    client.publish("slow", "s")
    const asked = range(5).map(i => client.request("ask", i))
    const tasks = await Promise.all(range(5).map(i => client.push("job", i)))
    await until(() => service.queued === 4 && worker.busy === 1 && gate.inside.includes("s"))
    await Promise.all([stayer.serve("ask", () => "stayer").ready, stayer.work("job", () => {}).ready])
    const drained = leaver.drain()
    // The others know at once: from now on nobody asks the one that leaves.
    await client.flush()
    await client.ready({ subject: "job", workers: 1 })
    for (let i = 0; i < 10; i++) assert.equal((await client.request("ask", "new")).data, "stayer")
    await tasks[4].done()
    assert.equal(await standing(drained), "waits")
    assert.equal(left.length, 0)
    gate.release()
    await drained
    assert.deepEqual(
      (await Promise.all(asked)).map(reply => reply.data),
      range(5).map(i => `leaver ${i}`),
    )
    await Promise.all(tasks.map(task => task.done()))
    assert.deepEqual(got.values(), range(1_000))
    await until(() => left.length > 0)
    assert.deepEqual(
      left.map(({ why, peer }) => [why, peer.node]),
      [["left", leaver.id]],
    )
    assert.ok(leaver.closed)
  })

  it("FAB-LEA-1 drain: own tasks, requests and messages are finished", async () => {
    const [leaver, other] = await overTcp(2, { maxTasks: 10 })
    const gate = new Gate()
    const got = collect<number>(other, "news")
    const service = other.serve("ask", async message => {
      await gate.handler(message)
      return "answer"
    })
    const done: unknown[] = []
    await Promise.all([got.subscription.ready, service.ready])
    // Its tasks have no other worker than its own.
    leaver.work("job", ({ data }) => void done.push(data))
    const pushed = range(100).map(i => leaver.push("job", i))
    const reply = leaver.request("ask", 1)
    for (const i of range(50_000)) leaver.publish("news", i)
    const drained = leaver.drain()
    await until(() => gate.inside.length === 1)
    gate.release()
    assert.equal((await reply).data, "answer")
    await drained
    for (const task of await Promise.all(pushed)) await task.done()
    assert.deepEqual(done, range(100))
    assert.equal((await got.count(16_384)).length + got.subscription.dropped + got.subscription.droppedBefore, 50_000)
  })

  it("FAB-LEA-2 drain: handlers may send until the last is through, but nothing new is taken", async () => {
    const [leaver, other] = await overTcp(2)
    const results = collect(other, "results")
    const jobs: unknown[] = []
    await Promise.all([
      results.subscription.ready,
      other.serve("ask", ({ data }) => data).ready,
      other.work("job", ({ data }) => void jobs.push(data)).ready,
    ])
    const gate = new Gate()
    let outcome: unknown
    await leaver.subscribe("orders", async message => {
      await gate.handler(message)
      try {
        const reply = await leaver.request("ask", "q")
        await leaver.push("job", reply.data)
        leaver.publish("results", message.data)
        outcome = "sent"
      } catch (error) {
        outcome = error
      }
    }).ready
    other.publish("orders", 1)
    await until(() => gate.inside.length === 1)
    const drained = leaver.drain()
    const closed = coded("EBADF", /Fabric is closed/)
    assert.throws(() => leaver.subscribe("x", () => {}), closed)
    assert.throws(() => leaver.serve("x", () => {}), closed)
    assert.throws(() => leaver.work("x", () => {}), closed)
    gate.release()
    await drained
    assert.equal(outcome, "sent")
    assert.deepEqual(jobs, ["q"])
    await results.count(1)
  })

  it("FAB-LEA-3 drain closes when its time is over", async () => {
    const [leaver, other] = await overTcp(2)
    const gate = new Gate()
    await leaver.subscribe("stuck", gate.handler).ready
    other.publish("stuck", 1)
    await until(() => gate.inside.length === 1)
    const task = await leaver.push("nobody", 1)
    const lost = assert.rejects(task.done(), coded("EBADF"))
    assert.throws(() => leaver.drain({ timeout: -1 }), coded("EINVAL", /timeout/))
    await leaver.drain({ timeout: 30 })
    await lost
    assert.ok(leaver.closed)
    gate.release()
  })

  it("FAB-LEA-4 close: everything that waits rejects, iterations end, peers are told", async () => {
    const [leaver, other] = await overTcp(2, { maxTasks: 1 })
    const gate = new Gate()
    await other.serve("ask", gate.handler).ready
    const left = events(other, "leave")
    const ended = events(leaver, "end")
    const subscription = leaver.subscribe("x")
    const closed = coded("EBADF")
    const stopped = (async () => {
      for await (const message of subscription) assert.fail(String(message))
      return "ended"
    })()
    const task = await leaver.push("job", 1)
    const waiting = [
      leaver.request("ask", 1),
      leaver.stream("ask", 1).next(),
      leaver.requestMany("ask", 1).next(),
      leaver.push("job", 2),
      task.done(),
      leaver.ready({ peers: 9 }),
      leaver.subscribe("y").receive(),
    ].map(one => assert.rejects(one, closed))
    const own = leaver.serve("own", gate.handler)
    waiting.push(assert.rejects(leaver.request("own", 1), closed))
    await until(() => own.busy === 1)
    await leaver.close()
    await Promise.all(waiting)
    assert.equal(await stopped, "ended")
    await until(() => left.length === 1)
    assert.deepEqual([left[0].why, left[0].peer.node, ended.length], ["left", leaver.id, 1])
    assert.equal(other.peers.length, 0)
    assert.deepEqual([leaver.stats().tasks.outstanding, leaver.stats().requests], [0, 0])
    gate.release()
  })

  it("FAB-LEA-4 close: what was published before it in the same turn is still sent", async () => {
    for (let round = 0; round < 10; round++) {
      const [leaver, other] = await overTcp(2)
      const got = collect<number>(other, "news")
      await got.subscription.ready
      await turns(1)
      for (const i of range(100)) leaver.publish("news", i)
      await leaver.close()
      assert.deepEqual(await got.count(100), range(100))
      await other.close()
    }
  })

  it("FAB-LEA-5 drain, close and disposal in any order, any number of times", async () => {
    const orders: ((node: Fabric) => unknown)[][] = [
      [node => node.close(), node => node.close()],
      [node => node.drain(), node => node.drain()],
      [node => node.drain(), node => node.close()],
      [node => node.close(), node => node.drain()],
      [node => node[Symbol.asyncDispose](), node => node.close(), node => node.drain()],
    ]
    for (const calls of orders) {
      const [node] = await overTcp(2)
      node.subscribe("x", () => {})
      await Promise.all(calls.map(call => call(node)))
      for (const call of calls) await call(node)
      assert.ok(node.closed)
      const closed = coded("EBADF", /Fabric is closed/)
      assert.throws(() => node.publish("x", 1), closed)
      assert.throws(() => node.subscribe("x"), closed)
      assert.throws(() => node.serve("x", () => 1), closed)
      assert.throws(() => node.work("x", () => 1), closed)
      assert.throws(() => node.keep("x"), closed)
      assert.throws(() => node.stream("x", 1), closed)
      assert.throws(() => node.requestMany("x", 1), closed)
      await assert.rejects(node.request("x", 1), closed)
      await assert.rejects(node.send("x", 1), closed)
      await assert.rejects(node.push("x", 1), closed)
      await assert.rejects(node.flush(), closed)
      await assert.rejects(node.ready({ peers: 1 }), closed)
    }
  })

  it("FAB-LEA-6 nothing is left: handles and files", async () => {
    const folder = temporaryFolder()
    const handles = new Handles()
    const open = (): Promise<Fabric> => join("leaving", { discovery: [directory({ path: folder })] })
    const nodes = await Promise.all([open(), open(), open()])
    for (const node of nodes) {
      node.subscribe("x", () => {})
      node.serve("ask", () => 1)
      node.work("job", () => {})
    }
    for (const node of nodes) await node.ready({ subject: "ask", servers: nodes.length })
    await nodes[0].request("ask", 1, { timeout: 60_000 })
    await (await nodes[0].push("job", 1)).done()
    await Promise.all([nodes[0].drain(), nodes[1].close(), nodes[2].drain()])
    // A timer is asked for all that waits in this process: it stays, without keeping it alive.
    await until(() => handles.kinds.filter(kind => kind !== "Timeout").length === 0)
    assert.deepEqual(
      fs.readdirSync(folder, { recursive: true }).filter(name => /\.(sock|json)/.test(String(name))),
      [],
    )
  })

  it("FAB-LEA-6 FAB-LEA-8 a process ends by itself after close and after drain", async () => {
    const folder = temporaryFolder()
    const busy = `
      fabric.subscribe("x", () => {})
      fabric.subscribe("y")
      fabric.serve("ask", async ({ data }) => data)
      fabric.work("job", async () => {})
      const kept = fabric.keep("x")
      for (let i = 0; i < 100; i++) fabric.publish("x", i)
      await fabric.request("ask", 1)
      await (await fabric.push("job", 1)).done()
      for (let i = 0; i < 100; i++) await fabric.push("job", i)
    `
    const programs = [
      program(`${busy}; await fabric.drain()`, folder),
      program(`${busy}; await fabric.close()`, folder),
      program(`${busy}; await fabric[Symbol.asyncDispose]()`, folder),
    ]
    for (const one of programs) await endsCleanly(one)
  })

  it("FAB-LEA-8 nothing that fails while it ends is an unhandled rejection", async () => {
    const one = program(`
      fabric.serve("throws", () => { throw undefined })
      fabric.serve("rejects", () => Promise.reject(null))
      fabric.serve("streams", async function* () { yield 1; throw undefined })
      fabric.serve("never", () => new Promise(() => {}), { concurrency: 1 })
      fabric.subscribe("x", () => Promise.reject(new Error("x")))
      fabric.work("job", () => Promise.reject(undefined))
      fabric.publish("x", 1)
      for (const subject of ["throws", "rejects", "nobody"]) await fabric.request(subject, 1).catch(() => {})
      try { for await (const reply of fabric.stream("streams", 1)); } catch {}
      await (await fabric.push("job", 1, { maxDeliveries: 2 })).done().catch(() => {})
      // Nobody looks at what becomes of these.
      fabric.stream("never", 1)
      fabric.requestMany("never", 1)
      fabric.stream("nobody", 1)
      await fabric.push("nobody", 1)
      await fabric.push("job", 1, { maxDeliveries: 1 })
      fabric.request("never", 1).catch(() => {})
      await new Promise(setImmediate)
      await fabric.drain({ timeout: 50 })
    `)
    await endsCleanly(one)
  })

  it("FAB-LEA-7 who subscribes, serves or works stays, until that ends", async () => {
    const kinds = [`fabric.subscribe("x", () => {})`, `fabric.serve("x", () => {})`, `fabric.work("x", () => {})`]
    for (const kind of kinds) {
      const one = program(`
        const taker = ${kind}
        process.stdin.once("data", () => {
          process.stdin.destroy()
          ${kind.includes("subscribe") ? "taker.unsubscribe()" : "taker.close()"}
        })
        process.stdin.unref()
      `)
      await one.says(/through/)
      // It has nothing else to live for.
      assert.equal(one.running, true)
      assert.doesNotMatch(one.output, /open/)
      one.tell("end")
      assert.equal(await one.exited, 0)
    }
  })

  it("FAB-LEA-7 who only publishes, or has nothing to wait for, ends", async () => {
    const one = program(`
      fabric.publish("x", 1)
      fabric.subscribe("y")
      fabric.keep("x")
    `)
    assert.equal(await one.exited, 0)
    assert.match(one.output, /through/)
  })

  it("FAB-LEA-7 who waits for something stays until it comes", async () => {
    const folder = temporaryFolder()
    const waits = program(
      `
      const subscription = fabric.subscribe("x")
      console.log("waits")
      const { data } = await subscription.receive()
      console.log("got", data)
      await (await fabric.push("job", 1)).done()
      await fabric.ready({ subject: "late", subscribers: 1 })
    `,
      folder,
    )
    const helper = await join("leaving", { discovery: [directory({ path: folder })] })
    try {
      await waits.says(/waits/)
      await helper.ready({ subject: "x", subscribers: 1 })
      helper.publish("x", "it")
      await waits.says(/got it/)
      helper.work("job", () => {})
      helper.subscribe("late", () => {})
      assert.equal(await waits.exited, 0)
      assert.match(waits.output, /through/)
    } finally {
      await helper.close()
    }
  })
})
