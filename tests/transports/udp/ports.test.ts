import assert from "node:assert/strict"
import os from "node:os"
import type { Addon } from "../../../transports/native/addon.ts"
import { loadNative, nativeStatus } from "../../../transports/native/native.ts"
import { NativePort } from "../../../transports/udp/native-port.ts"
import { NodePort } from "../../../transports/udp/node-port.ts"
import type { DatagramPort, DatagramReader, OpenPort, PortOptions } from "../../../transports/udp/port.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { RawDatagrams } from "../../support/udp.ts"
import { turns, until } from "../../support/wait.ts"

const OPTIONS: PortOptions = {
  family: 4,
  host: "127.0.0.1",
  port: 0,
  shared: false,
  group: null,
  interface: undefined,
  hops: 1,
  loopback: true,
  sendBuffer: -1,
  receiveBuffer: 1024 * 1024,
  service: 0,
  device: null,
}

/** Keeps what a port delivers. */
class Reader implements DatagramReader {
  readonly port: DatagramPort
  readonly datagrams: Buffer[] = []
  readonly senders: string[] = []
  readonly errors: string[] = []
  /** Whether the port said that another one follows at once. */
  readonly more: boolean[] = []
  drains = 0
  onDatagram: (() => void) | null = null

  constructor(port: DatagramPort) {
    this.port = port
    port.start(this)
  }

  datagram(bytes: Buffer, host: string, port: number, more = false): void {
    this.more.push(more)
    this.datagrams.push(bytes)
    this.senders.push(`${host} ${port}`)
    this.onDatagram?.()
  }

  unsent(error: Error): void {
    this.errors.push((error as NodeJS.ErrnoException).code ?? error.message)
  }

  drained(): void {
    this.drains++
  }

  failed(error: Error): void {
    this.errors.push(`failed: ${error.message}`)
  }
}

function ports(name: string, openPort: OpenPort | null): void {
  describe(`Port ${name}`, () => {
    closesAfterEach()

    before(function () {
      if (openPort !== null) return
      console.log(`      skipped: ${nativeStatus().reason}`)
      this.skip()
    })

    const open = async (options: Partial<PortOptions> = {}): Promise<DatagramPort> => {
      const port = await (openPort as OpenPort)({ ...OPTIONS, ...options })
      later(async () => {
        port.close()
        await port.closed
      })
      return port
    }

    it("delivers datagrams of any size in order, in memory that stays as it is", async () => {
      const from = await open()
      const to = new Reader(await open())
      const sizes = [
        1,
        0,
        60_000,
        1_400,
        1_400,
        1_400,
        9_000,
        65_507,
        ...Array(300).fill(60),
        16_384,
        16_385,
        1,
        30_000,
      ]
      const sent = sizes.map((size, index) => Buffer.alloc(size, index + 1))
      for (let at = 0; at < sent.length; at += 20) {
        for (const one of sent.slice(at, at + 20)) from.send(one, to.port.host, to.port.port)
        await until(() => to.datagrams.length === Math.min(at + 20, sent.length))
      }
      assert.deepEqual(to.datagrams, sent)
      assert.deepEqual(new Set(to.senders), new Set([`127.0.0.1 ${from.port}`]))
      assert.deepEqual(to.errors, [])
    })

    it("names each of many senders", async () => {
      const to = new Reader(await open({ family: 6, host: "::" }))
      const senders = await Promise.all(Array.from({ length: 40 }, () => open()))
      const six = await open({ family: 6, host: "::1" })
      for (let round = 0; round < 3; round++) {
        for (const sender of senders) sender.send(Buffer.from(`127.0.0.1 ${sender.port}`), "127.0.0.1", to.port.port)
        six.send(Buffer.from(`::1 ${six.port}`), "::1", to.port.port)
        await until(() => to.datagrams.length === 41 * (round + 1))
      }
      assert.deepEqual(
        to.senders,
        to.datagrams.map(datagram => datagram.toString()),
      )
    })

    it("keeps the order for each of several receivers, and for a socket of both families", async () => {
      const from = await open({ family: 6, host: "::" })
      const here = await RawDatagrams.open()
      const there = await RawDatagrams.open("::1")
      for (let index = 0; index < 50; index++) {
        from.send(Buffer.from(`${index}`), "127.0.0.1", here.port)
        if (index % 3 === 0) from.send(Buffer.from(`${index}`), "::1", there.port)
      }
      for (let index = 0; index < 50; index++) assert.equal(`${(await here.next()).bytes}`, `${index}`)
      for (let index = 0; index < 50; index += 3) assert.equal(`${(await there.next()).bytes}`, `${index}`)
    })

    it("names the interface of a link-local sender, and sends there", async function () {
      const own = Object.entries(os.networkInterfaces()).flatMap(([nic, addresses = []]) =>
        addresses.filter(one => one.family === "IPv6" && one.scopeid !== 0).map(one => `${one.address}%${nic}`),
      )
      if (own.length === 0) this.skip()
      const port = new Reader(await open({ family: 6, host: "::" }))
      const to = new Reader(await open({ family: 6, host: "::" }))
      // Node alone reads the first of a burst.
      for (const text of ["one", "two", "three"]) port.port.send(Buffer.from(text), own[0], to.port.port)
      await until(() => to.datagrams.length === 3)
      assert.deepEqual(to.senders, Array(3).fill(`${own[0]} ${port.port.port}`))
    })

    it("says which could not be sent, and sends the others", async () => {
      const from = new Reader(await open())
      const to = await RawDatagrams.open()
      from.port.send(Buffer.from("1"), to.host, to.port)
      from.port.send(Buffer.alloc(66_000), to.host, to.port)
      from.port.send(Buffer.from("2"), "no address", to.port)
      from.port.send(Buffer.from("3"), to.host, to.port)
      assert.equal(from.errors.length, 0)
      assert.equal(`${(await to.next()).bytes}`, "1")
      assert.equal(`${(await to.next()).bytes}`, "3")
      await until(() => from.errors.length === 2)
      assert.ok(from.errors.includes("EMSGSIZE"))
    })

    it("says when to stop, and when to go on", async () => {
      const from = new Reader(await open())
      const to = await RawDatagrams.open()
      let taken = 1
      while (from.port.send(Buffer.alloc(1_000), to.host, to.port)) taken++
      assert.ok(taken > 1 && taken < 10_000, `${taken} were taken`)
      assert.equal(from.drains, 0)
      await until(() => from.drains === 1)
      assert.equal(from.port.send(Buffer.from("more"), to.host, to.port), true)
    })

    it("delivers nothing before it is started and after it was closed", async () => {
      const from = await open()
      const port = await open()
      from.send(Buffer.from("early"), port.host, port.port)
      from.flush?.()
      await turns(20)
      const to = new Reader(port)
      to.onDatagram = () => port.close()
      for (let index = 0; index < 100; index++) from.send(Buffer.from(`${index}`), port.host, port.port)
      await port.closed
      await turns(20)
      assert.deepEqual(to.datagrams.map(String), ["0"])
    })

    it("has the receive buffer that was asked for, as far as the system allows", async () => {
      const port = await open({ receiveBuffer: 100_000 })
      assert.ok((port.receiveBuffer as number) >= 100_000 && (port.receiveBuffer as number) <= 200_000)
    })

    it("shares a group with others", async function () {
      const shared = { host: "239.255.77.31", shared: true, group: "239.255.77.31", interface: "127.0.0.1", hops: 0 }
      const first = await open(shared).catch(() => this.skip())
      const readers = [new Reader(first), new Reader(await open({ ...shared, port: first.port }))]
      const from = await open({ interface: "127.0.0.1", hops: 0 })
      for (const text of ["a", "b", "c"]) from.send(Buffer.from(text), "239.255.77.31", first.port)
      await until(() => readers.every(reader => reader.datagrams.length === 3))
      for (const reader of readers) assert.deepEqual(reader.datagrams.map(String), ["a", "b", "c"])
    })
    it("does not hear a group on an interface that only another socket has joined", async function () {
      const outside = Object.values(os.networkInterfaces()).flatMap(list =>
        (list ?? []).filter(one => one.family === "IPv4" && !one.internal),
      )[0]
      // Linux tells by an option that Node has no call for.
      if (outside === undefined || loadNative() === null) this.skip()
      const group = "239.255.77.32"
      const near = await open({ host: group, shared: true, group, interface: "127.0.0.1" }).catch(() => this.skip())
      const far = await open({ host: group, shared: true, group, interface: outside.address, port: near.port })
      const readers = [new Reader(near), new Reader(far)]
      const from = await open({ interface: "127.0.0.1", hops: 0 })
      from.send(Buffer.from("near"), group, near.port)
      await until(() => readers[0].datagrams.length === 1)
      await turns(10)
      assert.equal(readers[1].datagrams.length, 0)
    })
  })
}

const native = loadNative()
ports("over Node's dgram", NodePort.open)
ports("in batches", native === null ? null : options => NativePort.open(native, options))

describe("Port in batches when the operating system is full", () => {
  closesAfterEach()

  it("waits for room, and loses nothing and no order", async function () {
    if (native === null) this.skip()
    let full = 0
    const busy: Addon = Object.assign(Object.create(native) as Addon, {
      // Every third call takes nothing.
      sendDatagrams: (...given: Parameters<Addon["sendDatagrams"]>) =>
        ++full % 3 === 0 ? 0 : native.sendDatagrams(...given),
    })
    const port = await NativePort.open(busy, OPTIONS)
    later(() => port.close())
    const from = new Reader(port)
    const to = await RawDatagrams.open()
    const other = await RawDatagrams.open()
    const large = Buffer.alloc(20_000, "x")
    let stopped = false
    for (let index = 0; index < 60; index++) {
      if (!port.send(Buffer.from(`${index}`), to.host, to.port)) stopped = true
      if (index % 5 === 0) port.send(Buffer.from(`${index}`), other.host, other.port)
      if (index % 10 === 0) port.send(large, to.host, to.port)
    }
    for (let index = 0; index < 60; index++) {
      assert.equal(`${(await to.next()).bytes}`, `${index}`)
      if (index % 10 === 0) assert.deepEqual((await to.next()).bytes, large)
      if (index % 5 === 0) assert.equal(`${(await other.next()).bytes}`, `${index}`)
    }
    assert.equal(stopped, true)
    await until(() => from.drains > 0)
    assert.deepEqual(from.errors, [])
  })
})

describe("Port in batches: what comes together", () => {
  closesAfterEach()

  it("is given one by one in one call, each but the last with word that more follow", async function () {
    if (native === null) this.skip()
    const port = await NativePort.open(native, OPTIONS)
    later(() => port.close())
    const to = new Reader(port)
    const from = await NativePort.open(native, OPTIONS)
    later(() => from.close())
    const promised: number[] = []
    to.onDatagram = () => {
      const at = to.datagrams.length
      if (!to.more[at - 1]) return
      promised.push(at)
      // Behind the call that delivers this one: whatever was promised has come.
      process.nextTick(() => assert.ok(to.datagrams.length > at))
    }
    for (let index = 0; index < 100; index++) from.send(Buffer.from(`${index}`), port.host, port.port)
    from.flush()
    await until(() => to.datagrams.length === 100)
    assert.deepEqual(
      to.datagrams.map(String),
      Array.from({ length: 100 }, (_none, index) => `${index}`),
    )
    assert.ok(promised.length > 0, "nothing came together")
    assert.equal(to.more.at(-1), false)
  })
})

describe("Port in batches in one turn", () => {
  closesAfterEach()

  it("takes 1 MiB, or as much as it is told", async function () {
    if (native === null) this.skip()
    const to = await RawDatagrams.open()
    const taken: number[] = []
    for (const told of [{}, { turnBytes: 128 * 1024 }]) {
      const port = await NativePort.open(native, { ...OPTIONS, ...told })
      later(() => port.close())
      const { port: from } = new Reader(port)
      let count = 1
      while (from.send(Buffer.alloc(16 * 1024), to.host, to.port)) count++
      taken.push(count)
    }
    assert.deepEqual(taken, [64, 8])
  })
})
