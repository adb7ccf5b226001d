import assert from "node:assert/strict"
import dgram from "node:dgram"
import { once } from "node:events"
import { descriptorOf, encodeAddress, ReceivedBatch, SendBatch } from "../../../transports/native/udp.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { codeOf, describeNative } from "./addon-fixtures.ts"

interface Bound {
  socket: dgram.Socket
  descriptor: number
  port: number
}

async function bound(type: "udp4" | "udp6" = "udp4"): Promise<Bound> {
  const socket = dgram.createSocket({ type, recvBufferSize: 1 << 20 })
  later(() => socket.close())
  socket.bind(0, type === "udp4" ? "127.0.0.1" : "::")
  await once(socket, "listening")
  return { socket, descriptor: descriptorOf(socket), port: socket.address().port }
}

describeNative("Native datagrams", native => {
  closesAfterEach()

  /** What arrives at a socket, read in batches in the event of the first. */
  function collect(at: Bound, batch: ReceivedBatch, wanted: number): Promise<Buffer[]> {
    return new Promise((resolve, reject) => {
      const got: Buffer[] = []
      at.socket.on("message", first => {
        try {
          got.push(first)
          do {
            batch.receive(native, at.descriptor)
            for (let index = 0; index < batch.count; index++) got.push(Buffer.from(batch.at(index)))
          } while (batch.full)
        } catch (error) {
          reject(error)
        }
        if (got.length >= wanted) resolve(got)
      })
    })
  }

  for (const segments of [true, false]) {
    it(`arrive as they were sent, in order, ${segments ? "cut by the kernel" : "one by one"}`, async () => {
      const from = await bound()
      const to = await bound()
      const address = encodeAddress("127.0.0.1", to.port, 4)
      // Runs of equal sizes, single ones, shorter and larger ones after them, and empty ones; larger than a page, too.
      const sizes = [...Array(70).fill(100), 99, 0, 0, 1, 1_400, 1_400, 1_400, 600, 1_401, 2_000, 2_000, 0, 7, 7, 8, 8]
      const sent = sizes.map((size, index) => Buffer.alloc(size, index + 1))
      const arrived = collect(to, new ReceivedBatch(16), sent.length)
      const batch = new SendBatch()
      for (const datagram of sent) {
        if (batch.add(datagram)) continue
        assert.equal(batch.send(native, from.descriptor, address, segments), true)
        assert.equal(batch.add(datagram), true)
      }
      assert.equal(batch.send(native, from.descriptor, address, segments), true)
      assert.equal(batch.size, 0)
      assert.deepEqual(await arrived, sent)
    })
  }

  it("say who sent them, over IPv4, IPv6 and both", async () => {
    const batch = new ReceivedBatch()
    for (const [from, to, host, family] of [
      [await bound("udp4"), await bound("udp4"), "127.0.0.1", 4],
      [await bound("udp6"), await bound("udp6"), "::1", 6],
      [await bound("udp6"), await bound("udp4"), "127.0.0.1", 4],
      [await bound("udp4"), await bound("udp6"), "127.0.0.1", 4],
    ] as const) {
      // Node must not read it first: the batch is read in the same turn, since loopback delivers within the call.
      const send = new SendBatch()
      send.add(Buffer.from("one"))
      send.add(Buffer.from("two"))
      send.send(native, from.descriptor, encodeAddress(host, to.port, from.socket.address().family === "IPv6" ? 6 : 4))
      assert.equal(batch.receive(native, to.descriptor), 2)
      assert.deepEqual(batch.source(1), { family, host, port: from.port, scope: 0 })
      assert.deepEqual(batch.key(0), batch.key(1))
      assert.equal(batch.at(1).toString(), "two")
      assert.equal(batch.receive(native, to.descriptor), 0)
    }
  })

  it("say when they did not fit", async () => {
    const from = await bound()
    const to = await bound()
    const send = new SendBatch()
    send.add(Buffer.alloc(300, 1))
    send.add(Buffer.alloc(200, 2))
    send.send(native, from.descriptor, encodeAddress("127.0.0.1", to.port, 4))
    const batch = new ReceivedBatch(4, 256)
    assert.equal(batch.receive(native, to.descriptor), 2)
    assert.deepEqual([batch.cut(0), batch.cut(1)], [true, false])
    assert.deepEqual([batch.at(0), batch.at(1)], [Buffer.alloc(256, 1), Buffer.alloc(200, 2)])
  })

  it("that cannot be cut are sent whole", async () => {
    const from = await bound()
    const to = await bound()
    const send = new SendBatch(4, 200_000)
    // Two are more than one packet can carry, and one is larger than a segment may be.
    for (const fill of [1, 2, 3]) send.add(Buffer.alloc(60_000, fill))
    assert.equal(send.send(native, from.descriptor, encodeAddress("127.0.0.1", to.port, 4)), true)
    const batch = new ReceivedBatch(4, 65_536)
    assert.equal(batch.receive(native, to.descriptor), 3)
    assert.deepEqual(batch.at(2), Buffer.alloc(60_000, 3))
  })

  it("that cannot be sent are an error of the first, and can be dropped", async () => {
    const from = await bound()
    const to = await bound()
    const address = encodeAddress("127.0.0.1", to.port, 4)
    const send = new SendBatch(4, 200_000)
    send.add(Buffer.alloc(10, 1))
    send.add(Buffer.alloc(66_000))
    send.add(Buffer.alloc(10, 3))
    assert.equal(send.send(native, from.descriptor, address), false)
    assert.equal(
      codeOf(() => send.send(native, from.descriptor, address)),
      "EMSGSIZE",
    )
    send.drop(1)
    assert.equal(send.send(native, from.descriptor, address), true)
    const batch = new ReceivedBatch()
    assert.equal(batch.receive(native, to.descriptor), 2)
    assert.deepEqual(batch.at(1), Buffer.alloc(10, 3))
  })

  it("refuse arrays that are too small, of another kind, or gone", async () => {
    const { descriptor } = await bound()
    const address = encodeAddress("127.0.0.1", 9, 4)
    const detached = new Uint8Array(100)
    structuredClone(detached, { transfer: [detached.buffer] })
    const received = (...given: unknown[]) =>
      codeOf(() => native.receiveDatagrams(...(given as [number, never, 1, never, never])))
    const lengths = new Int32Array(2)
    const names = new Uint8Array(48)
    for (const given of [
      [descriptor, detached, 10, lengths, names],
      [descriptor, new Uint8Array(9), 10, lengths, names],
      [descriptor, new Int32Array(100), 10, lengths, names],
      [descriptor, new Uint8Array(100), 0, lengths, names],
      [descriptor, new Uint8Array(100), 10, new Float64Array(4), names],
      [descriptor, new Uint8Array(100), 10, lengths, new Uint8Array(23)],
      [-1, new Uint8Array(100), 10, lengths, names],
      [],
    ]) {
      assert.equal(received(...given), "EINVAL")
    }
    const sent = (...given: unknown[]) =>
      codeOf(() => native.sendDatagrams(...(given as [number, never, never, 1, never, true])))
    for (const given of [
      [descriptor, detached, new Int32Array([1]), 1, address, true],
      [descriptor, new Uint8Array(9), new Int32Array([10]), 1, address, true],
      [descriptor, new Uint8Array(9), new Int32Array([10, -5]), 2, address, true],
      [descriptor, new Uint8Array(9), new Int32Array([1]), 2, address, true],
      [descriptor, new Uint8Array(9), new Int32Array([1]), 1, new Uint8Array(24), true],
      [descriptor, new Uint8Array(9), new Int32Array([1]), 1, address.subarray(1), true],
      [descriptor, new Uint8Array(9), new Uint32Array([1]), 1, address, true],
      [],
    ]) {
      assert.equal(sent(...given), "EINVAL")
    }
  })

  it("have no descriptor before their socket is bound, and after it was closed", async () => {
    const socket = dgram.createSocket("udp4")
    assert.equal(descriptorOf(socket), -1)
    socket.bind(0, "127.0.0.1")
    await once(socket, "listening")
    assert.ok(descriptorOf(socket) > 2)
    socket.close()
    assert.equal(descriptorOf(socket), -1)
  })

  it("go to addresses that are written as such", () => {
    assert.throws(() => encodeAddress("localhost", 1, 4), TypeError)
    assert.throws(() => encodeAddress("::1", 1, 4), TypeError)
    assert.throws(() => encodeAddress("fe80::1%eth0", 1, 6), TypeError)
    const host = (text: string) => encodeAddress(text, 0x1234, 6, 3).toString("hex")
    assert.equal(host("2001:db8::8:800:200c:417a"), "060012340000000320010db80000000000080800200c417a")
    assert.equal(host("::"), "060012340000000300000000000000000000000000000000")
    assert.equal(host("1::"), "060012340000000300010000000000000000000000000000")
    assert.equal(host("1:2:3:4:5:6:7:8"), "060012340000000300010002000300040005000600070008")
    assert.equal(host("::ffff:10.1.2.3"), host("10.1.2.3"))
    assert.equal(encodeAddress("10.1.2.3", 1, 4).toString("hex"), "04000001000000000a010203000000000000000000000000")
  })
})
