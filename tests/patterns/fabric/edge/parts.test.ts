import assert from "node:assert/strict"
import { HeddleError } from "../../../../core/errors.ts"
import { hostAllowed } from "../../../../patterns/fabric/edge/host.ts"
import { bodyOf, jsonOf } from "../../../../patterns/fabric/edge/http-body.ts"
import { RateLimit } from "../../../../patterns/fabric/edge/rate.ts"
import { Ring, RingBudget } from "../../../../patterns/fabric/edge/ring.ts"
import { RecordReader, RecordWriter } from "../../../../patterns/fabric/edge/wire.ts"
import { fakeRequest } from "../../../support/fake-web.ts"
import { Random } from "../../../support/random.ts"

describe("Parts of the edge", () => {
  describe("RecordWriter and RecordReader", () => {
    it("bring over every kind of field, short and long", () => {
      const out = new RecordWriter(4)
      const texts = [
        "",
        "a",
        "grüße",
        "x".repeat(47),
        "ä".repeat(100),
        "y".repeat(127),
        "z".repeat(128),
        "\u{1f600}".repeat(5_000),
      ]
      const numbers = [0, 1, 127, 128, 2 ** 14, 2 ** 31, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]
      for (const text of texts) out.begin(3).text(text).end()
      out.begin(200)
      for (const number of numbers) out.varint(number)
      out.end()
      out
        .begin(5)
        .content("a.b", 2, "", null, Buffer.from("{}"), true)
        .content(undefined, 15, "own", Buffer.from([0]), Buffer.alloc(300))
        .end()
      out.begin(6).content(null, 5, "", null, Buffer.alloc(0)).end()
      const reader = new RecordReader().reset(out.written)
      for (const text of texts) assert.deepEqual([reader.next(), reader.text(), reader.left], [3, text, 0])
      assert.equal(reader.next(), 200)
      for (const number of numbers) assert.equal(reader.varint(), number)
      assert.equal(reader.next(), 5)
      const first = reader.content(null)
      assert.deepEqual(
        [first.subject, first.codec, first.kept, Buffer.from(first.payload).toString()],
        ["a.b", 2, true, "{}"],
      )
      const second = reader.content(first.subject)
      assert.deepEqual(
        [second.subject, second.codecName, second.headers?.length, second.payload.length],
        ["a.b", "own", 1, 300],
      )
      assert.equal(reader.next(), 6)
      assert.equal(reader.content().codec, 5)
      assert.equal(reader.next(), -1)
    })

    it("skip what they do not know", () => {
      const out = new RecordWriter()
      out.begin(99).text("later").end()
      out.begin(1).varint(1).text("more").end()
      out.begin(2).end()
      const reader = new RecordReader().reset(out.written)
      assert.equal(reader.next(), 99)
      assert.equal(reader.next(), 1)
      assert.equal(reader.varint(), 1)
      assert.equal(reader.next(), 2)
      assert.equal(reader.next(), -1)
    })

    it("forget a record that was abandoned", () => {
      const out = new RecordWriter()
      out.begin(1).varint(7).end()
      out.begin(2).text("half")
      out.abandon()
      out.begin(3).end()
      const reader = new RecordReader().reset(out.written)
      assert.deepEqual([reader.next(), reader.next(), reader.next()], [1, 3, -1])
    })

    it("throw EPROTO, and nothing else, for any bytes", () => {
      const random = new Random(11)
      let refused = 0
      for (let round = 0; round < 5_000; round++) {
        const bytes = Buffer.from(Array.from({ length: random.int(0, 39) }, () => random.int(0, 255)))
        const reader = new RecordReader().reset(bytes)
        try {
          while (reader.next() !== -1) {
            const kind = random.int(0, 3)
            if (kind === 0) reader.varint()
            else if (kind === 1) reader.text()
            else if (kind === 2) reader.content(null)
            else reader.byte()
          }
        } catch (error) {
          assert.ok(error instanceof HeddleError && error.code === "EPROTO", String(error))
          refused++
        }
      }
      assert.ok(refused > 1_000)
    })
  })

  describe("Ring", () => {
    const batch = (first: number, count: number, size = 10, time = 0) => ({
      first,
      count,
      bytes: Buffer.alloc(size),
      time,
    })

    it("keeps the newest within its bytes, its time and the bytes of all", () => {
      const budget = new RingBudget(100)
      const ring = new Ring(1_000, 50, budget)
      for (let i = 0; i < 10; i++) ring.push(batch(i * 2 + 1, 2, 10, i * 100))
      assert.deepEqual([ring.bytes, budget.used, ring.oldest(99)], [50, 50, 11])
      const other = new Ring(1_000, 500, budget)
      for (let i = 0; i < 10; i++) other.push(batch(i + 1, 1))
      assert.deepEqual([other.bytes, budget.used, ring.bytes], [50, 100, 50])
      ring.expire(1_750)
      assert.deepEqual([ring.oldest(99), ring.bytes, budget.used], [17, 20, 70])
      ring.clear()
      assert.deepEqual([ring.oldest(99), budget.used, ring.after(0)], [99, 50, undefined])
    })

    it("finds the batch behind a position, whatever was dropped", () => {
      const ring = new Ring(1e9, 1_000, new RingBudget(1e9))
      for (let i = 0; i < 500; i++) ring.push(batch(i * 3 + 1, 3))
      const oldest = ring.oldest(0)
      assert.equal(oldest, 400 * 3 + 1)
      for (let position = oldest - 1; position < 1_500; position++) {
        const found = ring.after(position)
        assert.ok(found !== undefined && found.first <= position + 1 && found.first + 2 > position, `${position}`)
      }
      assert.equal(ring.after(1_500), undefined)
      assert.equal(ring.after(5)?.first, oldest)
    })
  })

  it("RateLimit takes a burst, then the rate, and knows a flood", () => {
    const rate = new RateLimit(10, 1_000, 0)
    let taken = 0
    for (let i = 0; i < 30; i++) if (rate.take()) taken++
    assert.equal(taken, 20)
    assert.equal(rate.flooded, false)
    rate.arrived(0, 2_000)
    assert.equal(rate.take(), true)
    for (let i = 0; i < 40; i++) rate.take()
    assert.equal(rate.flooded, true)
    const bytes = new RateLimit(0, 1_000, 0)
    bytes.arrived(1_500, 0)
    assert.equal(bytes.take(), true)
    bytes.arrived(1_000, 0)
    assert.equal(bytes.take(), false)
    assert.equal(bytes.flooded, false)
    bytes.arrived(2_000, 1)
    assert.equal(bytes.flooded, true)
    const none = new RateLimit(0, 0, 0)
    none.arrived(1e9, 1)
    assert.deepEqual([none.take(), none.flooded], [true, false])
  })

  it("hosts of other names reach no edge of the loopback", () => {
    for (const host of ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.1.2.3", "[::1]:80", undefined])
      assert.equal(hostAllowed("same", "127.0.0.1:8080", host), true, host)
    for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", ""])
      assert.equal(hostAllowed("same", "127.0.0.1:8080", host), false, host)
    assert.equal(hostAllowed("same", "localhost:*", "evil.example"), false)
    assert.equal(hostAllowed("same", "0.0.0.0:8080", "example.com"), true)
    assert.equal(hostAllowed(["https://example.com"], "127.0.0.1:8080", "example.com"), true)
  })

  it("bodies and values have a form for each other", () => {
    const codec = (type: string, body: string): number =>
      bodyOf(fakeRequest({ headers: new Map([["content-type", type]]), body: Buffer.from(body) })).codec
    assert.deepEqual(
      [
        codec("application/json; charset=utf-8", "1"),
        codec("text/html", "1"),
        codec("image/png", "1"),
        codec("", "1"),
        codec("", ""),
      ],
      [2, 1, 0, 0, 5],
    )
    assert.throws(() => codec("application/vnd.api+json", "{"), { code: "EINVAL" })
    const cyclic: Record<string, unknown> = {}
    cyclic.self = cyclic
    const values: [unknown, string][] = [
      [undefined, "null"],
      [{ a: 1n, b: new Uint8Array([1]), c: Buffer.from([2]) }, '{"a":"1","b":{"base64":"AQ=="},"c":{"base64":"Ag=="}}'],
      [new Map([["k", new Set([1])]]), '{"k":[1]}'],
      ["a\nb", '"a\\nb"'],
      [cyclic, "null"],
    ]
    for (const [value, text] of values) assert.equal(jsonOf(value), text)
  })
})
