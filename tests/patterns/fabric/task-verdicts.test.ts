import assert from "node:assert/strict"
import { join, ServiceError, seeds, type TaskContext } from "../../../index.ts"
import { simulate } from "../../../testing.ts"
import { closesAfterEach, later, using } from "../../support/cleanup.ts"
import { until } from "../../support/wait.ts"
import { interest, record, varint, WirePeer } from "../../support/wire-peer.ts"
import { events, overTcp } from "./nodes.ts"
import { simulatedPair } from "./simulated-pair.ts"

describe("fabric: what handlers say of their tasks", () => {
  closesAfterEach()

  for (const [where, count] of [
    ["another node", 2],
    ["the same node", 1],
  ] as const) {
    it(`FAB-TSK-13 term: no worker gets it again, and done() rejects with the reason, at ${where}`, async () => {
      const nodes = await overTcp(count)
      const [pusher, worker] = [nodes[0], nodes[count - 1]]
      const rounds = events(pusher, "task")
      let calls = 0
      await worker.work("jobs", (_, task) => {
        calls++
        task.term("it is no address")
      }).ready
      const task = await pusher.push("jobs", 1)
      await assert.rejects(task.done(), { code: "ERR_REMOTE", message: /it is no address/ })
      assert.deepEqual([calls, task.deliveries, rounds.map(({ again }) => again)], [1, 1, [false]])
      const { failed, deadLettered, outstanding } = pusher.stats().tasks
      assert.deepEqual([failed, deadLettered, outstanding], [1, 0, 0])
      assert.equal(worker.stats().takers[0].failed, 1)
    })

    it(`FAB-TSK-15 a task that failed for good goes to the workers of its dead letter, at ${where}`, async () => {
      const nodes = await overTcp(count)
      const [pusher, worker] = [nodes[0], nodes[count - 1]]
      const rounds = events(pusher, "task")
      worker.work("jobs", ({ data }, task) => {
        if (data === "bad") task.term("never")
        else throw new ServiceError("E_SOON", "not yet")
      })
      const dead: unknown[] = []
      await worker.work("dead.jobs", ({ data, headers }, { deliveries }) => {
        dead.push([data, deliveries, Object.fromEntries(headers)])
      }).ready
      const options = { maxDeliveries: 2, retryDelay: 0, deadLetter: "dead.jobs", headers: { own: "1" } }
      const bad = await pusher.push("jobs", "bad", options)
      await assert.rejects(bad.done(), { code: "ERR_REMOTE" })
      const slow = await pusher.push("jobs", { n: 2 }, options)
      await assert.rejects(slow.done(), { remoteCode: "E_SOON" })
      await until(() => pusher.stats().tasks.outstanding === 0)
      const name = worker.name
      const why = (deliveries: number, code: string, text: string) => ({
        own: "1",
        "Heddle-Dead-Subject": "jobs",
        "Heddle-Dead-Deliveries": String(deliveries),
        "Heddle-Dead-Code": code,
        "Heddle-Dead-Error": `Task for jobs failed at ${name}: ${text}`,
      })
      assert.deepEqual(dead, [
        ["bad", 1, why(1, "ERR_REMOTE", "never")],
        [{ n: 2 }, 1, why(2, "E_SOON", "not yet")],
      ])
      assert.deepEqual(
        rounds.map(({ again, deadLetter }) => [again, deadLetter]),
        [
          [false, "dead.jobs"],
          [true, undefined],
          [false, "dead.jobs"],
        ],
      )
      const { failed, deadLettered } = pusher.stats().tasks
      assert.deepEqual([failed, deadLettered], [2, 2])
    })
  }

  it("FAB-TSK-14 nak: it comes again after the time that the handler names, which counts as a failure", async () => {
    const { net, near, far } = await simulatedPair(1_000)
    const at: number[] = []
    far.work("jobs", (_, task) => {
      at.push(net.now())
      if (task.deliveries < 4) task.nak(task.deliveries * 1_000)
    })
    await net.until(near.ready({ subject: "jobs", workers: 1 }))
    const task = await near.push("jobs", 1, { maxDeliveries: 4 })
    await net.until(task.done())
    assert.equal(task.failures, 3)
    const pauses = at.slice(1).map((time, i) => Math.floor((time - at[i]) / 1_000))
    assert.deepEqual(pauses, [1, 2, 3])
    const few = await near.push("jobs", 1, { maxDeliveries: 2 })
    await assert.rejects(net.until(few.done()), { code: "ERR_REMOTE", message: /wants it later/ })
    assert.equal(few.deliveries, 2)
  })

  it("FAB-TSK-14 nak without a time waits as the pusher says; what a handler throws is told", async () => {
    const [pusher, worker] = await overTcp(2)
    const errors: string[] = []
    pusher.events.on("task", ({ error }) => void errors.push(error.message.replace(/.*: /, "")))
    await worker.work("jobs", (_, task) => {
      if (task.deliveries === 1) task.nak()
      if (task.deliveries === 2) {
        task.nak(0)
        throw new Error("thrown")
      }
    }).ready
    const task = await pusher.push("jobs", 1, { retryDelay: 0 })
    await task.done()
    assert.deepEqual([task.deliveries, errors], [3, ["the handler wants it later", "thrown"]])
  })

  it("throws EINVAL for a time that cannot be, and for a dead letter that is no subject", async () => {
    const [node] = await overTcp(1)
    const codes: unknown[] = []
    node.work("jobs", (_, task: TaskContext) => {
      for (const delay of [-1, 0.5, Number.NaN, 2 ** 31, "1" as never])
        try {
          task.nak(delay)
        } catch (error) {
          codes.push((error as { code: string }).code)
        }
    })
    await (await node.push("jobs", 1)).done()
    assert.deepEqual(codes, Array(5).fill("EINVAL"))
    for (const deadLetter of ["a.*", "", "$heddle.x"])
      await assert.rejects(node.push("jobs", 1, { deadLetter }), { code: "EINVAL" })
    assert.equal(node.stats().tasks.outstanding, 0)
  })

  it("FAB-TSK-14 a worker that names no sensible time is one that failed", async () => {
    const node = using(await join("shop", { name: "heddle", listen: "tcp://127.0.0.1:0", discovery: [] }))
    const peer = await WirePeer.connect(node.endpoints[0])
    using(peer.raw)
    await peer.send([interest(3, 3, "jobs")])
    await node.ready({ subject: "jobs", workers: 1 })
    const words = ['"soon"', "-1", "1e99", "true", "null", "{}", "0"]
    const task = await node.push("jobs", 1, { retryDelay: 0, maxDeliveries: 100 })
    for (const word of [...words, "false"]) {
      const { body } = await peer.next(4)
      body.byte()
      const error = `{"name":"Error","code":"","message":"no","retry":${word}}`
      await peer.send([record(5, 2, 128, varint(body.varint()), varint(0), error)])
    }
    await assert.rejects(task.done(), { code: "ERR_REMOTE" })
    assert.equal(task.deliveries, words.length + 1)
  })

  it("FAB-TSK-15 dead letters are done at least once, though their workers crash", async () => {
    const net = simulate({ seed: 3, time: "virtual", delay: [1, 10] })
    later(() => net.close())
    const names = ["pusher", "w1", "w2", "w3"]
    const hosts = names.map(name => net.host(name))
    const enter = (i: number) =>
      net.until(
        join("dead", {
          name: names[i],
          context: hosts[i].context,
          discovery: [seeds(names.filter((_, j) => j !== i).map(name => `tcp://${name}:7000`))],
          listen: "tcp://*:7000",
          busyPoll: 0,
        }),
      )
    const nodes = []
    for (let i = 0; i < names.length; i++) nodes.push(await enter(i))
    const [pusher, ...workers] = nodes
    const dead = new Set<unknown>()
    for (const node of workers) {
      node.work(
        "jobs",
        ({ data }, task) => ((data as number) % 2 > 0 || task.deliveries > 1 ? task.term() : task.nak(10)),
        { concurrency: 5 },
      )
      node.work("dead", async ({ data }) => {
        await new Promise(resolve => setTimeout(resolve, 200))
        if (node.closed) throw new Error("it has crashed")
        dead.add(data)
      })
    }
    await net.until(pusher.ready({ subject: "dead", workers: 3 }))
    const COUNT = 100
    const ends: Promise<unknown>[] = []
    const options = { maxDeliveries: 20, deadLetter: "dead", retryDelay: 1 }
    for (let i = 0; i < COUNT; i++) ends.push((await pusher.push("jobs", i, options)).done().catch(() => {}))
    for (const i of [1, 2]) {
      await net.run(700)
      hosts[i].crash()
      await net.until(nodes[i].close())
    }
    await net.until(Promise.all(ends))
    await net.run(120_000)
    assert.equal(dead.size, COUNT)
    const { outstanding, queued, deadLettered } = pusher.stats().tasks
    assert.deepEqual([outstanding, queued, deadLettered], [0, 0, COUNT])
    await net.until(Promise.all(nodes.map(node => node.close())))
  })
})
