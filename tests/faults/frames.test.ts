import assert from "node:assert/strict"
import { COMMAND, command, frame, MORE, message, ping } from "../support/bytes.ts"
import { closesAfterEach, using } from "../support/cleanup.ts"
import { RawPeer } from "../support/raw-peer.ts"
import { type Report, Victim } from "../support/victim.ts"
import { turns, until } from "../support/wait.ts"

const MIB = 1024 * 1024

describe("Hostile frames", () => {
  closesAfterEach()

  const attack = async (make = "new Pull()") => {
    const victim = await Victim.start(make)
    const peer = using(await RawPeer.connect(victim.endpoint))
    await peer.shake("PUSH")
    await peer.write(message("good"))
    const before = await victim.comesTo(report => report.messages === 1)
    return { victim, peer, before }
  }

  /** Bytes that the victim has more than before, in memory of any kind that JavaScript knows. */
  const growth = (before: Report, after: Report): number =>
    after.arrayBuffers - before.arrayBuffers + (after.heapUsed - before.heapUsed)

  it("of impossible lengths end the connection, and the peer is told why", async () => {
    const { victim, before } = await attack()
    let count = 0
    for (const size of [2n ** 63n, 2n ** 64n - 1n, 64n * 1024n * 1024n + 1n]) {
      for (const flags of [0, MORE, COMMAND]) {
        const peer = using(await RawPeer.connect(victim.endpoint))
        await peer.shake("PUSH")
        await peer.write(frame(flags, "abc", { size }))
        const { name, data } = await peer.readCommand()
        assert.equal(name, "ERROR")
        assert.match(data.toString(), /exceeds/)
        await peer.gone
        count++
      }
    }
    const after = await victim.comesTo(({ peers }) => peers === 1)
    assert.equal(after.events["disconnect EMSGSIZE"], count)
    assert.ok(growth(before, after) < MIB)
  })

  it("of which one is half, and then silence: heartbeats end it, and what it held is free", async () => {
    const { victim, peer, before } = await attack("new Pull({ heartbeatInterval: 100, heartbeatTimeout: 300 })")
    await peer.write(frame(0, Buffer.alloc(10 * MIB), { size: 20n * BigInt(MIB) }))
    const after = await victim.comesTo(report => report.peers === 0 && growth(before, report) < 2 * MIB)
    assert.equal(after.events["disconnect ERR_HEARTBEAT_TIMEOUT"], 1)
    assert.equal(after.messages, 1)
  })

  it("of which one announces a gigabyte cost what has come, not what was announced", async () => {
    const { victim, peer, before } = await attack("new Pull({ maxMessageSize: 4e9 })")
    await peer.write(frame(0, Buffer.alloc(3 * MIB), { size: 1_000_000_000n }))
    const after = await victim.comesTo(report => report.arrayBuffers - before.arrayBuffers >= 3 * MIB)
    assert.ok(growth(before, after) < 8 * MIB, `${growth(before, after)} bytes for 3 MiB`)
  })

  it("that go on with MORE for ever are cut off by maxMessageSize", async () => {
    const { victim, peer, before } = await attack("new Pull({ maxMessageSize: 1_000_000 })")
    const part = frame(MORE, Buffer.alloc(1_000))
    while (peer.left === null) await peer.write(...Array(100).fill(part))
    const after = await victim.comesTo(report => report.peers === 0 && growth(before, report) < 2 * MIB)
    assert.equal(after.events["disconnect EMSGSIZE"], 1)
    assert.equal(after.messages, 1)
  })

  it("that go on with MORE and nothing in them for ever are cut off by their number", async () => {
    const { victim, peer, before } = await attack()
    const parts = Buffer.alloc(20_000, frame(MORE))
    while (peer.left === null) await peer.write(parts)
    const after = await victim.comesTo(report => report.peers === 0 && growth(before, report) < 2 * MIB)
    assert.equal(after.events["disconnect EMSGSIZE"], 1)
  })

  it("that hold small parts of a message among many others pin no more than they are", async () => {
    const { victim, peer, before } = await attack()
    // Each part lies in a read buffer of its own, which it must not keep alive for itself.
    for (let i = 0; i < 100; i++) {
      await peer.write(frame(MORE, "x"), ...Array(16).fill(command("NEWS", Buffer.alloc(30_000))))
    }
    await peer.write(ping(0, "done?"))
    while ((await peer.readCommand()).name !== "PONG");
    await victim.comesTo(report => growth(before, report) < 4 * MIB)
    await peer.write(message("the end"))
    assert.equal((await victim.comesTo(report => report.messages === 2)).messages, 2)
  })

  it("of unknown commands in a flood are read and forgotten", async () => {
    const { victim, peer, before } = await attack()
    const flood = Buffer.concat(Array.from({ length: 1_000 }, () => command("NEWS", Buffer.alloc(200))))
    for (let i = 0; i < 50; i++) await peer.write(flood)
    await peer.write(message("and a message"))
    const after = await victim.comesTo(report => report.messages === 2)
    assert.ok(growth(before, after) < 2 * MIB)
    assert.equal(after.peers, 1)
  })

  it("of PINGs in a flood from a peer that does not read answers cost a bounded amount", async () => {
    const { victim, peer, before } = await attack()
    peer.deafen()
    const flood = Buffer.concat(Array.from({ length: 5_000 }, () => ping(0, "0123456789abcdef")))
    // 24 octets each way: 1.2 million answers are 29 MB, more than the operating system takes.
    for (let i = 0; i < 240; i++) await peer.write(flood)
    await peer.write(message("and a message"))
    const after = await victim.comesTo(report => report.messages === 2)
    assert.ok(growth(before, after) < 4 * MIB, `${growth(before, after)} bytes`)
    assert.equal(after.peers, 1)
    // Once it has read what was kept for it, it is answered again.
    peer.listen()
    let last = ""
    const reading = (async () => {
      while (last !== "really?") last = String((await peer.readCommand()).data)
    })()
    while (last !== "really?") {
      await peer.write(ping(0, "really?"))
      await turns(10)
    }
    await reading
  })

  it("of PINGs with a time to live in a flood leave one timer", async () => {
    const { victim, peer, before } = await attack()
    const flood = Buffer.concat(Array.from({ length: 5_000 }, () => ping(65_535)))
    for (let i = 0; i < 20; i++) await peer.write(flood)
    await peer.write(message("and a message"))
    const after = await victim.comesTo(report => report.messages === 2)
    assert.ok(growth(before, after) < 2 * MIB)
  })

  it("of subscriptions in a flood are cut off by maxSubscriptions, with their name in the event", async () => {
    const victim = await Victim.start("new Publisher({ maxSubscriptions: 1_000 })")
    const peer = using(await RawPeer.connect(victim.endpoint))
    await peer.shake("SUB")
    for (let i = 0; peer.left === null && i < 100; i++) {
      await peer.write(...Array.from({ length: 100 }, (_, n) => command("SUBSCRIBE", `topic ${i} ${n}`)))
    }
    await until(() => peer.left !== null)
    const after = await victim.comesTo(({ peers }) => peers === 0)
    assert.equal(after.events["refuse ERR_SUBSCRIPTION_LIMIT"], 1)
    // Others are served.
    const other = using(await RawPeer.connect(victim.endpoint))
    await other.shake("SUB")
    await other.write(command("SUBSCRIBE", ""))
    await victim.comesTo(({ peers }) => peers === 1)
  })

  it("of subscribing and cancelling for ever leave nothing behind", async () => {
    const victim = await Victim.start("new Publisher()")
    const peer = using(await RawPeer.connect(victim.endpoint))
    await peer.shake("SUB")
    const round = async (from: number): Promise<void> => {
      const pairs = Array.from({ length: 5_000 }, (_, n) =>
        Buffer.concat([command("SUBSCRIBE", `topic ${from + n}`), command("CANCEL", `topic ${from + n}`)]),
      )
      await peer.write(...pairs, ping(0))
      while ((await peer.readCommand()).name !== "PONG");
    }
    for (let i = 0; i < 4; i++) await round(i * 5_000)
    const before = await victim.report()
    for (let i = 4; i < 30; i++) await round(i * 5_000)
    const after = await victim.report()
    // An entry that stayed for each of the 130,000 would be more than this; slabs that the collector has not come to are less.
    assert.ok(growth(before, after) < 6 * MIB, `${growth(before, after)} bytes more`)
  })
})
