import assert from "node:assert/strict"
import type { Receiver } from "../../../../transports/multicast/engine.ts"
import { NearMembers } from "../../../../transports/multicast/near/members.ts"
import { readNear } from "../../../../transports/multicast/near/packets.ts"
import { NearReader } from "../../../../transports/multicast/near/reader.ts"
import { BELL, NEAR, sessionId } from "../../../../transports/multicast/wire.ts"
import { FakeNative } from "./fake.ts"
import { encode, KEY, Taker } from "./fixtures.ts"
import { FakePort, TestTime } from "./ports.ts"

/** A packet that is worth no datagram where all read here. */
const LARGE = 16 * 1024

/** A sender's members, as the sender's engine drives them, and their ends. */
class Members {
  readonly native = new FakeNative()
  readonly port = new FakePort()
  readonly clock = new TestTime()
  readonly near = new NearMembers(this.native, {
    port: this.port,
    clock: this.clock,
    session: sessionId(KEY.high, KEY.low),
    window: 1024 * 1024,
    any: false,
  })
  sequence = 0
  private chunk: Buffer | null = null
  private at = 0

  join(port: number, host = "127.0.0.1"): Receiver {
    const receiver: Receiver = {
      source: `${host} ${port}`,
      position: 1,
      cost: 0,
      received: 1,
      window: 1024 * 1024,
      heard: this.clock.time,
      parity: true,
      used: 0,
    }
    this.near.joined(receiver)
    return receiver
  }

  /** There is traffic: memory is shared. */
  share(): void {
    this.near.publish(Buffer.alloc(LARGE))
    this.near.take(256 * 1024)
    this.chunk = this.near.take(256 * 1024)
    this.at = 0
  }

  /** Opens what was offered last to this port. */
  open(port: number): NearReader {
    const offers = this.port.sent.filter(sent => sent.port === port && sent.bytes[3] === NEAR)
    const place = readNear(offers[offers.length - 1]?.bytes ?? Buffer.alloc(0))
    assert.ok(place !== null, `nothing was offered to ${port}`)
    return new NearReader(this.native, place, KEY)
  }

  /** True = no datagram was needed. */
  publish(): boolean {
    const { chunk } = this
    assert.ok(chunk !== null)
    if (this.at + LARGE > chunk.length) this.at = 0
    const bytes = chunk.subarray(this.at, this.at + LARGE)
    this.at += LARGE
    encode(bytes, ++this.sequence)
    return this.near.publish(bytes) === null
  }

  /** The reader takes all that is there. */
  read(reader: NearReader): number {
    let count = 0
    while (reader.available > 0 && reader.ready(new Taker(this.sequence + 1))) if (reader.take() !== null) count++
    return count
  }

  look(): void {
    this.clock.time += 500
    this.near.tick()
  }
}

describe("A multicast sender's members on its machine", () => {
  it("read what goes out, and then it goes out there alone", () => {
    const members = new Members()
    members.join(7_000)
    members.share()
    assert.equal(members.publish(), false)
    const reader = members.open(7_000)
    members.publish()
    assert.equal(members.read(reader), 1)
    // One datagram now and then, by which others find the sender.
    assert.deepEqual([members.publish(), members.publish()], [false, true])
    assert.equal(members.read(reader), 2)
    members.join(7_001)
    assert.equal(members.publish(), false)
    reader.close()
    members.near.close()
  })

  for (const [what, then] of [
    ["the sender leaves", ({ near }: Members) => near.close()],
    [
      "somebody comes who needs datagrams",
      (members: Members) => {
        members.join(7_001, "203.0.113.1")
        assert.equal(members.publish(), false)
      },
    ],
  ] as const) {
    it(`are rung for what went out there alone, also when ${what} at once`, async () => {
      const members = new Members()
      members.join(7_000)
      members.share()
      const reader = members.open(7_000)
      members.publish()
      members.read(reader)
      assert.equal(members.publish(), false)
      members.read(reader)
      assert.equal(reader.sleep(), true)
      assert.equal(members.publish(), true)
      members.port.taken()
      then(members)
      await new Promise(resolve => setImmediate(resolve))
      const bells = members.port.taken().filter(({ bytes }) => bytes[3] === BELL)
      assert.deepEqual(
        bells.map(({ port }) => port),
        [7_000],
      )
      assert.equal(members.read(reader), 1)
      reader.close()
      members.near.close()
    })
  }

  it("get datagrams and another offer when they have left, although the sender knows them still", () => {
    const members = new Members()
    members.join(7_000)
    members.share()
    const reader = members.open(7_000)
    members.publish()
    members.read(reader)
    assert.deepEqual([members.publish(), members.publish()], [false, true])
    reader.close()
    members.port.taken()
    members.look()
    for (let count = 0; count < 5; count++) assert.equal(members.publish(), false)
    const again = members.open(7_000)
    members.publish()
    assert.equal(members.read(again), 1)
    members.publish()
    assert.equal(members.publish(), true)
    assert.equal(members.read(again), 2)
    again.close()
    members.near.close()
  })

  it("do not lose their slot to who had it before, and is forgotten late", () => {
    const members = new Members()
    const first = members.join(7_000)
    members.share()
    const reader = members.open(7_000)
    members.publish()
    members.read(reader)
    reader.close()
    members.join(7_001)
    const other = members.open(7_001)
    members.near.left(first)
    assert.equal(other.over, false)
    members.publish()
    assert.equal(members.read(other), 1)
    members.publish()
    assert.equal(members.publish(), true)
    other.close()
    members.near.close()
  })
})
