import assert from "node:assert/strict"
import { drawBackoff, nakRetry } from "../../../transports/multicast/nak.ts"
import { DATA, HEARTBEAT, NAK, RETX, sessionKey, u16, u48, writeReport } from "../../../transports/multicast/wire.ts"
import { Random } from "../../support/random.ts"
import { Group, type TestSender } from "./engine-group.ts"

const isData = (bytes: Buffer): boolean => bytes[3] === DATA

/** Sends so many packets of one message each. */
function packets(group: Group, sender: TestSender, count: number, size = 100): void {
  for (let i = 0; i < count; i++) {
    sender.engine.send([Buffer.alloc(size)])
    sender.engine.flush()
  }
  group.run(1)
}

/** A NAK as a receiver with this id would send it. */
function nak(sender: TestSender, receiver: number, ...ranges: number[]): Buffer {
  const report = { receiver, position: 1, received: 1, window: 1_000_000, heard: 0, leaves: false, parity: true }
  return writeReport(sessionKey(sender.id), report, ranges)
}

/** The order of the latest packet that a receiver heard: in each packet of the sender. */
const orderOf = (bytes: Buffer): number => u16(bytes, 30)

describe("Multicast engine: repairs", () => {
  it("sends a packet once for many NAKs, and again when they come later (MC-22)", () => {
    const group = new Group()
    const sender = group.sender()
    group.run(5)
    packets(group, sender, 10)
    for (let receiver = 1; receiver <= 5; receiver++)
      sender.engine.received(nak(sender, receiver, 3, 2), `r${receiver}`)
    assert.equal(sender.engine.stats.repairs, 2)
    assert.equal(sender.engine.stats.repeated, 8)
    group.run(11)
    sender.engine.received(nak(sender, 1, 4, 1), "r1")
    assert.equal(sender.engine.stats.repairs, 3)
    const repairs = sender.packets.filter(bytes => isData(bytes) && (bytes[4] & RETX) !== 0)
    assert.deepEqual([...new Set(repairs.map(bytes => u48(bytes, 16)))], [3, 4])
  })

  it("a receiver counts what was lost and came all the same, and how long it missed that", () => {
    const group = new Group()
    const sender = group.sender()
    const receiver = group.receiver()
    group.run(5)
    group.copies = (from, _to, bytes) =>
      from === "s0" && isData(bytes) && (bytes[4] & RETX) === 0 && [3, 5].includes(u48(bytes, 16)) ? 0 : 1
    packets(group, sender, 10)
    group.run(20)
    const { mended, mendedTime } = receiver.heard[0].session
    assert.equal(mended, 2)
    // Packets take a tenth of a millisecond, NAKs too; the second of them waits for a millisecond behind the first.
    assert.ok(Math.abs(mendedTime - (0.2 + 1.2)) < 1e-6, `${mendedTime}`)
    assert.equal(receiver.engine.stats.mendedTime, mendedTime)
  })

  it("sends a packet again at once for who has missed the repair, not for who has it still before him (MC-22)", () => {
    const group = new Group()
    const sender = group.sender()
    group.run(5)
    packets(group, sender, 10)
    const ask = (heard: number): number => {
      const report = { receiver: 1, position: 1, received: 1, window: 1_000_000, heard, leaves: false, parity: true }
      sender.engine.received(writeReport(sessionKey(sender.id), report, [3, 1]), "r1")
      return sender.engine.stats.repairs
    }
    const before = orderOf(sender.packets.at(-1) as Buffer)
    assert.equal(ask(before), 1)
    const repair = orderOf(sender.packets.at(-1) as Buffer)
    assert.equal(repair, before + 1)
    group.run(50)
    assert.equal(ask(before), 1, "it is under way, however long")
    packets(group, sender, 1)
    assert.equal(ask(orderOf(sender.packets.at(-1) as Buffer)), 2, "what was sent after it has come")
    group.run(300)
    assert.equal(ask(before), 3, "nobody is that far behind")
  })

  it("tells soon who missed a repair that nothing followed (MC-14)", () => {
    const group = new Group()
    const sender = group.sender()
    group.run(5)
    packets(group, sender, 10)
    group.run(2_000)
    sender.engine.received(nak(sender, 1, 3, 1), "r1")
    const repair = orderOf(sender.packets.at(-1) as Buffer)
    group.run(11)
    assert.equal((sender.packets.at(-1) as Buffer)[3], HEARTBEAT)
    assert.equal(orderOf(sender.packets.at(-1) as Buffer), repair + 1)
  })

  it("does not send what it has no more, and says how far back it goes (MC-20, MC-25)", () => {
    const group = new Group()
    const sender = group.sender({ window: 10_000, recoveryInterval: 1_000 })
    group.run(5)
    packets(group, sender, 100)
    sender.engine.received(nak(sender, 1, 1, 50), "r1")
    assert.equal(sender.engine.stats.repairs, 0)
    assert.equal(sender.engine.stats.expired, 50)
    const trail = u48(sender.packets.filter(isData).at(-1) as Buffer, 24)
    assert.ok(trail > 80 && trail < 90, `trail ${trail}`)
    group.run(3_000)
    assert.equal(u48(sender.packets.at(-1) as Buffer, 24), 101, "age counts, too")
  })

  it("keeps repairs to their share (MC-23)", () => {
    const group = new Group()
    const sender = group.sender({ rate: 100_000, flow: "none", repairShare: 0.25 })
    group.run(5)
    sender.engine.onDrain = () => {
      while (sender.engine.send([Buffer.alloc(1_000)])) {}
    }
    sender.engine.onDrain()
    for (let i = 0; i < 500; i++) {
      group.run(20)
      const last = Number(sender.engine.stats.packets)
      if (last > 30) sender.engine.received(nak(sender, 1, last - 20, 20), "r1")
    }
    const { bytes, repairBytes } = sender.engine.stats
    assert.ok(repairBytes > 200_000 && repairBytes < 280_000, `${repairBytes} bytes of repairs`)
    assert.ok(bytes > 700_000 && bytes < 850_000, `${bytes} bytes of data`)
  })

  it("gives one of several receivers half of the share at most (MC-24)", () => {
    const group = new Group()
    const sender = group.sender({ rate: 200_000, flow: "none" })
    group.run(5)
    packets(group, sender, 200, 1_000)
    group.run(2_000)
    sender.engine.received(nak(sender, 2, 1, 1), "r2")
    sender.engine.received(nak(sender, 1, 1, 200), "r1")
    assert.ok(sender.engine.stats.overBudget > 0)
    group.run(10)
    sender.engine.received(nak(sender, 2, 199, 2), "r2")
    group.run(1_000)
    const asked = sender.packets.filter(bytes => isData(bytes) && (bytes[4] & RETX) !== 0).map(bytes => u48(bytes, 16))
    assert.ok(asked.includes(199) && asked.includes(200), "the modest one is served")
    assert.ok(!asked.includes(198), "the greedy one is not, for now")
  })

  it("does bounded work in a storm of NAKs (MC-26)", () => {
    const group = new Group()
    const sender = group.sender({ flow: "none" })
    group.run(5)
    packets(group, sender, 2_000)
    for (let i = 0; i < 5_000; i++) sender.engine.received(nak(sender, i % 50, 1, 2_000), `r${i % 50}`)
    const { storm, repairs, repeated, overBudget } = sender.engine.stats
    assert.ok(storm > 4_500, `${storm} were not looked at`)
    assert.ok(repairs <= 1_024)
    assert.ok(repeated + overBudget < 210_000)
    group.run(200)
    sender.engine.received(nak(sender, 1, 1_999, 1), "r1")
    assert.equal(sender.engine.stats.storm, storm, "afterwards NAKs are heard again")
  })

  it("takes NAKs for what it never sent, or in disorder, for senseless (MC-26)", () => {
    const group = new Group()
    const sender = group.sender()
    group.run(5)
    packets(group, sender, 5)
    for (const ranges of [
      [6, 1],
      [1, 60_000],
      [3, 1, 1, 1],
      [1, 2, 2, 1],
      [2 ** 47, 5],
    ])
      sender.engine.received(nak(sender, 1, ...ranges), "r1")
    assert.equal(sender.engine.stats.malformed, 5)
    assert.equal(sender.engine.stats.repairs, 3, "what comes before the nonsense")
  })

  it("is not asked by all who miss a packet (MC-42, MC-43)", () => {
    const perPacket: number[] = []
    // Up to 32 all ask: that is less than the packet itself.
    for (const count of [2, 20, 100]) {
      const group = new Group(new Random(count))
      const sender = group.sender({ parity: false })
      const receivers = Array.from({ length: count }, () => group.receiver())
      group.delay = () => 0.1 + group.random.next() * 0.2
      group.run(300)
      let lost = 0
      group.copies = (from, _, bytes) => (from === "s0" && isData(bytes) && u48(bytes, 16) === 10 * lost + 5 ? 0 : 1)
      for (lost = 0; lost < 10; lost++) {
        packets(group, sender, 10)
        const miss = group.copies
        group.copies = () => 1
        group.run(100)
        group.copies = miss
      }
      for (const receiver of receivers) assert.equal(receiver.engine.stats.messages, 100)
      perPacket.push(sender.engine.stats.naks / 10)
    }
    assert.ok(
      perPacket.every((naks, i) => naks >= 1 && naks < [3, 23, 6][i]),
      `NAKs for a packet: ${perPacket}`,
    )
  })

  it("asks itself when others only pretend to ask (MC-43)", () => {
    const group = new Group()
    const sender = group.sender()
    const receiver = group.receiver()
    group.run(5)
    // In small groups nobody waits for others.
    for (let other = 100; other < 140; other++) sender.engine.received(nak(sender, other), `r${other}`)
    group.copies = (from, _, bytes) => (from === "s0" && isData(bytes) && (bytes[4] & RETX) === 0 ? 0 : 1)
    packets(group, sender, 1)
    const lie = nak(sender, 77, 1, 1)
    for (let i = 0; i < 5_000 && receiver.engine.stats.messages === 0; i++) {
      receiver.engine.received(lie, "liar")
      group.run(1)
    }
    assert.equal(receiver.engine.stats.messages, 1)
    assert.ok(receiver.engine.stats.suppressed > 0)
  })

  it("draws waits that spread the more the more receivers there are (MC-42)", () => {
    const random = new Random(7)
    const draw = (receivers: number): number[] =>
      Array.from({ length: 10_000 }, () => drawBackoff(() => random.next(), receivers, 10)).sort((a, b) => a - b)
    assert.deepEqual(new Set(draw(1)), new Set([0]))
    for (const receivers of [2, 10, 1_000]) {
      const draws = draw(receivers)
      assert.ok(draws[0] >= 0 && draws[9_999] <= 10)
      // Of so many receivers only a few draw a wait that is a tenth of the longest.
      const early = (draws.filter(wait => wait < 1).length / 10_000) * receivers
      assert.ok(early < 3, `${early} of ${receivers}`)
    }
    assert.deepEqual(
      [1, 2, 3, 4, 5, 20].map(tries => nakRetry(tries, 20, 60_000)),
      [20, 20, 20, 40, 80, 1_000],
    )
  })

  it("asks for the first loss at once, for those that are noticed soon after in one NAK (MC-41)", () => {
    const group = new Group()
    const sender = group.sender()
    const receiver = group.receiver()
    group.run(5)
    group.copies = (from, _, bytes) =>
      from === "s0" && isData(bytes) && (bytes[4] & RETX) === 0 && u48(bytes, 16) % 3 > 0 ? 0 : 1
    packets(group, sender, 90)
    group.run(100)
    assert.equal(receiver.engine.stats.messages, 90)
    assert.ok(receiver.naks.every(bytes => bytes[3] === NAK))
    assert.deepEqual(
      receiver.naks.map(bytes => u16(bytes, 46)),
      [1, 29],
    )
  })
})
