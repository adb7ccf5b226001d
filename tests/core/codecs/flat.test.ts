import assert from "node:assert/strict"
import { Unpackr } from "msgpackr/pack"
import { FlatDecoder, NOT_FLAT } from "../../../core/codecs/flat-decoder.ts"
import { FlatEncoder } from "../../../core/codecs/flat-encoder.ts"
import { loadMsgpack, MsgpackEncoder } from "../../../core/codecs/msgpack.ts"
import { checkMsgpack } from "../../../core/codecs/msgpack-check.ts"
import { decodeStructures } from "../../../core/codecs/structures.ts"
import { Random } from "../../support/random.ts"

/** Every boundary of the encodings of numbers, and one to either side. */
const NUMBERS = [0, 0x1f, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 2 ** 31, 2 ** 32]
  .flatMap(n => [n - 1, n, n + 1, -n, -n - 1, n + 0.5])
  .concat([-0, Number.NaN, Infinity, -Infinity, 1e300, 5e-324, Number.MAX_SAFE_INTEGER, Math.PI])

const STRINGS = ["", "a", "0123456789ab", "0123456789abc", "x".repeat(31), "y".repeat(32), "z".repeat(63)]
  .concat(["w".repeat(64), "v".repeat(300), "é", "abc\u{1f600}", "\ud800", "\0\x7f", "\x80"])
  .concat(Array.from({ length: 15 }, (_, n) => "abcdefghijklmnop".slice(0, n)))

const OTHERS = [null, true, false, undefined, 12n, new Date(7), [1, 2], { deep: 1 }, Buffer.from("b"), new Map()]

const KEYS = ["id", "sku", "quantity", "a b", "ü", "", "constructor_", "0", "7", "toString", "x".repeat(40)]

function plainObject(random: Random, flat: boolean): Record<string, unknown> {
  const object: Record<string, unknown> = {}
  for (let left = random.int(1, 5); left > 0; left--) {
    const kind = random.int(0, flat ? 7 : 8)
    const values = kind < 4 ? NUMBERS : kind < 8 ? STRINGS : OTHERS
    object[random.pick(KEYS)] = random.pick(values as unknown[])
  }
  return object
}

/** What the library makes of a payload, with the structures that the encoder has announced. */
function libraryOf(encoder: MsgpackEncoder): { keys: string[][]; read: (bytes: Buffer) => unknown } {
  const { fresh } = decodeStructures(encoder.structuresSince(0), [], 0)
  const structures = fresh.map((keys, i) =>
    Object.assign([...keys], { isShared: true, highByte: i < 32 ? -1 : (i - 32) >> 5 }),
  )
  const unpackr = new Unpackr({ structures, mapsAsObjects: true, int64AsType: "bigint" })
  return { keys: fresh, read: bytes => unpackr.unpack(bytes) }
}

function decoderOf(keys: readonly (readonly string[])[]): FlatDecoder {
  const decoder = new FlatDecoder()
  for (const one of keys) decoder.learn(one)
  return decoder
}

describe("Flat records", () => {
  before(loadMsgpack)

  it("are the bytes that the library writes, whatever the values (seeded)", () => {
    const random = Random.fresh()
    const encoder = new MsgpackEncoder()
    let flat = 0
    for (let i = 0; i < 20_000; i++) {
      const value = plainObject(random, random.chance(0.8))
      encoder.encode(value)
      if (!encoder.encodeFlat(value)) continue
      flat++
      const bytes = encoder.flatBytes.subarray(encoder.flatStart, encoder.flatEnd)
      assert.deepEqual(bytes, encoder.encode(value), `seed ${random.seed}: ${JSON.stringify(value)}`)
    }
    assert.ok(flat > 2_000, `${flat} of 20,000 were flat (seed ${random.seed})`)
  })

  it("are read as the library reads them (seeded)", () => {
    const random = Random.fresh()
    const encoder = new MsgpackEncoder()
    const payloads: Buffer[] = []
    for (let i = 0; i < 5_000; i++) payloads.push(encoder.encode(plainObject(random, true)))
    const { keys, read } = libraryOf(encoder)
    assert.ok(keys.length > 40, "structures of two bytes are among them")
    const decoder = decoderOf(keys)
    let flat = 0
    for (const payload of payloads) {
      const value = decoder.decode(payload, 0, payload.length)
      if (value === NOT_FLAT) continue
      flat++
      assert.deepEqual(value, read(payload), `seed ${random.seed}`)
      const within = Buffer.concat([Buffer.alloc(9, 0xc1), payload, Buffer.alloc(9, 0xc1)])
      assert.deepEqual(decoder.decode(within, 9, 9 + payload.length), value, `seed ${random.seed}`)
    }
    assert.ok(flat > 300, `${flat} of 5,000 were flat (seed ${random.seed})`)
  })

  it("take nothing from the network that the checks would refuse (seeded)", () => {
    const random = Random.fresh()
    const encoder = new MsgpackEncoder()
    for (let i = 0; i < 300; i++) encoder.encode(plainObject(random, true))
    const payloads = Array.from({ length: 300 }, () => Buffer.from(encoder.encode(plainObject(random, true))))
    const { keys, read } = libraryOf(encoder)
    const decoder = decoderOf(keys)
    const counts = keys.map(one => one.length)
    let taken = 0
    for (let i = 0; i < 30_000; i++) {
      const bytes = Buffer.from(random.pick(payloads))
      for (let left = random.int(0, 3); left > 0; left--) bytes[random.int(0, bytes.length - 1)] = random.int(0, 255)
      const cut = bytes.subarray(0, random.chance(0.3) ? random.int(0, bytes.length) : bytes.length)
      const value = decoder.decode(cut, 0, cut.length)
      if (value === NOT_FLAT) continue
      taken++
      checkMsgpack(cut, counts)
      assert.deepEqual(value, read(cut), `seed ${random.seed}: ${cut.toString("hex")}`)
    }
    assert.ok(taken > 1_000, `${taken} were taken (seed ${random.seed})`)
  })

  it("do not read beyond their end, nor what has a structure that nobody announced", () => {
    const decoder = decoderOf([["a", "b"]])
    const bytes = Buffer.from([0x40, 0x01, 0xa2, 0x41, 0x42, 0x00])
    assert.deepEqual(decoder.decode(bytes, 0, 5), { a: 1, b: "AB" })
    for (const end of [0, 1, 2, 3, 4, 6]) assert.equal(decoder.decode(bytes, 0, end), NOT_FLAT, String(end))
    assert.equal(decoder.decode(Buffer.from([0x41, 1, 2]), 0, 3), NOT_FLAT)
    assert.equal(decoder.decode(Buffer.from([0x60, 0, 2]), 0, 3), NOT_FLAT)
    assert.equal(decoder.decode(Buffer.from([0x05, 0, 2]), 0, 3), NOT_FLAT)
  })

  it("have the keys of their structure, in its order, before and after code is made for it", () => {
    const keys = ["b", "a", "0", 'quote"', "\u2028", "}) throw"]
    const decoder = decoderOf([keys, ["x", "x"], ["ok", "__proto__"]])
    for (let i = 0; i < 100; i++) {
      const value = decoder.decode(Buffer.from([0x40, 1, 2, 3, 4, 5, 6]), 0, 7)
      assert.deepEqual(value, { b: 1, a: 2, "0": 3, 'quote"': 4, "\u2028": 5, "}) throw": 6 })
      assert.deepEqual(Object.keys(value as object), ["0", "b", "a", 'quote"', "\u2028", "}) throw"])
    }
    assert.equal(decoder.decode(Buffer.from([0x41, 1, 2]), 0, 3), NOT_FLAT)
    assert.equal(decoder.decode(Buffer.from([0x42, 1, 2]), 0, 3), NOT_FLAT)
  })

  it("leave to the library what a getter throws, and what encodes another value meanwhile", () => {
    const encoder = new MsgpackEncoder()
    encoder.encode({ a: 1, b: 2 })
    const inner: boolean[] = []
    const nested = {
      a: 1,
      get b() {
        inner.push(encoder.encodeFlat({ a: 3, b: 4 }))
        return 2
      },
    }
    assert.ok(encoder.encodeFlat(nested))
    assert.deepEqual(inner, [false])
    assert.deepEqual(encoder.flatBytes.subarray(encoder.flatStart, encoder.flatEnd), encoder.encode({ a: 1, b: 2 }))
    const bad = {
      a: 1,
      get b() {
        throw new Error("not today")
      },
    }
    assert.equal(encoder.encodeFlat(bad), false)
    assert.throws(() => encoder.encode(bad), { code: "EINVAL" })
    assert.ok(encoder.encodeFlat({ a: 1, b: 2 }))
  })

  it("never change once they are written", () => {
    const encoder = new FlatEncoder()
    encoder.learn(0, ["n"])
    const kept: { view: Buffer; copy: Buffer }[] = []
    for (let n = 0; n < 20_000; n++) {
      assert.ok(encoder.encode({ n }))
      const view = encoder.bytes.subarray(encoder.start, encoder.end)
      kept.push({ view, copy: Buffer.from(view) })
    }
    for (const { view, copy } of kept) assert.deepEqual(view, copy)
  })

  it("give a structure up whose objects never are flat, and go on with others", () => {
    const encoder = new FlatEncoder()
    encoder.learn(0, ["list"])
    for (let i = 0; i < 100; i++) {
      assert.equal(encoder.encode({ list: [1] }), false)
      encoder.learn(0, ["list"])
    }
    assert.equal(encoder.encode({ list: 1 }), false)
    for (let i = 1; i < 10; i++) {
      encoder.learn(i, [`k${i}`])
      assert.ok(encoder.encode({ [`k${i}`]: i }))
    }
    assert.ok(encoder.encode({ k7: 1 }))
    assert.equal(encoder.encode({ k1: 1 }), false, "only the last few are tried")
  })
})
