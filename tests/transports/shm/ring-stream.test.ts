import assert from "node:assert/strict"
import { RING_HEADER, ROOM_WANTED } from "../../../transports/shm/ring-layout.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { type Random, seeded } from "../../support/random.ts"
import { turns, until } from "../../support/wait.ts"
import { type End, Keeper, type RingPair, ringPair } from "./ring-fixtures.ts"

const CAPACITY = 8192

/** Sends `bytes` in pieces of any size, as the contract of `ByteStream` has it, and spoils what was taken. */
async function sendAll({ stream }: End, keeper: Keeper, bytes: Buffer, random: Random): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const pieces: Buffer[] = []
    for (let left = random.int(1, 5); left > 0 && at <= bytes.length; left--) {
      const most = random.pick([0, 1, 9, 200, 3_000, 3 * CAPACITY])
      const end = Math.min(bytes.length, at + random.int(0, most))
      pieces.push(Buffer.from(bytes.subarray(at, end)))
      at = end
    }
    const { drains } = keeper
    const taken = pieces.length === 1 ? stream.write(pieces[0]) : stream.writeAll(pieces)
    if (!taken) {
      await until(() => keeper.drains > drains)
      assert.equal(keeper.drains, drains + 1, "drained once")
    }
    for (const piece of pieces) piece.fill(0xee)
    if (random.chance(0.2)) await turns(random.int(0, 2))
  }
}

/** Pauses and goes on, and wants the bytes here or there. */
function capricious({ stream }: End, keeper: Keeper, random: Random): void {
  let place: Buffer | null = null
  keeper.place = () => {
    place = random.chance(0.5) ? null : Buffer.alloc(random.int(1, 2_000))
    return place
  }
  const { bytes } = keeper
  keeper.bytes = (chunk, count) => {
    assert.ok(count > 0)
    assert.ok(place === null || chunk === place)
    return bytes.call(keeper, chunk, count)
  }
  keeper.goesOn = () => {
    if (random.chance(0.9)) return true
    const goOn = (): void => stream.resume()
    if (random.chance(0.5)) setImmediate(goOn)
    else process.nextTick(goOn)
    return false
  }
}

describe("RingStream", () => {
  closesAfterEach()

  const pair = (capacity = CAPACITY): RingPair & { here: Keeper; there: Keeper } => {
    const made = ringPair(capacity)
    later(() => {
      made.dial.stream.destroy()
      made.accept.stream.destroy()
    })
    return { ...made, here: new Keeper(made.dial.stream), there: new Keeper(made.accept.stream) }
  }

  for (const [capacity, total] of [
    [4096, 300_000],
    [CAPACITY, 500_000],
    [65_536, 2_000_000],
  ]) {
    it(`carries bytes both ways in any pieces through ${capacity} bytes`, () =>
      seeded(async random => {
        for (let round = 0; round < 3; round++) {
          const { dial, accept, here, there } = pair(capacity)
          const to = random.bytes(total)
          const fro = random.bytes(total)
          capricious(dial, here, random)
          if (round > 0) capricious(accept, there, random)
          await Promise.all([
            sendAll(dial, here, to, random),
            sendAll(accept, there, fro, random),
            until(() => there.count === total && here.count === total),
          ])
          assert.ok(Buffer.concat(there.chunks).equals(to))
          assert.ok(Buffer.concat(here.chunks).equals(fro))
          assert.equal(dial.stream.bytesWritten, total)
          assert.equal(dial.stream.bytesRead, total)
          assert.equal(accept.stream.bytesRead, total)
          assert.equal(here.ends + there.ends, 0)
        }
      }))
  }

  it("delivers nothing from within a write, a resume or a target", async () => {
    const { dial, accept, there } = pair()
    dial.stream.write(Buffer.from("a"))
    assert.equal(there.count, 0)
    await until(() => there.count === 1)
    accept.stream.pause()
    dial.stream.write(Buffer.from("b"))
    await turns(3)
    assert.equal(there.count, 1)
    accept.stream.resume()
    assert.equal(there.count, 1)
    await until(() => there.text === "ab")
  })

  it("takes an empty piece for nothing", async () => {
    const { dial, there } = pair()
    assert.equal(dial.stream.write(Buffer.alloc(0)), true)
    assert.equal(dial.stream.writeAll([]), true)
    assert.equal(dial.stream.writeAll([Buffer.alloc(0), Buffer.from("x"), Buffer.alloc(0)]), true)
    await until(() => there.count === 1)
    assert.deepEqual(
      there.chunks.map(chunk => chunk.length),
      [1],
    )
  })

  it("says false when the ring is full, keeps what waits in order, and is drained once", async () => {
    const { dial, accept, here, there } = pair()
    accept.stream.pause()
    const sent: Buffer[] = []
    let taken = 0
    for (;;) {
      const piece = Buffer.alloc(500, sent.length)
      sent.push(piece)
      if (!dial.stream.write(piece)) break
      taken += piece.length
    }
    assert.ok(taken > CAPACITY / 2 && taken <= CAPACITY, `${taken} bytes were taken`)
    for (let i = 0; i < 5; i++) {
      const piece = Buffer.alloc(100, 200 + i)
      sent.push(piece)
      assert.equal(dial.stream.write(piece), false)
    }
    const large = Buffer.alloc(5 * CAPACITY, 99)
    sent.push(large)
    assert.equal(dial.stream.writeAll([large]), false)
    await turns(5)
    assert.equal(here.drains, 0)
    accept.stream.resume()
    await until(() => here.drains > 0)
    await until(() => there.count === Buffer.concat(sent).length)
    await turns(5)
    assert.ok(Buffer.concat(there.chunks).equals(Buffer.concat(sent)))
    assert.equal(here.drains, 1)
    assert.equal(dial.stream.write(Buffer.from("more")), true)
  })

  it("is told of room by a bell when it has given up looking for it", async () => {
    const { memory, dial, accept, here } = pair()
    accept.stream.pause()
    assert.equal(dial.stream.write(Buffer.alloc(2 * CAPACITY)), false)
    const words = new Int32Array(memory, 0, RING_HEADER / 4)
    await until(() => Atomics.load(words, ROOM_WANTED) === 1)
    const { bells } = accept.socket
    accept.stream.resume()
    await until(() => here.drains === 1)
    assert.ok(accept.socket.bells > bells)
  })

  it("wakes a reader that sleeps by one bell, however much is written", async () => {
    const { dial, accept, there } = pair()
    // Looks in vain until it sleeps at once.
    for (let round = 0; round < 40; round++) {
      dial.stream.write(Buffer.from("x"))
      await until(() => there.count === round + 1)
      await new Promise(resolve => setTimeout(resolve, 1))
    }
    const { bells } = dial.socket
    for (let i = 0; i < 100; i++) dial.stream.write(Buffer.from("y"))
    assert.equal(dial.socket.bells, bells + 1)
    await until(() => there.count === 140)
    assert.ok(accept.socket.bells <= bells + 1)
  })

  for (const paused of [false, true]) {
    it(`tells of the goodbye behind what is in the ring${paused ? ", also when it is paused" : ""}`, async () => {
      const { dial, accept, here, there } = pair()
      if (paused) accept.stream.pause()
      const sent = Buffer.alloc(4_000, "abc")
      assert.equal(dial.stream.write(sent), true)
      dial.stream.end()
      assert.equal(dial.socket.isEnded, true)
      if (paused) {
        await turns(10)
        assert.equal(there.count + there.ends, 0)
        assert.ok(!accept.socket.isDestroyed && !accept.socket.isEnded, "not answered before it is read")
        accept.stream.resume()
      }
      await until(() => there.ends === 1)
      assert.equal(there.error, undefined)
      assert.ok(Buffer.concat(there.chunks).equals(sent))
      assert.equal(accept.socket.isDestroyed, true)
      await until(() => here.ends === 1)
      await turns(2)
      assert.deepEqual([accept.releases, dial.releases], [1, 1])
      assert.equal(here.late + there.late, 0)
    })
  }

  it("reads on after its own goodbye until the peer's", async () => {
    const { dial, accept, here, there } = pair()
    there.goesOn = () => true
    dial.socket.other = null
    dial.stream.end()
    accept.stream.write(Buffer.from("last words"))
    await until(() => here.text === "last words")
    assert.equal(here.ends, 0)
    accept.stream.end()
    await until(() => here.ends === 1)
  })

  it("tells of a broken link with its error, behind what had come, once", async () => {
    const { dial, accept, there } = pair()
    dial.stream.write(Buffer.from("before"))
    const broken = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" })
    accept.socket.break(broken)
    accept.socket.break()
    await until(() => there.ends > 0)
    await turns(2)
    assert.equal(there.text, "before")
    assert.equal(there.error, broken)
    assert.equal(there.ends, 1)
    assert.equal(accept.releases, 1)
  })

  it("ends when the reader destroys it from within its call, in the middle of much", async () => {
    const { dial, accept, there } = pair()
    there.goesOn = () => {
      if (there.chunks.length === 3) {
        accept.stream.destroy()
        assert.equal(accept.releases, 0, "memory is there as long as it is read")
      }
      return true
    }
    for (let i = 0; i < 20; i++) dial.stream.write(Buffer.alloc(50))
    await until(() => there.chunks.length === 3)
    await turns(5)
    assert.equal(there.chunks.length, 3)
    assert.equal(there.ends, 0, "who destroys needs not be told")
    assert.equal(accept.releases, 1)
  })

  it("ends when the reader destroys it within a record that goes to its own place", async () => {
    const { dial, accept, there } = pair()
    there.place = () => Buffer.alloc(10)
    there.goesOn = () => {
      if (there.chunks.length === 3) accept.stream.destroy()
      return true
    }
    dial.stream.write(Buffer.alloc(500))
    await until(() => there.chunks.length === 3)
    await turns(5)
    assert.equal(there.chunks.length, 3)
    assert.equal(accept.releases, 1)
  })

  it("ends when who waits for room destroys it in `drained`", async () => {
    const { dial, accept, here } = pair()
    accept.stream.pause()
    dial.stream.write(Buffer.alloc(2 * CAPACITY))
    here.drained = () => dial.stream.destroy()
    accept.stream.resume()
    await until(() => dial.releases === 1)
  })

  it("takes and drops what is written after it was destroyed, and touches the memory no more", async () => {
    const { memory, dial, accept, here, there } = pair()
    dial.stream.destroy()
    dial.stream.destroy()
    await until(() => dial.releases === 1 && accept.releases === 1)
    assert.equal(there.ends, 1)
    new Uint8Array(memory).fill(0xff)
    assert.equal(dial.stream.write(Buffer.from("late")), true)
    assert.equal(dial.stream.writeAll([Buffer.alloc(3 * CAPACITY)]), true)
    dial.stream.pause()
    dial.stream.resume()
    dial.stream.end()
    dial.socket.reader.bytes(Buffer.alloc(1), 1)
    dial.socket.break()
    await turns(5)
    assert.ok(new Uint8Array(memory).every(byte => byte === 0xff))
    assert.equal(here.ends + here.count + here.drains, 0)
    assert.equal(dial.releases, 1)
  })

  it("touches released memory no more, wherever it stood", () =>
    seeded(async random => {
      for (let round = 0; round < 300; round++) {
        const { memory, dial, accept, here, there } = pair(4096)
        capricious(dial, here, random)
        if (random.chance(0.5)) accept.stream.pause()
        for (let i = random.int(0, 4); i > 0; i--) dial.stream.write(random.bytes(random.int(0, 6_000)))
        accept.stream.write(random.bytes(random.int(0, 2_000)))
        await turns(random.int(0, 2))
        dial.stream.destroy()
        await until(() => dial.releases === 1)
        if (accept.releases === 0) accept.stream.destroy()
        await until(() => accept.releases === 1)
        // As releaseMemory does it: whoever touches the views now throws.
        structuredClone(memory, { transfer: [memory] })
        await turns(2)
        assert.equal(there.late, 0)
      }
    }))

  it("has timers and immediates run while much goes through it", async () => {
    const { dial, accept, there } = pair(65_536)
    const total = 20_000_000
    let turnsOfLoop = 0
    const timer = setInterval(() => turnsOfLoop++, 1)
    later(() => clearInterval(timer))
    assert.equal(dial.stream.write(Buffer.alloc(total)), false)
    await until(() => there.count === total)
    assert.ok(turnsOfLoop > 0)
    assert.equal(accept.releases, 0)
  })
})
