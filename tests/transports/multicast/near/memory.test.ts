import assert from "node:assert/strict"
import {
  CHUNK,
  ENTRIES,
  entryAt,
  FREE,
  GENERATIONS,
  MOST_CHUNKS,
  PUBLISHED,
  SLOTS,
  STATE,
  sharedSize,
  slotAt,
  TERM,
} from "../../../../transports/multicast/near/layout.ts"
import { LARGEST_DATAGRAM } from "../../../../transports/multicast/wire.ts"
import type { Native } from "../../../../transports/native/addon.ts"
import { closesAfterEach } from "../../../support/cleanup.ts"
import { seeded } from "../../../support/random.ts"
import { describeNative } from "../../native/addon-fixtures.ts"
import { FakeMachine, FakeNative } from "./fake.ts"
import { begin, checked, encode, KEY, LEAST, Publisher, Taker } from "./fixtures.ts"
import { inOrder, operationsOf, schedules } from "./orders.ts"

/** What a writer counts, from where a test wants it. */
interface Counts {
  published: number
  terms: number
  generations: Int32Array
}

describe("Memory of a multicast sender, plain", () => suite(new FakeNative()))
describeNative("Memory of a multicast sender, shared", suite)

describe("The fake of shared memory", () => {
  it("is opened by process and descriptor, while that is open, and goes with its last holder", () => {
    const machine = new FakeMachine()
    const creator = new FakeNative(machine, 1)
    const other = new FakeNative(machine, 2)
    const { memory, descriptor } = creator.createMemory(64)
    assert.throws(() => other.openMemory(2, descriptor, 64), { code: "ENOENT" })
    assert.throws(() => other.openMemory(1, descriptor, 63), { code: "EINVAL" })
    assert.throws(() => other.releaseMemory(memory), { code: "EINVAL" })
    const opened = other.openMemory(1, descriptor, 64)
    creator.closeDescriptor(descriptor)
    assert.throws(() => creator.closeDescriptor(descriptor), { code: "EBADF" })
    assert.throws(() => other.openMemory(1, descriptor, 64), { code: "ENOENT" })
    assert.equal(other.open, 1)
    creator.releaseMemory(memory)
    assert.equal(opened.byteLength, 64)
    other.releaseMemory(opened)
    other.releaseMemory(opened)
    assert.equal(opened.byteLength, 0)
    assert.equal(other.open, 0)
  })
})

function suite(native: Native): void {
  closesAfterEach()

  const countsOf = (publisher: Publisher): Counts => publisher.writer as unknown as Counts

  it("gives packets in order, byte for byte, in memory of the reader's own", () =>
    seeded(random => {
      const publisher = new Publisher(native)
      const reader = publisher.reader()
      const sent: Buffer[] = []
      const taken: Buffer[] = []
      for (let round = 0; round < 100; round++) {
        const chunk = publisher.writer.take() as Buffer
        for (let at = 0; chunk.length - at >= LEAST; ) {
          const bytes = chunk.subarray(at, at + random.int(LEAST, Math.min(LARGEST_DATAGRAM, chunk.length - at)))
          at += bytes.length
          encode(bytes, sent.length + 1)
          random.bytes(bytes.length - LEAST).copy(bytes, LEAST)
          publisher.writer.publish(bytes)
          sent.push(Buffer.from(bytes))
          if (random.chance(0.5)) continue
          while (reader.available > 0) taken.push(reader.take() as Buffer)
        }
        while (reader.available > 0) taken.push(reader.take() as Buffer)
        chunk.fill(0xee)
        publisher.writer.give(chunk)
      }
      assert.equal(taken.length, sent.length)
      for (const [index, packet] of taken.entries()) assert.ok(packet.equals(sent[index]), `packet ${index}`)
    }))

  it("gives nothing when there is nothing, and what comes then", () => {
    const publisher = new Publisher(native)
    publisher.publish()
    const reader = publisher.reader()
    for (let times = 0; times < 3; times++) {
      assert.equal(reader.available, 0)
      assert.equal(reader.take(), null)
    }
    publisher.publish()
    assert.equal(reader.available, 1)
    assert.equal(checked(reader.take() as Buffer), 2)
  })

  it("gives no packet of a chunk that was renewed, but those behind it", () => {
    const publisher = new Publisher(native)
    const reader = publisher.reader()
    publisher.publish()
    publisher.publish()
    publisher.renew()
    publisher.publish()
    assert.equal(reader.take(), null)
    assert.equal(reader.take(), null)
    assert.equal(checked(reader.take() as Buffer), 3)
  })

  it("finds out at every moment that a chunk is renewed and written to", () => {
    let whole = 0
    let gone = 0
    const steps = [...schedules([operationsOf(() => taking().take()), 2])]
    for (const schedule of steps) {
      const publisher = new Publisher(native)
      const reader = publisher.reader()
      publisher.publish(5_000)
      const { chunk } = publisher
      const packet = inOrder(schedule, () => reader.take(), [() => publisher.renew(), () => chunk.fill(0xee)])
      if (packet === null) gone++
      else {
        assert.equal(checked(packet), 1)
        whole++
      }
    }
    assert.ok(whole > 0 && gone > 0, `${whole} whole, ${gone} gone`)

    function taking() {
      const publisher = new Publisher(native)
      const reader = publisher.reader()
      publisher.publish()
      return reader
    }
  })

  it("gives all that the index holds, and passes over all of it when it was lapped", () => {
    const publisher = new Publisher(native, 8)
    const reader = publisher.reader()
    for (const lead of [ENTRIES - 1, ENTRIES, ENTRIES + 1, 2 * ENTRIES, 2 * ENTRIES + 7]) {
      // One packet as often as it takes: nothing in the chunk changes.
      const bytes = publisher.publish()
      for (let more = 1; more < lead; more++) publisher.writer.publish(bytes)
      assert.equal(reader.available, lead)
      let taken = 0
      for (let left = lead; left > 0; left--) if (reader.take() !== null) taken++
      assert.equal(taken, lead < ENTRIES ? lead : 0)
      assert.equal(reader.available, 0)
      publisher.publish()
      assert.equal(checked(reader.take() as Buffer), publisher.sequence)
    }
  })

  it("finds out at every moment that the entry itself is written to", () => {
    let taken = 0
    let passed = 0
    for (const schedule of schedules([3, 2])) {
      const publisher = new Publisher(native)
      const { writer, words } = publisher
      const reader = publisher.reader()
      publisher.publish(1_000)
      const bytes = publisher.chunk.subarray(2_000, 2_000 + LEAST)
      encode(bytes, 2)
      const packet = inOrder(schedule, () => reader.take(), [
        () => {
          for (let more = 1; more < ENTRIES; more++) writer.publish(bytes)
        },
        // The writer is in the midst of the next.
        () => {
          words[entryAt(0)] = 2_000
        },
      ])
      if (packet === null) passed++
      else {
        assert.equal(checked(packet), 1)
        taken++
      }
    }
    assert.ok(taken > 0 && passed > 0, `${taken} taken, ${passed} passed over`)
  })

  it("goes on where its counts wrap", () => {
    const publisher = new Publisher(native)
    const counts = countsOf(publisher)
    for (const start of [2 ** 31 - 5, 2 ** 32 - 5]) {
      counts.published = start | 0
      publisher.words[PUBLISHED] = start
      counts.generations[0] = 2 ** 31 - 2
      publisher.words[GENERATIONS] = 2 ** 31 - 2
      counts.terms = start
      publisher.writer.open = false
      publisher.writer.open = true
      const reader = publisher.reader()
      for (let round = 0; round < 10; round++) {
        publisher.renew()
        publisher.publish()
        const next = publisher.sequence
        assert.equal(reader.available, 1)
        assert.equal(reader.ready(new Taker(next)), true)
        assert.equal(checked(reader.take() as Buffer), next)
        assert.equal(reader.available, 0)
        publisher.writer.open = false
        publisher.writer.open = true
        assert.notEqual(publisher.words[TERM], 0)
      }
      const { available } = reader
      for (let more = 0; more < ENTRIES; more++) publisher.writer.publish(publisher.chunk.subarray(0, LEAST))
      assert.equal(reader.available - available, ENTRIES)
      assert.equal(reader.take(), null)
      assert.equal(reader.available, 0)
    }
  })

  it("opens a slot by its ticket, once, and only the memory that was meant", () => {
    const publisher = new Publisher(native)
    const place = publisher.offer()
    const next = publisher.offer()
    const wrong = Buffer.from(place.nonce)
    wrong[15] ^= 1
    const { writer } = publisher
    for (const [what, other, key] of [
      ["another's ticket", { ...place, ticket: next.ticket }, KEY],
      ["another's slot", { ...place, slot: next.slot }, KEY],
      ["a slot that nobody was offered", { ...place, slot: next.slot + 1 }, KEY],
      ["a slot that nobody was offered, with no ticket", { ...place, slot: next.slot + 1, ticket: 0 }, KEY],
      ["no slot", { ...place, slot: SLOTS }, KEY],
      ["another nonce", { ...place, nonce: wrong }, KEY],
      ["another session", place, { ...KEY, high: KEY.high - 1 }],
      ["another session, too", place, { ...KEY, low: KEY.low - 1 }],
      ["another size", { ...place, size: sharedSize(5) }, KEY],
      ["too small", { ...place, size: sharedSize(1) - 1 }, KEY],
      ["too large", { ...place, size: sharedSize(MOST_CHUNKS) + 1 }, KEY],
      ["another descriptor", { ...place, descriptor: place.descriptor + 1_000_000 }, KEY],
      ["another process", { ...place, pid: 2 ** 31 - 1 }, KEY],
    ] as const) {
      assert.throws(() => publisher.open(other, key), Error, what)
      assert.equal(writer.opened(place.slot), false, what)
      assert.equal(writer.opened(next.slot), false, what)
    }
    publisher.open(place)
    assert.equal(writer.opened(place.slot), true)
    assert.throws(() => publisher.open(place), /another memory/)
    assert.throws(() => publisher.open({ ...place, ticket: 0 }), Error)
    publisher.open(next)
    // A late one: the slot is another reader's by then.
    writer.abandon(next.slot)
    publisher.words[slotAt(next.slot) + STATE] = FREE
    const again = publisher.offer()
    assert.equal(again.slot, next.slot)
    assert.throws(() => publisher.open(next), /another memory/)
    publisher.open(again)
  })

  it("has so many slots, and gives none that its reader may come back to", () => {
    const publisher = new Publisher(native)
    const readers = Array.from({ length: SLOTS }, () => publisher.reader())
    const { writer } = publisher
    assert.equal(publisher.offer().slot, -1)
    assert.equal(writer.abandoned, 0)
    for (const slot of [7, 9]) writer.abandon(slot)
    assert.equal(writer.abandoned, 2)
    assert.equal(publisher.offer().slot, -1)
    assert.deepEqual([readers[6].over, readers[7].over, readers[9].over], [false, true, true])
    readers[9].close()
    assert.equal(writer.abandoned, 1)
    assert.equal(publisher.offer().slot, 9)
    assert.equal(publisher.offer().slot, -1)
  })

  it("gives no slot that its sender still looks at, although the reader has left", () => {
    const publisher = new Publisher(native)
    const { writer } = publisher
    publisher.reader().close()
    assert.equal(writer.left(0), true)
    assert.equal(publisher.offer().slot, 1)
    assert.equal(writer.left(1), false)
    writer.abandon(0)
    assert.equal(writer.abandoned, 0)
    assert.equal(publisher.offer().slot, 0)
    assert.equal(writer.left(0), false)
  })

  it("knows nothing in a slot of the reader before", () => {
    const publisher = new Publisher(native)
    const before = publisher.reader()
    begin(publisher, before)
    before.sleep()
    const { writer } = publisher
    assert.deepEqual([writer.reads(0), writer.tells(0)], [true, true])
    before.close()
    writer.abandon(0)
    const { slot } = publisher.offer()
    assert.equal(slot, 0)
    assert.deepEqual(
      [writer.opened(0), writer.reads(0), writer.tells(0), writer.wakes(0)],
      [false, false, false, false],
    )
  })

  it("is left by its sender: readers take what went out before", () => {
    const publisher = new Publisher(native)
    const place = publisher.offer()
    const reader = publisher.reader()
    begin(publisher, reader)
    publisher.publish()
    assert.equal(reader.over, false)
    publisher.close()
    assert.equal(reader.over, true)
    assert.equal(reader.available, 1)
    assert.equal(reader.ready(new Taker(1)), true)
    assert.equal(checked(reader.take() as Buffer), 2)
    assert.throws(() => publisher.open(place), Error)
  })

  it("is left by a reader, twice without harm to the one that has the slot then", () => {
    const publisher = new Publisher(native)
    const reader = publisher.reader()
    begin(publisher, reader)
    reader.sleep()
    reader.close()
    publisher.writer.abandon(0)
    const next = publisher.reader()
    next.sleep()
    reader.close()
    assert.equal(next.over, false)
    assert.equal(publisher.writer.wakes(0), true)
    assert.equal(publisher.offer().slot, 1)
    publisher.publish()
    assert.equal(checked(next.take() as Buffer), 2)
  })

  it("has no packet where an entry makes no sense", () => {
    const publisher = new Publisher(native, 1)
    const reader = publisher.reader()
    const { words } = publisher
    let count = 0
    for (const [offset, length] of [
      [-4, 100],
      [0, 39],
      [0, -1],
      [0, LARGEST_DATAGRAM + 1],
      [CHUNK - 99, 100],
      [CHUNK, 100],
      [2 ** 31 - 1, 100],
    ]) {
      publisher.publish()
      words[entryAt(count)] = offset
      words[entryAt(count++) + 1] = length
      assert.equal(reader.take(), null, `${offset} ${length}`)
    }
    publisher.publish()
    assert.equal(checked(reader.take() as Buffer), publisher.sequence)
  })
}
