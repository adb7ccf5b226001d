import assert from "node:assert/strict"
import { HeddleError } from "../../../core/errors.ts"
import { COMMAND, command, frame, LONG, MORE, message, octets } from "../../support/bytes.ts"
import { Decoding } from "../../support/decoding.ts"

const text = ({ items }: Decoding): string[] =>
  items.map(item => (item.command ? "/" : "") + item.frames.map(part => part.toString("latin1")).join("|"))

/** The error that decoding ends with. */
function fault(limit: number, ...chunks: Buffer[]): HeddleError {
  try {
    new Decoding(limit).all(...chunks)
  } catch (error) {
    assert.ok(error instanceof HeddleError, String(error))
    return error
  }
  return assert.fail("nothing was wrong")
}

/** The largest single piece of memory that was asked for while `body` ran. */
function largestAllocation(body: () => void): number {
  const real = Buffer.allocUnsafeSlow
  let largest = 0
  Buffer.allocUnsafeSlow = size => {
    largest = Math.max(largest, size)
    return real(size)
  }
  try {
    body()
  } finally {
    Buffer.allocUnsafeSlow = real
  }
  return largest
}

describe("ZMTP decoder", () => {
  it("decodes the frames of zmtp.md 1.3 byte by byte and at once", () => {
    const stream = octets("00 00 01 00 00 01 'x' 01 02 'ab' 03 00*7 02 'cd' 02 00*6 01 00 'e'*256 04 05 04 'PING'")
    const expected = ["", "|x", `ab|cd|${"e".repeat(256)}`, "/\u0004PING"]
    assert.deepEqual(text(new Decoding().all(stream)), expected)
    const single = new Decoding()
    for (const byte of stream) single.all(Buffer.from([byte]))
    assert.deepEqual(text(single), expected)
  })

  for (const length of [0, 1, 255, 256, 32_768, 32_769, 65_535, 65_536, 262_144, 262_145, 5_000_000]) {
    it(`decodes a frame of ${length} bytes in short pieces and whole, in short form where it fits and in long form`, () => {
      const body = Buffer.alloc(length, "abcdefg")
      for (const long of length < 256 ? [false, true] : [true]) {
        const bytes = Buffer.concat([frame(0, body, { long }), message("next")])
        for (const piece of [bytes.length, 65_536, 1_000, 9]) {
          if (bytes.length / piece > 10_000) continue
          const decoding = new Decoding()
          for (let at = 0; at < bytes.length; at += piece) decoding.all(bytes.subarray(at, at + piece))
          assert.equal(decoding.items.length, 2)
          assert.ok(decoding.items[0].frames[0].equals(body))
          assert.equal(decoding.items[1].frames[0].toString(), "next")
        }
      }
    })
  }

  it("ignores reserved bits, and MORE on a command", () => {
    const stream = Buffer.concat([
      frame(0xf8, "a"),
      frame(0xf8 | MORE, "b"),
      frame(0x08, "c"),
      frame(COMMAND | MORE, "\u0001X"),
    ])
    assert.deepEqual(text(new Decoding().all(stream, message("end"))), ["a", "b|c", "/\u0001X", "end"])
  })

  it("takes commands between the frames of a message", () => {
    const big = Buffer.alloc(100_000, "z")
    const stream = [frame(MORE, "a"), command("PING", "\0\0"), frame(MORE, big), command("X", big), frame(0, "c")]
    const decoding = new Decoding().all(...stream)
    assert.deepEqual(
      decoding.items.map(item => item.command),
      [true, true, false],
    )
    assert.deepEqual(
      decoding.items[2].frames.map(part => part.length),
      [1, 100_000, 1],
    )
  })

  it("gives an empty command to whoever judges it", () => {
    assert.deepEqual(text(new Decoding().all(frame(COMMAND), frame(COMMAND, "", { long: true }))), ["/", "/"])
  })

  describe("limits", () => {
    it("takes a message of exactly maxMessageSize, and no byte more", () => {
      assert.equal(new Decoding(1000).all(message(Buffer.alloc(1000))).items.length, 1)
      assert.equal(new Decoding(0).all(message("")).items.length, 1)
      const error = fault(1000, message(Buffer.alloc(1001)))
      assert.equal(error.code, "EMSGSIZE")
      assert.match(error.message, /1001.*1000.*maxMessageSize/)
      assert.ok(error.fatal)
    })

    it("counts all frames of a message together, and begins anew with the next", () => {
      const half = Buffer.alloc(500)
      assert.equal(new Decoding(1000).all(message(half, half), message(half, half)).items.length, 2)
      assert.equal(fault(1000, message(half, half, Buffer.from("x"))).code, "EMSGSIZE")
      const large = Buffer.alloc(400_000)
      assert.equal(new Decoding(800_000).all(message(large, large)).items.length, 1)
      assert.equal(fault(799_999, message(large, large)).code, "EMSGSIZE")
    })

    it("refuses by the announced length alone, before the body comes", () => {
      assert.equal(fault(1000, frame(0, "", { size: 1001n })).code, "EMSGSIZE")
    })

    for (const limit of [-1, 64 * 1024 * 1024]) {
      for (const size of [2n ** 63n, 2n ** 64n - 1n, 2n ** 53n]) {
        it(`refuses a length of ${size} with maxMessageSize ${limit}`, () => {
          const largest = largestAllocation(() =>
            assert.equal(fault(limit, frame(0, "abc", { size })).code, "EMSGSIZE"),
          )
          assert.ok(largest <= 256 * 1024)
        })
      }
    }

    for (const size of [2n ** 31n, 2n ** 32n + 1n, 2n ** 53n - 1n]) {
      it(`does not believe an announced length of ${size}`, () => {
        const largest = largestAllocation(() => {
          const decoding = new Decoding(-1)
          try {
            for (let sent = 0; sent < 3; sent++)
              decoding.all(sent === 0 ? frame(0, "abc", { size }) : Buffer.alloc(1000))
          } catch (error) {
            // More than any Buffer holds may be refused at once.
            assert.equal((error as HeddleError).code, "EMSGSIZE")
          }
          assert.equal(decoding.items.length, 0)
        })
        assert.ok(largest <= 256 * 1024, `${largest} bytes were taken for 2,003 that came`)
      })
    }

    it("lets memory for a large frame grow with what has come", () => {
      const decoding = new Decoding(-1)
      const largest = largestAllocation(() => {
        decoding.all(frame(0, "", { size: 1_000_000_000n }), Buffer.alloc(3_000_000))
      })
      assert.ok(largest <= 2 * decoding.received, `${largest} bytes for ${decoding.received}`)
    })

    it("limits a command to 128 KiB whatever maxMessageSize is", () => {
      assert.equal(new Decoding(10).all(frame(COMMAND, Buffer.alloc(128 * 1024))).items.length, 1)
      const error = fault(-1, frame(COMMAND, "", { size: 128n * 1024n + 1n }))
      assert.equal(error.code, "EMSGSIZE")
    })

    it("limits the frames of a message to 65,536: empty ones count for nothing in maxMessageSize", () => {
      const empty = frame(MORE)
      const most = [Buffer.alloc(65_535 * 2, empty), frame(0)]
      assert.equal(new Decoding(0).all(...most).items[0].frames.length, 65_536)
      const error = fault(0, Buffer.alloc(65_536 * 2, empty))
      assert.equal(error.code, "EMSGSIZE")
      assert.match(error.message, /frames/)
    })
  })

  describe("pauses", () => {
    it("delivers nothing after a pause within a delivery, and goes on where it stopped", () => {
      const decoding = new Decoding()
      decoding.onItem = item => {
        if (item.frames[0].toString() === "b") decoding.decoder.paused = true
      }
      assert.equal(decoding.push(Buffer.concat([message("a"), message("b"), message("c"), message("d")])), false)
      assert.deepEqual(text(decoding), ["a", "b"])
      assert.equal(decoding.push(message("e")), false)
      assert.deepEqual(text(decoding), ["a", "b"])
      decoding.decoder.paused = false
      assert.equal(decoding.decoder.go(), true)
      assert.deepEqual(text(decoding), ["a", "b", "c", "d", "e"])
    })

    it("does not deliver a large frame that becomes whole during a pause", () => {
      const body = Buffer.alloc(100_000, "q")
      const bytes = Buffer.concat([message(body), message("after")])
      for (const before of [20_000, 50_000, bytes.length - 8]) {
        const decoding = new Decoding()
        decoding.push(bytes.subarray(0, before))
        decoding.decoder.paused = true
        decoding.push(bytes.subarray(before))
        assert.equal(decoding.items.length, 0, `cut at ${before}`)
        decoding.decoder.paused = false
        while (!decoding.decoder.go());
        assert.equal(decoding.items.length, 2)
        assert.ok(decoding.items[0].frames[0].equals(body))
      }
    })

    it("goes on with a large frame that a pause stopped in its middle", () => {
      const body = Buffer.alloc(300_000, "pqr")
      const bytes = Buffer.concat([message("first"), frame(MORE, body), frame(0, "last")])
      const decoding = new Decoding()
      decoding.onItem = () => {
        decoding.decoder.paused = true
      }
      assert.equal(decoding.push(bytes.subarray(0, 40_000)), false)
      decoding.decoder.paused = false
      assert.equal(decoding.decoder.go(), true)
      decoding.push(bytes.subarray(40_000))
      assert.equal(decoding.items.length, 2)
      assert.ok(decoding.items[1].frames[0].equals(body))
      assert.equal(decoding.items[1].frames[1].toString(), "last")
    })
  })

  it("yields to the event loop: a long run of messages is cut by the budget of a turn", () => {
    const many = Buffer.alloc(120_000 - (120_000 % 3), message("m"))
    const decoding = new Decoding()
    const spin = (): void => {
      const until = performance.now() + 1
      while (performance.now() < until);
    }
    decoding.onItem = spin
    assert.equal(decoding.push(many), false, "40,000 messages of a millisecond each fit into one turn")
    decoding.onItem = null
    const first = decoding.items.length
    assert.ok(first < many.length / 3)
    while (!decoding.decoder.go());
    assert.equal(decoding.items.length, many.length / 3)
  })

  it("asks for large frames to be read where they belong", () => {
    const decoding = new Decoding()
    decoding.push(frame(0, Buffer.alloc(50_000), { size: 100_000n }))
    const place = decoding.decoder.target()
    assert.equal(place?.length, 50_000)
    place.fill("x")
    decoding.decoder.push(place, 50_000)
    assert.equal(decoding.items[0].frames[0].toString("latin1", 50_000), "x".repeat(50_000))
  })

  it("keeps frames apart from the memory that is read into, and from other connections' frames", () => {
    const first = new Decoding()
    const second = new Decoding()
    for (let i = 0; i < 2_000; i++) {
      first.all(message(`first ${i}`, Buffer.alloc(i, i)))
      second.all(message(`second ${i}`))
    }
    for (let i = 0; i < 2_000; i++) {
      assert.equal(first.items[i].frames[0].toString(), `first ${i}`)
      assert.ok(first.items[i].frames[1].equals(Buffer.alloc(i, i)))
      assert.equal(second.items[i].frames[0].toString(), `second ${i}`)
    }
  })

  it("knows LONG frames only by their flag: a length octet of 255 is a length", () => {
    assert.equal(LONG, 2)
    assert.equal(new Decoding().all(frame(0, Buffer.alloc(255, 1))).items[0].frames[0].length, 255)
  })
})
