import assert from "node:assert/strict"
import type { SenderSettings } from "../../../transports/multicast/engine.ts"
import {
  cookieOf,
  DATA,
  PROBE,
  putU16,
  putU48,
  RETX,
  type Report,
  sessionKey,
  u48,
  writeReport,
} from "../../../transports/multicast/wire.ts"
import { Group, type TestSender } from "./engine-group.ts"

const isData = (bytes: Buffer): boolean => bytes[3] === DATA
const isRepair = (bytes: Buffer): boolean => isData(bytes) && (bytes[4] & RETX) !== 0

/** Sends so many packets of one message each. */
function packets(sender: TestSender, count: number): void {
  for (let i = 0; i < count; i++) {
    sender.engine.send([Buffer.alloc(100)])
    sender.engine.flush()
  }
}

/** What went to a receiver alone: sequences of repairs. */
function repairsTo(sender: TestSender, name: string): number[] {
  return sender.alone.filter(({ to, bytes }) => to === name && isRepair(bytes)).map(({ bytes }) => u48(bytes, 16))
}

/** A report as a receiver with this id would send it; with ranges a NAK. */
function report(sender: TestSender, given: Partial<Report>, ...ranges: number[]): Buffer {
  const rest = { receiver: 1, position: 1, received: 1, window: 1_000_000, heard: 0, cookie: 0, leaves: false }
  return writeReport(sessionKey(sender.id), { ...rest, ...given }, ranges)
}

/** A sender with packets, and receivers whom it knows to hear what is sent to each alone: r1, r2... */
function proven(receivers: number, count = 10, settings: Partial<SenderSettings> = {}) {
  const group = new Group()
  const sender = group.sender(settings)
  group.run(5)
  packets(sender, count)
  const nak = (receiver: number, ...ranges: number[]): void =>
    sender.engine.received(report(sender, { receiver, cookie: cookies[receiver - 1] }, ...ranges), `r${receiver}`)
  const cookies: number[] = []
  for (let receiver = 1; receiver <= receivers; receiver++) {
    sender.engine.received(report(sender, { receiver }), `r${receiver}`)
    cookies.push(cookieOf(sender.alone.at(-1)?.bytes ?? Buffer.alloc(40)))
    sender.engine.received(report(sender, { receiver, cookie: cookies[receiver - 1] }), `r${receiver}`)
  }
  return { group, sender, nak, cookies }
}

describe("Multicast engine: repairs to one receiver alone", () => {
  it("repairs what a single one lacks by packets to it alone (MC-27)", () => {
    const group = new Group()
    const sender = group.sender()
    const receivers = [0, 1, 2, 3].map(() => group.receiver())
    group.run(50)
    group.copies = (from, to, bytes) =>
      from === "s0" && isData(bytes) && !isRepair(bytes) && u48(bytes, 16) % 4 === Number(to[1]) ? 0 : 1
    packets(sender, 40)
    group.run(100)
    for (const { engine } of receivers) {
      assert.equal(engine.stats.messages, 40)
      assert.equal(engine.stats.duplicates, 0, "nobody gets what he has")
    }
    assert.deepEqual(sender.repairs, [])
    assert.equal(sender.engine.stats.alone, 40)
    for (const [i, { name }] of receivers.entries())
      assert.ok(repairsTo(sender, name).every(sequence => sequence % 4 === i))
  })

  it("sends the fourth who asks, and everybody after him, one to all (MC-28)", () => {
    const { group, sender, nak } = proven(8)
    for (let receiver = 1; receiver <= 8; receiver++) nak(receiver, 5, 1)
    assert.equal(sender.engine.stats.alone, 3)
    assert.deepEqual(sender.repairs, [5])
    assert.equal(sender.engine.stats.repeated, 4)
    group.run(300)
    nak(8, 5, 1)
    assert.deepEqual(repairsTo(sender, "r8"), [5], "who lacks it still is alone again")
  })

  it("with a rate sends the second who asks one to all: each repair takes the place of another (MC-28)", () => {
    const { group, sender, nak } = proven(8, 10, { rate: 1_000_000 })
    group.run(50)
    nak(1, 5, 1)
    group.run(50)
    for (let receiver = 2; receiver <= 4; receiver++) nak(receiver, 5, 1)
    group.run(50)
    assert.equal(sender.engine.stats.alone, 1)
    assert.deepEqual([repairsTo(sender, "r1"), sender.repairs], [[5], [5]])
  })

  it("sends to all what waits for several when the port is open again", () => {
    const { sender, nak } = proven(8)
    sender.open = false
    packets(sender, 1)
    const before = sender.alone.length
    for (let receiver = 1; receiver <= 3; receiver++) nak(receiver, 5, 1)
    nak(1, 5, 1)
    nak(1, 6, 1)
    for (let receiver = 1; receiver <= 5; receiver++) nak(receiver, 7, 1)
    assert.equal(sender.alone.length, before)
    sender.open = true
    sender.engine.drained()
    assert.deepEqual(repairsTo(sender, "r1"), [5, 6])
    assert.deepEqual(repairsTo(sender, "r3"), [5])
    assert.deepEqual(sender.repairs, [7])
    nak(1, 7, 1)
    nak(5, 6, 1)
    assert.deepEqual(repairsTo(sender, "r5"), [6], "nothing is left of what was served")
    assert.deepEqual(sender.repairs, [7])
  })

  it("sends all of it to the group when more than 32 are known, or nobody can be sent to alone", () => {
    const { sender, nak } = proven(33)
    nak(1, 5, 1)
    assert.deepEqual(sender.repairs, [5])
    const group = new Group()
    const other = group.sender()
    group.run(5)
    packets(other, 10)
    other.engine.received(report(other, { cookie: 7 }, 5, 1), "r1")
    assert.deepEqual(other.repairs, [5])
  })

  it("answers a forged address with less than it was sent, whatever is asked for (MC-27)", () => {
    const { group, sender } = proven(2)
    const before = sender.alone.length
    let [received, sent] = [0, 0]
    const forge = (given: Partial<Report>, ...ranges: number[]): void => {
      const bytes = report(sender, given, ...ranges)
      received += bytes.length
      sender.engine.received(bytes, "victim")
    }
    for (let i = 0; i < 1_000; i++) {
      // Ids of nobody, cookies that are guessed, and the id of a receiver that is known.
      forge({ receiver: 100 + (i % 50), cookie: i }, 1, 10)
      forge({ receiver: 1, cookie: i }, 1, 10)
      group.run(1)
    }
    const to = sender.alone.slice(before)
    assert.ok(to.length > 0)
    for (const { to: name, bytes } of to) {
      assert.equal(name, "victim")
      assert.equal(bytes[3], PROBE)
      sent += bytes.length
    }
    assert.ok(sent < received / 2, `${sent} bytes for ${received}`)
    assert.equal(sender.engine.stats.alone, 0)
    assert.ok(sender.repairs.length > 0, "to the group they go")
  })

  it("probes again who does not echo, a tenth of a second later, and repairs by the group until then", () => {
    const group = new Group()
    const sender = group.sender()
    group.run(5)
    packets(sender, 10)
    const say = (cookie: number, ...ranges: number[]): void =>
      sender.engine.received(report(sender, { cookie }, ...ranges), "r1")
    say(0)
    say(0, 3, 1)
    assert.deepEqual(sender.repairs, [3])
    assert.equal(sender.alone.length, 1)
    group.run(101)
    say(0)
    assert.equal(sender.alone.length, 2)
    const cookies = sender.alone.map(({ bytes }) => cookieOf(bytes))
    assert.ok(cookies[0] > 0)
    assert.equal(cookies[0], cookies[1])
    say(cookies[0], 4, 1)
    assert.deepEqual(repairsTo(sender, "r1"), [4])
  })

  it("believes what came to one alone nothing of others, and of the group's order (MC-49)", () => {
    const group = new Group()
    const sender = group.sender()
    const receiver = group.receiver()
    group.run(50)
    packets(sender, 3)
    group.run(1)
    const lost = Buffer.from(sender.packets.at(-1) as Buffer)
    const { engine, reports } = receiver
    // A later packet, with a trail that would give up much: the group's buffer may hold all before it, unread.
    putU48(lost, 16, 9)
    putU48(lost, 24, 8)
    putU16(lost, 30, 60_000)
    lost[4] |= RETX
    const naks = receiver.naks.length
    engine.receivedAlone(lost, "s0")
    // From elsewhere, of other kinds, in pieces.
    engine.receivedAlone(lost, "somewhere")
    for (let length = 0; length < lost.length; length++) engine.receivedAlone(lost.subarray(0, length), "s0")
    for (let type = 0; type < 256; type++) {
      const other = Buffer.from(lost)
      other[3] = type
      if (type !== PROBE) engine.receivedAlone(other, "s0")
    }
    packets(sender, 5)
    group.run(1_500)
    assert.equal(engine.stats.messages, 8)
    assert.equal(engine.stats.gaps, 0)
    assert.equal(receiver.naks.length, naks)
    assert.ok(reports.every(bytes => bytes.readUInt16BE(36) !== 60_000))
  })

  it("asks again soon, and gets everything, when a tenth of all datagrams to each is lost", () => {
    const group = new Group()
    const sender = group.sender()
    const receivers = Array.from({ length: 20 }, () => group.receiver())
    group.run(50)
    group.copies = () => (group.random.next() < 0.1 ? 0 : 1)
    for (let i = 0; i < 200; i++) {
      packets(sender, 5)
      group.run(1)
    }
    group.run(2_000)
    for (const { engine } of receivers) {
      assert.equal(engine.stats.messages, 1_000)
      assert.equal(engine.stats.gaps, 0)
    }
    const { alone, repairs } = sender.engine.stats
    assert.ok(alone > repairs / 2, `${alone} of ${repairs} repairs went to one alone`)
  })
})
