import assert from "node:assert/strict"
import type { Hello, SocketType } from "../../../core/contract.ts"
import { HeddleError } from "../../../core/errors.ts"
import { encodeMetadata, parseMetadata } from "../../../transports/zmtp/metadata.ts"
import { octets, property } from "../../support/bytes.ts"

const hello = (socketType: SocketType, routingId = "", metadata: [string, Buffer][] = []): Hello => ({
  socketType,
  routingId: Buffer.from(routingId),
  metadata: new Map(metadata),
})

const code = (data: Buffer): string => {
  try {
    parseMetadata(data)
  } catch (error) {
    assert.ok(error instanceof HeddleError)
    assert.ok(error.fatal, "a peer that says this will say it again")
    return error.code
  }
  return "accepted"
}

describe("ZMTP metadata", () => {
  it("writes the octets of zmtp.md 1.4 for a DEALER without identity", () => {
    const expected = octets("0b 'Socket-Type' 00 00 00 06 'DEALER' 08 'Identity' 00 00 00 00")
    assert.equal(encodeMetadata(hello("DEALER")).toString("hex"), expected.toString("hex"))
  })

  it("sends Identity for REQ, DEALER and ROUTER only", () => {
    for (const type of ["REQ", "DEALER", "ROUTER"] as const) {
      assert.ok(encodeMetadata(hello(type, "me")).includes(octets("08 'Identity' 00 00 00 02 'me'")), type)
    }
    for (const type of ["PUB", "SUB", "XPUB", "XSUB", "PUSH", "PULL", "REP", "PAIR", "SERVER", "CLIENT"] as const) {
      assert.ok(!encodeMetadata(hello(type, "me")).includes("Identity"), type)
    }
  })

  it("writes the octets of zmtp.md 1.4 for PUB", () => {
    assert.equal(
      encodeMetadata(hello("PUB")).toString("hex"),
      octets("0b 'Socket-Type' 00 00 00 03 'PUB'").toString("hex"),
    )
  })

  it("carries further properties both ways, empty and binary values too", () => {
    const binary = Buffer.from([0, 255, 1, 254])
    const there = encodeMetadata(
      hello("PUSH", "", [
        ["X-Empty", Buffer.alloc(0)],
        ["X-Binary", binary],
      ]),
    ) // prettier-ignore
    const back = parseMetadata(there)
    assert.equal(back.socketType, "PUSH")
    assert.deepEqual(
      [...back.metadata],
      [
        ["X-Empty", Buffer.alloc(0)],
        ["X-Binary", binary],
      ],
    ) // prettier-ignore
  })

  it("takes properties in any order and names in any case", () => {
    const back = parseMetadata(Buffer.concat([property("IDENTITY", "me"), property("socket-type", "REQ")]))
    assert.equal(back.socketType, "REQ")
    assert.equal(back.routingId.toString(), "me")
    assert.equal(back.metadata.size, 0)
  })

  it("keeps unknown properties, and the last of duplicates", () => {
    const twice = [
      property("Socket-Type", "PUB"),
      property("X-a", "1"),
      property("X-a", "2"),
      property("Socket-Type", "SUB"),
    ] // prettier-ignore
    const back = parseMetadata(Buffer.concat(twice))
    assert.equal(back.socketType, "SUB")
    assert.equal(back.metadata.get("X-a")?.toString(), "2")
  })

  it("copies what it keeps out of the read buffer", () => {
    const data = Buffer.concat([property("Socket-Type", "REQ"), property("Identity", "me"), property("X-a", "kept")])
    const back = parseMetadata(data)
    data.fill(0)
    assert.equal(back.routingId.toString(), "me")
    assert.equal(back.metadata.get("X-a")?.toString(), "kept")
  })

  it("refuses metadata that is cut at any octet", () => {
    const whole = Buffer.concat([property("Socket-Type", "DEALER"), property("Identity", "abc"), property("X-n", "v")])
    const complete = new Set([0, property("Socket-Type", "DEALER").length, whole.length])
    complete.add(property("Socket-Type", "DEALER").length + property("Identity", "abc").length)
    for (let length = 1; length < whole.length; length++) {
      if (complete.has(length)) continue
      assert.equal(code(whole.subarray(0, length)), "ERR_ZMTP_INVALID_METADATA", `cut at ${length}`)
    }
    assert.equal(code(whole), "accepted")
  })

  it("refuses trailing octets, and lengths beyond the end", () => {
    const good = property("Socket-Type", "REQ")
    assert.equal(code(Buffer.concat([good, Buffer.from([0])])), "ERR_ZMTP_INVALID_METADATA")
    assert.equal(code(Buffer.concat([good, octets("03 'X-a' ff ff ff ff 'b'")])), "ERR_ZMTP_INVALID_METADATA")
    assert.equal(code(Buffer.concat([good, octets("ff 'X-a' 00 00 00 00")])), "ERR_ZMTP_INVALID_METADATA")
  })

  it("wants a socket type that it knows", () => {
    assert.equal(code(Buffer.alloc(0)), "ERR_ZMTP_INVALID_METADATA")
    for (const name of ["", "PUBLISHER", "pub", "__proto__", "constructor"]) {
      assert.equal(code(property("Socket-Type", name)), "ERR_ZMTP_INVALID_METADATA", name)
    }
  })

  it("takes identities of 0 to 255 octets, and no more", () => {
    const withId = (id: Buffer): Buffer => Buffer.concat([property("Socket-Type", "REQ"), property("Identity", id)])
    for (const length of [0, 1, 255]) {
      assert.equal(parseMetadata(withId(Buffer.alloc(length, 1))).routingId.length, length)
    }
    assert.equal(code(withId(Buffer.alloc(256, 1))), "ERR_PEER_IDENTITY")
  })

  it("takes an identity that begins with 0 for none", () => {
    const data = Buffer.concat([property("Socket-Type", "REQ"), property("Identity", Buffer.from([0, 1, 2]))])
    assert.equal(parseMetadata(data).routingId.length, 0)
  })

  it("takes 64 properties, and no more", () => {
    const many = (count: number): Buffer =>
      Buffer.concat([
        property("Socket-Type", "REQ"),
        ...Array.from({ length: count - 1 }, (_, i) => property(`X-${i}`, "")),
      ])
    assert.equal(code(many(64)), "accepted")
    assert.equal(code(many(65)), "ERR_ZMTP_INVALID_METADATA")
  })
})
