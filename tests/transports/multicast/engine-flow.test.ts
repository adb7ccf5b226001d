import assert from "node:assert/strict"
import { ASK, DATA, HEARTBEAT, sessionKey, writeReport } from "../../../transports/multicast/wire.ts"
import { Group, type TestSender } from "./engine-group.ts"

const text = (value: string): Buffer[] => [Buffer.from(value)]
const isData = (bytes: Buffer): boolean => bytes[3] === DATA
const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `${from + i}`)

/** A STATUS as a receiver with this id would send it. */
function report(sender: TestSender, receiver: number, position: number, window: number): Buffer {
  return writeReport(
    sessionKey(sender.id),
    { receiver, position, received: position, window, heard: 0, leaves: false, parity: true },
    [],
  )
}

/** A sender that is held back after its first packets, and how many these are. */
function heldSender(group: Group): { sender: TestSender; packets: number } {
  const sender = group.sender({ window: 100_000, initialWindow: 20_000 })
  while (sender.engine.send([Buffer.alloc(1_000)])) {}
  return { sender, packets: sender.engine.stats.packets }
}

describe("Multicast engine: flow", () => {
  it("waits for the slowest, and no longer than it lives (MC-30, MC-33)", () => {
    const group = new Group()
    const sender = group.sender({ window: 100_000 })
    const quick = group.receiver({ receiveWindow: 100_000 })
    const slow = group.receiver({ receiveWindow: 100_000 })
    group.run(5)
    slow.heard[0].session.pause()
    let sent = 0
    const pump = (): void => {
      while (sent < 5_000) if (!sender.engine.send(text(`${sent++}`.padEnd(1_000)))) break
      sender.engine.flush()
    }
    sender.engine.onDrain = pump
    pump()
    group.run(3_000)
    assert.ok(sent > 50 && sent < 110, `${sent} sent`)
    slow.heard[0].session.resume()
    group.run(300)
    assert.equal(sent, 5_000)
    assert.equal(quick.texts.length, slow.texts.length)
    slow.heard[0].session.pause()
    sent = 0
    pump()
    group.run(1_000)
    assert.ok(sent < 110)
    group.remove("r1")
    group.run(6_000)
    assert.equal(sent, 5_000, "a receiver that is silent holds nobody")
  })

  it("begins again when a quarter of the window is free, not for each packet (MC-35)", () => {
    const group = new Group()
    const sender = group.sender({ window: 100_000 })
    // Each has joined at another packet, so that each reports at others.
    for (let i = 0; i < 12; i++) {
      group.receiver({ receiveWindow: 100_000 })
      group.run(5)
      sender.engine.send([Buffer.alloc(1_000)])
      sender.engine.flush()
    }
    group.run(5)
    let sent = 0
    let drains = 0
    const pump = (): void => {
      while (sent < 5_000) if (!sender.engine.send(text(`${sent++}`.padEnd(1_000)))) break
      sender.engine.flush()
    }
    sender.engine.onDrain = () => {
      drains++
      pump()
    }
    pump()
    group.run(3_000)
    assert.equal(sent, 5_000)
    // 5,000 messages of about 1,500 bytes of window each: 300 quarters.
    assert.ok(drains > 50 && drains <= 330, `${drains} drains`)
  })

  it("goes on once for reports that came together, not for each (MC-35)", () => {
    const group = new Group()
    const { sender, packets } = heldSender(group)
    for (const receiver of [1, 2]) {
      sender.engine.received(report(sender, receiver, packets + 1, 100_000), `r${receiver}`, true)
      assert.deepEqual([sender.engine.stats.packets, sender.drains], [packets, 0])
    }
    // The last of them has room for two packets; it says nothing that makes sense itself.
    sender.engine.received(report(sender, 3, packets + 1, 4_000), "r3", true)
    sender.engine.received(Buffer.alloc(10), "r4")
    assert.ok(sender.engine.stats.packets > packets)
    assert.equal(sender.drains, 1)
    while (sender.engine.send([Buffer.alloc(1_000)])) {}
    assert.ok(sender.engine.stats.packets <= packets + 2, "the slowest is waited for")
  })

  it("asks for reports only when none has come for 10 ms (MC-31)", () => {
    const asks = (everyMs: number): number => {
      const group = new Group()
      const { sender, packets } = heldSender(group)
      for (let time = 0; time < 90; time++) {
        // Nothing is consumed: the window stays closed.
        if (time % everyMs === 0) sender.engine.received(report(sender, 1, 1, 20_000), "r1")
        group.run(1)
      }
      assert.equal(sender.engine.stats.packets, packets)
      const heartbeats = sender.packets.filter(bytes => bytes[3] === HEARTBEAT)
      assert.ok(heartbeats.length >= 3, `${heartbeats.length} heartbeats`)
      return heartbeats.filter(bytes => (bytes[4] & ASK) !== 0).length
    }
    assert.equal(asks(5), 0)
    assert.ok(asks(1_000) >= 2)
  })

  it("sends its first heartbeat 40 ms after data for which it was held back, 10 ms after other data (MC-14)", () => {
    const group = new Group()
    const { sender, packets } = heldSender(group)
    const heartbeats = (): number => sender.packets.filter(bytes => bytes[3] === HEARTBEAT).length
    sender.engine.received(report(sender, 1, packets + 1, 100_000), "r1")
    sender.engine.flush()
    assert.ok(sender.engine.stats.packets > packets)
    group.run(35)
    assert.equal(heartbeats(), 0)
    group.run(10)
    assert.equal(heartbeats(), 1)
    sender.engine.send(text("not held back"))
    sender.engine.flush()
    group.run(12)
    assert.equal(heartbeats(), 2)
  })

  it("receivers report a quarter of their window, half of it in groups of more than 8 (MC-31)", () => {
    const perWindow = (receivers: number): number => {
      const group = new Group()
      const sender = group.sender({ window: 100_000 })
      const settings = { receiveWindow: 100_000, statusInterval: 100_000 }
      const all = Array.from({ length: receivers }, () => group.receiver(settings))
      group.run(50)
      const before = all[0].reports.length
      let sent = 0
      const pump = (): void => {
        while (sent < 3_000 && sender.engine.send(text(`${sent++}`.padEnd(1_000)))) {}
        sender.engine.flush()
      }
      sender.engine.onDrain = pump
      pump()
      group.run(3_000)
      assert.equal(sent, 3_000)
      // Each message is a packet of about 1,560 bytes of window.
      return (all[0].reports.length - before) / ((3_000 * 1_560) / 100_000)
    }
    const few = perWindow(8)
    assert.ok(few > 3.5 && few < 4.5, `${few} in a group of 8`)
    const many = perWindow(9)
    assert.ok(many > 1.6 && many < 2.5, `${many} in a group of 9`)
  })

  it("does not wait when nobody listens (MC-34)", () => {
    const group = new Group()
    const sender = group.sender()
    group.run(5)
    let sent = 0
    const pump = (): void => {
      while (sent < 20_000 && sender.engine.send(text(`${sent++}`.padEnd(1_000)))) {}
    }
    sender.engine.onDrain = pump
    pump()
    assert.ok(sent < 200, "before anybody could answer, little is sent")
    group.run(200)
    assert.equal(sent, 20_000)
  })

  it("keeps within its window for 100 ms: others may be heard yet (MC-34)", () => {
    const group = new Group()
    group.delay = from => (from === "r1" ? 50 : 0.1)
    let packets = 0
    group.copies = (_from, to, bytes) => (to === "r1" && isData(bytes) && ++packets === 3 ? 0 : 1)
    group.receiver({ receiveWindow: 1_000_000 })
    const late = group.receiver({ receiveWindow: 1_000_000 })
    const sender = group.sender({ window: 100_000 })
    let sent = 0
    const pump = (): void => {
      while (sent < 5_000) if (!sender.engine.send(text(`${sent++}`.padEnd(1_000)))) break
      sender.engine.flush()
    }
    sender.engine.onDrain = pump
    group.run(5)
    pump()
    group.run(10_000)
    assert.equal(sent, 5_000)
    assert.deepEqual(
      late.texts.map(one => one.trim()),
      numbers(0, 5_000),
    )
  })

  it("keeps to its rate (MC-21)", () => {
    const group = new Group()
    const sender = group.sender({ rate: 100_000, flow: "none" })
    group.receiver()
    const pump = (): void => {
      while (sender.engine.send([Buffer.alloc(900)])) {}
    }
    sender.engine.onDrain = pump
    pump()
    group.run(10_000)
    const { bytes } = sender.engine.stats
    assert.ok(bytes > 950_000 && bytes < 1_010_000, `${bytes} bytes in ten seconds`)
  })

  it("stops while the port is full, and goes on when it has room (MC-13)", () => {
    const group = new Group()
    const sender = group.sender()
    const receiver = group.receiver()
    group.run(5)
    sender.open = false
    sender.engine.send(text("0"))
    sender.engine.flush()
    assert.equal(sender.engine.send(text("1")), false)
    for (let i = 2; i < 50; i++) assert.equal(sender.engine.send([Buffer.from(`${i}`)]), false)
    sender.engine.send([Buffer.alloc(20_000, "x")])
    sender.engine.send(text("last"))
    sender.engine.flush()
    group.run(100)
    assert.deepEqual(receiver.texts, ["0"])
    assert.equal(sender.drains, 0)
    sender.open = true
    sender.engine.drained()
    group.run(100)
    assert.deepEqual(receiver.texts, [...numbers(0, 50), "x".repeat(20_000), "last"])
    assert.equal(sender.drains, 1)
  })

  it("uses memory again when its packets are not kept any more (MC-20)", () => {
    const group = new Group()
    const sender = group.sender({ window: 1_000_000, reuse: true, parity: false })
    const receivers = [group.receiver(), group.receiver()]
    group.run(5)
    group.copies = (from, to) => (from === "s0" && to === "r1" && group.random.chance(0.02) ? 0 : 1)
    let sent = 0
    const pump = (): void => {
      while (sent < 8_000) if (!sender.engine.send(text(`${sent++}`.padEnd(1_000)))) break
      sender.engine.flush()
    }
    sender.engine.onDrain = pump
    pump()
    group.run(5_000)
    for (const receiver of receivers) {
      assert.deepEqual(
        receiver.texts.map(line => line.trim()),
        numbers(0, 8_000),
      )
    }
    assert.ok(sender.engine.stats.repairs > 100)
    const memory = new Set(sender.packets.map(bytes => bytes.buffer))
    assert.ok(memory.size < 1_000, "heartbeats have their own memory")
    const chunks = [...memory].filter(buffer => buffer.byteLength > 100_000)
    assert.ok(chunks.length < 12, `${chunks.length} chunks for 11 MB`)
  })

  it("takes no more than it has memory for (MC-31)", () => {
    const group = new Group()
    const sender = group.sender({ datagram: 512 })
    const receiver = group.receiver({ memory: 300_000 })
    group.run(5)
    group.copies = (from, _, bytes) => (from === "s0" && isData(bytes) && group.random.chance(0.05) ? 0 : 1)
    for (let i = 0; i < 20; i++) {
      sender.engine.send([Buffer.alloc(50_000)])
      sender.engine.flush()
      group.run(20)
    }
    group.run(5_000)
    assert.equal(receiver.engine.stats.messages, 20)
    assert.equal(receiver.engine.stats.gaps, 0)
    const { repairs, packets } = sender.engine.stats
    assert.ok(repairs < packets * 0.15, `${repairs} repairs of ${packets} packets`)
  })

  it("holds new data while a receiver lacks what would soon be gone, and repairs have the rate (MC-32)", () => {
    const group = new Group()
    const sender = group.sender({ rate: 50_000, recoveryInterval: 3_000 })
    const receivers = [1, 2, 3, 4, 5].map(() => group.receiver({ recoveryInterval: 3_000 }))
    group.run(5)
    group.copies = (from, _, bytes) => (from === "s0" && isData(bytes) && group.random.chance(0.4) ? 0 : 1)
    let sent = 0
    const pump = (): void => {
      while (sent < 300) if (!sender.engine.send(text(`${sent++}`.padEnd(1_000)))) break
      sender.engine.flush()
    }
    sender.engine.onDrain = pump
    pump()
    group.run(120_000)
    for (const receiver of receivers) {
      assert.deepEqual(
        receiver.texts.map(line => line.trim()),
        numbers(0, 300),
      )
    }
  })
})
