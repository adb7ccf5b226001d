import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { once } from "node:events"
import net from "node:net"
import { Push } from "../../index.ts"
import { GREETING, ready } from "../support/bytes.ts"
import { closesAfterEach, later, using } from "../support/cleanup.ts"
import { netAddress } from "../support/raw-peer.ts"
import { type Report, Victim } from "../support/victim.ts"
import { until } from "../support/wait.ts"

const MIB = 1024 * 1024
const HANDSHAKES = 500

/** How many sockets we may open, some left for others. */
const room =
  Number(execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" }).trim().replace("unlimited", "65536")) - 300
const CROWD = Math.min(10_000, room)

/** Opens so many connections, a few hundred at a time; `greet` is what each says. */
async function crowd(endpoint: string, count: number, greet: Buffer | null): Promise<net.Socket[]> {
  const sockets: net.Socket[] = []
  later(() => {
    for (const socket of sockets) socket.destroy()
  })
  while (sockets.length < count) {
    const some = Array.from({ length: Math.min(200, count - sockets.length) }, () => {
      const socket = net.connect(netAddress(endpoint))
      // It may be turned away at any time.
      socket.on("error", () => {})
      socket.resume()
      return socket
    })
    sockets.push(...some)
    await Promise.all(
      some.map(socket => Promise.race([once(socket, "connect"), once(socket, "close")]).catch(() => {})),
    )
    if (greet !== null) for (const socket of some) socket.write(greet)
  }
  return sockets
}

const print = (what: string, before: Report, after: Report, count: number): void => {
  const perPeer = (bytes: number): string => `${(bytes / count / 1024).toFixed(1)} KiB`
  const rss = after.rss - before.rss
  console.log(`      ${count} ${what}: ${(rss / MIB).toFixed(1)} MiB more resident, ${perPeer(rss)} each`)
}

describe("Crowds", function () {
  this.timeout(120_000)
  closesAfterEach()

  /** A peer that sends all the time, and proves that it never noticed anything. */
  const witness = async (victim: Victim): Promise<() => Promise<void>> => {
    const push = using(new Push({ linger: 0 }))
    let disconnects = 0
    push.events.on("disconnect", () => disconnects++)
    push.connect(victim.endpoint)
    await push.ready()
    let sent = 0
    let going = true
    const loop = (async () => {
      while (going) {
        await push.send(`${sent++}`)
        await new Promise(setImmediate)
      }
    })()
    return async () => {
      going = false
      await loop
      await victim.comesTo(({ messages }) => messages === sent)
      assert.equal(disconnects, 0)
    }
  }

  it(`of ${CROWD} that connect and say nothing cost at most maxHandshakes of them, and others notice nothing`, async () => {
    const victim = await Victim.start(`new Pull({ maxHandshakes: ${HANDSHAKES}, handshakeInterval: 0 })`)
    const finish = await witness(victim)
    const before = await victim.report()
    const sockets = await crowd(victim.endpoint, CROWD, null)
    const after = await victim.comesTo(({ events }) => {
      const refused =
        (events["accept:error EMFILE"] ?? 0) + (events["handshake:error:other ERR_HANDSHAKE_TIMEOUT"] ?? 0)
      return refused >= CROWD - HANDSHAKES
    })
    print("silent connections", before, after, CROWD)
    assert.equal(after.peers, 1)
    const open = sockets.filter(socket => !socket.closed).length
    assert.ok(open <= HANDSHAKES + 1, `${open} of them are still let in`)
    // What each that is let in may cost is a socket of Node's and a handshake; what was turned away costs nothing.
    assert.ok(after.heapUsed - before.heapUsed < HANDSHAKES * 16 * 1024 + 2 * MIB)
    assert.ok(after.arrayBuffers - before.arrayBuffers < HANDSHAKES * 1024 + 2 * MIB)
    await finish()
    // A newcomer who speaks gets in, though every place is taken by somebody silent.
    const late = using(new Push({ reconnectInterval: 50, reconnectMaxInterval: 200 }))
    late.connect(victim.endpoint)
    await late.ready()
  })

  it("of idle peers cost a little each, all of which comes back when they leave", async () => {
    const count = Math.min(2_000, room)
    const victim = await Victim.start("new Pull()")
    const finish = await witness(victim)
    const before = await victim.report()
    const sockets = await crowd(victim.endpoint, count, Buffer.concat([GREETING, ready("PUSH")]))
    const during = await victim.comesTo(({ peers }) => peers === count + 1)
    print("idle peers", before, during, count)
    assert.ok(during.arrayBuffers - before.arrayBuffers < 4 * MIB, "an idle connection owns no buffer")
    for (const socket of sockets) socket.destroy()
    const after = await victim.comesTo(report => report.peers === 1 && report.heapUsed - before.heapUsed < 4 * MIB)
    assert.ok(after.arrayBuffers - before.arrayBuffers < 4 * MIB)
    await finish()
  })

  it("of more than the process may have files leave it alive, and those who are in notice nothing", async () => {
    const victim = await Victim.start("new Pull()", "", 80)
    const finish = await witness(victim)
    const sockets = await crowd(victim.endpoint, 300, null)
    // The operating system took them in; the process cannot, and says no.
    await until(() => sockets.filter(socket => socket.closed).length >= 220)
    for (const socket of sockets) socket.destroy()
    await finish()
    const late = using(new Push())
    late.connect(victim.endpoint)
    await late.ready()
  })

  for (const [what, greet] of [
    ["open and close", null],
    ["shake hands and leave", Buffer.concat([GREETING, ready("PUSH")])],
    ["send garbage", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  ] as const) {
    it(`that ${what} in a loop leave nothing behind`, async () => {
      const victim = await Victim.start("new Pull()")
      const finish = await witness(victim)
      const round = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i += 50) {
          const sockets = Array.from({ length: 50 }, () => net.connect(netAddress(victim.endpoint)))
          await Promise.all(
            sockets.map(async (socket, n) => {
              socket.on("error", () => {})
              await once(socket, "connect")
              if (greet !== null) await new Promise(resolve => socket.write(greet, resolve))
              if (n % 2 === 0) socket.end(() => socket.destroy())
              else socket.resetAndDestroy()
              if (!socket.closed) await once(socket, "close")
            }),
          )
        }
      }
      await round(500)
      const before = await victim.comesTo(({ peers }) => peers === 1)
      await round(1_500)
      const after = await victim.comesTo(report => report.peers === 1 && report.heapUsed - before.heapUsed < 2 * MIB)
      assert.ok(after.arrayBuffers - before.arrayBuffers < 2 * MIB)
      await finish()
    })
  }
})
