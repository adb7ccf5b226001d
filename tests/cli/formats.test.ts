import assert from "node:assert/strict"
import { CommandError } from "../../cli/exit.ts"
import { FORMAT_NAMES, type Format, type FormatName, formatOf } from "../../cli/formats/format.ts"
import type { Message } from "../../index.ts"
import { cut } from "../support/decoding.ts"
import { type Random, seeded } from "../support/random.ts"

function format(name: FormatName, { delimiter = "\t" as string | null, maxSize = 1 << 20 } = {}): Format {
  return formatOf(name, { delimiter: delimiter === null ? null : Buffer.from(delimiter), maxSize })
}

function encoded(one: Format, messages: readonly Message[]): Buffer {
  const parts: Buffer[] = []
  let size = 0
  for (const message of messages) size += one.encode(message, parts)
  const bytes = Buffer.concat(parts)
  assert.equal(size, bytes.length, "encode must return how many bytes it appended")
  return bytes
}

function decoded(one: Format, chunks: readonly (Buffer | string)[]): string[][] {
  const decoder = one.decoder()
  const messages: Message[] = []
  for (const chunk of chunks) decoder.push(Buffer.from(chunk), messages)
  decoder.end(messages)
  return messages.map(message => message.map(frame => frame.toString("latin1")))
}

function refuses(one: Format, input: string | Buffer, why: RegExp): void {
  assert.throws(
    () => decoded(one, [input]),
    (error: unknown) => error instanceof CommandError && why.test(error.message),
  )
}

function message(random: Random, bytesOf: () => Buffer): Message {
  return Array.from({ length: 1 + random.int(0, 3) }, bytesOf)
}

describe("cli formats", () => {
  for (const name of FORMAT_NAMES) {
    it(`${name}: what is written is read again, however it is cut`, () =>
      seeded(random => {
        // Lines carry neither their delimiter nor the end of line; the others carry anything.
        const bytesOf = (): Buffer => {
          const bytes = random.bytes(random.int(0, 39))
          return name === "lines" ? Buffer.from(bytes.map(byte => (byte === 9 || byte === 10 ? 46 : byte))) : bytes
        }
        const one = format(name)
        const messages = Array.from({ length: 60 }, () => message(random, bytesOf))
        const found = decoded(one, cut(encoded(one, messages), random))
        assert.deepEqual(
          found,
          messages.map(frames => frames.map(frame => frame.toString("latin1"))),
        )
      }))
  }

  it("lines: without a delimiter a line is one frame, tabs included, and frames are printed with tabs between", () => {
    const one = format("lines", { delimiter: null })
    assert.deepEqual(decoded(one, ["a\tb\n\nc\r\n"]), [["a\tb"], [""], ["c\r"]])
    assert.equal(encoded(one, [[Buffer.from("a"), Buffer.from(""), Buffer.from("b")]]).toString(), "a\t\tb\n")
  })

  it("lines: the last line may lack its end; a delimiter may be longer than a byte", () => {
    assert.deepEqual(decoded(format("lines", { delimiter: "::" }), ["a::b\nc", "::d:e"]), [
      ["a", "b"],
      ["c", "d:e"],
    ])
  })

  it("lines: a line without end is refused at the limit", () => {
    refuses(format("lines", { maxSize: 10 }), "0123456789a", /longer than 10 bytes; raise --max-size/)
  })

  it("json: text is text, other bytes are base64, a bare string is one frame, empty lines are nothing", () => {
    const one = format("json")
    assert.equal(encoded(one, [[Buffer.from("é"), Buffer.from([0xff])]]).toString(), '["é",{"base64":"/w=="}]\n')
    assert.deepEqual(decoded(one, ['"a"\n\n[{"base64":"/w=="},"b"]']), [["a"], ["\xff", "b"]])
  })

  it("json: what is no message is refused with what would be one", () => {
    refuses(format("json"), "{]\n", /not JSON: .*write \["first frame"/)
    refuses(format("json"), "[]\n", /at least one frame/)
    refuses(format("json"), "[1]\n", /1 is no frame; a frame is a string or/)
  })

  it("frames: count, then length and bytes of each, big endian", () => {
    const bytes = encoded(format("frames"), [[Buffer.from("ab"), Buffer.alloc(0)]])
    assert.equal(bytes.toString("hex"), `${"00000002"}${"00000002"}6162${"00000000"}`)
  })

  it("frames: a cut end, no frames at all and too much of anything are refused", () => {
    const one = format("frames", { maxSize: 100 })
    refuses(one, Buffer.from("0000000100000002", "hex"), /ends in the middle/)
    refuses(one, Buffer.from("000000", "hex"), /ends in the middle/)
    refuses(one, Buffer.from("00000000", "hex"), /without frames/)
    refuses(one, Buffer.from("ffffffff", "hex"), /raise --max-size \(100\)/)
    refuses(one, Buffer.from("00000001ffffffff", "hex"), /raise --max-size \(100\)/)
  })

  it("arguments of the command line are messages of the format", () => {
    assert.deepEqual(format("lines").fromArgument("a\tb"), [Buffer.from("a"), Buffer.from("b")])
    assert.deepEqual(format("json").fromArgument('["a","b"]'), [Buffer.from("a"), Buffer.from("b")])
    assert.deepEqual(format("frames").fromArgument("a\tb"), [Buffer.from("a\tb")])
  })
})
