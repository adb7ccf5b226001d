import assert from "node:assert/strict"
import {
  DATA,
  HEADER,
  HEARTBEAT,
  LEAVE,
  putU16,
  putU32,
  putU48,
  RETX,
  STATUS,
  TAKES_PARITY,
} from "../../../transports/multicast/wire.ts"
import { seeded } from "../../support/random.ts"
import { entryText, Group, type TestReceiver, type TestSender } from "./engine-group.ts"

const isData = (bytes: Buffer): boolean => bytes[3] === DATA

function say(sender: TestSender, ...texts: string[]): void {
  for (const text of texts) {
    sender.engine.send([Buffer.from(text)])
    sender.engine.flush()
  }
}

/** The last data packet of a sender, changed. */
function forged(sender: TestSender, change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(sender.packets.filter(isData).at(-1) as Buffer)
  change(bytes)
  return bytes
}

const lives = (receiver: TestReceiver): string[][] => receiver.heard.map(({ log }) => log.map(entryText))

describe("Multicast engine: faults", () => {
  it("bears any bytes (MC-1)", () =>
    seeded(random => {
      const group = new Group(random)
      const sender = group.sender()
      const receiver = group.receiver({ maxSessions: 8 })
      group.run(5)
      say(sender, "a", "b")
      group.run(5)
      const genuine = [...sender.packets, ...receiver.reports]
      for (let i = 0; i < 20_000; i++) {
        let bytes: Buffer
        if (random.chance(0.3)) bytes = random.bytes(random.int(0, 200))
        else {
          bytes = Buffer.from(random.pick(genuine))
          for (let flips = random.int(1, 4); flips > 0; flips--) {
            const at = random.int(0, bytes.length - 1)
            // All but the session, for which nobody can guess.
            if (at < 8 || at > 15) bytes[at] = random.int(0, 255)
          }
          if (random.chance(0.2)) bytes = bytes.subarray(0, random.int(0, bytes.length))
        }
        receiver.engine.received(bytes, "elsewhere")
        sender.engine.received(bytes, "elsewhere")
        if (random.chance(0.01)) group.run(random.int(1, 500))
      }
      say(sender, "c")
      group.run(60_000)
      say(sender, "d")
      group.run(100)
      const own = receiver.heard.filter(({ session }) => session.source === "s0")
      assert.deepEqual(
        own.map(({ log }) => log.map(entryText)),
        [["a", "b", "c", "d"]],
      )
      assert.ok(receiver.engine.stats.malformed > 1_000)
      assert.ok(receiver.engine.stats.sessions <= 8)
      assert.ok(receiver.engine.stats.memory < 1_000_000)
    }))

  it("is not led astray by one packet that is far ahead (MC-46)", () => {
    const group = new Group()
    const sender = group.sender()
    const receiver = group.receiver()
    group.run(5)
    say(sender, "a")
    group.run(5)
    receiver.engine.received(
      forged(sender, bytes => putU48(bytes, 16, 2 ** 40)),
      "s0",
    )
    say(sender, "b")
    group.run(5)
    receiver.engine.received(
      forged(sender, bytes => {
        bytes[3] = HEARTBEAT
        putU48(bytes, 16, 2 ** 47)
      }).subarray(0, HEADER),
      "s0",
    )
    say(sender, "c")
    group.run(100)
    assert.deepEqual(lives(receiver), [["a", "b", "c"]])
    assert.equal(receiver.engine.stats.ahead, 2)
    assert.equal(receiver.naks.length, 0)
  })

  it("allocates for what arrives, not for what is announced (MC-51, MC-53)", () => {
    const group = new Group()
    const sender = group.sender({ datagram: 512 })
    const receiver = group.receiver({ memory: 200_000 })
    group.run(5)
    sender.engine.send([Buffer.alloc(400)])
    sender.engine.flush()
    group.run(1)
    const before = process.memoryUsage().arrayBuffers
    // A frame of 60 MB: allowed, but it does not come.
    const huge = forged(sender, bytes => {
      putU48(bytes, 16, 2)
      putU48(bytes, 32, 1)
      putU32(bytes, HEADER + 1, 60_000_000)
    })
    receiver.engine.received(huge, "s0")
    assert.ok(process.memoryUsage().arrayBuffers - before < 1_000_000)
    assert.ok(receiver.engine.stats.memory <= 200_000)
    group.remove("s0")
    group.run(20_000)
    assert.equal(receiver.heard[0].end, "timeout")
    assert.equal(receiver.engine.stats.memory, 0)
    assert.match(lives(receiver)[0].at(-1) ?? "", /^gap 1\+1 timeout$/)
  })

  it("tells a message that is too long, and goes on behind it (MC-53)", () => {
    for (const [size, frames] of [
      [5_000, 1],
      [200_000, 1],
      [3_000, 3],
      [1_000, 5],
    ]) {
      const group = new Group()
      const sender = group.sender()
      const receiver = group.receiver({ maxMessageSize: 4_000 })
      group.run(5)
      say(sender, "a")
      sender.engine.send(Array.from({ length: frames }, () => Buffer.alloc(size)))
      say(sender, "b")
      group.run(100)
      assert.deepEqual(lives(receiver), [["a", "gap 1+1 size", "b"]])
      assert.equal(receiver.engine.stats.memory, 0)
    }
  })

  it("gives up what it has no memory for (MC-40, MC-53)", () => {
    const group = new Group()
    const sender = group.sender()
    const receiver = group.receiver({ memory: 100_000 })
    group.run(5)
    say(sender, "a")
    sender.engine.send([Buffer.alloc(150_000)])
    say(sender, "b")
    group.run(100)
    assert.deepEqual(lives(receiver), [["a", "gap 1+1 memory", "b"]])
    assert.equal(receiver.engine.stats.memory, 0)
  })

  it("resynchronises after frames that make no sense (MC-54)", () => {
    const group = new Group()
    const sender = group.sender()
    const receiver = group.receiver()
    group.run(5)
    group.copies = (_, to, bytes) => {
      if (to === "r0" && isData(bytes) && bytes[21] === 2) bytes[HEADER] = 0xf0
      return 1
    }
    say(sender, "a", "b", "c")
    group.run(100)
    assert.deepEqual(lives(receiver), [["a", "gap 1+1 malformed", "c"]])
  })

  it("takes a sender that restarts for a new one (MC-2, MC-62)", () => {
    const group = new Group()
    const sender = group.sender({}, "host")
    const receiver = group.receiver()
    group.run(5)
    say(sender, "a", "b")
    group.run(5)
    const restarted = group.sender({}, "host")
    say(restarted, "c")
    group.run(5)
    assert.deepEqual(lives(receiver), [["a", "b"], ["c"]])
    sender.engine.close()
    group.run(12_000)
    assert.deepEqual(
      receiver.heard.map(({ end }) => end),
      ["timeout", null],
    )
  })

  it("keeps a session apart from one with the same id and another address (MC-63)", () => {
    const group = new Group()
    const sender = group.sender()
    const receiver = group.receiver()
    group.run(5)
    say(sender, "a")
    group.run(5)
    receiver.engine.received(
      forged(sender, bytes => {
        putU48(bytes, 16, 2)
        putU48(bytes, 32, 1)
        bytes[HEADER + 2] = 0x58
      }),
      "thief",
    )
    say(sender, "b")
    group.run(5)
    assert.deepEqual(lives(receiver), [["a", "b"], ["X"]])
  })

  it("bounds the sessions of a flood, and has room again afterwards (MC-64)", () => {
    const group = new Group()
    const sender = group.sender()
    const receiver = group.receiver({ maxSessions: 10 })
    group.run(5)
    say(sender, "a")
    group.run(5)
    for (let i = 0; i < 1_000; i++)
      receiver.engine.received(
        forged(sender, bytes => putU32(bytes, 8, i)),
        "flood",
      )
    assert.equal(receiver.engine.stats.sessions, 10)
    assert.equal(receiver.engine.stats.tooMany, 991)
    say(sender, "b")
    group.run(4_000)
    const late = group.sender()
    group.run(5)
    say(late, "late")
    group.run(5)
    assert.deepEqual(lives(receiver)[0], ["a", "b"])
    assert.deepEqual(lives(receiver).at(-1), ["late"])
    assert.ok(receiver.heard.some(({ end }) => end === "evicted"))
  })

  it("leaves a session that nobody wants here, and the sender waits no longer (MC-33, MC-65)", () => {
    const group = new Group()
    const sender = group.sender()
    const [one, other] = [group.receiver(), group.receiver()]
    group.run(300)
    assert.equal(sender.engine.stats.receivers, 2)
    say(sender, "a")
    group.run(5)
    one.heard[0].session.close()
    group.run(1)
    assert.equal(one.reports.at(-1)?.[4], LEAVE | TAKES_PARITY)
    assert.equal(sender.engine.stats.receivers, 1)
    say(sender, "b")
    group.run(60_000)
    assert.deepEqual(lives(one), [["a"]])
    assert.equal(one.heard[0].end, null)
    assert.deepEqual(lives(other), [["a", "b"]])
    other.engine.close()
    group.run(1)
    assert.equal(sender.engine.stats.receivers, 0)
  })

  it("refuses reports that make no sense, of strangers, and of too many (MC-33)", () => {
    const group = new Group()
    const sender = group.sender({ maxReceivers: 3 })
    const receiver = group.receiver()
    group.run(5)
    say(sender, "a")
    group.run(300)
    const report = receiver.reports.at(-1) as Buffer
    assert.equal(report[3], STATUS)
    const send = (change: (bytes: Buffer) => void, source: string): void => {
      const bytes = Buffer.from(report)
      change(bytes)
      sender.engine.received(bytes, source)
    }
    send(bytes => putU48(bytes, 24, 2 ** 40), "r0")
    send(bytes => putU48(bytes, 16, 0), "r0")
    send(bytes => putU16(bytes, 46, 1), "r0")
    assert.equal(sender.engine.stats.malformed, 3)
    send(() => {}, "stranger")
    assert.equal(sender.engine.stats.foreign, 1)
    for (let i = 0; i < 5; i++) send(bytes => putU48(bytes, 40, i), "many")
    assert.equal(sender.engine.stats.receivers, 3)
    assert.equal(sender.engine.stats.tooMany, 3)
  })

  it("does not join by a repair or an end (MC-60)", () => {
    const group = new Group()
    const sender = group.sender()
    group.run(5)
    say(sender, "a")
    const receiver = group.receiver()
    receiver.engine.received(
      forged(sender, bytes => {
        bytes[4] |= RETX
      }),
      "s0",
    )
    sender.engine.end()
    group.run(5_000)
    assert.equal(receiver.heard.length, 0)
    assert.equal(sender.closed, true)
  })

  it("goes on behind a message whose receiver throws", () => {
    const group = new Group()
    const sender = group.sender()
    const receiver = group.receiver()
    group.run(300)
    const got: string[] = []
    receiver.heard[0].session.onMessage = ([frame]) => {
      got.push(`${frame}`)
      if (got.length % 2 === 1) throw new Error("not my day")
    }
    for (const message of ["a", "b", "c"]) sender.engine.send([Buffer.from(message)])
    sender.engine.flush()
    say(sender, "d", "e")
    let thrown = 0
    for (let i = 0; i < 1_000; i++) {
      try {
        group.run(1)
      } catch {
        thrown++
      }
    }
    assert.deepEqual(got, ["a", "b", "c", "d", "e"])
    assert.equal(thrown, 3)
    assert.equal(receiver.engine.stats.memory, 0)
  })

  it("does not ask to be woken for nothing", () => {
    const group = new Group()
    const sender = group.sender({ rate: 10_000, window: 20_000 })
    const receiver = group.receiver({ receiveWindow: 20_000 })
    let wakes = 0
    const { host } = group
    group.host = (tick, send) =>
      host.call(
        group,
        () => {
          wakes++
          tick()
        },
        send,
      )
    const watched = group.sender({ rate: 10_000, window: 20_000 })
    group.run(300)
    for (const { session } of receiver.heard) session.pause()
    for (let i = 0; i < 100; i++) {
      sender.engine.send([Buffer.alloc(1_000)])
      watched.engine.send([Buffer.alloc(1_000)])
    }
    wakes = 0
    group.run(20_000)
    assert.ok(wakes < 500, `${wakes} ticks in twenty seconds of waiting`)
  })
})
