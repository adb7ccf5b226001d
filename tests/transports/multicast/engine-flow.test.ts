import assert from "node:assert/strict"
import { DATA } from "../../../transports/multicast/wire.ts"
import { Group } from "./engine-group.ts"

const text = (value: string): Buffer[] => [Buffer.from(value)]
const isData = (bytes: Buffer): boolean => bytes[3] === DATA
const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `${from + i}`)

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
    const sender = group.sender({ window: 1_000_000, reuse: true })
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
