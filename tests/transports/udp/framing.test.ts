import assert from "node:assert/strict"
import { AddressedFraming, GroupFraming } from "../../../transports/udp/framing.ts"
import { seeded } from "../../support/random.ts"

const TO = { host: "127.0.0.1", port: 5 }
const bytes = (text: string): Buffer => Buffer.from(text, "latin1")

describe("Datagrams of RADIO and DISH", () => {
  it("UDP-2 are the length of the group, the group and the body", () => {
    const framing = new GroupFraming(TO)
    for (const [group, body, wire] of [
      ["g", "hello", "\x01ghello"],
      ["", "x", "\0x"],
      ["g", "", "\x01g"],
      ["", "", "\0"],
      ["y".repeat(255), "b", `\xff${"y".repeat(255)}b`],
    ]) {
      const out = framing.encode([bytes(group), bytes(body)])
      assert.deepEqual(out, { bytes: bytes(wire), to: TO })
      assert.deepEqual(framing.decode(bytes(wire)), [bytes(group), bytes(body)])
    }
  })

  it("UDP-6 are malformed when they are empty or end within the group", () => {
    const framing = new GroupFraming(TO)
    for (const wire of ["", "\x01", "\x02g", `\xff${"g".repeat(254)}`]) assert.equal(framing.decode(bytes(wire)), null)
  })

  it("are made of nothing else, and of nothing where nobody is", () => {
    const framing = new GroupFraming(TO)
    assert.equal(framing.encode([bytes("g")]), null)
    assert.equal(framing.encode([bytes("g"), bytes("a"), bytes("b")]), null)
    assert.equal(framing.encode([Buffer.alloc(256), bytes("b")]), null)
    assert.equal(new GroupFraming(null).encode([bytes("g"), bytes("b")]), null)
  })

  it("UDP-6 of noise are malformed or as long as they came", () =>
    seeded(random => {
      const framing = new GroupFraming(TO)
      for (let i = 0; i < 5_000; i++) {
        const noise = random.bytes(random.int(0, 300))
        const message = framing.decode(noise)
        if (noise.length > noise[0]) assert.ok(Buffer.concat([noise.subarray(0, 1), ...(message ?? [])]).equals(noise))
        else assert.equal(message, null)
      }
    }))
})

describe("Datagrams of DGRAM", () => {
  it("UDP-2 are the payload alone, with the address of the other side before it", () => {
    const framing = new AddressedFraming()
    assert.deepEqual(framing.encode([bytes("127.0.0.1:5\0"), bytes("x")]), { bytes: bytes("x"), to: TO })
    for (const host of ["1.2.3.4", "1.2.3.4", "5.6.7.8", "1.2.3.4"]) {
      assert.deepEqual(framing.decode(bytes("x"), host, 5), [bytes(`${host}:5\0`), bytes("x")])
    }
    assert.deepEqual(framing.decode(bytes(""), "1.2.3.4", 6), [bytes("1.2.3.4:6\0"), bytes("")])
    assert.equal(framing.encode([bytes("nowhere"), bytes("x")]), null)
    assert.equal(framing.encode([bytes("127.0.0.1:5")]), null)
  })
})
