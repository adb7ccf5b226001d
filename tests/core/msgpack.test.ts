import assert from "node:assert/strict"
import { loadMsgpack, MsgpackDecoder, MsgpackEncoder } from "../../core/codecs/msgpack.ts"
import { MAX_CONTAINERS, MAX_DEPTH } from "../../core/codecs/msgpack-check.ts"
import { encodeStructures, MAX_KEYS, MAX_STRUCTURES, MAX_STRUCTURES_SIZE } from "../../core/codecs/structures.ts"
import { type ErrorCode, HeddleError } from "../../core/errors.ts"
import { runModule } from "../support/processes.ts"
import { type Random, seeded } from "../support/random.ts"

const throws = (body: () => unknown, code: ErrorCode, text: RegExp) =>
  assert.throws(body, (error: unknown) => {
    assert.ok(error instanceof HeddleError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, text)
    return true
  })

/** A publisher and one peer of it that knows every structure. */
class Pair {
  readonly encoder: MsgpackEncoder
  readonly decoder = new MsgpackDecoder()

  constructor(maxSharedStructures?: number) {
    this.encoder = new MsgpackEncoder({ maxSharedStructures })
  }

  encode(value: unknown): Buffer {
    const bytes = this.encoder.encode(value)
    if (this.encoder.version > this.decoder.version)
      this.decoder.learn(this.encoder.structuresSince(this.decoder.version))
    return bytes
  }

  pass(value: unknown): unknown {
    const bytes = this.encode(value)
    return this.decoder.decode(bytes, this.encoder.usedStructures)
  }
}

const plain = (value: unknown) => new MsgpackEncoder({ shared: false }).encode(value)
const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex")

/** Any value that arrives as it was. */
function anything(random: Random, depth = 0): unknown {
  const kind = random.int(0, depth > 4 ? 9 : 13)
  switch (kind) {
    case 0:
      return random.pick([null, true, false, undefined])
    case 1:
      return random.int(-40, 300)
    case 2:
      return random.pick([1, -1]) * Math.floor(random.next() * 2 ** random.int(1, 53)) || 0 // no -0
    case 3:
      return random.pick([0.1, -1.5, Number.NaN, Infinity, Number.MAX_VALUE])
    case 4:
      return "é€😀a".repeat(random.int(0, 80))
    case 5:
      return "x".repeat(random.pick([0, 1, 15, 16, 31, 32, 63, 64, 255, 256, 70_000]))
    case 6:
      return random.bytes(random.pick([0, 1, 255, 256, 70_000]))
    case 7:
      return BigInt(random.int(-1_000, 1_000)) * 2n ** BigInt(random.int(0, 50))
    case 8:
      return new Date(random.int(-1e12, 4e12))
    case 9:
      return "text"
    case 10:
    case 11:
      return Array.from({ length: random.pick([0, 1, 3, 15, 16, 20]) }, () => anything(random, depth + 2))
    default: {
      const made: Record<string, unknown> = {}
      const keys = random.pick([
        ["id", "name"],
        ["a", "b", "c"],
        ["constructor", "1", "ключ"],
        [`k${random.int(0, 999)}`],
      ])
      for (const key of keys) made[key] = anything(random, depth + 1)
      return made
    }
  }
}

describe("MessagePack", () => {
  before(loadMsgpack)

  it("is not loaded with the module, and says so", async () => {
    const { code, output } = await runModule(`
      const { MsgpackEncoder } = await import("${new URL("../../core/codecs/msgpack.js", import.meta.url)}")
      try { new MsgpackEncoder() } catch (error) { process.stdout.write(error.code + error.message) }
    `)
    assert.deepEqual([code, output], [0, "EINVALMessagePack is not loaded: await loadMsgpack() first"])
  })

  it("gives back what was encoded, with structures and without", () =>
    seeded(random => {
      const pair = new Pair()
      const foreign = new MsgpackEncoder({ shared: false })
      const kept: { value: unknown; bytes: Buffer; shared: boolean }[] = []
      for (let round = 0; round < 3_000; round++) {
        const value = anything(random)
        const bytes = pair.encode(value)
        kept.push({ value, bytes, shared: pair.encoder.usedStructures })
        assert.deepEqual(pair.decoder.decode(foreign.encode(value)), withoutUndefined(value))
      }
      assert.equal(pair.encoder.version, 64, "the bound of structures was not reached, the test is too weak")
      // At the end, so that a buffer which is written twice is found.
      for (const { value, bytes, shared } of kept) assert.deepEqual(pair.decoder.decode(bytes, shared), value)
    })).timeout(60_000)

  it("names what becomes of other values", () => {
    const pair = new Pair()
    const floats = new Float32Array([1, 2, 3.5])
    class Point {
      x = 1
      hidden = undefined
    }
    class Money {
      toJSON() {
        return { cents: 5 }
      }
    }
    const cases: [unknown, unknown][] = [
      [new Uint8Array([1, 2]), Buffer.from([1, 2])],
      [floats, Buffer.from(floats.buffer)],
      [new DataView(floats.buffer, 4, 4), Buffer.from(floats.buffer, 4, 4)],
      [floats.buffer, Buffer.from(floats.buffer)],
      [new Set([1, new Set(["a"])]), [1, ["a"]]],
      [
        new Map<unknown, unknown>([
          ["a", 1],
          [2, floats],
        ]),
        { a: 1, 2: Buffer.from(floats.buffer) },
      ],
      [new TypeError("no"), { name: "TypeError", message: "no" }],
      [new Point(), { x: 1, hidden: undefined }],
      [new Money(), { cents: 5 }],
      [Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
      [2n ** 63n - 1n, 2n ** 63n - 1n],
      [2n ** 64n - 1n, 2n ** 64n - 1n],
      [5n, 5n],
      [-0, 0],
      [new Array(2), [undefined, undefined]],
    ]
    assert.ok(Number.isNaN((pair.pass(new Date(Number.NaN)) as Date).getTime()))
    for (const [value, expected] of cases) {
      assert.deepEqual(pair.pass(value), expected)
      assert.deepEqual(pair.pass({ first: "1", value, last: "9" }), { first: "1", value: expected, last: "9" })
      assert.deepEqual(pair.pass([new Date(5), Buffer.from("b"), new Money(), new Set(), value]), [
        new Date(5),
        Buffer.from("b"),
        { cents: 5 },
        [],
        expected,
      ])
    }
  })

  it("writes the plain form byte for byte as the specification has it", () => {
    assert.equal(
      plain({ a: 1, b: "é", c: [null, true, -1, 200] }).toString("hex"),
      "83a16101a162a2c3a9a16394c0c3ffccc8",
    )
    assert.equal(plain(undefined).toString("hex"), "c0")
    assert.equal(plain(100).toString("hex"), "64")
    assert.equal(plain(Buffer.from([9])).toString("hex"), "c40109")
    assert.equal(plain(new Float32Array([0])).toString("hex"), "c40400000000")
    assert.equal(plain(new Date(1_000)).toString("hex"), "d6ff00000001")
    const decoder = new MsgpackDecoder({ foreign: true })
    assert.equal(decoder.decode(hex("cf 00 00 01 8b cf e5 68 00")), 1_700_000_000_000)
    assert.equal(decoder.decode(hex("cf ff ff ff ff ff ff ff ff")), 2n ** 64n - 1n)
    assert.equal(decoder.decode(hex("64")), 100)
    assert.deepEqual(decoder.decode(hex("81 01 02")), { 1: 2 })
  })

  it("refuses what it cannot serialise, and works on", () => {
    const pair = new Pair()
    const circle: Record<string, unknown> = { name: "circle" }
    circle.self = circle
    const list: unknown[] = [new Set()]
    list.push(list)
    const cases: [unknown, RegExp][] = [
      [() => {}, /functions have no form/],
      [class {}, /functions/],
      [Symbol("s"), /symbol/],
      [2n ** 64n, /too large/],
      [-(2n ** 63n) - 1n, /too large/],
      [circle, /refers to itself/],
      [list, /refers to itself/],
      [/a/, /RegExp/],
      [
        {
          toJSON: 1,
          get broken() {
            throw new Error("a getter failed")
          },
        },
        /a getter failed/,
      ],
    ]
    for (const [value, text] of cases) {
      throws(() => pair.encoder.encode(value), "EINVAL", text)
      throws(() => pair.encoder.encode({ deep: [value] }), "EINVAL", text)
      throws(() => plain([value]), "EINVAL", text)
      assert.deepEqual(pair.pass({ id: 1, list: [1, 2] }), { id: 1, list: [1, 2] })
    }
    throws(() => pair.encoder.encode({ deep: Symbol("s") }), "EINVAL", /\(Object\) cannot be serialised by .*"msgpack"/)
  })

  it("can be called by a toJSON of the value that it encodes", () => {
    const pair = new Pair()
    const inner = new Float32Array([1])
    class Nested {
      toJSON() {
        return { bytes: pair.encoder.encode({ fresh: inner, keys: 1 }).length }
      }
    }
    const got = pair.pass({ inner, a: new Nested(), other: { x: 1 } })
    assert.deepEqual(got, { inner: Buffer.from(inner.buffer), a: { bytes: 8 }, other: { x: 1 } })
    assert.deepEqual(pair.pass({ x: 7 }), { x: 7 })
  })

  it("cuts small payloads from small buffers, also after a large one and after a failure", () => {
    const { encoder } = new Pair()
    const large = encoder.encode(["x".repeat(1_000_000), 1])
    assert.ok(encoder.encode([1]).buffer.byteLength <= 16 * 1024)
    throws(() => encoder.encode(["x".repeat(1_000_000), Symbol("s")]), "EINVAL", /symbol/)
    assert.ok(encoder.encode([1]).buffer.byteLength <= 16 * 1024)
    assert.equal(large.length, 1_000_007)
  })

  describe("structures", () => {
    it("are announced once, then an object is an index and its values", () => {
      const { encoder, decoder } = new Pair()
      assert.equal(encoder.encode([1, 2]).length, 3)
      assert.equal(encoder.usedStructures, false)
      const first = encoder.encode({ id: 1, name: "a" })
      assert.equal(encoder.usedStructures, true)
      assert.equal(encoder.version, 1)
      assert.equal(first.toString("hex"), "4001a161")
      assert.equal(encoder.structuresSince(0).toString("hex"), "00010202696404" + "6e616d65")
      decoder.learn(encoder.structuresSince(0))
      assert.deepEqual(decoder.decode(first, true), { id: 1, name: "a" })
      encoder.encode({ id: 1 })
      assert.equal(encoder.version, 2)
      assert.equal(encoder.structuresSince(1).toString("hex"), "010101026964")
      encoder.encode("text")
      assert.equal(encoder.usedStructures, false)
    })

    it("are at most as many as the option says; other objects are maps", () => {
      for (const most of [1, 31, 32, 33, 64, 65, 256]) {
        const pair = new Pair(most)
        const values = Array.from({ length: most + 20 }, (_, i) => ({
          [`key${i}`]: i,
          all: [{ [`inner${i % 50}`]: i }],
        }))
        for (let round = 0; round < 6; round++) for (const value of values) assert.deepEqual(pair.pass(value), value)
        assert.equal(pair.encoder.version, most)
        assert.equal(pair.decoder.version, most)
      }
      for (const wrong of [0, 257, 1.5, Number.NaN])
        throws(() => new MsgpackEncoder({ maxSharedStructures: wrong }), "EINVAL", /from 1 to 256/)
    })

    it("are not made of tables, nor of keys that are notes of the library or change prototypes", () => {
      const pair = new Pair()
      const wide = Object.fromEntries(Array.from({ length: MAX_KEYS + 1 }, (_, i) => [`k${i}`, i]))
      for (const value of [wide, {}, { ["k".repeat(MAX_STRUCTURES_SIZE)]: 1 }])
        assert.deepEqual(pair.pass(value), value)
      assert.equal(pair.encoder.version, 0)
      const odd = { a: 1, __keys__: 2 }
      for (const value of [odd, { a: 1 }, odd, { ...odd, length: 3 }, { ...odd, map: 3 }, { a: 1 }])
        assert.deepEqual(pair.pass(value), value)
      assert.deepEqual(Object.getOwnPropertySymbols(Array.prototype.map), [])
      assert.equal(pair.encoder.version, 1)
      const evil = JSON.parse('{"__proto__":{"polluted":1},"b":2}')
      for (let i = 0; i < 10; i++) {
        const got = pair.pass(evil) as Record<string, unknown>
        assert.equal(Object.getPrototypeOf(got), Object.prototype)
        assert.deepEqual(Object.keys(got), ["__proto_", "b"])
      }
      assert.equal((Object.prototype as Record<string, unknown>).polluted, undefined)
    })

    it("leave nothing behind of keys that do not recur", () => {
      const pair = new Pair(2)
      const inner = pair.encoder as unknown as { structures: { transitions: object | null } }
      let most = 0
      for (let i = 0; i < 60_000; i++) {
        pair.encode({ [`some-rather-long-key-${i}`]: i })
        if (i % 100 === 0) most = Math.max(most, Object.keys(inner.structures.transitions ?? {}).length)
      }
      assert.ok(most > 100, "nothing was kept at all: the test looks at the wrong place")
      assert.ok(most < 20_000, `${most} traces`)
      assert.equal(pair.encoder.version, 2)
    })

    it("may come twice after a reconnection, but not changed, with gaps or without bound", () => {
      const decoder = new MsgpackDecoder()
      const all = [["a"], ["b", "c"], ["d"]]
      decoder.learn(encodeStructures(all.slice(0, 2), 0))
      decoder.learn(encodeStructures(all, 1))
      decoder.learn(encodeStructures(all, 0))
      assert.equal(decoder.version, 3)
      const refused: [Buffer, RegExp][] = [
        [encodeStructures([["a"], ["b", "x"]], 0), /not what it was/],
        [encodeStructures([["a"], ["b"]], 0), /not what it was/],
        [encodeStructures([[], [], [], [], ["e"]], 4), /only 3 are known/],
        [Buffer.from([3, 1, 0]), /0 keys/],
        [Buffer.from([3, 1, 129, 1]), /129 keys/],
        [Buffer.from([3, 1, 1, 5, 97]), /too soon/],
        [Buffer.from([3, 255, 255, 255, 255, 15]), /at most 256/],
        [Buffer.from([3, 1, 1, 1, 97, 0]), /after the last/],
        [Buffer.from("\x03\x01\x01\x09__proto__"), /__proto__/],
        [Buffer.alloc(0), /too soon/],
      ]
      for (const [bytes, text] of refused) throws(() => decoder.learn(bytes), "EPROTO", text)
      assert.equal(decoder.version, 3, "what was refused was not taken in part")
      const large = Array.from({ length: 9 }, (_, i) => [`${i}`.repeat(MAX_STRUCTURES_SIZE / 8)])
      throws(() => new MsgpackDecoder().learn(encodeStructures(large, 0)), "EPROTO", /more than 65536 bytes/)
      const one = new MsgpackDecoder()
      throws(
        () => {
          for (let i = 0; i < 9; i++) one.learn(encodeStructures(large.slice(0, i + 1), i))
        },
        "EPROTO",
        /bytes/,
      )
      const many = Array.from({ length: MAX_STRUCTURES + 1 }, (_, i) => [`k${i}`])
      throws(() => new MsgpackDecoder().learn(encodeStructures(many, 0)), "EPROTO", /at most 256/)
    })

    it("that nobody announced are an error", () => {
      const { encoder, decoder } = new Pair()
      const bytes = encoder.encode({ a: 1 })
      throws(() => decoder.decode(bytes, true), "ERR_CODEC", /structure 0, which is unknown/)
      decoder.learn(encoder.structuresSince(0))
      throws(() => decoder.decode(hex("4101"), true), "ERR_CODEC", /structure 1/)
      throws(() => decoder.decode(hex("60ff01"), true), "ERR_CODEC", /structure 8192/)
      assert.equal(decoder.decode(hex("41"), false), 65)
    })
  })

  describe("from the network", () => {
    const refused: [string, string, RegExp][] = [
      ["nothing", "", /too soon/],
      ["two values", "0101", /1 bytes after/],
      ["a byte that begins nothing", "c1", /0xc1/],
      ["an array that lies", "dd ffffffff 01", /too soon/],
      ["a short array that lies", "dc ffff 01", /too soon/],
      ["a map that lies", "df ffffffff a16101", /too soon/],
      ["a map without its last value", "82 a16101 a162", /too soon/],
      ["bytes that lie", "c6 ffffffff 01", /too soon/],
      ["a string that lies", "db ffffffff 61", /too soon/],
      ["a short string that lies", "a5 61", /too soon/],
      ["half a number", "cb 0000", /too soon/],
      ["half a header", "dd 00", /too soon/],
      ["a definition of a record", "d4 72 40 91 a161 01", /type 114/],
      ["a wide definition of a record", "d5 72 60 00 91 a161 01", /type 114/],
      ["an Error", "d4 65 00 93 a54572726f72 a161 c0", /type 101/],
      ["a RegExp", "d4 78 00 92 a161 a0", /type 120/],
      ["a reference", "d6 70 00000001", /type 112/],
      ["a typed array", "c7 05 74 05 01020304", /type 116/],
      ["bundled strings", "d6 62 00000001 c1", /type 98/],
      ["a large BigInt", "c8 0100 42 00", /type 66/],
      ["an extension of 32 bits", "c9 ffffffff 05 00", /type 5/],
      ["an object as a key", "81 80 01", /property type/],
    ]
    for (const [what, bytes, text] of refused) {
      it(`refuses ${what}`, () => {
        const decoder = new MsgpackDecoder()
        decoder.learn(encodeStructures([["a"]], 0))
        for (const shared of [false, true]) throws(() => decoder.decode(hex(bytes), shared), "ERR_CODEC", text)
        assert.deepEqual(decoder.decode(hex("4001"), true), { a: 1 }, "and reads the next one")
      })
    }

    it("takes nesting up to its limit, without the stack", () => {
      const decoder = new MsgpackDecoder()
      const nest = (depth: number) => Buffer.concat([Buffer.alloc(depth, 0x91), Buffer.from([1])])
      decoder.decode(nest(MAX_DEPTH))
      for (const depth of [MAX_DEPTH + 1, 5_000_000])
        throws(() => decoder.decode(nest(depth)), "ERR_CODEC", /nested more than 512 deep/)
    })

    it("takes as many containers as memory has room for, and refuses more at both ends", () => {
      const lists = (count: number) => {
        const bytes = Buffer.alloc(5 + count, 0x90)
        bytes[0] = 0xdd
        bytes.writeUInt32BE(count, 1)
        return bytes
      }
      const decoder = new MsgpackDecoder()
      assert.equal((decoder.decode(lists(100_000)) as unknown[]).length, 100_000)
      throws(() => decoder.decode(lists(MAX_CONTAINERS)), "ERR_CODEC", /more than 4000000 arrays and objects/)
      let deep: unknown = 1
      for (let i = 0; i < MAX_DEPTH; i++) deep = [deep]
      for (const { encoder } of [new Pair(), { encoder: new MsgpackEncoder({ shared: false }) }]) {
        assert.equal(encoder.encode(deep).length, MAX_DEPTH + 1)
        throws(() => encoder.encode([deep]), "EINVAL", /"msgpack": it is nested more than 512 deep; convert/)
        throws(() => encoder.encode({ a: deep }), "EINVAL", /nested more than 512 deep/)
      }
    })

    it("does not pollute prototypes", () => {
      const got = new MsgpackDecoder().decode(hex("81 a9 5f5f70726f746f5f5f 81 a161 01")) as Record<string, unknown>
      assert.equal(Object.getPrototypeOf(got), Object.prototype)
      assert.equal(got.a, undefined)
    })

    it("fails with ERR_CODEC only, and bounded memory, whatever arrives", () =>
      seeded(random => {
        const pair = new Pair()
        const good = Array.from({ length: 200 }, () => pair.encode(anything(random))).filter(one => one.length < 2_000)
        let read = 0
        let most = 0
        for (let round = 0; round < 30_000; round++) {
          const bytes = random.chance(0.4) ? random.bytes(random.int(0, 60)) : Buffer.from(random.pick(good))
          for (let i = random.int(0, 3); i > 0 && bytes.length > 0; i--)
            bytes[random.int(0, bytes.length - 1)] = random.chance(0.5) ? random.int(0x80, 255) : random.int(0, 255)
          const cut = random.chance(0.2) ? bytes.subarray(0, random.int(0, bytes.length)) : bytes
          try {
            most = Math.max(most, count(pair.decoder.decode(cut, random.chance(0.7))) / cut.length)
            read++
          } catch (error) {
            if (!(error instanceof HeddleError) || error.code !== "ERR_CODEC") throw error
          }
        }
        assert.ok(read > 1_000, `only ${read} were readable: the noise tests nothing`)
        assert.ok(most <= 1, `${most} values from one byte`)
      })).timeout(60_000)

    it("takes random announcements or refuses them with EPROTO", () =>
      seeded(random => {
        const good = encodeStructures([["id", "name"], ["a"], ["b", "c", "ключ"]], 0)
        let learnt = 0
        for (let round = 0; round < 20_000; round++) {
          const bytes = random.chance(0.3) ? random.bytes(random.int(0, 30)) : Buffer.from(good)
          for (let i = random.int(0, 2); i > 0 && bytes.length > 0; i--)
            bytes[random.int(0, bytes.length - 1)] = random.int(0, 255)
          const decoder = new MsgpackDecoder()
          try {
            decoder.learn(bytes)
            learnt++
          } catch (error) {
            if (!(error instanceof HeddleError) || error.code !== "EPROTO") throw error
          }
        }
        assert.ok(learnt > 100)
      }))
  })
})

/** Values in a tree; keys of objects are not counted. */
function count(value: unknown): number {
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value) || value instanceof Date) return 1
  return Object.values(value).reduce((sum: number, one) => sum + count(one), 1)
}

/** Plain MessagePack has no undefined: it is nil there. */
function withoutUndefined(value: unknown): unknown {
  if (value === undefined) return null
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value) || value instanceof Date) return value
  if (Array.isArray(value)) return value.map(withoutUndefined)
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withoutUndefined(one)]))
}
