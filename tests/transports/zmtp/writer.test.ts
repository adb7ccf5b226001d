import assert from "node:assert/strict"
import { BIG, borrow, giveBack, SMALL } from "../../../transports/zmtp/chunk-pool.ts"
import { zmtpWire } from "../../../transports/zmtp/frame.ts"
import { Writer } from "../../../transports/zmtp/writer.ts"
import { message, octets } from "../../support/bytes.ts"
import { Decoding, difference, frameSize, type Item } from "../../support/decoding.ts"
import { FakeStream } from "../../support/fake-stream.ts"
import { LONG_RUN, type Random, seeded } from "../../support/random.ts"

/** Until what the writers put off to the end of the turn is done. */
const tick = (): Promise<void> => new Promise(resolve => process.nextTick(resolve))

const open = (): { stream: FakeStream; writer: Writer } => {
  const stream = new FakeStream()
  const writer = new Writer(stream)
  stream.reader = { bytes: () => true, target: () => null, drained: () => writer.drained(), ended: () => {} }
  return { stream, writer }
}

const EDGES = [0, 1, 255, 256, 4_087, 4_094, 4_096, 8_182, 8_191, 8_192, 8_193, 32_767, 32_768, 32_769]
const LARGE = [65_526, 65_527, 65_535, 65_536, 65_537, 262_143, 262_144, 262_145, 524_288, 3_000_001]

describe("ZMTP writer", () => {
  it("writes the frames of zmtp.md 1.3", async () => {
    const { stream, writer } = open()
    writer.message([Buffer.alloc(0)])
    writer.message([Buffer.from("a"), Buffer.alloc(0), Buffer.from("bc")])
    writer.message([Buffer.alloc(255, "d"), Buffer.alloc(256, "e")])
    writer.encoded(octets("04 05 04 'PING'"))
    await tick()
    const expected = octets("00 00 01 01 'a' 01 00 00 02 'bc' 01 ff 'd'*255 02 00*6 01 00 'e'*256 04 05 04 'PING'")
    assert.equal(stream.output().toString("hex"), expected.toString("hex"))
  })

  it("writes everything of a turn by one write, and nothing before its end", async () => {
    const { stream, writer } = open()
    for (let i = 0; i < 100; i++) writer.message([Buffer.from(`${i}`)])
    assert.equal(stream.writes, 0)
    assert.equal(writer.pending, zmtpWire.size([Buffer.alloc(1)]) * 10 + zmtpWire.size([Buffer.alloc(2)]) * 90)
    await tick()
    assert.equal(stream.writes, 1)
    assert.equal(writer.pending, 0)
    writer.message([Buffer.from("next turn")])
    await tick()
    assert.equal(stream.writes, 2)
  })

  it("writes a full chunk at once: a long turn must not pile up", () => {
    const { stream, writer } = open()
    const frame = Buffer.alloc(1_000)
    for (let sent = 0; sent < 10 * BIG; sent += 1_009) {
      writer.message([frame])
      assert.ok(writer.pending <= BIG)
    }
    assert.ok(stream.writes >= 9)
  })

  it("hands large frames over where they lie, several by one write, and 512 KiB at once", async () => {
    const { stream, writer } = open()
    const given: Buffer[][] = []
    stream.writeAll = pieces => {
      given.push([...pieces])
      return true
    }
    const frame = Buffer.alloc(100_000)
    for (let i = 0; i < 5; i++) writer.message([frame])
    assert.equal(given.length, 0)
    for (let i = 0; i < 2; i++) writer.message([frame])
    assert.equal(given.length, 1, "six of them are more than 512 KiB")
    await tick()
    assert.equal(given.length, 2)
    assert.equal(given.flat().filter(piece => piece === frame).length, 7, "no copies")
  })

  it("copies small frames: their owner may reuse the memory of a sent string or number", async () => {
    const { stream, writer } = open()
    const frame = Buffer.alloc(8_192, "x")
    writer.message([frame])
    frame.fill("y")
    await tick()
    assert.ok(stream.output().equals(message(Buffer.alloc(8_192, "x"))))
  })

  for (const size of [...EDGES, ...LARGE]) {
    it(`and the decoder agree on frames of ${size} bytes, alone, among others and after a stall`, async () => {
      const { stream, writer } = open()
      const items: Item[] = []
      const send = (...frames: Buffer[]): void => {
        writer.message(frames)
        items.push({ command: false, frames })
      }
      const body = Buffer.alloc(size, "0123456789")
      send(body)
      await tick()
      send(Buffer.from("before"), body, Buffer.from("after"))
      send(body, body)
      stream.stalls = true
      await tick()
      send(body, Buffer.alloc(0))
      send(body)
      await tick()
      stream.release()
      await tick()
      assert.equal(difference(new Decoding().all(stream.output()).items, items), null)
    })
  }

  describe("on a slow stream", () => {
    it("writes nothing more until all is taken, then goes on in order", async () => {
      const { stream, writer } = open()
      stream.stalls = true
      writer.message([Buffer.from("first")])
      await tick()
      assert.ok(writer.stalled)
      const writes = stream.writes
      writer.message([Buffer.from("second")])
      writer.message([Buffer.alloc(20_000, "L")])
      writer.message([Buffer.from("third")])
      await tick()
      assert.equal(stream.writes, writes)
      assert.ok(writer.pending > 20_000)
      stream.release()
      assert.equal(writer.stalled, false)
      const got = new Decoding().all(stream.output()).items.map(item => item.frames[0].toString("latin1", 0, 6))
      assert.deepEqual(got, ["first", "second", "LLLLLL", "third"])
    })

    it("keeps chunks that the stream still holds apart from those that others write to", async () => {
      const slow = open()
      const quick = open()
      slow.stream.stalls = true
      const expected: Item[] = []
      // More than one chunk, small pieces and references mixed: some of it with the stream, the rest waiting.
      for (let i = 0; i < 600; i++) {
        const frames = [Buffer.alloc(i % 50 === 0 ? 9_000 : 500, i)]
        slow.writer.message(frames)
        expected.push({ command: false, frames })
        if (i === 100) await tick()
      }
      // Others fill every chunk of the pool that they can get.
      for (let turn = 0; turn < 20; turn++) {
        for (let i = 0; i < 500; i++) quick.writer.message([Buffer.alloc(700, 0xcc)])
        await tick()
      }
      slow.stream.release(true)
      for (let turn = 0; turn < 20; turn++) {
        for (let i = 0; i < 500; i++) quick.writer.message([Buffer.alloc(700, 0xdd)])
        await tick()
      }
      slow.stream.release()
      assert.equal(difference(new Decoding().all(slow.stream.output()).items, expected), null)
    })

    it("gives up its chunks for good when it is discarded: the operating system may still read them", async () => {
      const slow = open()
      const quick = open()
      slow.stream.stalls = true
      for (let i = 0; i < 300; i++) slow.writer.message([Buffer.alloc(500, 0xaa)])
      await tick()
      slow.writer.discard()
      assert.equal(slow.writer.pending, 0)
      for (let turn = 0; turn < 20; turn++) {
        for (let i = 0; i < 500; i++) quick.writer.message([Buffer.alloc(700, 0xcc)])
        await tick()
      }
      slow.stream.reader = { bytes: () => true, target: () => null, drained: () => {}, ended: () => {} }
      slow.stream.release()
      for (const { frames } of new Decoding().all(slow.stream.output()).items) {
        assert.ok(frames[0].equals(Buffer.alloc(500, 0xaa)))
      }
    })
  })

  it("fuzzed: several writers share the pool, stall and go on at random; what decodes is what was sent", async function () {
    if (LONG_RUN) this.timeout(0)
    const steps = LONG_RUN ? 1_000_000 : 20_000
    await seeded(random => fuzz(random, steps))
  })
})

async function fuzz(random: Random, steps: number): Promise<void> {
  const sides = Array.from({ length: 4 }, () => ({ ...open(), sent: [] as Item[], decoding: new Decoding() }))
  const check = (): void => {
    for (const { stream, sent, decoding } of sides) {
      decoding.all(stream.output())
      const arrived = decoding.items.splice(0)
      const wrong = difference(arrived, sent.splice(0, arrived.length))
      if (wrong !== null) assert.fail(wrong)
    }
  }
  for (let step = 0; step < steps; step++) {
    const { stream, writer, sent } = random.pick(sides)
    const action = random.int(0, 99)
    if (action < 70) {
      const frames: Buffer[] = []
      for (let more = random.pick([0, 0, 0, 1, 3]); more >= 0; more--) frames.push(random.bytes(frameSize(random, 50)))
      writer.message(frames)
      sent.push({ command: false, frames })
    } else if (action < 80) {
      // A batch that the distributor encoded, for everybody at once.
      const batch = Array.from({ length: random.int(1, 30) }, () => [random.bytes(frameSize(random, 0))])
      const bytes = Buffer.alloc(batch.reduce((sum, frames) => sum + zmtpWire.size(frames), 0))
      batch.reduce((at, frames) => zmtpWire.encode(frames, bytes, at), 0)
      for (const side of sides) {
        side.writer.encoded(bytes)
        side.sent.push(...batch.map(frames => ({ command: false, frames })))
      }
    } else if (action < 88) stream.stalls = true
    else if (action < 94) stream.release(random.chance(0.3))
    else await tick()
    if (step % 1_000 === 0) check()
  }
  for (const { stream } of sides) stream.release()
  await tick()
  check()
  for (const { sent, writer } of sides) {
    assert.equal(sent.length, 0, `${sent.length} messages did not arrive`)
    assert.equal(writer.pending, 0)
  }
}

describe("ZMTP wire", () => {
  it("says beforehand how long a message becomes", () => {
    for (const sizes of [[0], [255], [256], [0, 0, 0], [1, 255, 256, 65_536], [100_000]]) {
      const frames = sizes.map(size => Buffer.alloc(size, size))
      const chunk = Buffer.alloc(zmtpWire.size(frames) + 20, 0xee)
      const end = zmtpWire.encode(frames, chunk, 10)
      assert.equal(end, 10 + zmtpWire.size(frames))
      assert.ok(chunk.subarray(10, end).equals(message(...frames)))
      assert.ok(
        chunk.subarray(0, 10).equals(Buffer.alloc(10, 0xee)) && chunk.subarray(end).equals(Buffer.alloc(10, 0xee)),
      )
    }
  })
})

describe("Chunk pool", () => {
  it("lends what was given back, each size apart", () => {
    for (const size of [SMALL, BIG] as const) {
      const chunk = borrow(size)
      assert.equal(chunk.length, size)
      giveBack(chunk)
      assert.equal(borrow(size), chunk)
    }
  })

  it("never lends a chunk to two, and keeps a bounded number", () => {
    const lent = new Set(Array.from({ length: 500 }, () => borrow(SMALL)))
    assert.equal(lent.size, 500)
    for (const chunk of lent) giveBack(chunk)
    const again = Array.from({ length: 500 }, () => borrow(SMALL))
    assert.ok(again.filter(chunk => lent.has(chunk)).length <= 64)
    assert.equal(new Set(again).size, 500)
  })
})
