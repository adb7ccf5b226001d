import assert from "node:assert/strict"
import { curveKeyPair, z85Encode } from "../../../transports/zmtp/curve-keys.ts"

describe("CURVE keys", () => {
  it("encodes the example of RFC 32", () => {
    assert.equal(z85Encode(Buffer.from("864fd26fb559f75b", "hex")), "HelloWorld")
  })

  it("encodes a public key as libzmq does", () => {
    const key = Buffer.from("07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c", "hex")
    assert.equal(z85Encode(key), "2CVWV6D&QXW]Ii55A)@qco1MAyn+7#3/w+9Xnrjk")
  })

  it("refuses lengths that are no multiple of four", () => {
    assert.throws(() => z85Encode(Buffer.alloc(5)), RangeError)
  })

  it("makes a new pair each time", () => {
    const one = curveKeyPair()
    const two = curveKeyPair()
    assert.match(one.publicKey, /^[\x21-\x7e]{40}$/)
    assert.match(one.secretKey, /^[\x21-\x7e]{40}$/)
    assert.notEqual(one.publicKey, two.publicKey)
  })
})
