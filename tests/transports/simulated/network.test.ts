import assert from "node:assert/strict"
import type { Conditions } from "../../../transports/simulated/conditions.ts"
import type { SimulatedHost } from "../../../transports/simulated/host.ts"
import { SimulatedNetwork } from "../../../transports/simulated/network.ts"
import type { SimulatedPort } from "../../../transports/simulated/port.ts"
import { VirtualClock } from "../../../transports/simulated/virtual-clock.ts"
import type { PortOptions } from "../../../transports/udp/port.ts"
import { coded } from "../../support/pattern.ts"

const GROUP = "239.1.2.3"

const PORT: PortOptions = {
  family: 4,
  host: "0.0.0.0",
  port: 0,
  shared: false,
  group: null,
  interface: undefined,
  hops: 1,
  loopback: true,
  sendBuffer: -1,
  receiveBuffer: -1,
  service: 0,
  device: null,
}

interface Heard {
  readonly text: string
  readonly from: string
  readonly at: number
}

/** A port that notes what it hears. */
class Ear {
  readonly heard: Heard[] = []
  readonly unsent: string[] = []
  drains = 0
  readonly port: SimulatedPort

  private constructor(port: SimulatedPort, clock: VirtualClock) {
    this.port = port
    port.start({
      datagram: (bytes, host, from) =>
        void this.heard.push({ text: bytes.toString("latin1"), from: `${host}:${from}`, at: clock.now() }),
      unsent: error => void this.unsent.push((error as NodeJS.ErrnoException).code ?? ""),
      drained: () => void this.drains++,
      failed: () => assert.fail("a simulated port does not fail"),
    })
  }

  static async open(host: SimulatedHost, options: Partial<PortOptions> = {}): Promise<Ear> {
    return new Ear(await host.open({ ...PORT, ...options }), host.network.clock as VirtualClock)
  }

  get texts(): string[] {
    return this.heard.map(({ text }) => text)
  }
}

function make(conditions: Partial<Conditions> = {}, seed = 1): { clock: VirtualClock; network: SimulatedNetwork } {
  const clock = new VirtualClock()
  return { clock, network: new SimulatedNetwork({ clock, seed, conditions }) }
}

const bytes = (text: string): Buffer => Buffer.from(text, "latin1")

/** From a to b: the texts 0, 1, 2... one a millisecond, and what b hears of them. */
async function series(count: number, conditions: Partial<Conditions>, seed = 1) {
  const { clock, network } = make(conditions, seed)
  const [a, b] = [network.host("a"), network.host("b")]
  const from = await Ear.open(a)
  const to = await Ear.open(b, { port: 7 })
  for (let i = 0; i < count; i++) {
    clock.after(i, () => from.port.send(bytes(String(i)), "b", 7))
  }
  clock.run(count + 10_000)
  return { heard: to.heard, texts: to.texts, traffic: network.path(a, b).traffic, clock }
}

describe("Datagrams of a simulated network", () => {
  it("come to the port that they are for, with the address to answer to", async () => {
    const { clock, network } = make({ delay: 2 })
    const [a, b] = [network.host("a"), network.host("b")]
    const here = await Ear.open(a)
    const there = await Ear.open(b, { port: 9 })
    const beside = await Ear.open(b, { port: 10 })
    const memory = bytes("hello")
    here.port.send(memory, b.address, 9)
    memory.fill(0)
    here.port.send(bytes("nobody"), b.address, 11)
    here.port.send(bytes("nowhere"), "10.9.9.9", 9)
    here.port.send(bytes("self"), "127.0.0.1", here.port.port)
    clock.run(10)
    assert.deepEqual(there.heard, [{ text: "hello", from: `${a.address}:${here.port.port}`, at: 2 }])
    assert.deepEqual([beside.texts, here.texts], [[], ["self"]])
    assert.equal(network.path(a, b).traffic.unheard, 1)
    there.port.send(bytes("back"), a.address, here.port.port)
    clock.run(20)
    assert.deepEqual(here.texts, ["self", "back"])
  })

  it("for a group come to all who joined it, each by a way of its own, and to the sender if it wants", async () => {
    const { clock, network } = make({ delay: 1 })
    const hosts = ["a", "b", "c", "d"].map(name => network.host(name))
    const member = { host: GROUP, group: GROUP, port: 7, shared: true }
    const ears = await Promise.all(hosts.slice(0, 3).map(host => Ear.open(host, member)))
    const second = await Ear.open(hosts[1], member)
    const other = await Ear.open(hosts[3], { ...member, port: 8 })
    network.between(hosts[0], hosts[2], { loss: 1 })
    ears[0].port.send(bytes("all"), GROUP, 7)
    clock.run(5)
    assert.deepEqual(
      [...ears, second, other].map(({ texts }) => texts.length),
      [1, 1, 0, 1, 0],
    )
    const quiet = await Ear.open(hosts[0], { ...member, loopback: false })
    quiet.port.send(bytes("others"), GROUP, 7)
    clock.run(10)
    assert.deepEqual([ears[0].texts, ears[1].texts, quiet.texts], [["all"], ["all", "others"], []])
    ears[1].port.close()
    second.port.close()
    ears[0].port.send(bytes("left"), GROUP, 7)
    clock.run(15)
    assert.deepEqual(ears[1].texts, ["all", "others"])
    await ears[1].port.closed
  })

  it("need a free port, or one that all share, of an address that the host has", async () => {
    const { network } = make()
    const a = network.host("a")
    const first = await a.open({ ...PORT, port: 5 })
    await assert.rejects(a.open({ ...PORT, port: 5 }), { code: "EADDRINUSE" })
    await assert.rejects(a.open({ ...PORT, port: 5, shared: true }), { code: "EADDRINUSE" })
    await assert.rejects(a.open({ ...PORT, host: network.host("b").address }), { code: "EADDRNOTAVAIL" })
    first.close()
    await a.open({ ...PORT, port: 5, shared: true })
    await a.open({ ...PORT, port: 5, shared: true })
    assert.notEqual((await a.open(PORT)).port, (await a.open(PORT)).port)
    assert.throws(() => network.host("not a name"), coded("EINVAL"))
  })

  it("are the same again for the same seed, and others for another", async () => {
    const bad = { loss: 0.1, duplicate: 0.1, reorder: 0.1, delay: [0, 5] as const }
    const runs = await Promise.all([series(300, bad, 7), series(300, bad, 7), series(300, bad, 8)])
    assert.deepEqual(runs[0].heard, runs[1].heard)
    assert.notDeepEqual(runs[0].texts, runs[2].texts)
  })

  it("are lost as often as it says, one by one or in bursts", async () => {
    const single = await series(4000, { loss: 0.1 })
    assert.ok(Math.abs(single.traffic.lost - 400) < 80, `${single.traffic.lost}`)
    assert.equal(single.traffic.lost + single.traffic.delivered, 4000)
    const bursts = await series(4000, { burst: { enter: 0.01, leave: 0.1 } })
    // The bad state takes enter / (enter + leave) of the time.
    assert.ok(Math.abs(bursts.traffic.lost - 364) < 200, `${bursts.traffic.lost}`)
    const runs = (texts: string[]): number => texts.filter((text, i) => i > 0 && +text > +texts[i - 1] + 1).length
    assert.ok(runs(bursts.texts) * 4 < bursts.traffic.lost, "losses stand together")
    assert.ok(runs(single.texts) * 2 > single.traffic.lost, "losses stand alone")
  })

  it("come twice, or too late, as often as it says; jitter alone keeps the order", async () => {
    const twice = await series(1000, { duplicate: 0.2 })
    assert.equal(twice.traffic.delivered, 1000 + twice.traffic.duplicated)
    assert.equal(new Set(twice.texts).size, 1000)
    assert.ok(Math.abs(twice.traffic.duplicated - 200) < 60)
    const late = await series(1000, { reorder: 0.2, reorderDelay: 3 })
    const swaps = late.texts.filter((text, i) => i > 0 && +text < +late.texts[i - 1]).length
    assert.ok(swaps > 100 && swaps <= late.traffic.reordered, `${swaps}`)
    const jitter = await series(1000, { delay: [0, 20] })
    assert.deepEqual(
      jitter.texts,
      [...jitter.texts].sort((one, other) => +one - +other),
    )
    assert.ok(jitter.heard.some(({ text, at }) => at - +text > 10))
  })

  it("pass a bottleneck at its rate; what its queue cannot hold is lost", async () => {
    const { clock, network } = make({ rate: 1000, queue: 1500, delay: 0 })
    const [a, b] = [network.host("a"), network.host("b")]
    const from = await Ear.open(a)
    const to = await Ear.open(b, { port: 7 })
    // 72 bytes and 28 of headers: a tenth of a second each.
    for (let i = 0; i < 20; i++) from.port.send(Buffer.alloc(72), "b", 7)
    clock.run(10_000)
    assert.deepEqual([to.heard.length, network.path(a, b).traffic.queueFull], [15, 5])
    assert.deepEqual(
      to.heard.slice(0, 3).map(({ at }) => Math.round(at)),
      [100, 200, 300],
    )
  })

  it("of many packets are lost when one packet is", async () => {
    const { clock, network } = make({ mtu: 1500, loss: 0.05 })
    const from = await Ear.open(network.host("a"))
    await Ear.open(network.host("b"), { port: 7 })
    const size = 30_000
    for (let i = 0; i < 500; i++) from.port.send(Buffer.alloc(size), "b", 7)
    from.port.send(Buffer.alloc(65_508), "b", 7)
    clock.run(100)
    const { sent, lost } = network.traffic
    assert.equal(sent, 500)
    assert.ok(Math.abs(lost / sent - (1 - 0.95 ** 21)) < 0.1, `${lost / sent}`)
    assert.deepEqual(from.unsent, ["EMSGSIZE"])
  })

  it("do not get through a partition or a cut, and do again when it is healed", async () => {
    const { clock, network } = make()
    const [a, b, c] = ["a", "b", "c"].map(name => network.host(name))
    const ears = await Promise.all([a, b, c].map(host => Ear.open(host, { port: 7 })))
    const everybody = (text: string): void => {
      for (const ear of ears) for (const { name } of [a, b, c]) ear.port.send(bytes(text), name, 7)
      clock.run(clock.now() + 10)
    }
    const counts = (): number[] => ears.map(({ heard }) => heard.splice(0).length)
    network.partition([a, b])
    everybody("parted")
    assert.deepEqual(counts(), [2, 2, 1])
    network.heal()
    network.cut(a, c)
    everybody("cut")
    assert.deepEqual(counts(), [3, 3, 2])
    network.cut(c, a)
    network.mend(a, c)
    everybody("mended")
    assert.deepEqual(counts(), [2, 3, 3])
    network.heal()
    everybody("healed")
    assert.deepEqual(counts(), [3, 3, 3])
    assert.equal(network.traffic.cut, 6)
  })

  it("wait in the buffer of a process that stands still, and are lost when it is full", async () => {
    const { clock, network } = make()
    const [a, b] = [network.host("a"), network.host("b")]
    const from = await Ear.open(a)
    const to = await Ear.open(b, { port: 7, receiveBuffer: 3 * (100 + 256) })
    let ticks = 0
    b.clock.after(5, () => ticks++)
    b.freeze()
    for (let i = 0; i < 5; i++) from.port.send(Buffer.alloc(100), "b", 7)
    clock.run(10)
    assert.deepEqual([to.heard.length, ticks, b.frozen], [0, 0, true])
    b.thaw()
    assert.deepEqual([to.heard.length, ticks, network.traffic.overflowed], [3, 1, 2])
    // And again: its room is free.
    b.freeze()
    for (let i = 0; i < 5; i++) from.port.send(Buffer.alloc(100), "b", 7)
    clock.run(20)
    b.thaw()
    assert.equal(to.heard.length, 6)
  })

  it("wait for a process that takes its time for each", async () => {
    const { clock, network } = make({ delay: 0 })
    const from = await Ear.open(network.host("a"))
    const b = network.host("b")
    const to = await Ear.open(b, { port: 7, receiveBuffer: 4 * 257 })
    b.cost = 10
    for (let i = 0; i < 10; i++) from.port.send(bytes("x"), "b", 7)
    clock.run(1000)
    assert.deepEqual(
      to.heard.map(({ at }) => at),
      [0, 10, 20, 30, 40],
    )
    assert.equal(network.traffic.overflowed, 5)
  })

  it("wait for the interface of their sender, who is told to stop and when to go on", async () => {
    const { clock, network } = make({ delay: 0 })
    const a = network.host("a")
    a.uplink = 1000
    const from = await Ear.open(a, { sendBuffer: 250 })
    const to = await Ear.open(network.host("b"), { port: 7 })
    const answers = Array.from({ length: 8 }, () => from.port.send(Buffer.alloc(100), "b", 7))
    assert.deepEqual(answers, [true, true, false, false, false, false, false, false])
    clock.run(5000)
    assert.deepEqual([to.heard.length, from.unsent, from.drains], [6, ["ENOBUFS", "ENOBUFS"], 1])
  })

  it("may be forged, and are gone with a host that crashes", async () => {
    const { clock, network } = make()
    const [a, b] = [network.host("a"), network.host("b")]
    const to = await Ear.open(b, { port: 7 })
    a.forge(bytes("from another"), { host: "10.0.7.7", port: 1 }, { host: "b", port: 7 })
    clock.run(1)
    assert.equal(to.heard[0].from, "10.0.7.7:1")
    b.crash()
    a.forge(bytes("late"), { host: "10.0.7.7", port: 1 }, { host: "b", port: 7 })
    clock.run(2)
    assert.equal(to.heard.length, 1)
    assert.equal((await b.open({ ...PORT, port: 7 })).port, 7)
  })

  it("take only conditions that there are, within their bounds", () => {
    for (const wrong of [
      { loss: 1.1 },
      { loss: Number.NaN },
      { delay: -1 },
      { delay: [5, 1] },
      { burst: { enter: 2, leave: 0 } },
      { rate: -1 },
      { queue: -1 },
      { mtu: 20 },
      { los: 0.1 },
    ] as Partial<Conditions>[]) {
      assert.throws(() => make(wrong), coded("EINVAL"), JSON.stringify(wrong))
    }
    const { network } = make({ loss: undefined })
    assert.throws(() => network.set({ reorder: 2 }), coded("EINVAL"))
  })

  it("keep the conditions of their own way when those of all change", async () => {
    const { clock, network } = make({ delay: 1 })
    const [a, b] = [network.host("a"), network.host("b")]
    const from = await Ear.open(a)
    const to = await Ear.open(b, { port: 7 })
    network.between(a, b, { delay: 5 })
    network.set({ delay: 2, duplicate: 1 })
    from.port.send(bytes("x"), "b", 7)
    clock.run(100)
    assert.deepEqual([to.heard.length, to.heard[0].at], [2, 5])
  })
})
