import assert from "node:assert/strict"
import { once } from "node:events"
import { Worker } from "node:worker_threads"
import type { Message } from "../../core/contract.ts"
import { payloadLength, readMessage, writeMessage } from "../../transports/inproc/records.ts"
import { Run } from "../../transports/inproc/run.ts"
import { RingReader, RingWriter } from "../../transports/shm/ring.ts"
import { align, largestRecord, PADDING, RECORD_HEADER, ringSize } from "../../transports/shm/ring-layout.ts"
import { generator, newSeed, randomMessage, same } from "./inproc-fixtures/ends.ts"

function ring(capacity: number): [RingWriter, RingReader, SharedArrayBuffer] {
  const memory = new SharedArrayBuffer(ringSize(capacity))
  return [new RingWriter(memory, 0, capacity), new RingReader(memory, 0, capacity), memory]
}

/** Reads everything that is published. */
function readAll(reader: RingReader, run: Run): Message[] {
  const messages: Message[] = []
  while (run.at < run.end || reader.available > 0) {
    if (run.at === run.end) run.fetch(reader, reader.nextLength)
    if (run.cut) {
      run.finish(reader)
      continue
    }
    const { words, at } = run
    const length = words[at >> 2]
    const type = words[(at >> 2) + 1]
    if (type !== PADDING)
      messages.push(readMessage(run.memory, words, at + RECORD_HEADER, length - RECORD_HEADER, type >>> 8))
    run.at = at + align(length)
    if (run.at === run.end) run.finish(reader)
  }
  return messages
}

describe("the ring between threads", () => {
  it("shows nothing before it is published, and all of it then", () => {
    const [writer, reader] = ring(4096)
    const sent = [[Buffer.from("a")], [Buffer.from("b"), Buffer.alloc(0), Buffer.from("c")]]
    for (const m of sent) assert.ok(writeMessage(writer, m, payloadLength(m)))
    assert.equal(reader.available, 0)
    assert.equal(writer.publish(), false, "nobody sleeps")
    const read = readAll(reader, new Run())
    assert.equal(read.length, 2)
    assert.ok(sent.every((m, i) => same(m, read[i])))
    assert.equal(reader.available, 0)
    assert.equal(writer.publish(), false, "nothing new")
  })

  it("refuses what has no room, and takes it when there is", () => {
    const [writer, reader] = ring(4096)
    const m = [Buffer.alloc(largestRecord(4096) - RECORD_HEADER, 1)]
    let taken = 0
    while (writeMessage(writer, m, m[0].length)) taken++
    assert.equal(taken, 8)
    writer.publish()
    assert.equal(readAll(reader, new Run()).length, 8)
    assert.ok(writeMessage(writer, m, m[0].length))
  })

  it("copies: the ring may be overwritten while messages are kept", () => {
    const [writer, reader, memory] = ring(4096)
    const m = [Buffer.from("keep me")]
    writeMessage(writer, m, m[0].length)
    writer.publish()
    const [read] = readAll(reader, new Run())
    new Uint8Array(memory).fill(0xff)
    assert.equal(read[0].toString(), "keep me")
    assert.ok(read[0].buffer instanceof ArrayBuffer)
  })

  it("wraps round its end and its counters with records of all sizes", () => {
    const seed = newSeed()
    const random = generator(seed)
    const [writer, reader] = ring(8192)
    const run = new Run()
    const waiting: Message[] = []
    const limit = largestRecord(8192) - RECORD_HEADER
    let compared = 0
    for (let i = 0; i < 20_000; i++) {
      const m = randomMessage(random, limit).slice(0, 20)
      const length = payloadLength(m)
      if (length > limit) continue
      if (writeMessage(writer, m, length)) waiting.push(m)
      else writer.publish()
      if (random() < 0.2) writer.publish()
      if (random() < 0.1) {
        for (const read of readAll(reader, run)) {
          assert.ok(same(read, waiting.shift() as Message), `seed ${seed}: message ${compared} differs`)
          compared++
        }
      }
    }
    writer.publish()
    for (const read of readAll(reader, run)) {
      assert.ok(same(read, waiting.shift() as Message), `seed ${seed}: message ${compared} differs`)
      compared++
    }
    assert.equal(waiting.length, 0)
    assert.ok(compared > 5_000)
  })

  it("goes on when positions pass 2^31 and 2^32", function () {
    this.timeout(120_000)
    const capacity = 2 ** 20
    const [writer, reader] = ring(capacity)
    const length = largestRecord(capacity) - RECORD_HEADER
    // Claims without copying: 4.5 GiB pass in a moment.
    for (let passed = 0; passed < 4.5 * 2 ** 30; passed += length + RECORD_HEADER) {
      const at = writer.claim(length, 1)
      assert.ok(at > 0)
      writer.publish()
      assert.equal(reader.available, length + RECORD_HEADER)
      assert.equal(reader.position + RECORD_HEADER, at)
      reader.release(length + RECORD_HEADER)
    }
    assert.equal(reader.available, 0)
  })

  describe("who wakes whom", () => {
    it("rings once for a reader that sleeps", () => {
      const [writer, reader] = ring(4096)
      assert.equal(reader.sleep(), true)
      writer.claim(8, 1)
      assert.equal(writer.publish(), true)
      writer.claim(8, 1)
      assert.equal(writer.publish(), false)
    })

    it("does not let a reader sleep that has something to read", () => {
      const [writer, reader] = ring(4096)
      writer.claim(8, 1)
      writer.publish()
      assert.equal(reader.sleep(), false)
      writer.claim(8, 1)
      assert.equal(writer.publish(), false, "a reader that is awake needs no bell")
    })

    it("rings for a writer when half is free and the count is reached, not before", () => {
      const [writer, reader] = ring(4096)
      while (writer.claim(56, 1) >= 0);
      writer.publish()
      assert.equal(writer.wantRoom(10), false)
      reader.release(1024)
      assert.equal(reader.roomIsDue(), false)
      reader.release(1024)
      assert.equal(reader.roomIsDue(), false, "half is free, but the count is missing")
      reader.count(9)
      assert.equal(reader.roomIsDue(), false)
      reader.count(10)
      assert.equal(reader.roomIsDue(), true)
      assert.equal(reader.roomIsDue(), false, "once")
      assert.equal(writer.wantRoom(10), true, "it is so already")
      assert.equal(reader.roomIsDue(), false)
    })

    it("compares counts across the wrap of 32 bits", () => {
      const [writer, reader] = ring(4096)
      reader.count(2 ** 31 - 1)
      assert.equal(writer.wantRoom((2 ** 31 + 5) | 0), false)
      reader.count((2 ** 31 + 4) | 0)
      assert.equal(reader.roomIsDue(), false)
      reader.count((2 ** 31 + 5) | 0)
      assert.equal(reader.roomIsDue(), true)
    })
  })

  it("takes a length that cannot be for a broken memory", () => {
    for (const length of [-8, 0, 4, 2 ** 20]) {
      const [writer, reader] = ring(4096)
      const at = writer.claim(8, 1)
      writer.words[(at - RECORD_HEADER) >> 2] = length
      writer.publish()
      assert.throws(() => reader.nextLength, { code: "EPROTO" })
    }
  })

  it("carries records of all sizes from one thread to another", async () => {
    const seed = newSeed()
    const capacity = 2 ** 18
    const count = 20_000
    const memory = new SharedArrayBuffer(ringSize(capacity))
    const worker = new Worker(new URL("./inproc-fixtures/ring-writer.js", import.meta.url), {
      workerData: { memory, capacity, seed, count },
    })
    const exit = once(worker, "exit")
    const random = generator(seed)
    const reader = new RingReader(memory, 0, capacity)
    const run = new Run()
    let received = 0
    try {
      while (received < count) {
        for (const read of readAll(reader, run)) {
          const expected = randomMessage(random, 500).slice(0, 8)
          assert.ok(same(read, expected), `seed ${seed}: message ${received} differs`)
          received++
        }
        await new Promise(resolve => setImmediate(resolve))
      }
      await exit
    } finally {
      await worker.terminate()
    }
    assert.equal(reader.available, 0)
  })
})
