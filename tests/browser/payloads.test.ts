import assert from "node:assert/strict"
import { loadMsgpack, MsgpackDecoder, MsgpackEncoder } from "../../core/codecs/msgpack.ts"
import { MessageHeaders as NodeHeaders } from "../../core/headers.ts"
import { decodeHeaders, encodeHeaders, MessageHeaders } from "../../patterns/fabric/browser/headers.ts"
import { decodeMsgpack } from "../../patterns/fabric/browser/msgpack-decoder.ts"
import { encodeMsgpack } from "../../patterns/fabric/browser/msgpack-encoder.ts"
import { encodingOf, PageCodecs } from "../../patterns/fabric/browser/payload.ts"
import { LONG_RUN, type Random, seeded } from "../support/random.ts"

const CASES = LONG_RUN ? 20_000 : 1_500

/** Values whose forms are at the borders of MessagePack's tokens. */
const BORDERS: readonly unknown[] = [
  ...[0, 1, 31, 32, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1],
  ...[-1, -32, -33, -128, -129, -32_768, -32_769, -(2 ** 31), -(2 ** 31) - 1, -(2 ** 53) + 1],
  ...[0.5, -1.25e300, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN],
  ...[2n ** 64n - 1n, 2n ** 63n, 2n ** 63n - 1n, -(2n ** 63n), 0n],
  ...[0, 31, 32, 47, 48, 255, 256, 65_535, 65_536].map(length => "x".repeat(length)),
  ...["ä", "\u{1f9f5} thread", "ä".repeat(15), "ä".repeat(16), "\ufeffmark", "a\u0000b"],
  ...[0, 15, 16, 65_535, 65_536].map(length => Array.from({ length }, () => 7)),
  ...[0, 15, 16, 300].map(length => Object.fromEntries(Array.from({ length }, (_, i) => [`k${i}`, i]))),
  ...[0, 1_700_000_000_000, 1_700_000_000_123, -1_500, 2 ** 32 * 1000, 8.64e15].map(time => new Date(time)),
  ...[true, false, null, [], {}, [[[]]], { a: { b: [1, { c: null }] } }, { constructor: 1, toString: 2 }],
]

function anything(random: Random, depth = 0): unknown {
  const kind = random.int(0, depth > 3 ? 6 : 8)
  if (kind === 0) return random.pick(BORDERS.filter(value => typeof value !== "object"))
  if (kind === 1) return random.int(-70_000, 70_000)
  if (kind === 2) return random.next() * 10 ** random.int(-5, 20)
  if (kind === 3) return random.bytes(random.int(0, 60)).toString("latin1")
  if (kind === 4) return random.bytes(random.int(0, 300))
  if (kind === 5) return random.pick([true, false, null])
  if (kind === 6) return new Date(random.int(-(10 ** 12), 10 ** 13))
  const parts = Array.from({ length: random.int(0, 20) }, () => anything(random, depth + 1))
  return kind === 7 ? parts : Object.fromEntries(parts.map((part, i) => [`${random.int(0, 9)}-${i}`, part]))
}

/** Bytes come as Buffer at nodes and as Uint8Array in pages. */
function plainBytes(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value]
  if (Array.isArray(value)) return value.map(plainBytes)
  if (typeof value !== "object" || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plainBytes(one)]))
}

/** The library takes other dates than those of the specification from timestamps that no JavaScript writes. */
function withoutDates(value: unknown): unknown {
  if (value instanceof Date) return "a date"
  if (Array.isArray(value)) return value.map(withoutDates)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withoutDates(one)]))
}

describe("Payloads in a page", () => {
  let packer: MsgpackEncoder
  let unpacker: MsgpackDecoder

  before(async () => {
    await loadMsgpack()
    packer = new MsgpackEncoder({ shared: false })
    unpacker = new MsgpackDecoder()
  })

  it("go to nodes and come from them as MessagePack, at all borders of its forms", () => {
    for (const value of BORDERS) {
      assert.deepEqual(decodeMsgpack(packer.encode(value)), value)
      assert.deepEqual(unpacker.decode(Buffer.from(encodeMsgpack(value))), value)
      assert.deepEqual(decodeMsgpack(encodeMsgpack(value)), value)
    }
    assert.equal(decodeMsgpack(encodeMsgpack(-0)), -0)
    assert.ok(Number.isNaN((decodeMsgpack(packer.encode(new Date(Number.NaN))) as Date).getTime()))
    assert.ok(Number.isNaN((unpacker.decode(Buffer.from(encodeMsgpack(new Date(Number.NaN)))) as Date).getTime()))
  })

  it("are the same bytes as nodes write, for any value", () =>
    seeded(random => {
      for (let i = 0; i < CASES; i++) {
        const value = anything(random)
        const bytes = encodeMsgpack(value)
        assert.deepEqual(Buffer.from(bytes), packer.encode(value))
        assert.deepEqual(plainBytes(decodeMsgpack(bytes)), plainBytes(value))
      }
    }))

  it("have plain forms for what JavaScript has besides", () => {
    const cases: [unknown, unknown][] = [
      [
        new Map<unknown, unknown>([
          ["a", 1],
          [2, "b"],
        ]),
        { a: 1, 2: "b" },
      ],
      [new Set([1, "two"]), [1, "two"]],
      [new TypeError("no"), { name: "TypeError", message: "no" }],
      [
        { left: undefined, right: [undefined] },
        { left: null, right: [null] },
      ],
      [new URL("http://a.test/"), "http://a.test/"],
    ]
    for (const [value, arrives] of cases) {
      assert.deepEqual(decodeMsgpack(encodeMsgpack(value)), arrives)
      assert.deepEqual(unpacker.decode(Buffer.from(encodeMsgpack(value))), arrives)
    }
    const numbers = new Float32Array([1, 2.5])
    assert.deepEqual(decodeMsgpack(encodeMsgpack({ numbers })), { numbers: new Uint8Array(numbers.buffer) })
    // `undefined` within a payload, as publishers with shared structures write it.
    assert.deepEqual(decodeMsgpack(new Uint8Array([0x91, 0xd4, 0, 0])), [undefined])
    class Point {
      readonly x = 1
    }
    assert.deepEqual(decodeMsgpack(encodeMsgpack(new Point())), { x: 1 })
  })

  it("are refused when they have no form", () => {
    const ring: Record<string, unknown> = {}
    ring.ring = ring
    for (const value of [ring, () => 1, Symbol("s"), 2n ** 64n, /x/, { deep: [{ bad: () => 1 }] }]) {
      assert.throws(() => encodeMsgpack(value), { code: "EINVAL" })
      // What was half written before is not in the next.
      assert.deepEqual(decodeMsgpack(encodeMsgpack("next")), "next")
    }
  })

  it("may be encoded while another is", () => {
    class Inner {
      toJSON(): unknown {
        return { bytes: encodeMsgpack({ inner: "x".repeat(100_000) }).length }
      }
    }
    assert.deepEqual(decodeMsgpack(encodeMsgpack(["a", new Inner(), "b"])), ["a", { bytes: 100_012 }, "b"])
  })

  it("never do harm, whatever the network makes of them", () =>
    seeded(random => {
      for (let i = 0; i < CASES; i++) {
        const bytes = random.chance(0.5)
          ? random.bytes(random.int(0, 200))
          : Buffer.from(encodeMsgpack(anything(random)))
        for (let flips = random.int(0, 3); flips > 0 && bytes.length > 0; flips--)
          bytes[random.int(0, bytes.length - 1)] = random.int(0, 255)
        const cut = bytes.subarray(0, random.int(0, bytes.length))
        let here: unknown = "ERR_CODEC"
        let node: unknown = "ERR_CODEC"
        try {
          here = decodeMsgpack(cut)
        } catch (error) {
          assert.equal((error as { code?: string }).code, "ERR_CODEC")
        }
        try {
          node = unpacker.decode(cut)
        } catch (error) {
          assert.equal((error as { code?: string }).code, "ERR_CODEC")
        }
        assert.deepEqual(withoutDates(plainBytes(here)), withoutDates(plainBytes(node)))
      }
    }))

  it("that nest deeply, or announce what is not there, are refused", () => {
    const deep = new Uint8Array(600).fill(0x91)
    assert.throws(() => decodeMsgpack(deep), { code: "ERR_CODEC" })
    for (const head of [
      [0xdd, 255, 255, 255, 255],
      [0xdf, 255, 255, 255, 255],
      [0xdb, 255, 255, 255, 255],
      [0xc6, 127, 0, 0, 0],
    ])
      assert.throws(() => decodeMsgpack(new Uint8Array(head)), { code: "ERR_CODEC", message: /ends too soon/ })
    assert.throws(() => decodeMsgpack(new Uint8Array([1, 2])), { code: "ERR_CODEC", message: /1 bytes after/ })
    assert.throws(() => decodeMsgpack(new Uint8Array([0xd4, 0x73, 0])), { code: "ERR_CODEC" })
    const evil = decodeMsgpack(encodeMsgpack(new Map([["__proto__", { polluted: true }]]))) as Record<string, unknown>
    assert.equal(evil.polluted, undefined)
  })

  it("have the codec that is asked for, and arrive as what they were", () => {
    const upper = {
      name: "upper",
      encode: (value: unknown) => new TextEncoder().encode(String(value).toUpperCase()),
      decode: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
    }
    const codecs = new PageCodecs("json", [upper])
    const cases: [unknown, string | undefined, string, unknown][] = [
      [{ a: 1 }, undefined, "json", { a: 1 }],
      ["text", undefined, "json", "text"],
      ["\ufefftext", "string", "string", "\ufefftext"],
      [{ a: 1n }, "msgpack", "msgpack", { a: 1n }],
      [new Uint8Array([1, 2]), undefined, "bytes", new Uint8Array([1, 2])],
      [new Uint16Array([1]).buffer, "bytes", "bytes", new Uint8Array([1, 0])],
      [new Uint8Array([1]), "msgpack", "msgpack", new Uint8Array([1])],
      [undefined, undefined, "none", undefined],
      ["loud", "upper", "upper", "LOUD"],
    ]
    for (const [value, codec, encoding, arrives] of cases) {
      const payload = codecs.encode(value, codec)
      assert.equal(encodingOf(payload), encoding)
      assert.deepEqual(codecs.decode(payload), arrives)
    }
    assert.deepEqual(codecs.decode({ codec: 2, codecName: "", payload: Buffer.from('{"__proto__":{"a":1},"b":2}') }), {
      b: 2,
    })
    assert.throws(() => codecs.encode(1, "other"), { code: "EINVAL", message: /this client has bytes, string, json/ })
    assert.throws(() => codecs.encode(1, "string"), { code: "EINVAL" })
    assert.throws(() => codecs.encode("x", "bytes"), { code: "EINVAL" })
    assert.throws(() => codecs.encode({ big: 1n }), { code: "EINVAL" })
    for (const bad of [
      { codec: 15, codecName: "unknown" },
      { codec: 9, codecName: "" },
      { codec: 2, codecName: "" },
    ])
      assert.throws(() => codecs.decode({ ...bad, payload: Buffer.from("{") }), { code: "ERR_CODEC" })
    assert.throws(() => new PageCodecs("json", [{ ...upper, name: "json" }]), { code: "EINVAL" })
    assert.throws(() => new PageCodecs("yaml", []), { code: "EINVAL" })
  })
})

describe("Headers in a page", () => {
  it("are the same bytes as at nodes", () => {
    const init: [string, string | Uint8Array][] = [
      ["Trace", "a: b\r\nc"],
      ["Trace", "ä"],
      ["Bytes", new Uint8Array([0, 255])],
      ["Long", "x".repeat(1_000)],
    ]
    const node = NodeHeaders.from(init)
    const bytes = Buffer.alloc(node.encodedSize())
    node.encode(bytes, 0)
    const page = MessageHeaders.from(init)
    assert.deepEqual(Buffer.from(encodeHeaders(page)), bytes)
    const read = decodeHeaders(bytes)
    assert.deepEqual(
      [...read].map(([name, value]) => [name, typeof value === "string" ? value : [...value]]),
      init.map(([name, value]) => [name, typeof value === "string" ? value : [...value]]),
    )
    assert.deepEqual(NodeHeaders.decode(Buffer.from(encodeHeaders(read))).getAll("Trace"), ["a: b\r\nc", "ä"])
  })

  it("keep their order, may repeat, and are changed by name", () => {
    const headers = MessageHeaders.from({ A: ["1", "2"], B: "3" })
    assert.deepEqual(
      [...headers],
      [
        ["A", "1"],
        ["A", "2"],
        ["B", "3"],
      ],
    )
    headers.set("A", "4").append("C", new Uint8Array([65]))
    assert.deepEqual([headers.get("A"), headers.get("C"), headers.get("D"), headers.size], ["4", "A", undefined, 3])
    assert.deepEqual(headers.getBytes("B"), new Uint8Array([51]))
    assert.deepEqual([headers.delete("B"), headers.delete("B"), headers.has("B")], [true, false, false])
    assert.deepEqual(MessageHeaders.from(headers).get("A"), "4")
  })

  it("are refused where nodes would refuse them", () => {
    const bad = [{ "a b": "1" }, { "": "1" }, { "a:": "1" }, { a: 1 }, [["a"]], 7, { ["n".repeat(129)]: "x" }]
    for (const init of bad) assert.throws(() => MessageHeaders.from(init as never), { code: "EINVAL" })
    assert.throws(() => MessageHeaders.from(Array.from({ length: 65 }, (_, i): [string, string] => [`h${i}`, ""])), {
      code: "EINVAL",
    })
    assert.throws(() => encodeHeaders(MessageHeaders.from({ a: "x".repeat(70_000) })), { code: "EMSGSIZE" })
  })

  it("that are malformed are EPROTO, and nothing else", () =>
    seeded(random => {
      const good = Buffer.from(encodeHeaders(MessageHeaders.from({ Name: "value", Other: new Uint8Array(9) })))
      for (let i = 0; i < CASES; i++) {
        const bytes = Buffer.from(good)
        bytes[random.int(0, bytes.length - 1)] = random.int(0, 255)
        try {
          decodeHeaders(bytes.subarray(0, random.int(0, bytes.length)))
        } catch (error) {
          assert.equal((error as { code?: string }).code, "EPROTO")
        }
      }
    }))
})
