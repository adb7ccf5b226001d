import assert from "node:assert/strict"
import {
  CODEC_BYTES,
  CODEC_JSON,
  CODEC_MSGPACK,
  CODEC_MSGPACK_SHARED,
  CODEC_NOTHING,
  CODEC_OWN,
  CODEC_STRING,
  type Codec,
  Codecs,
} from "../../core/codec.ts"
import { loadMsgpack, MsgpackDecoder } from "../../core/codecs/msgpack.ts"
import { type ErrorCode, HeddleError } from "../../core/errors.ts"
import { seeded } from "../support/random.ts"

const throws = (body: () => unknown, code: ErrorCode, text: RegExp) =>
  assert.throws(body, (error: unknown) => {
    assert.ok(error instanceof HeddleError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, text)
    return true
  })

const csv: Codec = {
  name: "text/csv",
  encode: value => Buffer.from((value as unknown[]).join(",")),
  decode: bytes => bytes.toString().split(","),
}

describe("Codecs", () => {
  let codecs: Codecs
  before(loadMsgpack)
  beforeEach(() => {
    codecs = new Codecs([csv])
  })

  /** What a peer gets: number and value. */
  function pass(value: unknown, codec?: string): [number, unknown] {
    const bytes = codecs.encode(value, codec)
    const { number, name } = codecs
    const link = new MsgpackDecoder()
    link.learn(codecs.shared.structuresSince(0))
    return [number, codecs.decode(number, bytes, name, link)]
  }

  it("choose by the kind of value when none is named", () => {
    assert.deepEqual(pass(Buffer.from("a")), [CODEC_BYTES, Buffer.from("a")])
    assert.deepEqual(pass(new Uint16Array([1])), [CODEC_BYTES, Buffer.from([1, 0])])
    assert.deepEqual(pass(new Uint8Array([1]).buffer), [CODEC_BYTES, Buffer.from([1])])
    assert.deepEqual(pass(undefined), [CODEC_NOTHING, undefined])
    assert.deepEqual(pass("text"), [CODEC_MSGPACK, "text"])
    assert.deepEqual(pass(null), [CODEC_MSGPACK, null])
    assert.deepEqual(pass([1]), [CODEC_MSGPACK, [1]])
    assert.deepEqual(pass({ a: 1 }), [CODEC_MSGPACK_SHARED, { a: 1 }])
  })

  it("do as the call says", () => {
    assert.deepEqual(pass("text", "string"), [CODEC_STRING, "text"])
    assert.deepEqual(pass("", "string"), [CODEC_STRING, ""])
    assert.deepEqual(pass({ a: [1, "é"] }, "json"), [CODEC_JSON, { a: [1, "é"] }])
    assert.deepEqual(pass({ a: 1 }, "msgpack"), [CODEC_MSGPACK_SHARED, { a: 1 }])
    assert.deepEqual(pass(Buffer.from("a"), "bytes"), [CODEC_BYTES, Buffer.from("a")])
    assert.deepEqual(pass(Buffer.from("a"), "msgpack")[1], Buffer.from("a"))
    assert.deepEqual(pass(["a", "b"], "text/csv"), [CODEC_OWN, ["a", "b"]])
    assert.equal(codecs.name, "text/csv")
    codecs.encode("a", "string")
    assert.equal(codecs.name, "", "the name of an own codec does not stay")
  })

  it("carry undefined as nothing, whatever the codec", () => {
    for (const codec of ["bytes", "string", "json", "msgpack", "text/csv", undefined]) {
      assert.deepEqual(pass(undefined, codec), [CODEC_NOTHING, undefined])
      assert.equal(codecs.encode(undefined, codec).length, 0)
      assert.equal(codecs.encodePlain(undefined, codec).length, 0)
    }
  })

  it("take the fabric's codec for all but bytes and undefined", () => {
    codecs = new Codecs([csv], "json")
    assert.deepEqual(pass("text"), [CODEC_JSON, "text"])
    assert.deepEqual(pass({ a: 1 }), [CODEC_JSON, { a: 1 }])
    assert.deepEqual(pass(Buffer.from("a")), [CODEC_BYTES, Buffer.from("a")])
    assert.deepEqual(pass({ a: 1 }, "msgpack"), [CODEC_MSGPACK_SHARED, { a: 1 }])
    codecs = new Codecs([csv], "text/csv")
    assert.deepEqual(pass(["a"]), [CODEC_OWN, ["a"]])
  })

  it("do not copy bytes", () => {
    const bytes = new Uint8Array([1, 2, 3])
    const encoded = codecs.encode(bytes.subarray(1))
    assert.equal(encoded.buffer, bytes.buffer)
    assert.deepEqual([...encoded], [2, 3])
    assert.equal(codecs.decode(CODEC_BYTES, encoded), encoded)
  })

  it("write what any client reads when it is no node", () => {
    codecs.encode({ a: 1 })
    assert.equal(codecs.encodePlain({ a: 1 }).toString("hex"), "81a16101")
    assert.equal(codecs.number, CODEC_MSGPACK)
    assert.equal(codecs.encodePlain({ a: 1 }, "json").toString(), '{"a":1}')
    assert.equal(codecs.encodePlain("é", "string").toString(), "é")
    assert.equal(codecs.encodePlain(Buffer.from("b")).toString(), "b")
    assert.deepEqual(codecs.decode(CODEC_MSGPACK, Buffer.from("cf0000018bcfe56800", "hex")), 1_700_000_000_000)
  })

  it("refuse what they cannot serialise, and name the codec and the way out", () => {
    const circle: Record<string, unknown> = {}
    circle.self = circle
    const cases: [unknown, string, RegExp][] = [
      [{}, "bytes", /Object.*"bytes": it takes a Buffer/],
      ["text", "bytes", /string.*"bytes"/],
      [7, "string", /"string": it takes strings only; convert it first, or choose another codec/],
      [Object.create(null), "string", /"string"/],
      [() => {}, "json", /function.*"json": JSON has no form/],
      [Symbol("s"), "json", /symbol.*"json"/],
      [1n, "json", /"json": .*BigInt/],
      [circle, "json", /"json": .*(circular|cyclic)/],
      [circle, "msgpack", /"msgpack": it refers to itself/],
      [() => {}, "msgpack", /"msgpack"/],
      [7, "text/csv", /"text\/csv": .*join is not a function/],
    ]
    for (const [value, codec, text] of cases) {
      throws(() => codecs.encode(value, codec), "EINVAL", text)
      throws(() => codecs.encodePlain(value, codec), "EINVAL", text)
    }
    throws(
      () => codecs.encode(1, "yaml"),
      "EINVAL",
      /No codec is named "yaml"; there are bytes, string, json, msgpack, /,
    )
    throws(() => codecs.check("yaml"), "EINVAL", /yaml/)
    codecs.check("text/csv")
  })

  it("refuse own codecs that cannot be told apart or cannot work", () => {
    const named = (name: unknown) => ({ ...csv, name }) as Codec
    throws(() => new Codecs([csv, csv]), "EINVAL", /two codecs named "text\/csv"/)
    throws(() => new Codecs([named("json")]), "EINVAL", /two codecs/)
    for (const name of ["", "a b", "x".repeat(65), "é", 7, undefined])
      throws(() => new Codecs([named(name)]), "EINVAL", /needs a name/)
    throws(() => new Codecs([null as unknown as Codec]), "EINVAL", /needs a name/)
    throws(() => new Codecs([{ name: "x" } as unknown as Codec]), "EINVAL", /methods encode and decode/)
    throws(() => new Codecs([], "text/csv"), "EINVAL", /No codec is named/)
    codecs = new Codecs([{ ...csv, encode: () => "no buffer" as unknown as Buffer }])
    throws(() => codecs.encode([], "text/csv"), "EINVAL", /gave string instead of a Buffer/)
  })

  it("give ERR_CODEC for what the network sent wrongly", () => {
    const bytes = Buffer.from("{")
    throws(() => codecs.decode(CODEC_JSON, bytes), "ERR_CODEC", /"json"/)
    throws(() => codecs.decode(CODEC_JSON, Buffer.alloc(0)), "ERR_CODEC", /"json"/)
    throws(() => codecs.decode(CODEC_MSGPACK, Buffer.from([0xc1])), "ERR_CODEC", /"msgpack"/)
    throws(() => codecs.decode(CODEC_MSGPACK_SHARED, bytes), "ERR_CODEC", /structures of a link/)
    throws(() => codecs.decode(CODEC_NOTHING, bytes), "ERR_CODEC", /1 bytes where there are none/)
    throws(() => codecs.decode(CODEC_OWN, bytes, "unknown"), "ERR_CODEC", /"unknown", which this fabric was not given/)
    throws(() => codecs.decode(CODEC_OWN, bytes, "json"), "ERR_CODEC", /"json", which/)
    for (const number of [6, 14, 16, 255, -1]) throws(() => codecs.decode(number, bytes), "ERR_CODEC", /codec number/)
    const broken = { ...csv, decode: () => assert.fail("on purpose") }
    throws(() => new Codecs([broken]).decode(CODEC_OWN, bytes, csv.name), "ERR_CODEC", /"text\/csv": on purpose/)
  })

  it("let no JSON replace a prototype, however the name is written", () => {
    for (const name of ["__proto__", "\\u005f_proto__", "__prot\\u006f__"]) {
      const got = codecs.decode(CODEC_JSON, Buffer.from(`{"a":{"${name}":{"evil":1},"b":2}}`)) as { a: object }
      assert.deepEqual(Object.getOwnPropertyNames(got.a), ["b"])
    }
    assert.deepEqual(codecs.decode(CODEC_JSON, Buffer.from('{"a":"__proto__ \\u0041"}')), { a: "__proto__ A" })
  })

  it("never fail otherwise, whatever arrives", () =>
    seeded(random => {
      const link = new MsgpackDecoder()
      const good = [Buffer.from('{"a":[1,true,null,"x"]}'), codecs.encode({ a: 1, b: ["text"] })]
      link.learn(codecs.shared.structuresSince(0))
      for (let round = 0; round < 20_000; round++) {
        const bytes = random.chance(0.3) ? random.bytes(random.int(0, 30)) : Buffer.from(random.pick(good))
        if (bytes.length > 0) bytes[random.int(0, bytes.length - 1)] = random.int(0, 255)
        try {
          codecs.decode(random.int(0, 16), bytes, random.pick(["", "text/csv", "x"]), random.pick([link, null]))
        } catch (error) {
          if (!(error instanceof HeddleError) || error.code !== "ERR_CODEC") throw error
        }
      }
    }))
})
