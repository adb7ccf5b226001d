import assert from "node:assert/strict"
import * as v from "valibot"
import type { Codec, HeadersInit, HeddleError } from "../../../index.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { Random } from "../../support/random.ts"
import { until } from "../../support/wait.ts"
import { another, collect, events, overDirectory, overTcp, range } from "./nodes.ts"

const reversed: Codec = {
  name: "reversed",
  encode: value => Buffer.from(String(value)).reverse(),
  decode(bytes) {
    if (bytes.includes("!")) throw new Error("no exclamations")
    return Buffer.from(bytes).reverse().toString()
  },
}

describe("fabric: payloads and headers", () => {
  closesAfterEach()

  it("FAB-VAL-1 values arrive as the fabric's codec makes them; bytes and undefined need none", async () => {
    const [a, b] = await overTcp(2)
    const near = collect(a, "v")
    const far = collect(b, "v")
    await far.subscription.ready
    const values = [
      { id: 7, list: [1, "two", null], nested: { date: new Date(0) } },
      [],
      "",
      "text",
      0,
      -1.5,
      2n ** 60n,
      true,
      null,
      undefined,
      Buffer.from([0, 255]),
      Buffer.alloc(0),
    ]
    for (const value of values) a.publish("v", value)
    for (const got of [near, far]) assert.deepEqual(await got.count(values.length), values)
    a.publish("v", new Uint16Array([1, 2]).subarray(1))
    assert.deepEqual((await far.count(values.length + 1)).at(-1), Buffer.from([2, 0]))
  })

  for (const [codec, value, bytes] of [
    ["json", { a: [1, "é"] }, '{"a":[1,"é"]}'],
    ["string", "text é", "text é"],
    ["bytes", Buffer.from("raw"), "raw"],
    ["msgpack", { a: 1 }, null],
    ["reversed", "abc", "cba"],
  ] as const) {
    it(`FAB-VAL-2 a codec may be named in the call, and is known to the receiver: ${codec}`, async () => {
      const [a, b] = await overTcp(2, { codecs: [reversed] })
      const near = collect(a, "v")
      const far = collect(b, "v")
      await far.subscription.ready
      a.publish("v", value, { codec })
      a.publish("v", value, { codec, headers: { with: "headers" } })
      for (const got of [near, far]) {
        assert.deepEqual(await got.count(2), [value, value])
        if (bytes !== null) for (const one of got.messages) assert.equal(one.bytes.toString(), bytes)
      }
    })

    it(`FAB-VAL-2 or be the default of the fabric: ${codec}`, async () => {
      const [a, b] = await overTcp(2, { codecs: [reversed], codec })
      const got = collect(b, "v")
      await got.subscription.ready
      a.publish("v", value)
      assert.deepEqual(await got.count(1), [value])
    })
  }

  it("FAB-VAL-3 what a codec cannot make is an error at the call, and the others go on", async () => {
    const [a, b] = await overTcp(2)
    const got = collect(b, "v")
    await got.subscription.ready
    const cycle: Record<string, unknown> = {}
    cycle.self = cycle
    const cases: [unknown, string | undefined, RegExp][] = [
      [() => {}, undefined, /msgpack.*functions/],
      [cycle, undefined, /refers to itself/],
      [cycle, "json", /json/],
      [1n, "json", /json/],
      [1, "string", /takes strings only/],
      ["text", "bytes", /takes a Buffer/],
      [1, "xml", /No codec is named "xml"; there are bytes, string, json, msgpack/],
    ]
    for (const [value, codec, message] of cases)
      assert.throws(() => a.publish("v", value, codec === undefined ? {} : { codec }), { code: "EINVAL", message })
    await assert.rejects(a.send("v", cycle), { code: "EINVAL" })
    a.publish("v", "still here")
    assert.deepEqual(await got.count(1), ["still here"])
    // Nobody looks at what nobody wants.
    assert.equal(a.publish("unwanted", cycle).peers, 0)
  })

  it("FAB-VAL-4 what a receiver cannot read is an error when it looks, for it alone", async () => {
    const [a] = await overTcp(1, { codecs: [reversed] })
    const b = await another(a)
    const c = await another(a, { codecs: [reversed] })
    const codecs: string[] = []
    const errors = events(b, "error")
    const without = b.subscribe("v", ({ data }) => codecs.push(String(data)))
    const got = collect(c, "v")
    await Promise.all([without.ready, got.subscription.ready])
    a.publish("v", "abc", { codec: "reversed" })
    a.publish("v", "plain")
    assert.deepEqual(await got.count(2), ["abc", "plain"])
    await until(() => codecs.length === 1)
    assert.equal((errors[0].error as HeddleError).code, "ERR_CODEC")
    assert.match((errors[0].error as Error).message, /"reversed", which this fabric was not given/)
    a.publish("v", "bad!", { codec: "reversed" })
    await got.subscription.ready
    await until(() => got.messages.length === 3)
    assert.throws(() => got.messages[2].data, { code: "ERR_CODEC", message: /no exclamations/ })
    assert.equal(got.messages[2].bytes.toString(), "!dab")
    assert.equal(without.failed, 2)
  })

  it("FAB-VAL-5 structures of msgpack reach every link before they are needed, also those of late joiners", async () => {
    const [a, b] = await overTcp(2)
    const got = [collect<object>(a, "v.*"), collect<object>(b, "v.*")]
    await got[1].subscription.ready
    const values: object[] = []
    const publish = (from: number, to: number): void => {
      for (let i = from; i < to; i++) {
        const value = { [`key${i}`]: i, common: "x", nested: { [`other${i}`]: [i] } }
        values.push(value)
        a.publish(`v.${i % 3}`, value)
      }
    }
    publish(0, 20)
    const c = await another(a)
    got.push(collect(c, "v.*"))
    await got[2].subscription.ready
    // More than the publisher makes structures for.
    publish(20, 100)
    a.publish("v.0", { common: "again", nested: {} }, { headers: { h: "1" } })
    values.push({ common: "again", nested: {} })
    const last = b.subscribe("w", { history: 1 })
    a.keep("w")
    a.publish("w", values[5])
    for (const one of got.slice(0, 2)) assert.deepEqual(await one.count(101), values)
    assert.deepEqual(await got[2].count(81), values.slice(20))
    assert.deepEqual((await last.receive()).data, values[5])
    assert.deepEqual((await c.subscribe("w", { history: 1 }).receive()).data, values[5])
    // Both ways of one link have their own.
    const back = collect(a, "back")
    await back.subscription.ready
    b.publish("back", { key1: "b's" })
    c.publish("back", { key2: "c's", key1: 0 })
    assert.deepEqual((await back.count(2)).length, 2)
    assert.ok(back.values().some(one => (one as { key2?: string }).key2 === "c's"))
  })

  for (const [way, open] of [
    ["tcp", overTcp],
    ["ipc", overDirectory],
  ] as const) {
    it(`FAB-VAL-6 payloads of any size arrive whole and in order, over ${way}`, async () => {
      const [a, b] = await open(2)
      const random = new Random(7)
      const sizes = [
        0,
        1,
        127,
        128,
        8_191,
        8_192,
        8_193,
        16_384,
        32_768,
        40_000,
        100_000,
        1_000_000,
        10 * 1024 * 1024,
        1,
      ]
      const payloads = sizes.map(size => random.bytes(size))
      const plain = collect<Buffer>(b, "v")
      const targeted = collect<Buffer>(b, "v", { policy: "block" })
      const own = collect<Buffer>(a, "v")
      await targeted.subscription.ready
      for (const payload of payloads) a.publish("v", payload, payload.length % 2 === 0 ? {} : { headers: { odd: "1" } })
      for (const got of [plain, targeted, own]) {
        const values = await got.count(payloads.length)
        for (const [i, payload] of payloads.entries()) assert.ok(payload.equals(values[i]), `${sizes[i]}`)
      }
    })
  }

  it("FAB-VAL-7 a payload above maxPayload is EMSGSIZE at the call, and says what was exceeded", async () => {
    const [a, b] = await overTcp(2, { maxPayload: 1_000 })
    const got = collect(b, "v")
    await got.subscription.ready
    assert.throws(() => a.publish("v", Buffer.alloc(1_001)), {
      code: "EMSGSIZE",
      message: /1001 bytes exceeds the 1000 .*maxPayload/,
    })
    a.publish("v", Buffer.alloc(1_000))
    await got.count(1)
  })

  it("FAB-VAL-8 headers are ordered, may repeat and may be binary; in any form that they are given in", async () => {
    const [a, b] = await overTcp(2)
    const near = collect(a, "h")
    const far = collect(b, "h")
    await far.subscription.ready
    const binary = Buffer.from([0, 10, 255])
    const pairs: [string, string | Buffer][] = [
      ["b", "1"],
      ["a", ""],
      ["b", binary],
      ["B", "line\nbreak é"],
    ]
    const forms: HeadersInit[] = [pairs, new Map(pairs.slice(2)), { a: "1", b: ["2", "3"] }, {}]
    for (const headers of forms) a.publish("h", 1, { headers })
    a.publish("h", 1)
    for (const got of [near, far]) {
      await got.count(5)
      const [first, map, object, empty, none] = got.messages.map(({ headers }) => headers)
      assert.deepEqual([...first], pairs)
      assert.deepEqual(first.getAll("b"), ["1", binary])
      assert.equal(first.get("B"), "line\nbreak é")
      assert.deepEqual([...map], pairs.slice(2))
      assert.deepEqual(
        [...object],
        Object.entries({ a: "1" }).concat([
          ["b", "2"],
          ["b", "3"],
        ]),
      )
      assert.equal(empty.size + none.size, 0)
    }
    assert.throws(() => a.publish("h", 1, { headers: { "": "x" } }), { code: "EINVAL" })
    assert.throws(() => a.publish("h", 1, { headers: { a: "x".repeat(70_000) } }), {
      code: "EMSGSIZE",
      message: /headers/,
    })
    assert.throws(() => a.publish("h", 1, { headers: range(65).map(i => [`n${i}`, "x"] as const) }), { code: "EINVAL" })
  })

  const order = v.object({ id: v.number(), note: v.optional(v.string(), "none") })

  it("FAB-VAL-9 a schema checks what is published: ERR_VALIDATION, and what it changes is what is sent", async () => {
    const [a] = await overTcp(1, { schemas: { "orders.*": order } })
    const b = await another(a)
    const got = collect(b, ">")
    await got.subscription.ready
    assert.throws(() => a.publish("orders.new", { id: "7" }), { code: "ERR_VALIDATION", message: /orders\.new.*id/ })
    await assert.rejects(a.send("orders.new", null), { code: "ERR_VALIDATION" })
    a.publish("orders.new", { id: 7 })
    a.publish("other", { id: "7" })
    assert.deepEqual(await got.count(2), [{ id: 7, note: "none" }, { id: "7" }])
    assert.equal(a.stats().dropped, 0)
  })

  it("FAB-VAL-10 a schema checks what arrives: what does not fit is dropped as malformed, with an event", async () => {
    const [a] = await overTcp(1)
    const b = await another(a, { schemas: { "orders.>": order } })
    const drops = events(b, "drop")
    const errors = events(b, "error")
    const plain = collect(b, "orders.*")
    const block = collect(b, "orders.*", { policy: "block" })
    const queue = collect(b, "orders.*", { queue: "q" })
    await queue.subscription.ready
    a.publish("orders.1", { id: "wrong" })
    a.publish("orders.1", { id: "wrong" }, { headers: { h: "1" } })
    a.publish("orders.1", Buffer.from([0xc1]), { codec: "bytes" })
    a.publish("orders.1", { id: 1 })
    for (const got of [plain, block, queue]) assert.deepEqual(await got.count(1), [{ id: 1, note: "none" }])
    await until(() => drops.length > 0)
    assert.deepEqual(drops[0], {
      type: "drop",
      where: "here",
      peer: null,
      pattern: "orders.1",
      reason: "malformed",
      count: 3,
    })
    assert.equal(errors.length, 3)
    for (const { error } of errors) assert.equal((error as HeddleError).code, "ERR_VALIDATION")
    // And it did not stay outstanding with the queue group.
    for (let i = 0; i < 20; i++) a.publish("orders.1", { id: i })
    await queue.count(21)
  })

  it("FAB-VAL-10 an asynchronous schema is refused when it is first asked", async () => {
    const slow = v.pipeAsync(
      v.string(),
      v.checkAsync(async () => true),
    )
    const [a] = await overTcp(1, { schemas: { s: slow } })
    assert.throws(() => a.publish("s", "x"), { code: "EINVAL", message: /asynchronous/ })
    await assert.rejects(overTcp(1, { schemas: { "a..b": order } }), { code: "EINVAL" })
    await assert.rejects(overTcp(1, { schemas: { a: {} as never } }), { code: "EINVAL", message: /Standard Schema/ })
  })
})
