import assert from "node:assert/strict"
import { DATA, HEADER, HEARTBEAT, RETX, u16, u48 } from "../../../transports/multicast/wire.ts"
import { seeded } from "../../support/random.ts"
import { entryText, Group } from "./engine-group.ts"

const text = (value: string): Buffer[] => [Buffer.from(value)]
const isData = (bytes: Buffer): boolean => bytes[3] === DATA
const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `${from + i}`)

describe("Multicast engine", () => {
  it("delivers what is sent, many messages in one packet (MC-10, MC-50)", () => {
    const group = new Group()
    const sender = group.sender()
    const receiver = group.receiver()
    group.run(5)
    for (let i = 0; i < 10; i++) assert.equal(sender.engine.send(text(`${i}`)), true)
    sender.engine.send([Buffer.from("a"), Buffer.alloc(0), Buffer.from("c")])
    sender.engine.flush()
    group.run(5)
    assert.deepEqual(receiver.texts, [...numbers(0, 10), "a||c"])
    assert.equal(sender.packets.filter(isData).length, 1)
    assert.equal(receiver.heard[0].session.id, sender.id)
    assert.equal(receiver.heard[0].session.source, "s0")
  })

  it("keeps the order of messages and single frames, whatever fits (MC-10 to MC-13)", () => {
    const group = new Group()
    const sender = group.sender({ window: 64 * 1024 })
    const receiver = group.receiver()
    group.run(5)
    const sent: string[] = []
    for (let i = 0; i < 600; i++) {
      const size = [0, 1, 64, 255, 256, 1_400, 5_000][group.random.int(0, 6)]
      const frame = group.random.bytes(size)
      sent.push(frame.toString("hex"))
      if (group.random.chance(0.5)) sender.engine.send([frame])
      else sender.engine.sendFrame(frame)
      if (i % 50 === 0) group.run(5)
    }
    sender.engine.flush()
    group.run(1_000)
    assert.deepEqual(
      receiver.heard[0].log.map(
        entry => "message" in entry && entry.message.map(frame => frame.toString("hex")).join(),
      ),
      sent,
    )
    assert.equal(sender.engine.stats.refused, 0)
  })

  it("spreads a large message over packets (MC-12, MC-51)", () => {
    for (const datagram of [512, 1_452, 65_507]) {
      const group = new Group()
      const sender = group.sender({ datagram })
      const receiver = group.receiver()
      group.run(5)
      const sizes = [[300_000], [0], [1], [255, 256, 400, 70_000, 3], [datagram - 45], [datagram - 44], [datagram - 40]]
      const sent = sizes.map(list => list.map(size => group.random.bytes(size)))
      for (const message of sent) sender.engine.send(message)
      sender.engine.flush()
      group.run(1_000)
      assert.deepEqual(
        receiver.heard[0].log.map(entry => "message" in entry && entry.message.map(frame => frame.toString("hex"))),
        sent.map(message => message.map(frame => frame.toString("hex"))),
      )
      assert.ok(sender.packets.every(bytes => bytes.length <= datagram))
    }
  })

  it("repairs a lost packet after one NAK (MC-22, MC-41)", () => {
    const group = new Group()
    const sender = group.sender()
    const receivers = [group.receiver(), group.receiver()]
    group.run(5)
    let lose = true
    group.copies = (_, to, bytes) => {
      if (!lose || to !== "r0" || !isData(bytes) || u48(bytes, 16) !== 2) return 1
      lose = false
      return 0
    }
    for (let i = 0; i < 5; i++) {
      sender.engine.send(text(`${i}`))
      sender.engine.flush()
    }
    group.run(100)
    for (const receiver of receivers) assert.deepEqual(receiver.texts, numbers(0, 5))
    assert.equal(sender.engine.stats.naks, 1)
    assert.equal(sender.packets.filter(bytes => (bytes[4] & RETX) !== 0).length, 2, "the same buffer, twice")
    assert.equal(sender.engine.stats.repairs, 1)
    assert.equal(receivers[0].engine.stats.repaired, 1)
  })

  it("finds the loss of the last packet by a heartbeat (MC-14)", () => {
    const group = new Group()
    const sender = group.sender()
    const receiver = group.receiver()
    group.run(5)
    let losses = 1
    group.copies = (_, __, bytes) => (isData(bytes) && losses-- > 0 ? 0 : 1)
    sender.engine.send(text("only"))
    sender.engine.flush()
    group.run(100)
    assert.deepEqual(receiver.texts, ["only"])
    group.run(10_000)
    const beats = sender.packets.filter(bytes => bytes[3] === HEARTBEAT).length
    assert.ok(beats < 25, `${beats} heartbeats in ten idle seconds`)
  })

  it("tells a gap that nobody can repair, with the exact count (MC-44, MC-52)", () => {
    const group = new Group()
    const sender = group.sender({ window: 4_000, flow: "none" })
    const receiver = group.receiver()
    group.run(5)
    group.copies = (_, to, bytes) => (to === "r0" && isData(bytes) && u48(bytes, 16) > 1 && u48(bytes, 16) < 30 ? 0 : 1)
    for (let i = 0; i < 40; i++) {
      sender.engine.send(text(`${i}`))
      sender.engine.flush()
    }
    group.run(20_000)
    assert.deepEqual(receiver.texts, ["0", "gap 1+28 expired", ...numbers(29, 40)])
  })

  it("tells a gap when the recovery interval is over, and goes on (MC-45)", () => {
    const group = new Group()
    const sender = group.sender()
    const receiver = group.receiver({ recoveryInterval: 2_000 })
    group.run(5)
    group.copies = (_, to, bytes) => (to === "r0" && isData(bytes) && u48(bytes, 16) === 2 ? 0 : 1)
    for (let i = 0; i < 5; i++) {
      sender.engine.send(text(`${i}`))
      sender.engine.flush()
    }
    group.run(1_900)
    assert.deepEqual(receiver.texts, ["0"])
    group.run(300)
    assert.deepEqual(receiver.texts, ["0", "gap 1+1 unrepaired", "2", "3", "4"])
    assert.ok(receiver.naks.length <= 15, `${receiver.naks.length} NAKs`)
  })

  it("begins with the first message that begins, and asks for nothing before it (MC-60)", () => {
    const group = new Group()
    const sender = group.sender({ datagram: 512 })
    group.run(5)
    for (let i = 0; i < 3; i++) {
      sender.engine.send(text(`${i}`))
      sender.engine.flush()
    }
    sender.engine.send([Buffer.alloc(5_000, 0x41)])
    sender.engine.flush()
    let joined = 0
    const all = sender.packets.filter(isData)
    for (let cut = 3; cut < all.length; cut++) {
      const other = new Group()
      const receiver = other.receiver()
      for (const bytes of all.slice(cut)) receiver.engine.received(bytes, "s0")
      other.run(50)
      assert.equal(receiver.naks.length, 0)
      joined += receiver.texts.length
    }
    assert.equal(joined, 1, "the large message, for the one that heard its beginning")
  })

  it("numbers gaps in the middle of a large message (MC-52)", () => {
    const group = new Group()
    const sender = group.sender({ datagram: 512 })
    group.run(5)
    sender.engine.send(text("first"))
    sender.engine.flush()
    for (let i = 0; i < 3; i++) sender.engine.send([Buffer.alloc(3_000, 0x41 + i)])
    sender.engine.send(text("last"))
    sender.engine.flush()
    const all = sender.packets.filter(isData)
    for (let lost = 1; lost < all.length - 1; lost++) {
      const other = new Group()
      const receiver = other.receiver({ recoveryInterval: 100 })
      for (const bytes of all.filter((_, i) => i !== lost)) receiver.engine.received(bytes, "s0")
      other.run(200)
      let number = 0
      for (const entry of receiver.heard[0].log) {
        if ("message" in entry) number++
        else {
          assert.equal(entry.first, number)
          number += entry.count
        }
      }
      assert.equal(number, 5, entryText(receiver.heard[0].log.at(-1) ?? { message: [] }))
      assert.ok(receiver.texts.some(line => line.startsWith("gap")))
    }
  })

  it("ends with the sender, when everything is there (MC-61)", () => {
    const group = new Group()
    const sender = group.sender()
    const receiver = group.receiver()
    group.run(5)
    let losses = 3
    group.copies = (_, __, bytes) => (isData(bytes) && losses-- > 0 ? 0 : 1)
    for (let i = 0; i < 3; i++) {
      sender.engine.send(text(`${i}`))
      sender.engine.flush()
    }
    sender.engine.end()
    assert.equal(sender.engine.send(text("too late")), false)
    group.run(200)
    assert.deepEqual(receiver.texts, numbers(0, 3))
    assert.equal(receiver.heard[0].end, "ended")
    assert.equal(sender.closed, true)
    group.run(30_000)
    assert.equal(receiver.heard.length, 1)
    assert.equal(receiver.engine.stats.sessions, 0)
  })

  it("splits no message that fits a datagram, and sends what waited in order (MC-11)", () => {
    const group = new Group()
    const sender = group.sender()
    const receiver = group.receiver()
    group.run(5)
    const sizes = Array.from({ length: 200 }, () => group.random.int(4, 1_400))
    for (const [i, size] of sizes.entries()) {
      sender.open = i % 7 < 3
      sender.engine.send(text(`${i}`.padEnd(size)))
      if (i % 3 === 0) sender.engine.flush()
      if (!sender.open && i % 14 === 13) {
        sender.open = true
        sender.engine.drained()
      }
    }
    sender.open = true
    sender.engine.drained()
    sender.engine.flush()
    group.run(100)
    assert.deepEqual(
      receiver.texts.map(line => line.trim()),
      numbers(0, 200),
    )
    for (const bytes of sender.packets.filter(isData)) assert.equal(u16(bytes, 6), HEADER)
  })

  it("goes on after a partition, with the exact number of what is missing (MC-46, MC-62)", () => {
    const group = new Group()
    const sender = group.sender({ window: 200_000, flow: "none" })
    const receiver = group.receiver({ receiveWindow: 200_000 })
    group.run(5)
    let sent = 0
    const send = (count: number): void => {
      for (let i = 0; i < count; i++) {
        sender.engine.send(text(`${sent++}`))
        sender.engine.flush()
        group.run(1)
      }
    }
    send(10)
    group.copies = () => 0
    send(3_000)
    group.run(12_000)
    group.copies = () => 1
    send(10)
    group.run(500)
    assert.equal(receiver.heard.length, 2, "it timed out, and came back")
    assert.equal(receiver.heard[0].end, "timeout")
    let number = 0
    for (const entry of receiver.heard.flatMap(({ log }) => log)) {
      if ("message" in entry) assert.equal(entryText(entry), `${number++}`)
      else {
        assert.equal(entry.first, number)
        number += entry.count
      }
    }
    assert.equal(number, 3_020)
  })

  it("delivers each message once and in order, or tells the gap, over a bad network (MC-40)", () =>
    seeded(random => {
      for (let run = 0; run < 20; run++) {
        const group = new Group(random)
        const loss = random.pick([0, 0.01, 0.1, 0.3])
        group.copies = () => (random.chance(loss) ? 0 : random.chance(0.05) ? 2 : 1)
        group.delay = () => random.next() * random.pick([0.1, 1, 5])
        const sender = group.sender({
          datagram: random.pick([512, 1_452, 9_000]),
          flow: random.pick(["slowest", "slowest", "fastest", "none"]),
          window: random.pick([20_000, 1_000_000]),
        })
        const receivers = [1, 2, 3].map(() => group.receiver({ receiveWindow: random.pick([50_000, 1_000_000]) }))
        group.run(50)
        let sent = 0
        for (let step = 0; step < 40; step++) {
          for (let i = random.int(0, 20); i > 0; i--) {
            const size = random.chance(0.05) ? random.int(0, 50_000) : random.int(0, 300)
            if (!sender.engine.send([Buffer.from(`${sent++} `.padEnd(size))])) group.run(random.int(1, 300))
          }
          sender.engine.flush()
          group.run(random.next() * 20)
        }
        sender.engine.end()
        group.run(60_000)
        assert.equal(sender.closed, true)
        sent -= sender.engine.stats.refused
        for (const receiver of receivers) {
          assert.equal(receiver.engine.stats.memory, 0)
          for (const { log, end } of receiver.heard) {
            assert.notEqual(end, null)
            let number = -1
            for (const entry of log) {
              const first = "message" in entry ? Number.parseInt(entryText(entry), 10) : entry.first
              if (number >= 0) assert.equal(first, number, entryText(entry))
              number = first + ("message" in entry ? 1 : entry.count)
            }
            if (end === "ended") assert.equal(number, sent)
          }
        }
      }
    }))
})
