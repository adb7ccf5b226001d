import assert from "node:assert/strict"
import { HeddleError } from "../../core/errors.ts"
import { type HeadersInit, MAX_HEADERS, MAX_HEADERS_SIZE, MessageHeaders } from "../../core/headers.ts"
import { seeded } from "../support/random.ts"

const throws = (body: () => unknown, code: string, text: RegExp) =>
  assert.throws(body, (error: unknown) => {
    assert.ok(error instanceof HeddleError)
    assert.equal(error.code, code)
    assert.match(error.message, text)
    return true
  })

function encoded(headers: MessageHeaders): Buffer {
  const size = headers.encodedSize()
  const bytes = Buffer.alloc(size + 4, 0xee)
  assert.equal(headers.encode(bytes, 2), size + 2)
  assert.equal(bytes.readUInt16BE(0), 0xeeee)
  assert.equal(bytes.readUInt16BE(size + 2), 0xeeee)
  return bytes.subarray(2, size + 2)
}

describe("MessageHeaders", () => {
  it("keep order, case and repeated names", () => {
    const headers = MessageHeaders.from({ Trace: "1", trace: ["2", "3"], bin: Buffer.from([0, 255]) })
    headers.append("Trace", "4")
    assert.equal(headers.size, 5)
    assert.deepEqual(
      [...headers].map(([name]) => name),
      ["Trace", "trace", "trace", "bin", "Trace"],
    )
    assert.equal(headers.get("Trace"), "1")
    assert.deepEqual(headers.getAll("Trace"), ["1", "4"])
    assert.deepEqual(headers.getAll("trace"), ["2", "3"])
    assert.deepEqual(headers.getBytes("bin"), Buffer.from([0, 255]))
    assert.deepEqual(headers.getBytes("Trace"), Buffer.from("1"))
    assert.equal(headers.get("TRACE"), undefined)
    assert.equal(headers.getBytes("TRACE"), undefined)
    assert.deepEqual(headers.getAll("TRACE"), [])
    assert.equal(headers.has("trace"), true)
    assert.equal(headers.has("TRACE"), false)
  })

  it("set replaces all of a name at the place of the first, delete removes all", () => {
    const headers = MessageHeaders.from({ a: ["1", "2"], b: "3", c: "4" })
    headers.append("a", "5")
    headers.set("a", "6").set("d", "7")
    assert.deepEqual(
      [...headers],
      [
        ["a", "6"],
        ["b", "3"],
        ["c", "4"],
        ["d", "7"],
      ],
    )
    assert.equal(headers.delete("b"), true)
    assert.equal(headers.delete("b"), false)
    assert.deepEqual(
      [...headers],
      [
        ["a", "6"],
        ["c", "4"],
        ["d", "7"],
      ],
    )
  })

  it("come from pairs, a Map, an object and other headers, which stay as they are", () => {
    const first = MessageHeaders.from([
      ["a", "1"],
      ["a", "2"],
    ])
    const second = MessageHeaders.from(first)
    second.set("a", "3")
    assert.deepEqual(first.getAll("a"), ["1", "2"])
    assert.equal(MessageHeaders.from(new Map([["b", "x"]])).get("b"), "x")
    assert.equal(MessageHeaders.from({}).size, 0)
  })

  it("refuse what cannot be a header, and keep what they had", () => {
    const headers = MessageHeaders.from({ a: "1" })
    for (const name of ["", "a b", "a:b", "é", "a\n", "\u007f", "x".repeat(129)])
      throws(() => headers.append(name, "1"), "EINVAL", /no name of a header/)
    throws(() => headers.append(7 as unknown as string, "1"), "EINVAL", /no name/)
    for (const value of [7, null, undefined, {}]) {
      throws(() => headers.append("b", value as unknown as string), "EINVAL", /header b needs a string or bytes/)
      throws(() => headers.set("a", value as unknown as string), "EINVAL", /header a needs/)
    }
    for (const init of ["a", null, 7, ["ab"], [["a"]]])
      throws(() => MessageHeaders.from(init as unknown as HeadersInit), "EINVAL", /Headers/)
    assert.deepEqual([...headers], [["a", "1"]])
    for (let i = 1; i < MAX_HEADERS; i++) headers.append("n", "")
    throws(() => headers.append("n", ""), "EINVAL", /at most 64/)
    throws(() => MessageHeaders.from({ a: "x".repeat(MAX_HEADERS_SIZE) }).encodedSize(), "EMSGSIZE", /put data into/)
  })

  it("are shown as JSON, also when one is called __proto__", () => {
    const headers = MessageHeaders.from([
      ["__proto__", "1"],
      ["a", "2"],
      ["a", Buffer.from([255])],
    ])
    assert.equal(JSON.stringify(headers), '{"__proto__":"1","a":["2",{"base64":"/w=="}]}')
  })

  it("have this form on the wire", () => {
    const headers = MessageHeaders.from({ ab: "é", c: new Uint8Array([1, 2, 3]) })
    const expected = [2, 2, 97, 98, 4, 0xc3, 0xa9, 1, 99, 7, 1, 2, 3]
    assert.deepEqual([...encoded(headers)], expected)
    assert.deepEqual([...encoded(new MessageHeaders())], [0])
  })

  it("come back as they were, kinds of values too", () =>
    seeded(random => {
      for (let round = 0; round < 500; round++) {
        const headers = new MessageHeaders()
        for (let i = random.int(0, MAX_HEADERS); i > 0; i--) {
          const text = random.pick(["", "plain", "ünï€😀", "two\r\nlines", "y".repeat(random.int(0, 300))])
          const name = random.pick(["a", "Nats-Msg-Id", "!~", "n".repeat(random.int(1, 128))])
          headers.append(name, random.chance(0.5) ? text : random.bytes(random.int(0, 300)))
        }
        const bytes = encoded(headers)
        const around = Buffer.concat([random.bytes(3), bytes, random.bytes(3)])
        assert.deepEqual([...MessageHeaders.decode(around, 3, 3 + bytes.length)], [...headers])
      }
    }))

  it("that a peer made wrongly are EPROTO", () => {
    const wrong: [number[], RegExp][] = [
      [[], /too soon/],
      [[1], /too soon/],
      [[65], /65 entries/],
      [[255, 255, 255, 255, 127], /entries/],
      [[1, 0, 0], /printable/],
      [[1, 1, 58, 0], /printable/],
      [[1, 1, 200, 0], /printable/],
      [[1, 129, 1, 97], /a name of 129/],
      [[1, 1, 97], /too soon/],
      [[1, 1, 97, 4, 98], /too soon/],
      [[1, 1, 97, 255, 255, 255, 255, 255, 255, 255, 15], /too soon/],
      [[0, 0], /after the last/],
    ]
    for (const [bytes, text] of wrong) throws(() => MessageHeaders.decode(Buffer.from(bytes)), "EPROTO", text)
    throws(() => MessageHeaders.decode(Buffer.alloc(MAX_HEADERS_SIZE + 1)), "EPROTO", /at most 65536/)
  })

  it("never fail otherwise, whatever arrives", () =>
    seeded(random => {
      const good = encoded(MessageHeaders.from({ one: "1", two: ["2", "zwei"], three: Buffer.alloc(200) }))
      let read = 0
      for (let round = 0; round < 20_000; round++) {
        const bytes = random.chance(0.3) ? random.bytes(random.int(0, 40)) : Buffer.from(good)
        for (let i = random.int(0, 3); i > 0 && bytes.length > 0; i--)
          bytes[random.int(0, bytes.length - 1)] = random.int(0, 255)
        try {
          const headers = MessageHeaders.decode(
            bytes,
            0,
            random.chance(0.2) ? random.int(0, bytes.length) : bytes.length,
          )
          read++
          assert.deepEqual([...MessageHeaders.decode(encoded(headers))], [...headers])
        } catch (error) {
          if (!(error instanceof HeddleError) || error.code !== "EPROTO") throw error
        }
      }
      assert.ok(read > 100, "hardly anything was readable: the noise tests nothing")
    }))
})
