import assert from "node:assert/strict"
import { askedBy, blockSize, DATA, HEARTBEAT, NAK, PARITY, RETX, u16, u48 } from "../../../transports/multicast/wire.ts"
import { seeded } from "../../support/random.ts"
import { Group, type TestSender } from "./engine-group.ts"

const is = (type: number) => (bytes: Buffer) => bytes[3] === type
const isFirstTime = (bytes: Buffer): boolean => bytes[3] === DATA && (bytes[4] & RETX) === 0

/** Messages `from` to `to`, each in a packet of its own and flushed. */
function say(group: Group, sender: TestSender, from: number, to: number, pace = 1): void {
  for (let i = from; i <= to; i++) {
    sender.engine.send([Buffer.from(`${i}`)])
    sender.engine.flush()
    group.run(pace)
  }
}

/** So many packets of one message each, at once. */
function burst(sender: TestSender, from: number, to: number): void {
  for (let i = from; i <= to; i++) sender.engine.send([Buffer.from(`${i}`.padEnd(1_000))])
}

const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_none, i) => `${from + i}`)

describe("Multicast engine: parity", () => {
  it("follows each block, and what a flush leaves of one (MC-72)", () => {
    const group = new Group()
    const sender = group.sender({ parity: 8 })
    group.receiver()
    group.run(5)
    burst(sender, 1, 20)
    sender.engine.flush()
    const sent = sender.packets.filter(bytes => bytes[3] === DATA || bytes[3] === PARITY)
    assert.deepEqual(
      sent.map(bytes => (bytes[3] === DATA ? u48(bytes, 16) : `${u48(bytes, 16)}+${u16(bytes, 24)}`)),
      [1, 2, 3, 4, 5, 6, 7, 8, "1+8", 9, 10, 11, 12, 13, 14, 15, 16, "9+8", 17, 18, 19, 20],
    )
    assert.ok(sent.filter(is(DATA)).every(bytes => blockSize(bytes[4]) === 8))
    // The flush was too soon after the latest.
    group.run(0.45)
    assert.equal((sender.packets.at(-1) as Buffer)[3], DATA)
    group.run(0.1)
    const parity = sender.packets.at(-1) as Buffer
    assert.equal(`${parity[3]} ${u48(parity, 16)}+${u16(parity, 24)}`, `${PARITY} 17+4`)
    say(group, sender, 21, 22)
    assert.deepEqual(
      sender.packets.slice(-2).map(bytes => `${bytes[3]} ${u48(bytes, 16)}`),
      [`${DATA} 22`, `${PARITY} 17`],
    )
    const { parities, parityBytes } = sender.engine.stats
    assert.equal(parities, 5)
    assert.equal(
      parityBytes,
      sender.packets.filter(is(PARITY)).reduce((sum, { length }) => sum + length, 0),
    )
  })

  it("mends one lost packet of a block without a NAK, in the middle of a burst and in a flow of single packets (MC-73)", () => {
    for (const pace of [0, 1]) {
      const group = new Group()
      const sender = group.sender({ parity: 16 })
      const receivers = [group.receiver(), group.receiver()]
      group.run(5)
      group.copies = (from, to, bytes) =>
        from === "s0" && isFirstTime(bytes) && u48(bytes, 16) % 16 === (to === "r0" ? 3 : 0) ? 0 : 1
      if (pace === 0) burst(sender, 1, 160)
      else say(group, sender, 1, 160, pace)
      sender.engine.flush()
      group.run(5)
      for (const receiver of receivers) {
        assert.deepEqual(
          receiver.texts.map(text => text.trim()),
          numbers(1, 160),
        )
        assert.equal(receiver.engine.stats.recovered, 10)
        assert.equal(receiver.naks.length, 0)
        assert.equal(receiver.heard[0].session.mended, 10)
      }
      assert.equal(sender.engine.stats.repairs, 0)
    }
  })

  it("asks for all but one of several that a whole block lacks: their repairs mend the last (MC-74)", () => {
    const group = new Group()
    const sender = group.sender({ parity: 8 })
    const receiver = group.receiver()
    group.run(5)
    group.copies = (from, _to, bytes) =>
      from === "s0" && isFirstTime(bytes) && [2, 3, 7].includes(u48(bytes, 16)) ? 0 : 1
    burst(sender, 1, 20)
    sender.engine.flush()
    group.run(5)
    assert.deepEqual(
      receiver.texts.map(text => text.trim()),
      numbers(1, 20),
    )
    assert.deepEqual(receiver.naks.map(askedBy), [2])
    const { repaired, recovered } = receiver.engine.stats
    assert.deepEqual(
      { repaired, recovered, repairs: sender.engine.stats.repairs },
      { repaired: 2, recovered: 1, repairs: 2 },
    )
  })

  it("asks for what PARITY does not mend: at once when it came, when a later block or a heartbeat comes (MC-74)", () => {
    for (const [lost, last] of [
      [[3, 4], 16],
      [[3, "parity"], 17],
      [[16, "parity"], 16],
    ] as const) {
      const group = new Group()
      const sender = group.sender({ parity: 16 })
      const receiver = group.receiver()
      group.run(5)
      const gone = new Set<string | number>(lost)
      group.copies = (from, _to, bytes) =>
        from === "s0" && gone.delete(bytes[3] === PARITY ? "parity" : isFirstTime(bytes) ? u48(bytes, 16) : "") ? 0 : 1
      burst(sender, 1, last - 1)
      group.run(0.15)
      assert.equal(receiver.naks.length, 0, "its PARITY is still to come")
      burst(sender, last, last)
      sender.engine.flush()
      group.run(last === 16 && lost[1] === "parity" ? 11 : 0.15)
      assert.equal(receiver.naks.length, 1, `${lost}`)
      assert.equal(u48(receiver.naks[0], 48), lost[0])
      group.run(30)
      assert.deepEqual(
        receiver.texts.map(text => text.trim()),
        numbers(1, last),
      )
    }
  })

  it("reckons the second of two lost packets from the repair of the first (MC-73)", () => {
    const group = new Group()
    const sender = group.sender({ parity: 16 })
    const receiver = group.receiver()
    group.run(5)
    group.copies = (from, _to, bytes) =>
      from === "s0" && bytes[3] === DATA && ((isFirstTime(bytes) && u48(bytes, 16) === 5) || u48(bytes, 16) === 9)
        ? 0
        : 1
    burst(sender, 1, 16)
    sender.engine.flush()
    group.run(5)
    assert.deepEqual(
      receiver.texts.map(text => text.trim()),
      numbers(1, 16),
    )
    assert.deepEqual([receiver.engine.stats.repaired, receiver.engine.stats.recovered], [1, 1])
  })

  it("is sent while at least two receivers lose packets and all of them take it, for smaller blocks the more they lose (MC-75)", () => {
    for (const [loss, size, receivers] of [
      [0.01, 16, [true, true]],
      [0.05, 8, [true, true]],
      [0.2, 4, [true, true]],
      [0, 0, [true, true]],
      [0.05, 0, [true]],
      [0.05, 0, [true, true, false]],
    ] as const) {
      const group = new Group()
      const sender = group.sender()
      for (const parity of receivers) group.receiver({ parity })
      group.run(300)
      group.copies = (from, _to, bytes) =>
        from === "s0" && bytes[3] !== HEARTBEAT && group.random.chance(loss) ? 0 : 1
      for (let i = 0; i < 80; i++) {
        burst(sender, 1, 50)
        sender.engine.flush()
        group.run(4)
      }
      const last = sender.packets.filter(isFirstTime).at(-1) as Buffer
      assert.equal(blockSize(last[4]), size, `at ${loss}, ${receivers}`)
      assert.equal(sender.packets.some(is(PARITY)), size > 0)
      // What was repaired is there twice.
      const sizes = new Map(sender.packets.filter(is(DATA)).map(bytes => [u48(bytes, 16), blockSize(bytes[4])]))
      for (const [sequence, now] of sizes)
        if (now !== (sizes.get(sequence - 1) ?? 0)) assert.equal((sequence - 1) % 16, 0)
      group.copies = () => 1
      group.run(10_100)
      say(group, sender, 1, 32, 0.3)
      assert.equal(blockSize((sender.packets.filter(isFirstTime).at(-1) as Buffer)[4]), 0, "nobody loses any more")
    }
  })

  it("bears receivers that do not know it, and those bear it (MC-70)", () => {
    const group = new Group()
    const sender = group.sender({ parity: 4 })
    const old = group.receiver({ parity: false })
    group.run(5)
    group.copies = (from, _to, bytes) => (from === "s0" && isFirstTime(bytes) && u48(bytes, 16) % 7 === 0 ? 0 : 1)
    say(group, sender, 1, 100)
    group.run(50)
    assert.deepEqual(old.texts, numbers(1, 100))
    assert.equal(old.engine.stats.recovered, 0)
    assert.equal(sender.packets.some(is(PARITY)), false, "not one where it is of no use")
    const parity = Buffer.from(sender.packets.filter(is(DATA))[0])
    parity[3] = PARITY
    const { malformed } = old.engine.stats
    old.engine.received(parity, "s0")
    assert.equal(old.engine.stats.malformed, malformed + 1)
  })

  it("keeps to the rate, its packets included (MC-21, MC-72)", () => {
    const group = new Group()
    const sender = group.sender({ parity: 4, rate: 1_000_000, flow: "none" })
    group.run(5)
    sender.engine.onDrain = () => {
      while (sender.engine.send([Buffer.alloc(1_000)])) {}
    }
    sender.engine.onDrain()
    group.run(10_000)
    const { bytes, parityBytes } = sender.engine.stats
    assert.ok(parityBytes > 0.24 * bytes && parityBytes < 0.26 * bytes, `${parityBytes} for ${bytes}`)
    assert.ok(
      bytes + parityBytes > 9_800_000 && bytes + parityBytes < 10_100_000,
      `${bytes + parityBytes} in ten seconds`,
    )
  })

  it("changes nothing by PARITY that nobody can have sent, begins no session and brings none back (MC-73, MC-76)", () =>
    seeded(random => {
      const group = new Group(random)
      const sender = group.sender({ parity: 8 })
      const receiver = group.receiver()
      group.run(5)
      say(group, sender, 1, 4)
      const parity = sender.packets.filter(is(PARITY)).at(-1) as Buffer
      const late = group.receiver()
      late.engine.received(Buffer.from(parity), "s0")
      assert.equal(late.heard.length, 0)
      for (let i = 0; i < 5_000; i++) {
        const lie = Buffer.from(parity.subarray(0, random.chance(0.9) ? parity.length : random.int(0, parity.length)))
        for (let flips = random.int(0, 3); flips > 0 && lie.length > 0; flips--) {
          const at = random.int(0, lie.length - 1)
          if (at < 8 || at > 15) lie[at] = random.int(0, 255)
        }
        receiver.engine.received(lie, random.chance(0.5) ? "s0" : "elsewhere")
      }
      assert.equal(receiver.engine.stats.sessions, 1)
      assert.ok(receiver.engine.stats.memory < 100_000)
      say(group, sender, 5, 100)
      group.run(30_000)
      const texts = receiver.texts
      assert.equal(texts.at(-1), "100")
      assert.ok(receiver.naks.every(is(NAK)))
    }))
})
