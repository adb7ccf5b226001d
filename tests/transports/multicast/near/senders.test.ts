import assert from "node:assert/strict"
import { bellOf, nearOf } from "../../../../transports/multicast/near/packets.ts"
import { EOS, HEADER, HEARTBEAT, putStart, putU48 } from "../../../../transports/multicast/wire.ts"
import type { Native } from "../../../../transports/native/addon.ts"
import { closesAfterEach } from "../../../support/cleanup.ts"
import { describeNative } from "../../native/addon-fixtures.ts"
import { FakeNative } from "./fake.ts"
import { encode, KEY, LEAST, Publisher } from "./fixtures.ts"
import { Listener, SOURCE } from "./listener.ts"

const BELL = bellOf(KEY)

describe("A multicast receiver's senders on its machine, plain", () => suite(new FakeNative()))
describeNative("A multicast receiver's senders on its machine, shared", suite)

function suite(native: Native): void {
  closesAfterEach()

  /** One that has joined by the first packet, and opened the memory. */
  function listening(): { publisher: Publisher; listener: Listener } {
    const publisher = new Publisher(native)
    const listener = new Listener(native)
    listener.datagram(publisher.publish())
    listener.senders.offered(nearOf(KEY, publisher.offer()), SOURCE)
    assert.equal(publisher.writer.opened(0), true)
    return { publisher, listener }
  }

  /** The numbers of the packets that came, whose bodies are such numbers. */
  function numbers({ messages }: Listener): number[] {
    return messages.map(body => body.readUInt32LE(0))
  }

  function heartbeat(lead: number, flags = 0): Buffer {
    const bytes = Buffer.alloc(HEADER)
    putStart(bytes, 0, HEARTBEAT, flags, 0, KEY)
    putU48(bytes, 16, lead)
    putU48(bytes, 24, 1)
    putU48(bytes, 32, lead)
    return bytes
  }

  function outside(sequence: number): Buffer {
    const bytes = Buffer.alloc(LEAST + 4)
    encode(bytes, sequence)
    return bytes
  }

  it("are read when a bell rings, or any datagram of theirs comes, each packet once", () => {
    const { publisher, listener } = listening()
    publisher.publish()
    publisher.publish()
    listener.senders.rung(BELL)
    assert.deepEqual(numbers(listener), [1, 2, 3])
    assert.equal(publisher.writer.wakes(0), true)
    publisher.publish()
    listener.datagram(publisher.publish())
    assert.deepEqual(numbers(listener), [1, 2, 3, 4, 5])
    publisher.publish()
    listener.datagram(heartbeat(6))
    assert.deepEqual(numbers(listener), [1, 2, 3, 4, 5, 6])
    const { duplicates, gaps, packets } = listener.receiver.stats
    assert.deepEqual({ duplicates, gaps, packets }, { duplicates: 0, gaps: 0, packets: 6 })
  })

  it("come in their order with packets that go out by datagrams only", () => {
    const { publisher, listener } = listening()
    for (let round = 0; round < 10; round++) {
      publisher.publish()
      publisher.publish()
      listener.datagram(outside(++publisher.sequence))
    }
    assert.deepEqual(
      numbers(listener),
      Array.from({ length: 31 }, (_, index) => index + 1),
    )
    assert.equal(listener.receiver.stats.naks, 0)
  })

  it("ring others who sleep by those who were rung", () => {
    const { publisher, listener } = listening()
    for (const port of [7_001, 7_002, 7_003]) publisher.reader(port).sleep()
    publisher.publish()
    listener.senders.rung(BELL)
    const sent = listener.port.taken()
    assert.deepEqual(
      sent.map(({ host, port }) => ({ host, port })),
      [7_001, 7_002].map(port => ({ host: "127.0.0.1", port })),
    )
    for (const { bytes } of sent) assert.ok(bytes.equals(BELL))
    assert.equal(listener.port.flushes, 1)
  })

  it("are rung when what they wait for was consumed, not before", () => {
    const { publisher, listener } = listening()
    const { writer } = publisher
    publisher.publish()
    listener.senders.rung(BELL)
    writer.aim(0, 5)
    writer.want()
    publisher.publish()
    listener.senders.rung(BELL)
    assert.deepEqual(listener.port.taken(), [])
    publisher.publish()
    listener.senders.rung(BELL)
    assert.equal(writer.position(0, 1), 5)
    assert.deepEqual(
      listener.port.taken().map(({ port }) => port),
      [6_001],
    )
  })

  it("may offer the same twice, and without a session nothing", () => {
    const publisher = new Publisher(native)
    const listener = new Listener(native)
    const first = nearOf(KEY, publisher.offer())
    const second = nearOf(KEY, publisher.offer())
    listener.senders.offered(first, SOURCE)
    listener.datagram(publisher.publish())
    listener.clock.time += 10
    listener.senders.offered(first, "127.0.0.1 6002")
    assert.equal(publisher.writer.opened(0), false)
    listener.clock.time += 10
    listener.senders.offered(first, SOURCE)
    assert.equal(publisher.writer.opened(0), true)
    for (const again of [first, second]) {
      listener.clock.time += 10
      listener.senders.offered(again, SOURCE)
    }
    assert.equal(publisher.writer.opened(1), false)
    publisher.publish()
    listener.senders.rung(BELL)
    assert.deepEqual(numbers(listener), [1, 2])
  })

  it("leave a memory, whose rest is read, and may offer another", () => {
    const { publisher, listener } = listening()
    publisher.publish()
    listener.senders.rung(BELL)
    publisher.publish()
    publisher.close()
    const next = new Publisher(native)
    listener.clock.time += 10
    listener.senders.offered(nearOf(KEY, next.offer()), SOURCE)
    assert.equal(next.writer.opened(0), true)
    assert.deepEqual(numbers(listener), [1, 2, 3])
    next.sequence = 3
    next.publish()
    listener.senders.rung(BELL)
    assert.deepEqual(numbers(listener), [1, 2, 3, 4])
  })

  it("are left when their session ends", () => {
    const { publisher, listener } = listening()
    publisher.publish()
    listener.datagram(heartbeat(2, EOS))
    assert.deepEqual(numbers(listener), [1, 2])
    listener.tick()
    assert.equal(publisher.writer.left(0), true)
  })

  it("are left when they fall silent", () => {
    const { publisher, listener } = listening()
    listener.tick(60_000)
    assert.equal(publisher.writer.left(0), true)
  })

  it("are read again when they are heard again after a silence, and offer anew", () => {
    const { publisher, listener } = listening()
    const { writer } = publisher
    publisher.publish()
    listener.senders.rung(BELL)
    listener.tick(60_000)
    assert.deepEqual([writer.left(0), writer.reads(0)], [true, false])
    writer.abandon(0)
    const offer = nearOf(KEY, publisher.offer())
    listener.datagram(publisher.publish())
    listener.senders.offered(offer, SOURCE)
    publisher.publish()
    listener.senders.rung(BELL)
    assert.deepEqual(numbers(listener), [1, 2, 3, 4])
    assert.deepEqual([writer.left(0), writer.reads(0)], [false, true])
    assert.equal(listener.sessions.length, 2)
    assert.equal(listener.lost, 0)
  })

  it("are left when they do not look any more: another offer is taken then", () => {
    const { publisher, listener } = listening()
    publisher.writer.abandon(0)
    listener.tick()
    assert.equal(publisher.writer.left(0), true)
    listener.clock.time += 10
    listener.senders.offered(nearOf(KEY, publisher.offer()), SOURCE)
    assert.equal(publisher.writer.opened(0), true)
  })

  it("may be left from within a message, by its session or by the whole receiver", () => {
    for (const leave of [
      ({ sessions: [session] }: Listener) => session.close(),
      (listener: Listener) => listener.close(),
      (listener: Listener) => {
        listener.close()
        listener.close()
      },
    ]) {
      const { publisher, listener } = listening()
      for (let count = 0; count < 5; count++) publisher.publish()
      listener.onMessage = () => listener.messages.length === 3 && leave(listener)
      listener.senders.rung(BELL)
      assert.deepEqual(numbers(listener), [1, 2, 3])
      assert.equal(publisher.writer.left(0), true)
      listener.senders.rung(BELL)
      listener.datagram(publisher.publish())
      assert.equal(listener.messages.length, 3)
    }
  })

  it("may be left from within a message that waited for a pause to end", () => {
    const { publisher, listener } = listening()
    const [session] = listener.sessions
    session.pause()
    for (let count = 0; count < 5; count++) publisher.publish()
    listener.senders.rung(BELL)
    assert.deepEqual(numbers(listener), [1])
    listener.onMessage = () => listener.messages.length === 3 && listener.close()
    session.resume()
    assert.deepEqual(numbers(listener), [1, 2, 3])
    assert.equal(publisher.writer.left(0), true)
  })

  it("do not keep the event loop: more than a turn's bytes are read in several", async () => {
    const { publisher, listener } = listening()
    const length = 60_000
    const chunks = [publisher.chunk, ...Array.from({ length: 3 }, () => publisher.writer.take() as Buffer)]
    listener.datagram(publisher.publish())
    for (const chunk of chunks) {
      for (let at = 1_000; at + length <= chunk.length; at += length) {
        encode(chunk.subarray(at, at + length), ++publisher.sequence)
        publisher.writer.publish(chunk.subarray(at, at + length))
      }
    }
    // Again and again the same one, as far as the reader is concerned: it was here.
    for (let more = 0; more < 60; more++) publisher.writer.publish(publisher.chunk.subarray(1_000, 1_000 + length))
    publisher.publish()
    listener.senders.rung(BELL)
    const once = listener.messages.length
    // A heartbeat tells what is still to be read, and so that must wait.
    listener.datagram(heartbeat(publisher.sequence))
    assert.ok(listener.messages.length < publisher.sequence)
    while (listener.messages.length < publisher.sequence) await new Promise(resolve => setImmediate(resolve))
    assert.ok(once > 1 && once < publisher.sequence, `${once} at once`)
    assert.equal(listener.receiver.stats.naks, 0)
    assert.equal(listener.receiver.stats.gaps, 0)
  })
}
