import assert from "node:assert/strict"
import * as v from "valibot"
import { type Fabric, RemoteError, seeds, type TaskHandler, type Worker, type WorkOptions } from "../../../index.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import { coded, standing } from "../../support/pattern.ts"
import { Program } from "../../support/processes.ts"
import { Valve } from "../../support/valve.ts"
import { turns, until } from "../../support/wait.ts"
import { another, events, Gate, overDirectory, overTcp, range } from "./nodes.ts"

async function work(node: Fabric, handler: TaskHandler<unknown>, options?: WorkOptions): Promise<Worker> {
  const worker = node.work("job", handler, options)
  await worker.ready
  return worker
}

const inOrder = (values: unknown[]): unknown[] => (values as number[]).toSorted((a, b) => a - b)

describe("fabric: tasks", () => {
  closesAfterEach()

  for (const [way, open] of [
    ["over tcp", () => overTcp(2)],
    ["over ipc", () => overDirectory(2)],
    ["of the node itself", async () => overTcp(1).then(([a]) => [a, a])],
  ] as const) {
    it(`FAB-TSK-1 FAB-TSK-4 FAB-TSK-9 tasks wait for a worker, and are done once each, ${way}`, async () => {
      const [pusher, other] = await open()
      const tasks = await Promise.all(range(500).map(i => pusher.push("job", i, { headers: { n: String(i) } })))
      assert.equal(pusher.stats().tasks.outstanding, 500)
      const done: unknown[] = []
      const worker = await work(other, async ({ data, headers, subject }, { deliveries }) => {
        assert.deepEqual([headers.get("n"), subject, deliveries], [String(data), "job", 1])
        if ((data as number) % 10 === 0) await turns()
        done.push(data)
      })
      await Promise.all(tasks.map(task => task.done()))
      assert.deepEqual(done, range(500))
      assert.equal(worker.done, 500)
      assert.equal(pusher.stats().tasks.outstanding, 0)
      assert.ok(tasks.every(task => task.finished && task.deliveries === 1))
    })
  }

  it("FAB-TSK-2 push waits at the limit, in order, and goes on", async () => {
    const [pusher, other] = await overTcp(2, { maxTasks: 5 })
    await Promise.all(range(5).map(i => pusher.push("job", i)))
    const waiting = range(5, 5).map(i => pusher.push("job", i))
    for (const one of waiting) assert.equal(await standing(one), "waits")
    const done: unknown[] = []
    await work(other, ({ data }) => void done.push(data))
    await Promise.all((await Promise.all(waiting)).map(task => task.done()))
    assert.deepEqual(done, range(10))
  })

  it("FAB-TSK-2 waiting ends with its time, its signal, and the fabric", async () => {
    const [pusher] = await overTcp(1, { maxTasks: 1 })
    const task = await pusher.push("job", 0)
    await assert.rejects(pusher.push("job", 1, { timeout: 10 }), coded("ETIMEDOUT", /push to job.*10 ms/))
    await assert.rejects(pusher.push("job", 2, { signal: AbortSignal.abort() }), coded("ECANCELED"))
    const abort = new AbortController()
    const waiting = pusher.push("job", 3, { signal: abort.signal })
    abort.abort()
    await assert.rejects(waiting, coded("ECANCELED"))
    const last = pusher.push("job", 4)
    const failed = [assert.rejects(last, coded("EBADF")), assert.rejects(task.done(), coded("EBADF"))]
    await pusher.close()
    await Promise.all(failed)
    assert.equal(pusher.stats().tasks.outstanding, 0)
  })

  it("FAB-TSK-3 a worker has no more than its concurrency and prefetch, the least busy gets the next", async () => {
    const [pusher, one, two] = await overTcp(3)
    const gates = [new Gate(), new Gate()]
    const workers = [
      await work(one, gates[0].handler, { concurrency: 2, prefetch: 3 }),
      await work(two, gates[1].handler, { concurrency: 4, prefetch: 0 }),
    ]
    await pusher.ready({ subject: "job", workers: 2 })
    const tasks = await Promise.all(range(20).map(i => pusher.push("job", i)))
    await until(() => workers[0].queued === 3 && workers[1].busy === 4)
    await pusher.flush()
    assert.deepEqual(
      workers.map(worker => [worker.busy, worker.queued]),
      [
        [2, 3],
        [4, 0],
      ],
    )
    // The free one does the rest.
    gates[1].release()
    await until(() => workers[1].done === 15)
    assert.equal(workers[0].done, 0)
    gates[0].release()
    await Promise.all(tasks.map(task => task.done()))
  })

  it("FAB-TSK-4 a task is done when its handler is through", async () => {
    const [pusher, other] = await overTcp(2)
    const gate = new Gate()
    await work(other, gate.handler)
    const task = await pusher.push("job", 1)
    await until(() => gate.inside.length === 1)
    await other.flush()
    assert.equal(task.finished, false)
    gate.release()
    await task.done()
    await task.done()
  })

  it("FAB-TSK-5 a task whose handler fails waits before the next time, longer each time", async () => {
    const [pusher, other] = await overTcp(2)
    const began: number[] = []
    await work(other, () => {
      began.push(performance.now())
      throw new Error("not now")
    })
    const task = await pusher.push("job", 1, { retryDelay: 40, maxDeliveries: 4 })
    await until(() => began.length === 1)
    await until(() => pusher.stats().tasks.queued === 1)
    await assert.rejects(task.done(), { code: "ERR_REMOTE" })
    // At least the half that is not by chance; timers of Node may be a millisecond early.
    const pauses = began.slice(1).map((time, i) => time - began[i])
    assert.equal(pauses.length, 3)
    for (const [i, pause] of pauses.entries()) assert.ok(pause >= 20 * 2 ** i - 2, `${pauses}`)
    assert.equal(pusher.stats().tasks.queued, 0)
  })

  it("FAB-TSK-5 others do not wait for one that failed, and close ends its waiting", async () => {
    const [pusher, other] = await overTcp(2)
    const done: unknown[] = []
    await work(other, ({ data }) => {
      if (data === "bad") throw new Error("not now")
      done.push(data)
    })
    const bad = await pusher.push("job", "bad", { retryDelay: 3_600_000 })
    const good = await Promise.all(range(5).map(i => pusher.push("job", i)))
    await Promise.all(good.map(task => task.done()))
    await until(() => bad.failures === 1)
    assert.deepEqual([bad.finished, pusher.stats().tasks.queued], [false, 1])
    const ended = assert.rejects(bad.done(), coded("EBADF"))
    await pusher.close()
    await ended
    assert.equal(pusher.stats().tasks.queued, 0)
    assert.deepEqual(done, range(5))
  })

  it("FAB-TSK-5 what a handler throws at goes to another worker, counted", async () => {
    for (const fail of [
      () => {
        throw new Error("cannot")
      },
      () => Promise.reject(undefined),
    ]) {
      const [pusher, one, two] = await overTcp(3)
      const seen: [string, number][] = []
      const rounds = events(pusher, "task")
      const bad = await work(one, ({ data }, { deliveries }) => {
        seen.push([`bad ${data}`, deliveries])
        return fail()
      })
      const task = await pusher.push("job", "a")
      await until(() => seen.length > 1)
      const good = await work(two, ({ data }, { deliveries }) => void seen.push([`good ${data}`, deliveries]))
      await task.done().catch(() => {})
      assert.ok(rounds.length >= 1)
      assert.deepEqual([rounds[0].again, rounds[0].deliveries, rounds[0].subject], [true, 1, "job"])
      // Whoever has it first, it ends well: the other one gets it next.
      seen.length = 0
      for (let i = 0; i < 10; i++) {
        const again = await pusher.push("job", i)
        await again.done()
        assert.ok(again.deliveries <= 2, `${again.deliveries}`)
      }
      assert.equal(good.failed, 0)
      assert.ok(bad.failed > 0)
      for (const node of [pusher, one, two]) await node.close()
    }
  })

  it("FAB-TSK-5 a task that fails too often is given up", async () => {
    const [pusher, other] = await overTcp(2)
    const rounds = events(pusher, "task")
    const deliveries: number[] = []
    const worker = await work(other, (_, task) => {
      deliveries.push(task.deliveries)
      throw Object.assign(new Error("poison"), { code: "E_POISON" })
    })
    const task = await pusher.push("job", 1, { maxDeliveries: 3 })
    await assert.rejects(task.done(), error => {
      assert.ok(error instanceof RemoteError)
      assert.equal(error.remoteCode, "E_POISON")
      assert.match(error.message, /Task for job failed at a1: poison/)
      return true
    })
    await assert.rejects(task.done(), RemoteError)
    assert.deepEqual(deliveries, [1, 2, 3])
    assert.deepEqual(
      rounds.map(({ again }) => again),
      [true, true, false],
    )
    assert.equal(worker.failed, 3)
    assert.equal(pusher.stats().tasks.outstanding, 0)
  })

  it("FAB-TSK-6 what a worker had goes to others, before what waits", async () => {
    const [pusher, one, two] = await overTcp(3)
    const gate = new Gate()
    const first = await work(one, gate.handler, { concurrency: 2, prefetch: 3 })
    const tasks = await Promise.all(range(10).map(i => pusher.push("job", i)))
    await until(() => first.queued === 3)
    await one.close()
    const done: [unknown, number][] = []
    await work(two, ({ data }, { deliveries }) => void done.push([data, deliveries]))
    await Promise.all(tasks.map(task => task.done()))
    const order = done.map(([data]) => data)
    assert.deepEqual(inOrder(order.slice(0, 5)), range(5))
    assert.deepEqual(order.slice(5), range(5, 5))
    // Those at work count as tried; those that it gave back as it closed do not.
    for (const [data, deliveries] of done) assert.equal(deliveries, (data as number) < 2 ? 2 : 1)
    gate.release()
  })

  it("FAB-TSK-6 processes that are killed under load lose nothing", async () => {
    const folder = temporaryFolder()
    const { directory, join } = await import("../../../index.ts")
    const pusher = await join("killed", { discovery: [directory({ path: folder })] })
    try {
      const start = (): Program =>
        Program.start(`
          import { directory, join } from ${JSON.stringify(new URL("../../../index.js", import.meta.url))}
          const fabric = await join("killed", { discovery: [directory({ path: ${JSON.stringify(folder)} })] })
          await fabric.work("job", async ({ data }) => {
            await new Promise(resolve => setTimeout(resolve, data % 3))
            process.stdout.write(data + "\\n")
          }, { concurrency: 4, prefetch: 4 }).ready
          process.stdout.write("ready\\n")
        `)
      let programs = [start(), start(), start()]
      await Promise.all(programs.map(program => program.says(/ready/)))
      const all = [...programs]
      const tasks = await Promise.all(range(2_000).map(i => pusher.push("job", i, { maxDeliveries: 10 })))
      let duplicates = 0
      for (const share of [1_500, 1_000]) {
        await until(() => pusher.stats().tasks.outstanding < share)
        const [victim] = programs.splice(0, 1)
        victim.signal("SIGKILL")
        const successor = start()
        all.push(successor)
        programs = [...programs, successor]
        // It may have done all that it had, without having said so.
        duplicates += 8
      }
      await Promise.all(tasks.map(task => task.done()))
      await Promise.all(programs.map(program => program.kill()))
      const done = all.flatMap(program => [...program.output.matchAll(/^\d+$/gm)].map(([text]) => Number(text)))
      assert.deepEqual(inOrder([...new Set(done)]), range(2_000))
      assert.ok(done.length - 2_000 <= duplicates, `${done.length - 2_000} done twice`)
    } finally {
      await pusher.close()
    }
  })

  it("FAB-TSK-7 answers that were lost with the window of a link do not leave tasks behind", async () => {
    // The worker's node forgets what it has sent after 20 ms, the pusher's keeps everything.
    const [pusher] = await overTcp(1, { advertise: [] })
    let valve = await Valve.open(pusher.endpoints[0])
    const port = Number(new URL(valve.endpoint).port)
    const way = seeds([valve.endpoint], { retry: 20 })
    const other = await another(pusher, { discovery: [way], listen: [], resume: { time: 20 } })
    const gate = new Gate()
    const seen: number[] = []
    await work(
      other,
      async (message, { deliveries }) => {
        seen.push(deliveries)
        await gate.handler(message)
      },
      { concurrency: 3 },
    )
    const tasks = await Promise.all(range(3).map(i => pusher.push("job", i)))
    await until(() => gate.inside.length === 3)
    await valve.close()
    await until(() => other.peers[0].state === "lapsed")
    gate.release()
    await turns(10)
    assert.ok(tasks.every(task => !task.finished))
    valve = await Valve.open(pusher.endpoints[0], port)
    try {
      await Promise.all(tasks.map(task => task.done()))
      assert.deepEqual(seen, [1, 1, 1, 2, 2, 2])
    } finally {
      await pusher.close()
      await other.close()
      await valve.close()
    }
  })

  it("FAB-TSK-8 a worker that drains finishes what it has; one that closes gives back what waits", async () => {
    const [pusher, one, two] = await overTcp(3)
    const gate = new Gate()
    const done: [string, unknown, number][] = []
    const handler =
      (name: string): TaskHandler<unknown> =>
      async (message, { deliveries }) => {
        await gate.handler(message)
        done.push([name, message.data, deliveries])
      }
    const drains = await work(one, handler("drains"), { concurrency: 1, prefetch: 2 })
    const closes = await work(two, handler("closes"), { concurrency: 1, prefetch: 2 })
    await pusher.ready({ subject: "job", workers: 2 })
    const tasks = await Promise.all(range(9).map(i => pusher.push("job", i, { maxDeliveries: 1 })))
    await until(() => drains.queued === 2 && closes.queued === 2)
    const drained = drains.drain()
    closes.close()
    assert.deepEqual([drains.closed, closes.closed], [true, true])
    await pusher.flush()
    gate.release()
    await drained
    await until(() => done.length === 4)
    assert.deepEqual([drains.done, closes.done, drains.busy + drains.queued + closes.busy + closes.queued], [3, 1, 0])
    await work(one, handler("late"))
    await Promise.all(tasks.map(task => task.done()))
    assert.deepEqual(inOrder(done.map(([, data]) => data)), range(9))
    // With one delivery allowed each, what came back untouched must not have been counted.
    assert.ok(done.every(([, , deliveries]) => deliveries === 1))
  })

  it("FAB-TSK-8 workers that come and go lose and fail nothing", async () => {
    const [pusher, one, two] = await overTcp(3, { maxTasks: 50 })
    const done: unknown[] = []
    let over = false
    const coming = (async () => {
      for (let round = 0; !over; round++) {
        const worker = await work(round % 2 === 0 ? one : two, ({ data }) => Promise.resolve(done.push(data)), {
          concurrency: 2,
          prefetch: 5,
        })
        await turns(round % 7)
        if (round % 3 === 0) worker.close()
        else await worker.drain()
      }
    })()
    const tasks = []
    for (let i = 0; i < 1_000; i++) tasks.push(await pusher.push("job", i, { maxDeliveries: 1 }))
    await Promise.all(tasks.map(task => task.done()))
    over = true
    await coming
    assert.deepEqual(inOrder(done), range(1_000))
  })

  it("FAB-TSK-8 FAB-TSK-9 a worker of the node itself drains while tasks come", async () => {
    const [pusher] = await overTcp(2)
    const done: unknown[] = []
    const handler: TaskHandler<unknown> = ({ data }) => Promise.resolve(done.push(data))
    const first = await work(pusher, handler)
    const tasks = await Promise.all(range(100).map(i => pusher.push("job", i, { maxDeliveries: 1 })))
    await tasks[10].done()
    await first.drain()
    await work(pusher, handler)
    await Promise.all(tasks.map(task => task.done()))
    assert.deepEqual(inOrder(done), range(100))
  })

  it("FAB-TSK-10 a subject without workers does not hold up another", async () => {
    const [pusher, other] = await overTcp(2)
    const stuck = await pusher.push("nobody", 1)
    await other.work("job.*", () => {}).ready
    for (let i = 0; i < 100; i++) await (await pusher.push(`job.${i}`, i)).done()
    assert.equal(stuck.finished, false)
    await other.work("nobody", () => {}).ready
    await stuck.done()
  })

  it("FAB-TSK-11 tasks that a worker cannot take fail clearly", async () => {
    const [pusher] = await overTcp(1)
    const small = await another(pusher, { maxPayload: 1_000, schemas: { job: v.number() } })
    await work(small, () => {})
    await pusher.ready({ subject: "job", workers: 1 })
    const large = await pusher.push("job", Buffer.alloc(1_001))
    await assert.rejects(large.done(), coded("EMSGSIZE", /1001 bytes.*1000/))
    const wrong = await pusher.push("job", "text", { maxDeliveries: 2 })
    await assert.rejects(wrong.done(), coded("ERR_VALIDATION"))
    await (await pusher.push("job", 1)).done()
    assert.equal(small.peers[0].state, "up")
  })

  for (const [way, open] of [
    ["over tcp", () => overTcp(2)],
    ["of the node itself", async () => overTcp(1).then(([a]) => [a, a])],
  ] as const) {
    it(`FAB-TSK-12 a task that is withdrawn leaves the queues, and its handler is told, ${way}`, async () => {
      const [pusher, other] = await open()
      const lonely = await pusher.push("job", "lonely")
      assert.equal(pusher.stats().tasks.queued, 1)
      const gone = assert.rejects(lonely.done(), coded("ECANCELED", /job/))
      assert.equal(lonely.cancel(), true)
      await gone
      assert.equal(lonely.cancel(), false)
      assert.deepEqual([pusher.stats().tasks.queued, pusher.stats().tasks.outstanding], [0, 0])

      const begun: unknown[] = []
      const told: unknown[] = []
      const gate = new Gate()
      const worker = await work(
        other,
        (message, { signal }) => {
          begun.push(message.data)
          signal.addEventListener("abort", () => told.push([message.data, signal.reason.code]))
          return gate.handler(message)
        },
        { concurrency: 1, prefetch: 2 },
      )
      await pusher.ready({ subject: "job", workers: 1 })
      const tasks = await Promise.all(range(5).map(i => pusher.push("job", i)))
      await until(() => worker.busy === 1 && worker.queued === 2)
      // At work, with the worker, and here.
      const withdrawn = [tasks[0], tasks[1], tasks[3]]
      const all = withdrawn.map(task => assert.rejects(task.done(), coded("ECANCELED")))
      for (const task of withdrawn) task.cancel()
      await Promise.all(all)
      await until(() => told.length === 1)
      assert.deepEqual(told, [[0, "ECANCELED"]])
      gate.release()
      await Promise.all([tasks[2].done(), tasks[4].done()])
      assert.deepEqual(begun, [0, 2, 4])
      await until(() => pusher.stats().tasks.outstanding === 0)
      await pusher.push("job", 5).then(task => task.done())
      assert.equal(worker.queued + worker.busy, 0)
      await Promise.all([worker.drain(), pusher.drain()])
    })
  }

  it("FAB-TSK-12 the task of a worker that dies is not given to another when it was withdrawn", async () => {
    const [pusher, one, two] = await overTcp(3)
    const gate = new Gate()
    await work(one, gate.handler)
    await pusher.ready({ subject: "job", workers: 1 })
    const task = await pusher.push("job", 1)
    await until(() => gate.inside.length === 1)
    const done: unknown[] = []
    await work(two, ({ data }) => void done.push(data))
    await pusher.ready({ subject: "job", workers: 2 })
    task.cancel("of no use")
    await assert.rejects(task.done(), coded("ECANCELED"))
    await one.close()
    await until(() => pusher.stats().tasks.outstanding === 0)
    await (await pusher.push("job", 2)).done()
    assert.deepEqual(done, [2])
  })

  it("FAB-TSK-12 many withdrawn tasks leave no trace in the queues", async () => {
    const [pusher, other] = await overTcp(2)
    const tasks = await Promise.all(range(1_000).map(i => pusher.push("job", i)))
    for (const task of tasks) void task.done().catch(() => {})
    for (const task of tasks) if (task.id % 10 !== 0) task.cancel()
    assert.equal(pusher.stats().tasks.queued, 100)
    const done: unknown[] = []
    await work(other, ({ data }) => void done.push(data))
    await pusher.drain()
    assert.equal(done.length, 100)
  })

  it("FAB-TSK-1 refuses what cannot be", async () => {
    const [node] = await overTcp(1)
    await assert.rejects(node.push("a.*" as string, 1), coded("EINVAL"))
    await assert.rejects(node.push("job", Symbol("x")), coded("EINVAL"))
    await assert.rejects(node.push("job", 1, { maxDeliveries: 0 }), coded("EINVAL", /maxDeliveries/))
    await assert.rejects(node.push("job", 1, { retryDelay: -1 }), coded("EINVAL", /retryDelay/))
    assert.throws(() => node.work("job", () => {}, { concurrency: 0 }), coded("EINVAL", /concurrency/))
    assert.throws(() => node.work("job", undefined as never), coded("EINVAL", /handler/))
    assert.equal(node.stats().tasks.outstanding, 0)
  })
})
