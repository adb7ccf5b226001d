import assert from "node:assert/strict"
import { type Replay, type ReplayClientOptions, replay } from "../../../bridge-kafka/replay/client.ts"
import { ReplayService, type ReplayServiceOptions } from "../../../bridge-kafka/replay/service.ts"
import { type Fabric, RemoteError } from "../../../index.ts"
import { another, overTcp, range } from "../../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { coded } from "../../support/pattern.ts"
import { Random } from "../../support/random.ts"
import { pass, turns, until } from "../../support/wait.ts"
import { MemoryStore } from "./memory-store.ts"

async function serve(
  fabric: Fabric,
  store: MemoryStore,
  options: Partial<ReplayServiceOptions> = {},
): Promise<ReplayService> {
  const service = new ReplayService({ fabric, bridge: "box", stores: new Map([["out", store]]), ...options })
  await service.start()
  later(() => service.close())
  return service
}

async function all<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const message of messages) found.push(message)
  return found
}

async function data(fabric: Fabric, options: ReplayClientOptions = {}): Promise<unknown[]> {
  return (await all(replay(fabric, "box", options))).map(message => message.data)
}

/** Orders 0, 1... in the order of their times, over so many partitions by subject. */
function orders(store: MemoryStore, count: number, partitions = 3, subjects = 10): void {
  for (let i = 0; i < count; i++) {
    const subject = `orders.${i % subjects}.made`
    store.add(subject, i, { partition: (i % subjects) % partitions, timestamp: 1_000 + i })
  }
}

async function pair(): Promise<{ client: Fabric; server: Fabric; store: MemoryStore }> {
  const [client, server] = await overTcp(2)
  return { client, server, store: new MemoryStore() }
}

describe("replay", () => {
  closesAfterEach()

  it("passes over what the store cannot give, and says how much and why", async () => {
    const { client, server, store } = await pair()
    for (let i = 0; i < 40; i++) store.add("orders.1", i)
    for (const offset of [3, 12, 13, 39]) store.damaged.add(offset)
    await serve(server, store)
    const replayed = replay(client, "box")
    const found = (await all(replayed)).map(({ offset }) => offset)
    assert.deepEqual(
      found,
      Array.from({ length: 40 }, (_, i) => i).filter(i => !store.damaged.has(i)),
    )
    assert.equal(replayed.unreadable, 4)
    assert.equal(replayed.ended?.because, "3 is too large")
    // What was passed over is not asked for again.
    assert.deepEqual(await data(client, { from: { cursor: replayed.cursor as string } }), [])
  })

  it("gives stored messages with all that belongs to them", async () => {
    const { client, server, store } = await pair()
    const binary = Buffer.from([0, 255, 1])
    store.add(
      "orders.1",
      { id: 7 },
      {
        timestamp: 5_000,
        headers: [
          ["a", binary],
          ["ä", Buffer.from("x")],
          ["a", Buffer.from("2")],
        ],
      },
    )
    store.add("orders.2", binary, { timestamp: 4_000, key: binary, offset: 9 })
    store.add("orders.2", null, { timestamp: -1, key: null })
    await serve(server, store)
    const found = await all(replay(client, "box"))
    assert.deepEqual(
      found.map(({ subject, topic, partition, offset, timestamp, codec, tombstone }) => [
        subject,
        topic,
        partition,
        offset,
        timestamp,
        codec,
        tombstone,
      ]),
      [
        ["orders.1", "orders", 0, 0, 5_000, "json", false],
        ["orders.2", "orders", 0, 9, 4_000, "bytes", false],
        ["orders.2", "orders", 0, 10, -1, "bytes", true],
      ],
    )
    assert.deepEqual(
      found.map(message => message.data),
      [{ id: 7 }, binary, undefined],
    )
    assert.deepEqual(
      found.map(message => message.key),
      [Buffer.from("orders.1"), binary, null],
    )
    assert.deepEqual(found[0].headers, [
      ["a", binary],
      ["ä", Buffer.from("x")],
      ["a", Buffer.from("2")],
    ])
    assert.equal(found[0].header("a"), binary.toString())
    assert.equal(found[1].id, "memory/orders/0/9")
    assert.equal(found[2].bytes.length, 0)
  })

  it("says what it will read, then what it has given", async () => {
    const { client, server, store } = await pair()
    orders(store, 100, 2)
    store.firsts.set("orders/1", 10)
    await serve(server, store)
    const messages: Replay = replay(client, "box", { from: { offset: 5 }, subject: "orders.*.made", limit: 20 })
    assert.equal(messages.cursor, null)
    assert.equal((await all(messages)).length, 20)
    assert.deepEqual(messages.started?.ranges, [
      ["orders", 0, 5, 50],
      ["orders", 1, 10, 50],
    ])
    assert.equal(messages.started?.records, 85)
    assert.equal(messages.skipped, 5)
    assert.deepEqual([messages.ended?.count, messages.ended?.limited], [20, true])
    assert.equal(messages.ended?.cursor, messages.cursor)
  })

  it("merges partitions by time, each in its order", async () => {
    const { client, server, store } = await pair()
    orders(store, 500)
    await serve(server, store)
    assert.deepEqual(await data(client), range(500))
    // Times that fall within a partition do not change the order there.
    const random = new Random(7)
    for (let i = 0; i < 300; i++)
      store.add(`x.${i}`, i, { topic: "x", partition: i % 4, timestamp: random.int(0, 100) })
    const found = await all(replay<number>(client, "box", { topic: "x" }))
    assert.equal(found.length, 300)
    for (let p = 0; p < 4; p++) {
      const offsets = found.filter(({ partition }) => partition === p).map(({ offset }) => offset)
      assert.deepEqual(offsets, range(75))
    }
  })

  it("reads many partitions in groups", async () => {
    const { client, server, store } = await pair()
    orders(store, 200, 7, 21)
    await serve(server, store, { mergeWidth: 2 })
    const found = (await data(client)) as number[]
    assert.deepEqual(
      [...found].sort((a, b) => a - b),
      range(200),
    )
    assert.equal(store.reads, 7)
  })

  for (const [what, options, wanted] of [
    ["earliest", { from: "earliest" }, range(30)],
    ["latest", { from: "latest" }, []],
    ["an offset", { from: { offset: 25 } }, range(5, 25)],
    ["offsets", { from: { offsets: { "orders/0": 28 } } }, [28, 29]],
    ["a time", { from: { timestamp: 1_020 } }, range(10, 20)],
    ["a duration", { from: { duration: 1_000 } }, []],
    ["until an offset", { until: { offset: 3 } }, range(3)],
    ["until a time", { until: { timestamp: 1_003 } }, range(3)],
    ["until offsets", { until: { offsets: { "orders/0": 2 } } }, range(2)],
    ["an empty range", { from: { offset: 20 }, until: { offset: 10 } }, []],
    ["subjects", { subject: "orders.3.*" }, [3, 13, 23]],
    ["no subjects", { subject: "other.>" }, []],
    ["a limit", { limit: 4 }, range(4)],
  ] as const) {
    it(`begins and ends as it was asked to: ${what}`, async () => {
      const { client, server, store } = await pair()
      orders(store, 30, 1)
      await serve(server, store)
      assert.deepEqual(await data(client, options as ReplayClientOptions), wanted)
    })
  }

  it("goes on from a cursor, and ends where the first would have", async () => {
    const { client, server, store } = await pair()
    orders(store, 100)
    await serve(server, store)
    const first = replay(client, "box")
    const found: unknown[] = []
    for await (const message of first) {
      found.push(message.data)
      if (found.length === 37) break
    }
    orders(store, 10)
    const second = replay(client, "box", { from: { cursor: first.cursor as string } })
    for await (const message of second) found.push(message.data)
    assert.deepEqual(found, range(100))
    assert.equal(second.ended?.count, 100)
    await until(() => store.closed === store.reads)
  })

  it("refuses what cannot be, and says what", async () => {
    const { client, server, store } = await pair()
    orders(store, 3, 1)
    await serve(server, store)
    const code = { remoteCode: "EINVAL" }
    await assert.rejects(data(client, { connector: "in" }), code)
    await assert.rejects(data(client, { topic: "secrets" }), code)
    await assert.rejects(data(client, { to: "subjects" }), code)
    await assert.rejects(data(client, { from: { offsets: { "orders/7": 1 } } }), code)
    const elsewhere = new MemoryStore("kafka:other")
    elsewhere.add("orders.1", 1)
    await serve(await another(server), elsewhere, { bridge: "other" })
    const there = replay(client, "other")
    await all(there)
    await assert.rejects(data(client, { from: { cursor: there.cursor as string } }), code)
    for (const options of [
      { mode: "some" },
      { speed: 0 },
      { from: "now" },
      { from: {} },
      { from: { offset: -1 } },
      { until: { offset: 0.5 } },
      { subject: "a..b" },
      { limit: -1 },
      { credit: 1 },
      { colour: "red" },
      { from: { cursor: "zzz" } },
      { to: "moon" },
    ]) {
      assert.throws(() => replay(client, "box", options as unknown as ReplayClientOptions), coded("EINVAL"))
      await assert.rejects(
        all(client.stream("$BRIDGE.box.replay", options)),
        (error: unknown) => error instanceof RemoteError && error.remoteCode === "EINVAL",
      )
    }
  })

  it("gives records larger than the credit for one answer in parts", async () => {
    const { client, server, store } = await pair()
    const random = new Random(1)
    const sizes = [10, 5_000, 100_000, 0, 1_000_000, 3, 255, 256, 257]
    const values = sizes.map(size => random.bytes(size))
    for (const value of values) store.add("big", value)
    await serve(server, store)
    const found = await all(replay(client, "box", { credit: 64 * 1024 }))
    assert.deepEqual(
      found.map(({ bytes }) => bytes.length),
      sizes,
    )
    for (const [i, { bytes }] of found.entries()) assert.ok(bytes.equals(values[i]))
    await assert.rejects(data(client, { credit: 64 * 1024, maxRecordBytes: 500_000 }), coded("EPROTO"))
  })

  it("waits for an asker that is slow", async () => {
    const { client, server, store } = await pair()
    const value = Buffer.alloc(1_000)
    for (let i = 0; i < 5_000; i++) store.add("load", value)
    const service = await serve(server, store)
    const credit = 256 * 1024
    const messages = replay(client, "box", { credit })[Symbol.asyncIterator]()
    await messages.next()
    let before = -1
    while (before !== service.stats.bytes) {
      before = service.stats.bytes
      await turns(50)
    }
    // What is under way, one answer, and what lies read here.
    assert.ok(before < 2 * credit + 256 * 1_100, `${before} bytes were sent`)
    let count = 1
    while ((await messages.next()).done !== true) count++
    assert.equal(count, 5_000)
  })

  it("stops reading when the asker goes away", async () => {
    const { client, server, store } = await pair()
    orders(store, 10_000)
    const service = await serve(server, store)
    for await (const _ of replay(client, "box")) break
    await until(() => service.stats.active === 0 && store.reads === store.closed)
    const stop = new AbortController()
    const slow = all(replay(client, "box", { speed: 1, signal: stop.signal }))
    await until(() => service.stats.active === 1)
    stop.abort()
    await assert.rejects(slow, coded("ECANCELED"))
    await until(() => service.stats.active === 0 && store.reads === store.closed)
  })

  it("goes on through another instance when the one that answers dies: nothing twice, nothing missing", async () => {
    const { client, server, store } = await pair()
    orders(store, 3_000)
    const others = await Promise.all([another(server), another(server)])
    await client.ready({ peers: 3 })
    const nodes = new Map<Fabric, ReplayService>()
    for (const node of [server, ...others]) nodes.set(node, await serve(node, store))
    await client.ready({ subject: "$BRIDGE.box.replay", servers: 3 })
    const messages = replay(client, "box", { credit: 64 * 1024 })
    const found: unknown[] = []
    for await (const message of messages) {
      found.push(message.data)
      if (found.length !== 500 && found.length !== 1_700) continue
      const [node] = [...nodes].find(([, service]) => service.stats.active > 0) ?? []
      if (node === undefined) continue
      nodes.delete(node)
      await node.close()
    }
    assert.deepEqual(found, range(3_000))
    assert.ok(messages.resumed >= 1, "no instance was asked to go on")
  })

  it("goes on when the service ends in order, and when it is busy", async () => {
    const { client, server, store } = await pair()
    orders(store, 20_000)
    const first = await serve(server, store, { maxReplays: 1 })
    const one = replay(client, "box", { credit: 64 * 1024 })
    const two = replay(client, "box")
    const found: unknown[] = []
    let other: Promise<unknown[]> | null = null
    for await (const message of one) {
      found.push(message.data)
      if (found.length === 10) other = all(two)
      if (found.length === 400) {
        await pass(60)
        assert.equal(two.started, null)
        first.close()
        await serve(server, store)
      }
    }
    assert.deepEqual(found, range(20_000))
    assert.equal((await (other as unknown as Promise<unknown[]>)).length, 20_000)
  })

  it("gives up when no instance answers for the time allowed", async () => {
    const { client } = await pair()
    await assert.rejects(data(client, { retryTimeout: 50 }), coded("ERR_NO_RESPONDERS"))
  })

  it("goes at the speed asked for", async () => {
    const { client, server, store } = await pair()
    for (let i = 0; i < 10; i++) store.add("tick", i, { timestamp: 1_000 + i * 20 })
    await serve(server, store)
    for (const speed of ["original", 50] as const) {
      const from = performance.now()
      assert.deepEqual(await data(client, { speed }), range(10))
      // Nine pauses of twenty milliseconds.
      assert.ok(performance.now() - from >= 175, `${speed} took ${performance.now() - from} ms`)
    }
  })

  it("a record that is due is not held back for others", async () => {
    const { client, server, store } = await pair()
    store.add("tick", 1, { timestamp: 0 })
    store.add("tick", 2, { timestamp: 3_600_000 })
    await serve(server, store)
    for await (const message of replay(client, "box", { speed: "original" })) {
      assert.equal(message.data, 1)
      break
    }
  })

  it("publishes anew where that is asked for, and says how many", async () => {
    const { client, server, store } = await pair()
    orders(store, 50)
    const published: [string, string][] = []
    const republish = ({ subject }: { subject: string }, cluster: string): Promise<void> | null => {
      published.push([subject, cluster])
      return published.length % 2 === 0 ? null : turns()
    }
    await serve(server, store, { republish })
    const messages = replay(client, "box", { to: "subjects", subject: "orders.1.*", limit: 3 })
    assert.deepEqual(await all(messages), [])
    assert.deepEqual(published, Array(3).fill(["orders.1.made", "memory"]))
    assert.deepEqual([messages.count, messages.ended?.count], [3, 3])
  })

  it("a store of one instance is asked for again there", async () => {
    const { client, server } = await pair()
    const other = await another(server)
    const stores = [new MemoryStore("spool:1"), new MemoryStore("spool:2")]
    for (const [i, store] of stores.entries()) {
      orders(store, 20 + i)
      await serve([server, other][i], store)
    }
    await client.ready({ subject: "$BRIDGE.box.replay", servers: 2 })
    for (let i = 0; i < 10; i++) {
      const first = replay(client, "box", { limit: 5 })
      const found = await all(first)
      found.push(...(await all(replay(client, "box", { from: { cursor: first.cursor as string } }))))
      const count = first.started?.store === "spool:1" ? 20 : 21
      assert.deepEqual(
        found.map(message => message.data),
        range(count),
      )
    }
  })
})
