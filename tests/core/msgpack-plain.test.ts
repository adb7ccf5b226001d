import assert from "node:assert/strict"
import { Codecs, EncodedPayload } from "../../core/codec.ts"
import { loadMsgpack, MsgpackDecoder, MsgpackEncoder } from "../../core/codecs/msgpack.ts"
import { type Random, seeded } from "../support/random.ts"

const KEYS = ["a", "b", "id", "größe", "x".repeat(40), "y".repeat(300)]

function value(random: Random, depth: number): unknown {
  switch (random.int(0, depth > 4 ? 7 : 11)) {
    case 0:
      return random.pick([null, undefined, true, false])
    case 1:
      return random.int(-200, 70_000)
    case 2:
      return random.next() * 1e6
    case 3:
      return "é".repeat(random.pick([0, 3, 20, 150, 40_000]))
    case 4:
      return random.bytes(random.pick([0, 5, 300, 70_000]))
    case 5:
      return BigInt(random.int(0, 2 ** 31)) * 2n ** 31n + 2n ** 53n
    case 6:
      return new Date(random.int(0, 2 ** 31) * 1_000 + random.int(0, 1) * 7)
    case 7:
      return random.int(0, 2 ** 31) - 2 ** 30
    case 8:
    case 9:
      return Array.from({ length: random.pick([0, 2, 20]) }, () => value(random, depth + 2))
    default: {
      const keys = KEYS.filter(() => random.chance(0.5))
      if (random.chance(0.05)) keys.push(...Array.from({ length: 20 }, (_, i) => `k${i}`))
      return Object.fromEntries(keys.map(key => [key, value(random, depth + 1)]))
    }
  }
}

/** As plain MessagePack has it: there is no `undefined`. */
function withoutUndefined(from: unknown): unknown {
  if (from === undefined) return null
  if (Array.isArray(from)) return from.map(withoutUndefined)
  if (typeof from !== "object" || from === null || Buffer.isBuffer(from) || from instanceof Date) return from
  return Object.fromEntries(Object.entries(from).map(([key, one]) => [key, withoutUndefined(one)]))
}

describe("msgpack with shared structures as plain msgpack", () => {
  before(() => loadMsgpack())

  it("is the same value for a reader who knows no structures", async () => {
    await seeded(random => {
      const encoder = new MsgpackEncoder({ maxSharedStructures: random.pick([2, 64, 256]) })
      const decoder = new MsgpackDecoder()
      const stranger = new MsgpackDecoder()
      for (let i = 0; i < 300; i++) {
        const made = value(random, 0)
        const known = encoder.version
        const bytes = encoder.encode(made)
        if (encoder.version > known) decoder.learn(encoder.structuresSince(known))
        const within = Buffer.concat([random.bytes(3), bytes, random.bytes(2)])
        const plain = decoder.toPlain(within, 3, 3 + bytes.length)
        assert.deepEqual(stranger.decode(plain), withoutUndefined(made))
      }
    })
  })

  it("stays what it is when others are made after it, and is a view where nothing changes", () => {
    const encoder = new MsgpackEncoder()
    const decoder = new MsgpackDecoder()
    const first = encoder.encode({ a: 1, b: "text" })
    decoder.learn(encoder.structuresSince(0))
    const plain = decoder.toPlain(first)
    const before = plain.toString("hex")
    for (let i = 0; i < 5_000; i++) decoder.toPlain(encoder.encode({ a: i, b: "x".repeat(i % 100) }))
    assert.equal(plain.toString("hex"), before)
    assert.equal(before, "82a16101a162a474657874")
    const untouched = encoder.encode([1, "two"])
    assert.equal(decoder.toPlain(untouched).buffer, untouched.buffer)
  })

  it("never grows beyond its bound, whatever the network announces, and goes on after it", () => {
    const encoder = new MsgpackEncoder()
    const decoder = new MsgpackDecoder()
    const key = "k".repeat(60_000)
    const bytes = encoder.encode(Array.from({ length: 2_000 }, () => ({ [key]: 1 })))
    decoder.learn(encoder.structuresSince(0))
    assert.ok(bytes.length < 100_000)
    assert.throws(() => decoder.toPlain(bytes), { code: "ERR_CODEC" })
    const plain = decoder.toPlain(encoder.encode({ [key]: 1 }))
    assert.deepEqual(new MsgpackDecoder().decode(plain), { [key]: 1 })
  })

  it("throws ERR_CODEC for bytes that are malformed", async () => {
    await seeded(random => {
      const encoder = new MsgpackEncoder()
      const decoder = new MsgpackDecoder()
      const bytes = encoder.encode({ a: [1, { b: "text" }], b: random.bytes(20) })
      decoder.learn(encoder.structuresSince(0))
      for (let i = 0; i < 2_000; i++) {
        const broken = Buffer.from(bytes)
        broken[random.int(0, broken.length - 1)] = random.int(0, 255)
        const cut = broken.subarray(0, random.int(0, broken.length))
        try {
          new MsgpackDecoder().decode(decoder.toPlain(cut))
        } catch (error) {
          assert.equal((error as { code?: string }).code, "ERR_CODEC")
        }
      }
    })
  })
})

describe("payloads that are encoded already", () => {
  before(() => loadMsgpack())

  it("go out as they are, by the name of their codec", () => {
    const codecs = new Codecs()
    for (const [name, number, wire] of [
      ["bytes", 0, ""],
      ["string", 1, ""],
      ["json", 2, ""],
      ["msgpack", 3, ""],
      ["mine+1", 15, "mine+1"],
    ] as const) {
      const bytes = Buffer.from("x")
      assert.equal(codecs.encode(new EncodedPayload(bytes, name)), bytes)
      assert.deepEqual([codecs.number, codecs.name], [number, wire])
    }
    assert.equal(codecs.encode(new EncodedPayload(Buffer.alloc(0), "none")).length, 0)
    assert.equal(codecs.number, 5)
    assert.throws(() => new EncodedPayload(Buffer.alloc(1), "none"), { code: "EINVAL" })
    for (const name of ["", "a b", "x".repeat(65)])
      assert.throws(() => new EncodedPayload(Buffer.alloc(0), name), { code: "EINVAL" })
  })

  it("are decoded by name", () => {
    const codecs = new Codecs()
    assert.deepEqual(codecs.decodeNamed("json", Buffer.from("[1]")), [1])
    assert.equal(codecs.decodeNamed("none", Buffer.alloc(0)), undefined)
    assert.throws(() => codecs.decodeNamed("unheard", Buffer.alloc(0)), { code: "ERR_CODEC" })
  })
})
