import assert from "node:assert/strict"
import { ENTRIES, NONCE_BYTES, PROGRESS, PUBLISHED, slotAt } from "../../../../transports/multicast/near/layout.ts"
import { bellOf, nearOf, readNear } from "../../../../transports/multicast/near/packets.ts"
import type { NearReader } from "../../../../transports/multicast/near/reader.ts"
import { BELL, DATA, HEADER, LARGEST_DATAGRAM, NEAR, putStart, u32 } from "../../../../transports/multicast/wire.ts"
import type { Native } from "../../../../transports/native/addon.ts"
import { closesAfterEach } from "../../../support/cleanup.ts"
import { LONG_RUN, type Random, seeded } from "../../../support/random.ts"
import { describeNative } from "../../native/addon-fixtures.ts"
import { FakeNative } from "./fake.ts"
import { encode, KEY, LEAST, Publisher, Taker } from "./fixtures.ts"
import { Listener, SOURCE } from "./listener.ts"
import { scribble } from "./scribbles.ts"

const ROUNDS = LONG_RUN ? 5_000 : 100
/** As the receiver's end has it. */
const MOST_SENDERS = 64

describe("Hostile memory of a multicast sender, plain", () => suite(new FakeNative()))
describeNative("Hostile memory of a multicast sender, shared", suite)

function suite(native: Native): void {
  closesAfterEach()

  /** As senders.ts drains: no more than was there. Returns how many packets came. */
  function drain(reader: NearReader, taker: Taker): number {
    let count = 0
    reader.wake()
    const most = Math.min(reader.available, ENTRIES)
    for (let left = most; left > 0; left--) {
      if (!reader.ready(taker)) break
      const packet = reader.take()
      if (packet === null) continue
      assert.ok(packet.length >= HEADER && packet.length <= LARGEST_DATAGRAM, `${packet.length} bytes`)
      count++
    }
    reader.sleep()
    return count
  }

  it("does no harm to its readers, whatever is called", () =>
    seeded(random => {
      let taken = 0
      for (let round = 0; round < ROUNDS; round++) {
        const publisher = new Publisher(native, random.int(1, 2), random.chance(0.5))
        const readers = Array.from({ length: random.int(1, 4) }, (_, index) => publisher.reader(7_000 + index))
        const taker = new Taker(1)
        for (let step = 0; step < 100; step++) {
          for (let count = random.int(0, 3); count > 0; count--) scribble(publisher.words, random)
          for (let count = random.int(0, 3); count > 0; count--) publisher.publish(random.int(LEAST, 2_000))
          taker.position = random.int(0, publisher.sequence + 1)
          const reader = random.pick(readers)
          const packet = reader.take()
          if (packet !== null) assert.ok(packet.length <= LARGEST_DATAGRAM)
          reader.ready(taker)
          reader.moved(random.int(0, 2 ** 40))
          const { available } = reader
          assert.ok(available >= 0 && available < 2 ** 32)
          assert.equal(typeof reader.over, "boolean")
          const sleepers = reader.sleepers()
          assert.ok(sleepers.length <= 2)
          for (const { host, port } of sleepers) assert.ok(host.length <= 64 && port >= 0 && port <= 65_535)
          if (random.chance(0.3)) taken += drain(reader, taker)
        }
        for (const reader of readers) reader.close()
      }
      assert.ok(taken > ROUNDS, `${taken} taken`)
    }))

  it("does no harm to its sender, whatever readers write to it", () =>
    seeded(random => {
      for (let round = 0; round < ROUNDS; round++) {
        const publisher = new Publisher(native, 1)
        const { writer, words } = publisher
        for (let step = 0; step < 100; step++) {
          for (let count = random.int(0, 3); count > 0; count--) scribble(words, random)
          publisher.publish(random.int(LEAST, 2_000))
          const { slot } = publisher.offer("127.0.0.1", random.int(0, 65_535))
          assert.ok(slot >= -1 && slot < 64)
          if (slot < 0) continue
          const before = random.int(0, 2 ** 47)
          assert.ok(Math.abs(writer.position(slot, before) - before) <= 2 ** 31)
          writer.aim(slot, before)
          writer.want()
          writer.unwant()
          for (const answer of [writer.opened(slot), writer.left(slot), writer.reads(slot), writer.tells(slot)])
            assert.equal(typeof answer, "boolean")
          writer.wakes(slot)
          assert.ok(writer.abandoned <= 64)
          if (random.chance(0.5)) writer.abandon(slot)
          if (random.chance(0.1)) writer.open = !writer.open
        }
      }
    }))

  it("does no harm to the engine that is given what is there", () =>
    seeded(async random => {
      let packets = 0
      for (let round = 0; round < ROUNDS; round++) {
        const publisher = new Publisher(native, 2)
        const listener = new Listener(native)
        listener.datagram(publisher.publish())
        listener.senders.offered(nearOf(KEY, publisher.offer()), SOURCE)
        for (let step = 0; step < 50; step++) {
          for (let count = random.int(0, 5); count > 0; count--) scribble(publisher.words, random)
          for (let count = random.int(0, 3); count > 0; count--) publisher.publish(random.int(LEAST, 20_000))
          const before = listener.receiver.stats.packets
          const kind = random.int(0, 3)
          if (kind === 0) listener.senders.rung(bellOf(KEY))
          else if (kind === 1) listener.datagram(publisher.publish())
          else if (kind === 2) listener.tick(random.int(0, 100))
          else await new Promise(resolve => setImmediate(resolve))
          const came = listener.receiver.stats.packets - before
          assert.ok(came <= 3 * ENTRIES, `${came} at once`)
          packets += came
          for (const { host, port } of listener.port.taken())
            assert.ok(host.length <= 64 && port >= 0 && port <= 65_535)
        }
        listener.close()
      }
      assert.ok(packets > ROUNDS, `${packets} packets`)
    }))

  it("has not more read at once than its index holds, however much it says is there", () => {
    const publisher = new Publisher(native)
    const listener = new Listener(native)
    listener.datagram(publisher.publish())
    listener.senders.offered(nearOf(KEY, publisher.offer()), SOURCE)
    const reads = counting(publisher)
    publisher.publish()
    listener.senders.rung(bellOf(KEY))
    publisher.words[PUBLISHED] = publisher.sequence - ENTRIES
    listener.senders.rung(bellOf(KEY))
    assert.ok(reads() <= ENTRIES + 2, `${reads()} entries`)
  })

  /** How far the reader in the first slot has come since. */
  function counting({ words }: Publisher): () => number {
    const at = slotAt(0) + PROGRESS
    const from = words[at]
    return () => Math.abs((words[at] - from) | 0)
  }
}

describe("Hostile packets about shared memory", () => {
  closesAfterEach()

  /** Anything, or nearly a packet. */
  function hostile(random: Random, place: Buffer): Buffer {
    const kind = random.int(0, 5)
    if (kind === 0) return random.bytes(random.int(0, 100))
    if (kind === 1) {
      const bytes = random.bytes(random.pick([HEADER, HEADER + NONCE_BYTES, 100, 2_000]))
      putStart(bytes, 0, random.pick([NEAR, BELL, DATA, random.int(0, 255)]), random.int(0, 127), 0, KEY)
      return bytes
    }
    const bytes = Buffer.from(place)
    if (kind === 2) bytes[random.int(0, bytes.length - 1)] ^= 1 << random.int(0, 7)
    else if (kind === 3) bytes.writeUInt32BE(random.int(0, 2 ** 32 - 1), random.pick([8, 12, 16, 20, 24, 28, 32, 36]))
    else if (kind === 4) return bytes.subarray(0, random.int(0, bytes.length))
    return bytes
  }

  it("are read or refused, never more", () =>
    seeded(random => {
      const publisher = new Publisher(new FakeNative())
      const place = nearOf(KEY, publisher.offer())
      for (let round = 0; round < 100 * ROUNDS; round++) {
        const bytes = hostile(random, place)
        const read = readNear(bytes)
        assert.equal(read === null, bytes.length !== HEADER + NONCE_BYTES)
        if (read === null) continue
        assert.equal(read.pid, u32(bytes, 16))
        assert.ok(read.slot <= 65_535 && read.nonce.length === NONCE_BYTES)
      }
    }))

  it("do no harm where they come, and open nothing but what was meant", () =>
    seeded(random => {
      for (let round = 0; round < ROUNDS; round++) {
        const native = new FakeNative()
        const publisher = new Publisher(native)
        const listener = new Listener(native)
        listener.datagram(publisher.publish())
        const place = nearOf(KEY, publisher.offer())
        for (let step = 0; step < 100; step++) {
          const bytes = hostile(random, place)
          const source = random.pick([SOURCE, "127.0.0.1 6002", "", " ", "x"])
          const { asked } = native
          listener.clock.time += random.pick([0, 1, 10])
          listener.senders.offered(bytes, source)
          assert.ok(native.asked <= asked + 1)
          if (random.chance(0.5)) listener.senders.rung(bytes)
          if (random.chance(0.5)) {
            listener.senders.before(bytes, source)
            listener.senders.after(bytes, source)
          }
          assert.ok(native.open <= 1)
        }
        assert.equal(listener.messages.length, 1)
      }
    }))

  it("that flood are looked at now and then", () => {
    const native = new FakeNative()
    const publisher = new Publisher(native)
    const listener = new Listener(native)
    listener.datagram(publisher.publish())
    const place = publisher.offer()
    for (let step = 0; step < 1_000; step++) {
      listener.clock.time += 0.1
      listener.senders.offered(nearOf(KEY, { ...place, descriptor: 1_000 + step }), SOURCE)
    }
    assert.ok(native.asked >= 19 && native.asked <= 21, `${native.asked} looks`)
  })

  it("open so many memories and no more, and all are left in the end", () => {
    const native = new FakeNative()
    const listener = new Listener(native)
    for (let count = 0; count < MOST_SENDERS + 20; count++) {
      const key = { high: count, low: 7 }
      const publisher = new Publisher(native, 1, false, key)
      const packet = Buffer.alloc(LEAST)
      encode(packet, 1)
      packet.writeUInt32BE(key.high, 8)
      packet.writeUInt32BE(key.low, 12)
      listener.datagram(packet)
      listener.clock.time += 10
      listener.senders.offered(nearOf(key, publisher.offer()), SOURCE)
      assert.equal(native.open, Math.min(MOST_SENDERS, count + 1))
    }
    listener.close()
    assert.equal(native.open, 0)
  })
})
