import assert from "node:assert/strict"
import { once } from "node:events"
import { Worker } from "node:worker_threads"
import { HeddleError } from "../../../core/errors.ts"
import { RingWriter } from "../../../transports/shm/ring.ts"
import { HEAD, RECORD_HEADER, RING_HEADER, ringSize, TAIL } from "../../../transports/shm/ring-layout.ts"
import { sharedSize } from "../../../transports/shm/ring-stream.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { LONG_RUN, type Random, seeded } from "../../support/random.ts"
import { turns } from "../../support/wait.ts"
import { End, Keeper } from "./ring-fixtures.ts"
import { scribble, scribbleRecord } from "./scribbles.ts"

const CASES = LONG_RUN ? 100_000 : 2_000

/** Memory behind the rings that nobody may write to. */
const FENCE = 4096
const FENCED = 0x5a

/**
 * Looks at shared words within one turn of the event loop. A turn reads at most 256 KiB, in records of 8 bytes at the
 * least, with some looks at each; a lookout adds some thousands. Ten times as many are a loop that does not end.
 */
const MOST_LOOKS = 4_000_000

/** Throws from within a loop that does not end: a hung test says nothing. */
function guardAgainstLoops(): void {
  const { load } = Atomics
  let looks = 0
  Atomics.load = ((words: Int32Array, index: number) => {
    if (++looks > MOST_LOOKS) throw new Error("an endless loop")
    return load(words, index)
  }) as typeof load
  let running = true
  const turn = (): void => {
    looks = 0
    if (running) setImmediate(turn)
  }
  turn()
  later(() => {
    running = false
    Atomics.load = load
  })
}

/** One end whose other side is the test. */
class Attacked {
  readonly memory: ArrayBuffer | SharedArrayBuffer
  readonly capacity: number
  readonly side: "dial" | "accept"
  readonly end: End
  readonly keeper: Keeper
  /** Where the ring that it reads begins, and the one that it writes. */
  readonly into: number
  readonly out: number

  constructor(capacity: number, side: "dial" | "accept", memory?: SharedArrayBuffer) {
    this.memory = memory ?? new ArrayBuffer(sharedSize(capacity) + FENCE)
    this.capacity = capacity
    this.side = side
    this.out = side === "dial" ? 0 : ringSize(capacity)
    this.into = ringSize(capacity) - this.out
    if (memory === undefined) new Uint8Array(this.memory, sharedSize(capacity)).fill(FENCED)
    this.end = new End(this.memory, capacity, side)
    this.keeper = new Keeper(this.end.stream)
    const { bytes } = this.keeper
    this.keeper.bytes = (chunk, count) => {
      this.within(chunk, count)
      return bytes.call(this.keeper, chunk, count)
    }
  }

  /** Views are of the records of the ring that is read, or of the reader's own place. */
  private within(chunk: Buffer, count: number): void {
    assert.ok(count > 0 && count <= chunk.length)
    if (chunk.buffer !== (this.memory as ArrayBuffer)) return
    const start = this.into + RING_HEADER
    assert.ok(chunk.byteOffset >= start && chunk.byteOffset + chunk.length <= start + this.capacity)
  }

  /** It has ended as it may: not at all, or once, with a named error. */
  check(): void {
    const { end, keeper } = this
    assert.ok(keeper.ends <= 1)
    assert.equal(keeper.late, 0)
    assert.equal(end.socket.isDestroyed, keeper.ends === 1)
    if (keeper.ends === 0) return
    assert.ok(keeper.error instanceof HeddleError)
    assert.equal(keeper.error.code, "EPROTO")
    assert.match(keeper.error.message, /memory/)
  }

  async close(): Promise<void> {
    this.end.stream.destroy()
    await turns(2)
    assert.equal(this.end.releases, 1)
    const fence = new Uint8Array(this.memory, sharedSize(this.capacity))
    assert.ok(fence.every(byte => byte === FENCED))
  }
}

/** One attack: scribbles before, during and between reads, while both directions are in use. */
async function attack(random: Random): Promise<boolean> {
  const attacked = new Attacked(random.pick([4096, 8192]), random.pick(["dial", "accept"] as const))
  const { memory, capacity, into, out, end, keeper } = attacked
  const writer = new RingWriter(memory, into, capacity)
  const words = new Int32Array(memory, 0, sharedSize(capacity) / 4)
  const publish = (): void => {
    for (let left = random.int(0, 6); left > 0; left--) {
      try {
        if (writer.claim(random.int(0, 500), random.chance(0.9) ? 1 : random.int(-3, 3)) < 0) break
      } catch {
        // What the attacker has written confuses himself.
        break
      }
    }
    writer.publish()
  }
  const harm = (): void => {
    const kind = random.int(0, 3)
    if (kind === 0) scribble(words, into >> 2, random)
    else if (kind === 1) scribble(words, out >> 2, random)
    else scribbleRecord(words, (into + RING_HEADER) >> 2, capacity, random)
  }
  keeper.goesOn = () => {
    if (random.chance(0.3)) harm()
    if (random.chance(0.02)) end.stream.destroy()
    if (random.chance(0.9)) return true
    setImmediate(() => end.stream.resume())
    return false
  }
  if (random.chance(0.3)) keeper.place = () => (random.chance(0.5) ? null : Buffer.alloc(random.int(1, 600)))
  for (let step = random.int(1, 4); step > 0; step--) {
    publish()
    if (random.chance(0.7)) harm()
    if (random.chance(0.5)) end.stream.write(random.bytes(random.int(0, 3 * capacity)))
    if (random.chance(0.3)) end.socket.reader.bytes(Buffer.alloc(1), 1)
    await turns(random.int(0, 2))
  }
  await turns(1)
  const ended = keeper.ends > 0
  if (end.socket.isDestroyed && !ended) assert.equal(keeper.error, undefined)
  else attacked.check()
  await attacked.close()
  return ended
}

describe("A peer that scribbles in the rings", () => {
  closesAfterEach()

  it(`ends its own link with EPROTO, or nothing (${CASES} attacks)`, async function () {
    this.timeout(60_000 + CASES * 10)
    guardAgainstLoops()
    await seeded(async random => {
      let ended = 0
      for (let i = 0; i < CASES; i++) if (await attack(random)) ended++
      // Both happen, or the attacks are not what they should be.
      assert.ok(ended > CASES / 10 && ended < CASES, `${ended} of ${CASES} ended`)
    })
  })

  const RECORDS: [what: string, length: number][] = [
    ["0", 0],
    ["7, less than its header", 7],
    ["-8", -8],
    ["-2147483648", -(2 ** 31)],
    ["2147483647, whose padding is negative", 2 ** 31 - 1],
    ["more than what is published", 64 + 1],
    ["more than the ring", 4096 + 8],
  ]
  for (const [what, length] of RECORDS) {
    it(`ends with EPROTO when a record's length is ${what}`, async () => {
      const attacked = new Attacked(4096, "accept")
      const words = new Int32Array(attacked.memory, 0, sharedSize(4096) / 4)
      words[RING_HEADER >> 2] = length
      words[(RING_HEADER >> 2) + 1] = 1
      words[TAIL] = 64
      await turns(2)
      assert.equal(attacked.keeper.ends, 1)
      assert.equal(attacked.keeper.count, 0)
      attacked.check()
      await attacked.close()
    })
  }

  it("ends with EPROTO when a record reaches beyond the end of the ring", async () => {
    const attacked = new Attacked(4096, "accept")
    const writer = new RingWriter(attacked.memory, 0, 4096)
    for (let i = 0; i < 8; i++) assert.ok(writer.claim(4096 / 8 - RECORD_HEADER, 1) >= 0)
    writer.publish()
    const words = new Int32Array(attacked.memory, 0, ringSize(4096) / 4)
    // The last record of the ring, and, once there is room, a tail that would allow it to go on at the beginning.
    words[(RING_HEADER + 7 * 512) >> 2] = 520
    attacked.keeper.goesOn = () => {
      words[TAIL] = 4096 + 512
      return true
    }
    await turns(3)
    assert.equal(attacked.keeper.count, 7 * (512 - RECORD_HEADER))
    attacked.check()
    assert.equal(attacked.keeper.ends, 1)
    await attacked.close()
  })

  for (const [what, tail] of [
    ["lies before what was read", -8],
    ["is not a multiple of 8", 4],
    ["is further than the ring is long", 4096 + 8],
    ["is half a world away", -(2 ** 31)],
  ] as [string, number][]) {
    it(`ends with EPROTO when the tail ${what}`, async () => {
      const attacked = new Attacked(4096, "accept")
      const words = new Int32Array(attacked.memory)
      // Every record is right by itself.
      for (let at = RING_HEADER >> 2; at < ringSize(4096) >> 2; at += 2) words[at] = 8
      words[TAIL] = tail
      await turns(3)
      attacked.check()
      assert.equal(attacked.keeper.ends, 1)
      await attacked.close()
    })
  }

  it("is not believed by the writer, however often it is asked", () => {
    const memory = new ArrayBuffer(ringSize(4096))
    const writer = new RingWriter(memory, 0, 4096)
    for (let i = 0; i < 8; i++) assert.ok(writer.claim(4096 / 8 - RECORD_HEADER, 1) >= 0)
    // Further than was ever written.
    new Int32Array(memory)[HEAD] = 8192
    for (let i = 0; i < 3; i++) assert.throws(() => writer.claim(8, 1), { code: "EPROTO" })
  })

  for (const [what, head] of [
    ["is ahead of what was ever written", 4096],
    ["lies a whole ring and more back", -4096],
  ] as [string, number][]) {
    it(`${head > 0 ? "ends with EPROTO" : "waits for room"} when the head ${what}`, async () => {
      const attacked = new Attacked(4096, "dial")
      const words = new Int32Array(attacked.memory)
      words[HEAD] = 2 * head
      const taken = attacked.end.stream.write(Buffer.alloc(6_000))
      await turns(3)
      attacked.check()
      // Nobody who says that he has read less than he was given can be told from one who does not read at all.
      if (head > 0) assert.equal(attacked.keeper.ends, 1)
      else assert.ok(attacked.keeper.ends === 1 || !taken)
      await attacked.close()
    })
  }

  it("gives a budget of bytes a turn, and the loop goes on, when the tail moves on for ever", async () => {
    const attacked = new Attacked(65_536, "accept")
    const words = new Int32Array(attacked.memory, 0, ringSize(65_536) / 4)
    // Records of a header only, everywhere.
    for (let at = RING_HEADER >> 2; at < words.length; at += 2) words[at] = RECORD_HEADER
    let going = true
    later(() => {
      going = false
    })
    const { load } = Atomics
    // Whenever the reader looks there is more.
    Atomics.load = ((list: Int32Array, index: number) => {
      if (list.byteOffset === 0 && index === TAIL && going) words[TAIL] = (words[HEAD] + 1024) | 0
      return load(list, index)
    }) as typeof load
    later(() => {
      Atomics.load = load
    })
    let timers = 0
    for (; timers < 20; timers++) await new Promise(resolve => setTimeout(resolve, 1))
    assert.equal(timers, 20)
    assert.ok((words[HEAD] | 0) !== 0)
    attacked.check()
    going = false
    await turns(3)
    await attacked.close()
  })

  it("from another thread, all the time", async () => {
    const capacity = 4096
    const memory = new SharedArrayBuffer(sharedSize(capacity) + FENCE)
    new Uint8Array(memory, sharedSize(capacity)).fill(FENCED)
    const worker = new Worker(new URL("./scribbler-worker.js", import.meta.url), { workerData: { memory, capacity } })
    later(() => worker.terminate())
    await once(worker, "message")
    guardAgainstLoops()
    await seeded(async random => {
      let ended = 0
      let bytes = 0
      for (let round = 0; round < (LONG_RUN ? 20_000 : 1_000); round++) {
        const attacked = new Attacked(capacity, random.pick(["dial", "accept"] as const), memory)
        for (let step = 0; step < 5; step++) {
          attacked.end.stream.write(random.bytes(random.int(0, 2 * capacity)))
          await turns(1)
        }
        attacked.check()
        ended += attacked.keeper.ends
        bytes += attacked.keeper.count
        await attacked.close()
      }
      assert.ok(ended > 0 && bytes > 0, `${ended} ended, ${bytes} bytes were read`)
    })
  })
})
