import assert from "node:assert/strict"
import { decodeCursor, encodeCursor } from "../../../bridge-kafka/replay/cursor.ts"
import {
  FrameReader,
  type FrameRecord,
  FrameWriter,
  PART,
  RECORDS,
  type ReadRecord,
} from "../../../bridge-kafka/replay/frames.ts"
import { HeddleError } from "../../../core/errors.ts"
import { coded } from "../../support/pattern.ts"
import { type Random, seeded } from "../../support/random.ts"

function noise(random: Random): [FrameRecord, number, string] {
  const subject = random.pick(["a", "orders.7", "prüfung.ä", "x".repeat(random.int(1, 300)), "日本.語"])
  const key = random.pick([null, Buffer.from(subject), random.bytes(random.int(0, 60))])
  const value = random.chance(0.1) ? null : random.bytes(random.chance(0.02) ? random.int(0, 9_000) : random.int(0, 90))
  const headers = Array.from(
    { length: random.chance(0.5) ? 0 : random.int(0, 4) },
    () => [random.pick(["a", "ключ", ""]), random.bytes(random.int(0, 80))] as const,
  )
  const offset = random.chance(0.5) ? random.int(0, 100) : random.int(0, 2 ** 40)
  const timestamp = random.pick([-1, 0, 1_700_000_000_000, random.int(0, 2 ** 43)])
  return [{ subject, key, value, headers, offset, timestamp }, random.int(0, 3), random.pick(["bytes", "msgpack", ""])]
}

function readAll(frames: readonly Buffer[]): ReadRecord[] {
  const reader = new FrameReader(2 ** 20)
  const found: ReadRecord[] = []
  for (const frame of frames) {
    if (frame[0] === PART) {
      reader.part(frame)
      continue
    }
    assert.equal(frame[0], RECORDS)
    reader.open(frame)
    for (let record = reader.next(); record !== null; record = reader.next()) found.push(record)
  }
  return found
}

describe("answers of replays", () => {
  it("bring back what was put in, in answers of the size asked for", async () => {
    await seeded(random => {
      for (let round = 0; round < 50; round++) {
        const size = random.int(256, 4_096)
        const writer = new FrameWriter(size)
        const frames: Buffer[] = []
        const wanted: ReadRecord[] = []
        let offset = 0
        for (let i = random.int(0, 200); i > 0; i--) {
          const [record, partition, codec] = noise(random)
          const near = random.chance(0.5) ? { ...record, offset: ++offset } : record
          offset = near.offset
          if (!writer.add(near, partition, codec)) {
            frames.push(...writer.take())
            assert.ok(writer.add(near, partition, codec))
          }
          wanted.push({ ...near, partition, codec })
        }
        frames.push(...writer.take(), ...writer.take())
        for (const frame of frames) assert.ok(frame.length <= size, `an answer of ${frame.length} bytes of ${size}`)
        assert.deepEqual(readAll(frames), wanted)
      }
    })
  })

  it("from a peer that lies are refused, without much memory", async () => {
    await seeded(random => {
      const writer = new FrameWriter(65_536)
      for (let i = 0; i < 20; i++) writer.add(...noise(random))
      const [frame] = writer.take()
      for (let round = 0; round < 2_000; round++) {
        const bad = Buffer.from(frame.subarray(0, random.chance(0.5) ? random.int(1, frame.length) : frame.length))
        if (bad.length > 1)
          for (let i = random.int(1, 5); i > 0; i--) bad[random.int(1, bad.length - 1)] = random.int(0, 255)
        const reader = new FrameReader(1_000_000)
        try {
          reader.open(bad)
          for (let count = 0; reader.next() !== null; count++) assert.ok(count <= bad.length)
        } catch (error) {
          assert.ok(error instanceof HeddleError && error.code === "EPROTO", String(error))
        }
      }
      const reader = new FrameReader(1_000)
      const part = Buffer.alloc(600, PART)
      reader.part(part)
      assert.throws(() => reader.part(part), coded("EPROTO"))
    })
  })

  it("cursors say where, and are refused when they are not ours", async () => {
    const cursor = {
      store: "kafka:x",
      count: 3,
      ranges: [{ topic: "ä.b", partition: 1, next: 2 ** 40, until: 2 ** 41 }],
    }
    assert.deepEqual(decodeCursor(encodeCursor(cursor)), cursor)
    const text = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url")
    for (const bad of [
      7,
      null,
      "",
      "€",
      text({}),
      text([2]),
      text([1, "s", -1, []]),
      text([1, "s", 0, [["t", 0, 1]]]),
      text([1, "s", 0, [7]]),
    ])
      assert.throws(() => decodeCursor(bad), coded("EINVAL"))
    await seeded(random => {
      for (let round = 0; round < 200; round++)
        assert.throws(() => decodeCursor(random.bytes(random.int(0, 100)).toString("latin1")), coded("EINVAL"))
    })
  })
})
