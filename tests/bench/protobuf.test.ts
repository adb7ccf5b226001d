import assert from "node:assert/strict"
import { describe, it } from "mocha"
import { decodeReply, decodeRequest, encodeReply, encodeRequest } from "../../bench/workers/grpc/protobuf.ts"

describe("bench/workers/grpc/protobuf", () => {
  it("writes what the specification's encoding says", () => {
    // Field 1 of wire type 2, two bytes; field 2 of wire type 0, 150 as in the specification's first example.
    assert.deepEqual([...encodeRequest({ sku: "ab", quantity: 150 })], [0x0a, 2, 0x61, 0x62, 0x10, 0x96, 0x01])
    assert.deepEqual([...encodeReply({ left: 1, price: 150 })], [0x08, 1, 0x10, 0x96, 0x01])
  })

  it("reads what it wrote", () => {
    const request = { sku: "HD-10042-XL ü", quantity: 4_000_000_000 }
    assert.deepEqual(decodeRequest(encodeRequest(request)), request)
    const reply = { left: 999_958, price: 2 ** 45 + 1 }
    assert.deepEqual(decodeReply(encodeReply(reply)), reply)
  })

  it("notices what is cut short", () => {
    assert.throws(() => decodeReply(Buffer.from([0x08])), /cut short/)
  })
})
