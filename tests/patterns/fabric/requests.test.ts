import assert from "node:assert/strict"
import * as v from "valibot"
import {
  directory,
  type Fabric,
  HeddleError,
  join,
  RemoteError,
  type RequestMessage,
  type ServeOptions,
  type Service,
  ServiceError,
  type ServiceHandler,
  seeds,
} from "../../../index.ts"
import { closesAfterEach, using } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import { coded } from "../../support/pattern.ts"
import { Program } from "../../support/processes.ts"
import { Valve } from "../../support/valve.ts"
import { pass, until } from "../../support/wait.ts"
import { another, fillWindow, Gate, overDirectory, overTcp, range, withValve } from "./nodes.ts"

const WINDOW = 4096

/** A service that all peers know of. */
async function serve(
  node: Fabric,
  subject: string,
  handler: ServiceHandler<unknown, unknown>,
  options?: ServeOptions,
): Promise<Service> {
  const service = node.serve(subject, handler, options)
  await service.ready
  return service
}

/** A handler that answers when it is told to. */
class Desk {
  readonly requests: RequestMessage[] = []
  private readonly answers: ((value: unknown) => void)[] = []

  readonly handler = (message: RequestMessage): Promise<unknown> => {
    this.requests.push(message)
    return new Promise(resolve => this.answers.push(resolve))
  }

  async came(count: number): Promise<void> {
    await until(() => this.requests.length >= count)
  }

  answer(value: unknown): void {
    this.answers.shift()?.(value)
  }

  answerAll(value: unknown): void {
    for (const resolve of this.answers.splice(0)) resolve(value)
  }
}

async function inFolder(folder: string): Promise<Fabric[]> {
  return [using(await join("killed", { discovery: [directory({ path: folder })] }))]
}

/** For `assert.rejects`: what the server's handler threw. */
function remote(code: string, message: RegExp, details?: unknown): (error: unknown) => boolean {
  return error => {
    assert.ok(error instanceof RemoteError, String(error))
    assert.equal(error.code, "ERR_REMOTE")
    assert.equal(error.remoteCode, code)
    assert.match(error.message, message)
    if (details !== undefined) assert.deepEqual(error.details, details)
    return true
  }
}

describe("fabric: requests", () => {
  closesAfterEach()

  for (const [way, open] of [
    ["tcp", () => overTcp(2)],
    ["ipc", () => overDirectory(2)],
    ["the node itself", async () => overTcp(1).then(([a]) => [a, a])],
  ] as const) {
    it(`FAB-REQ-1 asks and answers, over ${way}`, async () => {
      const [client, server] = await open()
      let seen: RequestMessage | undefined
      await serve(server, "price.*", message => {
        seen = message
        return { price: (message.data as { id: number }).id * 2 }
      })
      const reply = await client.request("price.book", { id: 21 }, { headers: [["trace", "1"]], codec: "json" })
      assert.deepEqual(reply.data, { price: 42 })
      assert.equal(reply.from, server.id)
      assert.equal(reply.fromName, server.name)
      assert.equal(seen?.subject, "price.book")
      assert.equal(seen?.headers.get("trace"), "1")
      assert.equal(seen?.from, client.id)
      assert.deepEqual(JSON.parse(String(seen?.bytes)), { id: 21 })
    })

    it(`FAB-REQ-1 answers each of many requests at once, over ${way}`, async () => {
      const [client, server] = await open()
      await serve(server, "twice", async ({ data }) => {
        if ((data as number) % 3 === 0) await pass(1)
        return (data as number) * 2
      })
      const replies = await Promise.all(range(1_000).map(i => client.request("twice", i)))
      assert.deepEqual(
        replies.map(reply => reply.data),
        range(1_000).map(i => i * 2),
      )
    })
  }

  it("FAB-REQ-1 carries payloads of any size and kind both ways", async () => {
    const [client, server] = await overTcp(2)
    await serve(server, "echo", ({ data }) => data)
    const large = Buffer.alloc(3_000_000, 7)
    for (const value of [undefined, null, "", "text", 0, [1, 2], { a: [new Date(5)] }, Buffer.from("x"), large]) {
      assert.deepEqual((await client.request("echo", value)).data, value)
    }
  })

  it("FAB-REQ-2 rejects at once when nobody serves", async () => {
    const [client, other] = await overTcp(2)
    await other.subscribe("price", () => {}).ready
    await assert.rejects(client.request("price", 1, { timeout: 60_000 }), coded("ERR_NO_RESPONDERS", /price.*ready/))
    const service = await serve(other, "price", () => 1)
    assert.equal((await client.request("price", 1)).data, 1)
    service.close()
    await other.flush()
    await assert.rejects(client.request("price", 1, { timeout: 60_000 }), coded("ERR_NO_RESPONDERS"))
  })

  it("FAB-REQ-2 rejects at once when the only server has been away for longer than the window", async () => {
    const [client] = await overTcp(1, { resume: { time: 20 }, advertise: [] })
    const valve = await Valve.open(client.endpoints[0])
    const way = seeds([valve.endpoint], { retry: 60_000 })
    const server = await another(client, { discovery: [way], listen: [] })
    await serve(server, "price", () => 1)
    assert.equal((await client.request("price", 1)).data, 1)
    await valve.close()
    await until(() => client.peers[0].state === "lapsed")
    await assert.rejects(client.request("price", 1, { timeout: 60_000 }), coded("ERR_NO_RESPONDERS"))
    const many = client.requestMany("price", 1, { timeout: 60_000 })
    await assert.rejects(many.next(), coded("ERR_NO_RESPONDERS"))
    await assert.rejects(client.stream("price", 1, { timeout: 60_000 }).next(), coded("ERR_NO_RESPONDERS"))
  })

  it("FAB-REQ-3 FAB-REQ-5 rejects when it takes too long, and the server hears of it", async () => {
    for (const [client, server] of [await overTcp(2), await overTcp(1).then(([a]) => [a, a])]) {
      const desk = new Desk()
      await serve(server, "slow", desk.handler)
      const waiting = client.request("slow", 1, { timeout: 50 })
      await desk.came(1)
      const [message] = desk.requests
      assert.ok(message.timeLeft <= 50, `${message.timeLeft}`)
      const { signal } = message
      await assert.rejects(waiting, coded("ETIMEDOUT", /slow.*50 ms/))
      await until(() => signal.aborted)
      assert.equal(client.stats().requests, 0)
      await until(() => message.timeLeft === 0)
      desk.answer("nobody reads it")
      assert.equal(
        (await Promise.all([client.request("slow", 2), desk.came(2).then(() => desk.answer("b"))]))[0].data,
        "b",
      )
    }
  })

  it("FAB-REQ-4 rejects when it is cancelled, before or while it waits", async () => {
    const [client, server] = await overTcp(2)
    const desk = new Desk()
    const service = await serve(server, "slow", desk.handler)
    const reason = new Error("no use")
    const cancelled = (error: unknown): boolean => {
      assert.ok(error instanceof HeddleError)
      assert.equal(error.code, "ECANCELED")
      assert.equal(error.cause, reason)
      return true
    }
    await assert.rejects(client.request("slow", 1, { signal: AbortSignal.abort(reason) }), cancelled)
    const abort = new AbortController()
    const waiting = client.request("slow", 2, { signal: abort.signal })
    await desk.came(1)
    assert.equal(desk.requests[0].data, 2)
    const { signal } = desk.requests[0]
    abort.abort(reason)
    await assert.rejects(waiting, cancelled)
    await until(() => signal.aborted)
    assert.equal((signal.reason as HeddleError).code, "ECANCELED")
    assert.equal(client.stats().requests, 0)
    assert.equal(service.busy, 1)
    desk.answer(1)
    await until(() => service.busy === 0)
  })

  it("FAB-REQ-5 what was cancelled leaves the server's queue, and its room is free", async () => {
    for (const [client, server] of [await overTcp(2), await overTcp(1).then(([a]) => [a, a])]) {
      const desk = new Desk()
      const service = await serve(server, "slow", desk.handler, { concurrency: 1, limit: 3 })
      const first = client.request("slow", 0)
      await desk.came(1)
      for (let round = 0; round < 100; round++) {
        const abort = new AbortController()
        const waiting = range(3).map(i => client.request("slow", i, { signal: abort.signal }))
        await until(() => service.queued === 3)
        await assert.rejects(client.request("slow", 9), coded("EBUSY", /limit/))
        abort.abort()
        for (const one of waiting) await assert.rejects(one, coded("ECANCELED"))
        await until(() => service.queued === 0)
      }
      const last = client.request("slow", "last")
      await until(() => service.queued === 1)
      desk.answer("first")
      await desk.came(2)
      assert.equal(desk.requests[1].data, "last")
      desk.answer("last")
      assert.equal((await first).data, "first")
      assert.equal((await last).data, "last")
      assert.equal(service.refused, 100)
    }
  })

  it("FAB-REQ-3 FAB-REQ-5 what waits for room on a link leaves when cancelled, and says later how long it still waits", async () => {
    const { publisher: client, subscriber: server, valve } = await withValve(WINDOW)
    const desk = new Desk()
    await serve(server, "slow", desk.handler)
    await server.subscribe("noise", () => {}).ready
    valve.stall()
    fillWindow(client, "noise", WINDOW)
    const abort = new AbortController()
    const cancelled = client.request("slow", "cancelled", { signal: abort.signal })
    const late = client.request("slow", "late", { timeout: 20 })
    const begun = performance.now()
    const kept = client.request("slow", "kept", { timeout: 30_000 })
    abort.abort()
    await assert.rejects(cancelled, coded("ECANCELED"))
    await assert.rejects(late, coded("ETIMEDOUT"))
    assert.equal(client.stats().requests, 1)
    valve.flow()
    await desk.came(1)
    const [message] = desk.requests
    assert.equal(message.data, "kept")
    assert.ok(
      message.timeLeft > 0 && message.timeLeft <= 30_000 - 20,
      `${message.timeLeft} after ${performance.now() - begun}`,
    )
    desk.answer(1)
    await kept
    assert.deepEqual(
      desk.requests.map(one => one.data),
      ["kept"],
    )
  })

  it("FAB-REQ-5 what has waited for too long at the server is not begun, though nobody could say so", async () => {
    const { publisher: client, subscriber: server, valve } = await withValve(WINDOW)
    const desk = new Desk()
    const service = await serve(server, "slow", desk.handler, { concurrency: 1 })
    const first = client.request("slow", "first", { timeout: 60_000 })
    await desk.came(1)
    const late = client.request("slow", "late", { timeout: 300 })
    await until(() => service.queued === 1)
    valve.stall()
    await assert.rejects(late, coded("ETIMEDOUT"))
    // The server's clock began when the request came.
    await pass(350)
    assert.equal(service.queued, 1)
    desk.answer(1)
    assert.equal((await first).data, 1)
    valve.flow()
    const third = client.request("slow", "third", { timeout: 60_000 })
    await desk.came(2)
    desk.answer(3)
    assert.equal((await third).data, 3)
    assert.deepEqual(
      desk.requests.map(one => one.data),
      ["first", "third"],
    )
  })

  it("FAB-REQ-6 errors arrive with name, code, details and message", async () => {
    const cyclic: Record<string, unknown> = {}
    cyclic.self = cyclic
    const throws: Record<string, () => unknown> = {
      plain: () => {
        throw new TypeError("a plain one")
      },
      service: () => {
        throw new ServiceError("OUT_OF_STOCK", "nothing left", { left: 0 })
      },
      rejects: () => Promise.reject(new ServiceError("LATER", "rejected")),
      text: () => {
        throw "text"
      },
      nothing: () => {
        throw undefined
      },
      null: () => Promise.reject(null),
      object: () => {
        throw Object.create(null)
      },
      cyclic: () => {
        throw new ServiceError("CYCLE", "cyclic details", cyclic)
      },
      large: () => {
        throw new ServiceError("LARGE", "large details", "x".repeat(100_000))
      },
      trap: () => {
        throw Object.defineProperty(new Error("x"), "code", {
          get() {
            throw new Error("gotcha")
          },
        })
      },
      thenable: () => ({
        // biome-ignore lint/suspicious/noThenProperty: users write such things
        get then() {
          throw new Error("no promise")
        },
      }),
      pretends: () => {
        throw Object.assign(new Error("not of the fabric"), { code: "ERR_NO_RESPONDERS" })
      },
    }
    for (const [client, server] of [await overTcp(2), await overTcp(1).then(([a]) => [a, a])]) {
      const service = await serve(server, "fail", ({ data }) => throws[data as string]())
      const fails = (which: string, ...rest: Parameters<typeof remote>): Promise<void> =>
        assert.rejects(client.request("fail", which), remote(...rest))
      await fails("plain", "", /fail failed at .*: a plain one/)
      await fails("service", "OUT_OF_STOCK", /nothing left/, { left: 0 })
      await fails("rejects", "LATER", /rejected/)
      await fails("text", "", /text/)
      await fails("nothing", "", /undefined/)
      await fails("null", "", /null/)
      await fails("object", "", /cannot be described/)
      await fails("cyclic", "CYCLE", /cyclic details/)
      await fails("large", "LARGE", /large details/)
      await fails("trap", "", /./)
      await fails("thenable", "", /no promise/)
      await fails("pretends", "ERR_NO_RESPONDERS", /not of the fabric/)
      assert.equal(service.failed, 12)
      assert.equal(service.busy, 0)
      const error = await client.request("fail", "plain").catch(caught => caught as RemoteError)
      assert.ok(error instanceof RemoteError)
      assert.equal(error.remoteName, "TypeError")
      assert.equal(error.server, server.name)
    }
  })

  it("FAB-REQ-7 what cannot be serialised or is too large is an error, and the link stays", async () => {
    const [server] = await overTcp(1, { maxPayload: 3_000_000 })
    const client = await another(server, { maxPayload: 200_000 })
    const replies: Record<string, unknown> = { symbol: Symbol("x"), large: Buffer.alloc(2_500_000) }
    await serve(server, "get", ({ data }) => replies[data as string] ?? "ok")
    await assert.rejects(client.request("get", Symbol("x")), coded("EINVAL"))
    await assert.rejects(client.request("get", Buffer.alloc(200_001)), coded("EMSGSIZE"))
    await assert.rejects(client.request("get", "symbol"), remote("EINVAL", /serialis/))
    await assert.rejects(client.request("get", "large"), remote("EMSGSIZE", /2500000 bytes.*200000/))
    await serve(client, "put", () => "ok")
    await assert.rejects(server.request("put", Buffer.alloc(2_500_000)), coded("EMSGSIZE", /maxPayload/))
    assert.equal((await client.request("get", "?")).data, "ok")
    assert.equal(server.stats().requests, 0)
    assert.equal(client.peers[0].state, "up")
  })

  it("FAB-REQ-8 takes so many at a time, in order, and refuses what exceeds the limit", async () => {
    const [client, server] = await overTcp(2)
    const desk = new Desk()
    const service = await serve(server, "slow", desk.handler, { concurrency: 2, limit: 3 })
    const waiting = range(5).map(i => client.request("slow", i))
    await until(() => service.busy === 2 && service.queued === 3)
    await assert.rejects(client.request("slow", 5), coded("EBUSY", /3 requests/))
    for (let i = 0; i < 5; i++) {
      desk.answer(i)
      assert.equal((await waiting[i]).data, i)
      assert.ok(service.busy <= 2)
    }
    assert.deepEqual(
      desk.requests.map(one => one.data),
      range(5),
    )
    assert.deepEqual([service.answered, service.refused, service.queued, service.busy], [5, 1, 0, 0])
  })

  it("FAB-REQ-8 many that wait are answered one after the other, not within one another", async () => {
    const [client] = await overTcp(1)
    const gate = new Gate()
    const service = client.serve("mixed", message => (message.data === 0 ? gate.handler(message) : message.data), {
      concurrency: 1,
      limit: 50_000,
    })
    const waiting = range(20_000).map(i => client.request("mixed", i, { timeout: 60_000 }))
    await until(() => service.queued === 19_999)
    gate.release()
    const [, ...replies] = await Promise.all(waiting)
    assert.deepEqual(
      replies.map(reply => reply.data),
      range(19_999, 1),
    )
    assert.equal(service.failed, 0)
  })

  it("FAB-REQ-9 a node has a limit of requests without an answer", async () => {
    const [client, server] = await overTcp(2, { maxRequests: 3 })
    const desk = new Desk()
    await serve(server, "slow", desk.handler)
    const waiting = range(3).map(i => client.request("slow", i))
    await assert.rejects(client.request("slow", 3), coded("EAGAIN", /maxRequests/))
    await desk.came(3)
    desk.answerAll(1)
    await Promise.all(waiting)
    const again = client.request("slow", 4)
    await desk.came(4)
    desk.answerAll(1)
    await again
  })

  it("FAB-REQ-10 the least busy server is asked", async () => {
    const [client, one, two] = await overTcp(3)
    const slow = new Desk()
    await serve(one, "job", slow.handler)
    let fast = 0
    await serve(two, "job", () => ++fast)
    const stuck: Promise<unknown>[] = []
    for (let i = 0; i < 100; i++) {
      const before = slow.requests.length
      let answered = false
      const reply = client.request("job", i).then(() => {
        answered = true
      })
      await until(() => answered || slow.requests.length > before)
      if (slow.requests.length > before) stuck.push(reply)
    }
    assert.ok(fast >= 90, `${fast} of 100 went to the one that is free`)
    slow.answerAll(0)
    await Promise.all(stuck)
  })

  it("FAB-REQ-11 what waits at a server that ends goes to another", async () => {
    const [client, one, two] = await overTcp(3)
    const desk = new Desk()
    const service = await serve(one, "job", desk.handler, { concurrency: 1 })
    const first = client.request("job", "first")
    await desk.came(1)
    const others = range(20).map(i => client.request("job", i))
    await until(() => service.queued === 20)
    await serve(two, "job", ({ data }) => `two ${data}`)
    const { signal } = desk.requests[0]
    service.close()
    assert.equal(signal.aborted, true)
    assert.deepEqual(
      (await Promise.all(others)).map(reply => reply.data),
      range(20).map(i => `two ${i}`),
    )
    desk.answer("still answered")
    assert.equal((await first).data, "still answered")
  })

  it("FAB-REQ-11 requests find a server while servers come and go", async () => {
    const [client, one, two] = await overTcp(3)
    let over = false
    let asked = 0
    const ask = async (): Promise<void> => {
      while (!over) {
        asked++
        assert.equal((await client.request("job", 1)).data, 2)
      }
    }
    let service = await serve(one, "job", ({ data }) => Promise.resolve((data as number) * 2))
    const asking = Promise.all(range(20).map(ask))
    for (let round = 0; round < 20; round++) {
      const next = await serve(round % 2 === 0 ? two : one, "job", ({ data }) => (data as number) * 2)
      if (round % 3 === 0) service.close()
      else await service.drain()
      service = next
    }
    over = true
    await asking
    assert.ok(asked > 100, `${asked}`)
  })

  it("FAB-REQ-11 the only server that ends leaves nobody waiting", async () => {
    const [client, server] = await overTcp(2)
    const desk = new Desk()
    const service = await serve(server, "job", desk.handler, { concurrency: 1 })
    const first = client.request("job", 1)
    const second = client.request("job", 2)
    await until(() => service.queued === 1)
    service.close()
    await assert.rejects(second, coded("ERR_NO_RESPONDERS", /ended/))
    desk.answer(1)
    await first
  })

  it("FAB-REQ-11 draining answers what is on the way", async () => {
    const [client, server] = await overTcp(2)
    const service = await serve(server, "job", ({ data }) => data, { concurrency: 1 })
    const waiting = range(500).map(i => client.request("job", i))
    await service.drain()
    assert.deepEqual(
      (await Promise.all(waiting)).map(reply => reply.data),
      range(500),
    )
    await assert.rejects(client.request("job", 1), coded("ERR_NO_RESPONDERS"))
  })

  it("FAB-REQ-12 rejects when the server's node closes while it works", async () => {
    const [client, server] = await overTcp(2)
    const desk = new Desk()
    await serve(server, "job", desk.handler)
    const waiting = client.request("job", 1, { timeout: 60_000 })
    await desk.came(1)
    const { signal } = desk.requests[0]
    const [, error] = await Promise.all([server.close(), waiting.catch(caught => caught as HeddleError)])
    assert.equal((error as HeddleError).code, "ECONNRESET")
    assert.equal(signal.aborted, true)
  })

  it("FAB-REQ-12 rejects soon after the server's process was killed", async () => {
    const folder = temporaryFolder()
    for (const where of [`{ discovery: [directory({ path: ${JSON.stringify(folder)} })] }`, "TCP"]) {
      const [client] = where === "TCP" ? await overTcp(1) : await inFolder(folder)
      const options = where === "TCP" ? `{ discovery: [seeds(["${client.endpoints[0]}"])] }` : where
      const program = Program.start(`
        import { directory, join, seeds } from ${JSON.stringify(new URL("../../../index.js", import.meta.url))}
        const fabric = await join("${client.fabric}", ${options})
        await fabric.serve("job", () => new Promise(() => process.stdout.write("came\\n"))).ready
      `)
      await client.ready({ subject: "job", servers: 1 })
      const waiting = client.request("job", 1, { timeout: 60_000 })
      const stream = client.stream("job", 1, { timeout: 60_000 })
      await program.says(/came\ncame/)
      program.signal("SIGKILL")
      await assert.rejects(waiting, coded("ECONNRESET", /job.*gone/))
      await assert.rejects(stream.next(), coded("ECONNRESET"))
      await assert.rejects(client.request("job", 1, { timeout: 60_000 }), coded("ERR_NO_RESPONDERS"))
    }
  })

  it("FAB-REQ-5 the handler hears when the client's node is gone", async () => {
    const [client, server] = await overTcp(2)
    const desk = new Desk()
    await serve(server, "job", desk.handler)
    const waiting = client.request("job", 1)
    await desk.came(1)
    const { signal } = desk.requests[0]
    await Promise.all([assert.rejects(waiting, coded("EBADF")), client.close()])
    await until(() => signal.aborted)
    desk.answer("nobody reads it")
  })

  it("FAB-REQ-13 payloads are checked against the schema, here and there", async () => {
    const schemas = { "order.*": v.object({ id: v.pipe(v.number(), v.integer()) }) }
    const [strict] = await overTcp(1, { schemas })
    const lax = await another(strict)
    let called = 0
    await serve(strict, "order.new", () => ++called)
    await serve(lax, "order.old", () => ++called)
    await assert.rejects(strict.request("order.old", { id: "x" }), coded("ERR_VALIDATION", /order/))
    await assert.rejects(lax.request("order.new", { id: 1.5 }), coded("ERR_VALIDATION", /order/))
    assert.equal(called, 0)
    assert.equal((await lax.request("order.new", { id: 1 })).data, 1)
  })

  it("FAB-REQ-1 refuses invalid subjects and options", async () => {
    const [node] = await overTcp(1)
    await assert.rejects(node.request("a..b", 1), coded("EINVAL"))
    await assert.rejects(node.request("a.*" as string, 1), coded("EINVAL"))
    await assert.rejects(node.request("a", 1, { timeout: 0 }), coded("EINVAL", /timeout/))
    assert.throws(() => node.serve("a..b", () => {}), coded("EINVAL"))
    assert.throws(() => node.serve("a", undefined as never), coded("EINVAL", /handler/))
    assert.throws(() => node.serve("a", () => {}, { concurrency: -1 }), coded("EINVAL", /concurrency/))
    assert.throws(() => node.serve("a", () => {}, { queue: "" }), coded("EINVAL"))
  })
})
