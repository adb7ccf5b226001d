import assert from "node:assert/strict"
import { KafkaError } from "../../../bridge-kafka/errors.ts"
import { parsePointer, resolvePointer } from "../../../bridge-kafka/mapping/json-pointer.ts"
import { KeyRule } from "../../../bridge-kafka/mapping/key.ts"

const keyOf = (rule: string, payload: unknown = null, headers: Record<string, string> = {}): string | null => {
  const key = new KeyRule(rule).keyOf({
    subject: "orders.eu.created",
    subjectBytes: Buffer.from("orders.eu.created"),
    headerBytes: name => (name in headers ? Buffer.from(headers[name]) : undefined),
    payload: () => {
      if (payload instanceof Error) throw payload
      return payload
    },
  })
  return key === null ? null : key.toString()
}

describe("bridge: keys", () => {
  it("come from subject, token, header, payload, or are fixed", () => {
    assert.equal(keyOf("subject"), "orders.eu.created")
    assert.equal(keyOf("token:1"), "eu")
    assert.equal(keyOf("header:x", null, { x: "y" }), "y")
    assert.equal(keyOf("publisher-key", null, { "hd.key": "mine" }), "mine")
    assert.equal(keyOf("fixed:a|b:c"), "a|b:c")
    assert.equal(keyOf("none"), null)
    assert.equal(keyOf("json:/customer/id", { customer: { id: 7 } }), "7")
    assert.equal(keyOf("json:/a~1b/0", { "a/b": ["x"] }), "x")
    assert.equal(keyOf("json:", { a: 1 }), '{"a":1}')
    assert.equal(keyOf("json:/n", { n: 2n ** 60n }), String(2n ** 60n))
    assert.equal(keyOf("json:/n", Buffer.from('{"n":true}')), "true")
    assert.equal(keyOf("json:/n", '{"n":"é"}'), "é")
  })

  it("try one way after the other", () => {
    assert.equal(keyOf("header:x|json:/id|subject", { id: "i" }), "i")
    assert.equal(keyOf("header:x|json:/id|subject", {}), "orders.eu.created")
    assert.equal(keyOf("token:5|none"), null)
    assert.equal(new KeyRule("token:1|subject").bySubject, true)
    assert.equal(new KeyRule("header:x|subject").bySubject, false)
  })

  it("that are not found are errors of the record, never a silent null", () => {
    for (const rule of ["token:3", "header:x", "publisher-key", "json:/x", "json:/constructor", "json:/x/y"])
      assert.throws(
        () => keyOf(rule, { y: 1 }),
        (error: unknown) => error instanceof KafkaError && error.kind === "poison" && /subject"/.test(error.message),
      )
    assert.throws(() => keyOf("json:/x", "{no json"), { code: "ERR_KAFKA" })
    assert.throws(() => keyOf("json:/x|subject", new Error("undecodable")), { code: "ERR_KAFKA" })
  })

  it("that mean nothing are errors of configuration", () => {
    for (const rule of ["", "subjects", "token:", "token:x", "token:-1", "header:", "fixed:", "json:x", "json:/~2"])
      assert.throws(() => new KeyRule(rule), { code: "ERR_CONFIG" }, rule)
    for (const rule of ["subject:1", "none:x", "subject|header:x", "none|subject", "header:x|", "|subject"])
      assert.throws(() => new KeyRule(rule), { code: "ERR_CONFIG" }, rule)
  })

  it("follow JSON pointers as RFC 6901 has them", () => {
    const document = { foo: ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8, " ": 7, 'k"l': 6 }
    for (const [pointer, value] of [
      ["", document],
      ["/foo", document.foo],
      ["/foo/0", "bar"],
      ["/", 0],
      ["/a~1b", 1],
      ["/m~0n", 8],
      ["/ ", 7],
      ['/k"l', 6],
      ["/foo/2", undefined],
      ["/foo/00", undefined],
      ["/foo/-", undefined],
      ["/foo/length", undefined],
      ["/__proto__", undefined],
    ] as const)
      assert.deepEqual(resolvePointer(document, parsePointer(pointer)), value, pointer)
  })
})
