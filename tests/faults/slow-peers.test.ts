import assert from "node:assert/strict"
import { Pull } from "../../index.ts"
import { message } from "../support/bytes.ts"
import { closesAfterEach, using } from "../support/cleanup.ts"
import { Program } from "../support/processes.ts"
import { RawPeer } from "../support/raw-peer.ts"
import { Victim } from "../support/victim.ts"
import { pass, until } from "../support/wait.ts"

const MIB = 1024 * 1024
const BODY = 10_000

describe("Peers that do not keep up", () => {
  closesAfterEach()

  it("and never read: the sender's memory is bounded, and other peers get all that comes", async () => {
    const victim = await Victim.start(
      "new Push({ sendHighWaterMark: 200 })",
      `
        await socket.ready({ peers: 2 })
        const body = Buffer.alloc(${BODY})
        for (let i = 0; ; i++) await socket.send([String(i), body])
      `,
    )
    const before = await victim.report()
    const deaf = using(await RawPeer.connect(victim.endpoint))
    await deaf.shake("PULL")
    deaf.deafen()
    const good = using(await RawPeer.connect(victim.endpoint))
    await good.shake("PULL")
    let got = 0
    let last = -1
    let reading = true
    const loop = (async () => {
      while (reading) {
        const [number] = await good.readMessage()
        assert.ok(Number(number) > last, "in order")
        last = Number(number)
        got++
      }
    })()
    // First the deaf peer takes its turns; once it is full, the good one gets every message.
    await until(() => got >= 10_000)
    const after = await victim.report()
    assert.equal(after.peers, 2)
    assert.ok(after.queued >= 200, "the deaf peer's queue is full")
    const most = 2 * 200 * BODY + 4 * MIB
    const grown = after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed
    assert.ok(grown < most, `${grown} bytes more than before, of ${most}`)
    const mark = got
    await until(() => got >= mark + 2_000)
    reading = false
    await loop
  })

  it("whose user does not receive: it holds receiveHighWaterMark messages of each peer, and the rest waits outside", async () => {
    const victim = await Victim.start("new Pull({ receiveHighWaterMark: 100 }) /* idle */")
    const before = await victim.report()
    const peers = [using(await RawPeer.connect(victim.endpoint)), using(await RawPeer.connect(victim.endpoint))]
    for (const peer of peers) {
      await peer.shake("PUSH")
      // 50 MB: more than high-water mark and system together take.
      const body = message(Buffer.alloc(BODY))
      for (let i = 0; i < 5_000; i++) peer.socket.write(body)
    }
    // Nothing moves any more.
    let still = 0
    for (let sent = -1; still < 20; await pass(10)) {
      const now = peers.reduce((sum, { socket }) => sum + socket.bytesWritten - socket.writableLength, 0)
      still = now === sent ? still + 1 : 0
      sent = now
    }
    for (const { socket } of peers) assert.ok(socket.writableLength > 0, "everything was taken")
    const after = await victim.report()
    const grown = after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed
    const most = 2 * (100 * BODY + MIB) + MIB
    assert.ok(grown < most, `${grown} bytes more than before, of ${most}`)
    assert.equal(after.peers, 2)
  })

  it("and are still reading when the sender has long said goodbye: nothing of what it sent is lost", async () => {
    const pull = using(new Pull({ receiveHighWaterMark: 10, heartbeatInterval: 100 }))
    await pull.bind("tcp://127.0.0.1:*")
    const sender = Program.start(`
      import { Push } from "${new URL("../../index.js", import.meta.url)}"
      const push = new Push()
      push.connect("${pull.lastEndpoint}")
      for (let i = 0; i < 100; i++) await push.send([String(i), Buffer.alloc(20_000)])
      await push.close()
      process.stdout.write("closed")
    `)
    // We ask for signs of life all the time, which must not break a connection that is closing.
    await pass(2_500)
    for (let i = 0; i < 100; i++) assert.equal(String((await pull.receive())[0]), `${i}`)
    await sender.says(/closed/)
  })

  it("however many, do not hold up the end: close waits for linger, then drops and counts", async () => {
    const victim = await Victim.start(
      "new Push({ sendHighWaterMark: 10, linger: 500 })",
      `
        await socket.ready({ peers: 50 })
        const body = Buffer.alloc(100_000)
        while (socket.trySend(body)) await new Promise(setImmediate)
        say("full")
        await socket.close()
        say("closed " + JSON.stringify(socket.stats().dropped))
      `,
    )
    const peers: RawPeer[] = []
    for (let i = 0; i < 50; i++) {
      const peer = using(await RawPeer.connect(victim.endpoint))
      await peer.shake("PULL")
      peer.deafen()
      peers.push(peer)
    }
    await victim.program.says(/full/)
    const [, dropped] = await victim.program.says(/closed (.*)/)
    assert.ok(JSON.parse(dropped).closed > 0, "what could not be sent in time is counted")
  })
})
