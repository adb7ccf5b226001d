import assert from "node:assert/strict"
import { type Fabric, type FabricMessage, RemoteError, type Service, type ServiceHandler } from "../../../index.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { coded } from "../../support/pattern.ts"
import { turns, until } from "../../support/wait.ts"
import { fillWindow, Gate, overTcp, range, withValve } from "./nodes.ts"

/** As the documentation of `stream` says: replies that a generator may be ahead. */
const AHEAD = 256
const WINDOW = 4096

async function serve(
  node: Fabric,
  handler: ServiceHandler<unknown, unknown>,
  options?: Parameters<Fabric["serve"]>[2],
): Promise<Service> {
  const service = node.serve("feed", handler, options)
  await service.ready
  return service
}

async function all(replies: AsyncIterable<FabricMessage>): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const { data } of replies) found.push(data)
  return found
}

/** A generator that counts without end, and tells how far it is. */
class Counter {
  made = 0
  finished = 0

  readonly handler = async function* (this: Counter): AsyncGenerator<number> {
    try {
      for (;;) yield this.made++
    } finally {
      this.finished++
    }
  }.bind(this)

  /** Resolves once it has made no more for a while: it waits. */
  async rests(): Promise<number> {
    for (let before = -1; before !== this.made; ) {
      before = this.made
      await turns(50)
    }
    return this.made
  }
}

describe("fabric: streams and many replies", () => {
  closesAfterEach()

  for (const [way, open] of [
    ["over tcp", () => overTcp(2)],
    ["of the node itself", async () => overTcp(1).then(([a]) => [a, a])],
  ] as const) {
    it(`FAB-REQ-16 gives what generators make, in order, ${way}`, async () => {
      const [client, server] = await open()
      await serve(server, ({ data }) => {
        const count = data as number
        if (count % 2 === 0) return range(count)[Symbol.iterator]()
        return (async function* () {
          for (let i = 0; i < count; i++) {
            if (i % 100 === 0) await turns()
            yield i
          }
        })()
      })
      for (const count of [0, 1, 2, 1_000, 1_001])
        assert.deepEqual(await all(client.stream("feed", count)), range(count))
      assert.equal(client.stats().requests, 0)
    })

    it(`FAB-REQ-16 an error comes after the replies before it, ${way}`, async () => {
      const [client, server] = await open()
      await serve(server, function* () {
        yield 1
        yield 2
        throw new Error("no more")
      })
      const found: unknown[] = []
      await assert.rejects(
        async () => {
          for await (const { data } of client.stream("feed", null)) found.push(data)
        },
        error => error instanceof RemoteError && /no more/.test(error.message),
      )
      assert.deepEqual(found, [1, 2])
    })

    it(`FAB-REQ-16 FAB-REQ-17 the generator is held back, and ended when the reader leaves, ${way}`, async () => {
      const [client, server] = await open()
      const counter = new Counter()
      const service = await serve(server, counter.handler)
      const replies = client.stream("feed", null)
      // One is made and waits for the credit.
      assert.ok((await counter.rests()) <= AHEAD + 1, `${counter.made}`)
      for (let i = 0; i < 1_000; i++) assert.equal((await replies.next()).value?.data, i)
      assert.ok((await counter.rests()) <= 1_000 + AHEAD + 1, `${counter.made}`)
      for await (const { data } of replies) if (data === 1_500) break
      await until(() => counter.finished === 1)
      await until(() => service.busy === 0)
      assert.equal(client.stats().requests, 0)
      assert.deepEqual(await replies.next(), { done: true, value: undefined })
    })

    it(`FAB-REQ-18 request takes the first reply of a stream and cancels it, ${way}`, async () => {
      const [client, server] = await open()
      const counter = new Counter()
      await serve(server, counter.handler)
      assert.equal((await client.request("feed", null)).data, 0)
      await until(() => counter.finished === 1)
      assert.ok(counter.made <= 2, `${counter.made}`)
      await client.flush()
    })

    it(`FAB-REQ-16 a signal and a time limit end a stream, ${way}`, async () => {
      const [client, server] = await open()
      const counter = new Counter()
      await serve(server, counter.handler)
      const abort = new AbortController()
      const replies = client.stream("feed", null, { signal: abort.signal })
      await replies.next()
      abort.abort()
      await assert.rejects(all(replies), coded("ECANCELED"))
      await until(() => counter.finished === 1)
      const silent = new Gate()
      const other = server.serve("silent", silent.handler)
      await other.ready
      await assert.rejects(all(client.stream("silent", null, { timeout: 20 })), coded("ETIMEDOUT", /20 ms/))
      silent.release()
    })
  }

  it("FAB-REQ-18 request to a stream without a reply is an error", async () => {
    const [client, server] = await overTcp(2)
    await serve(server, function* () {})
    await assert.rejects(client.request("feed", null), coded("ERR_REMOTE", /without a value/))
  })

  it("FAB-REQ-16 arrays, strings and maps are values", async () => {
    const [client, server] = await overTcp(2)
    await serve(server, ({ data }) => data)
    for (const value of [[1, 2], "text"]) assert.deepEqual(await all(client.stream("feed", value)), [value])
  })

  it("FAB-REQ-16 a promise of a generator streams, and a reply that cannot be serialised is an error", async () => {
    const [client, server] = await overTcp(2)
    await serve(server, async () =>
      (async function* () {
        yield "one"
        yield Symbol("two")
      })(),
    )
    const replies = client.stream("feed", null)
    assert.equal((await replies.next()).value?.data, "one")
    await assert.rejects(replies.next(), error => error instanceof RemoteError && error.remoteCode === "EINVAL")
    assert.deepEqual(await replies.next(), { done: true, value: undefined })
  })

  it("FAB-REQ-16 nobody there is an error of the first next", async () => {
    const [client] = await overTcp(1)
    await assert.rejects(client.stream("feed", null).next(), coded("ERR_NO_RESPONDERS"))
    await assert.rejects(client.requestMany("feed", null).next(), coded("ERR_NO_RESPONDERS"))
  })

  it("FAB-REQ-17 a generator waits while the way to its client is full", async () => {
    // The valve stalls what the node that listens sends: here the server.
    const { publisher: server, subscriber: client, valve } = await withValve(WINDOW)
    let made = 0
    const service = await serve(server, async function* () {
      while (made < 300) {
        made++
        yield Buffer.alloc(1_000, made)
      }
    })
    await client.subscribe("noise", () => {}).ready
    const first = client.stream("feed", null, { timeout: 60_000 })
    assert.equal((await first.next()).value?.data[0], 1)
    await first.return?.()
    await until(() => service.busy === 0)
    made = 0
    valve.stall()
    fillWindow(server, "noise", WINDOW)
    const replies = client.stream("feed", null, { timeout: 60_000 })
    await until(() => service.busy === 1)
    await turns(100)
    assert.equal(made, 1)
    valve.flow()
    assert.equal((await all(replies)).length, 300)
  })

  it("FAB-REQ-5 a stream whose client is gone ends, also while it waits", async () => {
    const [client, server] = await overTcp(2)
    const counter = new Counter()
    await serve(server, counter.handler)
    const replies = client.stream("feed", null)
    await counter.rests()
    await client.close()
    await until(() => counter.finished === 1)
    await assert.rejects(all(replies), coded("EBADF"))
  })

  it("FAB-REQ-12 a stream whose server is gone is an error after what had come", async () => {
    const [client, server] = await overTcp(2)
    const counter = new Counter()
    await serve(server, counter.handler)
    const replies = client.stream("feed", null)
    await counter.rests()
    await Promise.all([server.close(), until(() => client.peers.length === 0)])
    const found: unknown[] = []
    await assert.rejects(async () => {
      for await (const { data } of replies) found.push(data)
    }, coded("ECONNRESET"))
    assert.deepEqual(found, range(AHEAD))
    assert.equal(counter.finished, 1)
  })

  it("FAB-REQ-19 several calls of next get the replies in order, and the end", async () => {
    const [client, server] = await overTcp(2)
    await serve(server, async function* () {
      yield 1
      await turns(5)
      yield 2
    })
    const replies = client.stream("feed", null)
    const results = await Promise.all([replies.next(), replies.next(), replies.next(), replies.next()])
    assert.deepEqual(
      results.map(({ done, value }) => (done === true ? "end" : value?.data)),
      [1, 2, "end", "end"],
    )
  })

  describe("requestMany", () => {
    it("FAB-REQ-14 asks every server, and one of each group", async () => {
      const nodes = await overTcp(4)
      const asked: string[] = []
      const services = nodes.flatMap((node, i) => [
        node.serve("who", () => asked.push(`plain${i}`) && `plain${i}`),
        node.serve("who", () => asked.push(`one${i}`) && "one", { queue: "one" }),
        node.serve("who", () => asked.push(`two${i}`) && "two", { queue: "two" }),
      ])
      await Promise.all(services.map(service => service.ready))
      const found = await all(nodes[0].requestMany("who", null))
      assert.deepEqual(found.toSorted(), ["one", "plain0", "plain1", "plain2", "plain3", "two"])
      assert.equal(asked.length, 6)
    })

    it("FAB-REQ-14 ends after so many replies, and cancels the rest", async () => {
      const [client, one, two, three] = await overTcp(4)
      const gates = [one, two, three].map(() => new Gate())
      const services = [one, two, three].map((node, i) =>
        node.serve("who", async message => {
          if (i === 0) return "quick"
          await gates[i].handler(message)
          assert.equal(message.signal.aborted, true)
          return "slow"
        }),
      )
      await Promise.all(services.map(service => service.ready))
      assert.deepEqual(await all(client.requestMany("who", null, { max: 1 })), ["quick"])
      await client.flush()
      await until(() => gates[1].inside.length + gates[2].inside.length === 2)
      for (const gate of gates) gate.release()
      await until(() => services.every(service => service.busy === 0))
      assert.deepEqual([services[1].failed, services[2].failed], [0, 0])
    })

    it("FAB-REQ-14 ends after wait, after stall, and with the sentinel", async () => {
      const [client, one, two] = await overTcp(3)
      const gate = new Gate()
      await Promise.all([one.serve("who", () => "quick").ready, two.serve("who", gate.handler).ready])
      assert.deepEqual(await all(client.requestMany("who", null, { wait: 30 })), ["quick"])
      assert.deepEqual(await all(client.requestMany("who", null, { stall: 30, wait: 60_000 })), ["quick"])
      const sentinel = ({ data }: FabricMessage): boolean => data === "quick"
      assert.deepEqual(await all(client.requestMany("who", null, { sentinel, wait: 60_000 })), [])
      gate.release()
      assert.equal(client.stats().requests, 0)
    })

    it("FAB-REQ-14 leaving the loop cancels", async () => {
      const [client, one, two] = await overTcp(3)
      let aborted = 0
      await one.serve("who", () => "quick").ready
      await two.serve("who", ({ signal }) => {
        return new Promise(resolve => signal.addEventListener("abort", () => resolve(aborted++)))
      }).ready
      for await (const { data } of client.requestMany("who", null)) {
        assert.equal(data, "quick")
        break
      }
      await until(() => aborted === 1)
      assert.equal(client.stats().requests, 0)
    })

    it("FAB-REQ-15 passes over single errors, and rejects when no server replies", async () => {
      const [client, one, two, three] = await overTcp(4)
      const failing = (why: string) => () => {
        throw new Error(why)
      }
      const good = one.serve("who", () => "good")
      const services = [good, two.serve("who", failing("bad")), three.serve("who", failing("bad"))]
      await Promise.all(services.map(service => service.ready))
      for (let i = 0; i < 20; i++) assert.deepEqual(await all(client.requestMany("who", i)), ["good"])
      good.close()
      await one.flush()
      await assert.rejects(all(client.requestMany("who", null)), coded("ERR_REMOTE", /bad/))
    })

    it("FAB-REQ-15 a time limit without a reply is no error, a cancelled request is", async () => {
      const [client, server] = await overTcp(2)
      const gate = new Gate()
      await server.serve("who", gate.handler).ready
      assert.deepEqual(await all(client.requestMany("who", null, { wait: 20 })), [])
      const abort = new AbortController()
      const replies = client.requestMany("who", null, { signal: abort.signal })
      const next = replies.next()
      abort.abort()
      await assert.rejects(next, coded("ECANCELED"))
      gate.release()
    })

    it("FAB-REQ-15 what the sentinel throws is an error here, and no fault of the peer", async () => {
      const [client, one] = await overTcp(2)
      await one.serve("who", () => "reply").ready
      const sentinel = (): boolean => {
        throw new RangeError("of the user")
      }
      await assert.rejects(all(client.requestMany("who", null, { sentinel })), /of the user/)
      assert.equal(client.peers[0].state, "up")
      assert.equal((await client.request("who", null)).data, "reply")
    })

    it("FAB-REQ-11 a member that ends is replaced by another of its group, a server of none by nobody", async () => {
      const [client, one, two] = await overTcp(3)
      const gate = new Gate()
      const member = one.serve("who", gate.handler, { queue: "group", concurrency: 1, limit: 10 })
      const single = one.serve("who", gate.handler, { concurrency: 1, limit: 10 })
      await Promise.all([member.ready, single.ready])
      const busy = [client.requestMany("who", "busy")]
      await until(() => member.busy === 1 && single.busy === 1)
      const waiting = client.requestMany("who", "waits")
      await until(() => member.queued === 1 && single.queued === 1)
      let asked = 0
      await two.serve("who", () => ++asked, { queue: "group" }).ready
      member.close()
      single.close()
      assert.deepEqual(await all(waiting), [1])
      gate.release()
      assert.equal((await all(busy[0])).length, 2)
    })
  })
})
