import assert from "node:assert/strict"
import {
  FRAME,
  readMessagePath,
  schemaIdOf,
  writeFrame,
  writeMessagePath,
} from "../../../bridge-kafka/converters/framing.ts"
import { seeded } from "../../support/random.ts"
import { hex, kafkaError } from "./fake-registry.ts"

describe("Confluent's framing", () => {
  it("is a byte 0 and the id, the highest byte first", () => {
    const bytes = Buffer.alloc(FRAME)
    writeFrame(0x01020304, bytes)
    assert.deepEqual(bytes, hex("00 01020304"))
    assert.equal(schemaIdOf(hex("00 01020304 ff")), 0x01020304)
  })

  it("refuses what is not framed", () => {
    for (const bytes of ["", "00", "00010203", "7b2261223a317d", "0100000001", "00ffffffff"])
      assert.throws(() => schemaIdOf(hex(bytes)), kafkaError("poison", /schema/))
  })

  it("writes the path of a Protobuf message as zigzag numbers, and [0] as one byte", () => {
    assert.deepEqual(writeMessagePath([0]), hex("00"))
    assert.deepEqual(writeMessagePath([1]), hex("02 02"))
    assert.deepEqual(writeMessagePath([0, 0]), hex("04 00 00"))
    assert.deepEqual(writeMessagePath([2, 100]), hex("04 04 c801"))
  })

  it("reads it back, also the long form of [0]", () => {
    const frame = "00 00000001"
    assert.deepEqual(readMessagePath(hex(frame, "00 aa")), { path: [0], end: 6 })
    assert.deepEqual(readMessagePath(hex(frame, "02 00 aa")), { path: [0], end: 7 })
    assert.deepEqual(readMessagePath(hex(frame, "04 04 c801 aa")), { path: [2, 100], end: 9 })
  })

  it("refuses paths that end too soon, are too long, or count down", () => {
    for (const path of ["", "02", "04 02", "80", "ffffffffffff", "01", "feffffff0f", "42"])
      assert.throws(() => readMessagePath(hex("00 00000001", path)), kafkaError("poison", /path/))
  })

  it("reads every path that it wrote", async () => {
    await seeded(random => {
      for (let run = 0; run < 500; run++) {
        const path = Array.from({ length: random.int(1, 8) }, () => random.int(0, 70_000))
        const bytes = Buffer.concat([Buffer.alloc(FRAME), writeMessagePath(path), random.bytes(random.int(0, 4))])
        assert.deepEqual(readMessagePath(bytes).path, path)
      }
    })
  })
})
