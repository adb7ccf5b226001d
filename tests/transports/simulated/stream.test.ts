import assert from "node:assert/strict"
import type { Conditions } from "../../../transports/simulated/conditions.ts"
import { SimulatedNetwork } from "../../../transports/simulated/network.ts"
import type { SimulatedStream } from "../../../transports/simulated/stream.ts"
import { VirtualClock } from "../../../transports/simulated/virtual-clock.ts"
import { Random, seeded } from "../../support/random.ts"

/** One end of a stream, which reads all that it gets. */
class End {
  readonly pieces: Buffer[] = []
  ends: (string | undefined)[] = []
  drains = 0
  greedy = true
  readonly stream: SimulatedStream

  constructor(stream: SimulatedStream) {
    this.stream = stream
    stream.reader = {
      bytes: (chunk, count) => {
        this.pieces.push(Buffer.from(chunk.subarray(0, count)))
        return this.greedy
      },
      target: () => null,
      drained: () => void this.drains++,
      ended: error => void this.ends.push((error as NodeJS.ErrnoException | undefined)?.code),
    }
  }

  get text(): string {
    return Buffer.concat(this.pieces).toString("latin1")
  }
}

function connect(conditions: Partial<Conditions> = {}, seed = 1) {
  const clock = new VirtualClock()
  const network = new SimulatedNetwork({ clock, seed, conditions: { delay: 1, ...conditions } })
  const [a, b] = [network.host("a"), network.host("b")]
  const accepted: End[] = []
  const port = b.streams.listen(0, stream => accepted.push(new End(stream)))
  let connectedAt = Number.NaN
  const dialled = new End(
    a.streams.dial("b", port, () => {
      connectedAt = clock.now()
    }),
  )
  clock.run(1000)
  return { clock, network, a, b, dialled, accepted: accepted[0], connectedAt, port }
}

const write = (end: End, text: string): boolean => end.stream.write(Buffer.from(text, "latin1"))

describe("Streams of a simulated network", () => {
  it("connect within a round trip, or are refused", () => {
    const { clock, a, connectedAt, dialled, accepted, port } = connect({ delay: 20 })
    assert.equal(connectedAt, 40)
    assert.equal(accepted.stream.remoteAddress, a.address)
    assert.equal(accepted.stream.remotePort, dialled.stream.port)
    assert.throws(() => a.streams.dial("nobody", port, () => {}), { code: "EHOSTUNREACH" })
    const refused = new End(a.streams.dial("b", port + 1, () => assert.fail("connected")))
    clock.run(2000)
    assert.deepEqual([refused.ends, a.streams.count], [["ECONNREFUSED"], 1])
  })

  it("bring everything in order, in whatever pieces, at whatever moments", () =>
    seeded(random => {
      const bad = { split: 0.5, loss: 0.2, delay: [0, 9], rate: 1e6 } as const
      const { clock, dialled, accepted } = connect(bad, random.int(0, 2 ** 31))
      const sent: Buffer[] = []
      for (let i = 0; i < 200; i++) {
        const piece = random.bytes(random.int(0, 3000))
        sent.push(Buffer.from(piece))
        dialled.stream.writeAll([piece.subarray(0, 10), piece.subarray(10)])
        piece.fill(0)
        clock.run(clock.now() + random.int(0, 5))
      }
      clock.run(clock.now() + 60_000)
      assert.ok(Buffer.concat(accepted.pieces).equals(Buffer.concat(sent)))
      assert.equal(accepted.stream.bytesRead, dialled.stream.bytesWritten)
    }))

  it("stop a sender whose peer does not read, and go on when it does", () => {
    const { clock, dialled, accepted } = connect()
    accepted.greedy = false
    const chunk = Buffer.alloc(32 * 1024)
    let written = 1
    while (dialled.stream.write(chunk)) written++
    assert.equal(written, 9)
    clock.run(clock.now() + 5000)
    assert.deepEqual([accepted.pieces.length, dialled.drains], [1, 0])
    accepted.greedy = true
    accepted.stream.resume()
    assert.equal(accepted.pieces.length, 1, "never from within the call")
    clock.run(clock.now() + 5000)
    assert.deepEqual([accepted.stream.bytesRead, dialled.drains], [written * chunk.length, 1])
  })

  it("end in order: what was written comes first, and the goodbye is answered", () => {
    const { clock, a, b, dialled, accepted } = connect()
    write(dialled, "last words")
    dialled.stream.end()
    assert.equal(write(dialled, "too late"), true)
    write(accepted, "under way")
    clock.run(clock.now() + 100)
    assert.deepEqual([accepted.text, accepted.ends, dialled.ends], ["last words", [undefined], [undefined]])
    assert.equal(dialled.text, "under way")
    assert.deepEqual([a.streams.count, b.streams.count], [0, 0])
  })

  it("are given up when the peer's goodbye does not come", () => {
    const { clock, a, b, dialled, accepted } = connect()
    accepted.stream.pause()
    write(dialled, "x")
    dialled.stream.end(300)
    clock.run(clock.now() + 299)
    assert.equal(a.streams.count, 1)
    clock.run(clock.now() + 2)
    assert.deepEqual([a.streams.count, b.streams.count, dialled.ends], [0, 1, []])
  })

  it("are reset by who goes with input unread, and by who is gone already", () => {
    const { clock, dialled, accepted } = connect()
    accepted.stream.pause()
    write(dialled, "unread")
    clock.run(clock.now() + 10)
    accepted.stream.destroy()
    clock.run(clock.now() + 10)
    assert.deepEqual(dialled.ends, ["ECONNRESET"])
    const second = connect()
    second.b.crash()
    second.clock.run(5000)
    assert.deepEqual(second.dialled.ends, [], "nobody was told")
    write(second.dialled, "anybody there?")
    second.clock.run(6000)
    assert.deepEqual([second.dialled.ends, second.accepted.ends], [["ECONNRESET"], []])
    const third = connect()
    third.a.streams.reset()
    assert.deepEqual([third.dialled.ends, third.accepted.ends], [["ECONNRESET"], ["ECONNRESET"]])
  })

  it("keep what comes to a cut until it is healed, in one direction or both", () => {
    const { clock, network, a, b, dialled, accepted } = connect()
    network.cut(a, b)
    write(dialled, "there")
    write(accepted, "back")
    clock.run(clock.now() + 60_000)
    assert.deepEqual([accepted.text, dialled.text], ["", "back"])
    network.heal()
    clock.run(clock.now() + 1000)
    assert.equal(accepted.text, "there")
    const half = connect({ loss: 0 })
    half.network.set({ loss: 1 })
    write(half.dialled, "x")
    half.clock.run(10_000)
    assert.equal(half.accepted.text, "")
  })

  it("wait for a process that stands still", () => {
    const { clock, b, dialled, accepted } = connect()
    b.freeze()
    write(dialled, "one")
    write(dialled, "two")
    dialled.stream.end(Number.POSITIVE_INFINITY)
    clock.run(clock.now() + 5000)
    assert.deepEqual([accepted.text, accepted.ends], ["", []])
    b.thaw()
    clock.run(clock.now() + 10)
    assert.deepEqual([accepted.text, accepted.ends, dialled.ends], ["onetwo", [undefined], [undefined]])
  })

  it("are the same again for the same seed", () => {
    const run = (): string[] => {
      const { clock, dialled, accepted } = connect({ split: 0.5, delay: [0, 9] }, 3)
      const random = new Random(5)
      for (let i = 0; i < 50; i++) dialled.stream.write(random.bytes(100))
      clock.run(clock.now() + 1000)
      return accepted.pieces.map(piece => piece.toString("hex"))
    }
    assert.deepEqual(run(), run())
  })
})
