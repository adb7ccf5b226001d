import assert from "node:assert/strict"
import {
  commandFrame,
  errorFrame,
  parseCommand,
  parseError,
  parsePing,
  pingFrame,
} from "../../../transports/zmtp/command.ts"
import { octets } from "../../support/bytes.ts"

const same = (actual: Buffer, transcript: string): void =>
  assert.equal(actual.toString("hex"), octets(transcript).toString("hex"))

describe("ZMTP commands", () => {
  it("writes READY as in zmtp.md 1.4", () => {
    same(
      commandFrame("READY", octets("0b 'Socket-Type' 00 00 00 06 'DEALER' 08 'Identity' 00 00 00 00")),
      "04 29 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 06 44 45 41 4c 45 52 08 49 64 65 6e 74 69 74 79 00 00 00 00",
    )
    same(
      commandFrame("READY", octets("0b 'Socket-Type' 00 00 00 03 'PUB'")),
      "04 19 05 'READY' 0b 'Socket-Type' 00 00 00 03 'PUB'",
    ) // prettier-ignore
  })

  it("writes SUBSCRIBE and CANCEL as in zmtp.md 1.7", () => {
    same(commandFrame("SUBSCRIBE", Buffer.from("abc")), "04 0d 09 53 55 42 53 43 52 49 42 45 61 62 63")
    same(commandFrame("SUBSCRIBE", Buffer.alloc(0)), "04 0a 09 'SUBSCRIBE'")
    same(commandFrame("CANCEL", Buffer.from("abc")), "04 0a 06 43 41 4e 43 45 4c 61 62 63")
  })

  it("writes JOIN and LEAVE as in zmtp.md 1.8", () => {
    same(commandFrame("JOIN", Buffer.from("news")), "04 09 04 'JOIN' 'news'")
    same(commandFrame("LEAVE", Buffer.from("news")), "04 0a 05 'LEAVE' 'news'")
  })

  it("writes the long form from 256 octets on: topics of 244 to 257 (libzmq#4367)", () => {
    for (let length = 244; length <= 257; length++) {
      const size = 1 + 9 + length
      const head =
        size < 256
          ? `04 ${size.toString(16)}`
          : `06 00*6 ${(size >> 8).toString(16).padStart(2, "0")} ${(size & 255).toString(16).padStart(2, "0")}` // prettier-ignore
      same(commandFrame("SUBSCRIBE", Buffer.alloc(length, "t")), `${head} 09 'SUBSCRIBE' 't'*${length}`)
    }
    same(commandFrame("SUBSCRIBE", Buffer.alloc(65535, "t")), "06 00*5 01 00 09 09 'SUBSCRIBE' 't'*65535")
  })

  it("writes PING as in zmtp.md 1.9, the time to live in tenths of a second", () => {
    same(pingFrame(0), "04 07 04 50 49 4e 47 00 00")
    same(pingFrame(500), "04 07 04 50 49 4e 47 00 05")
    same(pingFrame(199), "04 07 04 'PING' 00 01")
    // libzmq#4226: the largest value does not overflow.
    same(pingFrame(6_553_599), "04 07 04 'PING' ff ff")
    same(pingFrame(Number.MAX_SAFE_INTEGER), "04 07 04 'PING' ff ff")
  })

  it("reads PING: 0 to 16 octets of context, more are cut, a short one is none", () => {
    for (let length = 0; length <= 16; length++) {
      const context = Buffer.alloc(length, "c")
      assert.deepEqual(parsePing(Buffer.concat([octets("00 0a"), context])), { timeToLive: 1000, context })
    }
    assert.equal(parsePing(Buffer.concat([octets("00 0a"), Buffer.alloc(17, "c")]))?.context.length, 16)
    assert.equal(parsePing(octets("ff ff"))?.timeToLive, 6_553_500, "no overflow in 16 bits (libzmq#4226)")
    assert.equal(parsePing(octets("00")), null)
    assert.equal(parsePing(Buffer.alloc(0)), null)
  })

  it("reads names and data; what is no command is null", () => {
    assert.deepEqual(parseCommand(octets("04 'PONG' 'ctx'")), { name: "PONG", data: Buffer.from("ctx") })
    assert.deepEqual(parseCommand(octets("01 'X'")), { name: "X", data: Buffer.alloc(0) })
    assert.equal(parseCommand(Buffer.alloc(0)), null)
    assert.equal(parseCommand(octets("00")), null)
    assert.equal(parseCommand(octets("00 'READY'")), null)
    assert.equal(parseCommand(octets("06 'READY'")), null, "a name longer than the body")
  })

  it("writes and reads ERROR with its reason", () => {
    same(errorFrame("no"), "04 09 05 'ERROR' 02 'no'")
    assert.equal(parseError(octets("02 'no'")), "no")
    assert.equal(parseError(octets("00")), "")
    assert.throws(() => parseError(octets("03 'no'")), {
      name: "HeddleError",
      code: "ERR_ZMTP_MALFORMED_COMMAND_ERROR",
    })
    assert.throws(() => parseError(Buffer.alloc(0)), { code: "ERR_ZMTP_MALFORMED_COMMAND_ERROR" })
  })

  it("cuts a reason at 255 octets", () => {
    const { data } = parseCommand(errorFrame("r".repeat(300)).subarray(9)) as { data: Buffer }
    assert.equal(parseError(data), "r".repeat(255))
  })
})
