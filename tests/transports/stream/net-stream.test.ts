import assert from "node:assert/strict"
import { once } from "node:events"
import net from "node:net"
import type { ByteReader } from "../../../transports/stream/byte-stream.ts"
import { NetStream } from "../../../transports/stream/net-stream.ts"
import { closesAfterEach, later, using } from "../../support/cleanup.ts"
import { RawPeer } from "../../support/raw-peer.ts"
import { pass, turns, until } from "../../support/wait.ts"

/** Keeps what a stream tells its reader. */
class Notes implements ByteReader {
  readonly got: Buffer[] = []
  drains = 0
  ends: (Error | undefined)[] = []
  place: Buffer | null = null
  /** Whether to go on after the next read. */
  going = true

  bytes(chunk: Buffer, count: number): boolean {
    this.got.push(Buffer.from(chunk.subarray(0, count)))
    return this.going
  }
  target(): Buffer | null {
    return this.place
  }
  drained(): void {
    this.drains++
  }
  ended(error?: Error): void {
    this.ends.push(error)
  }
  get text(): string {
    return Buffer.concat(this.got).toString("latin1")
  }
}

describe("NetStream", () => {
  closesAfterEach()

  /** Both ways to get a stream, each with a peer of bytes at its other end. */
  const ways = {
    accepted: async (): Promise<[NetStream, Notes, RawPeer]> => {
      const server = net.createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1")
      later(() => server.close())
      await once(server, "listening")
      const { port } = server.address() as net.AddressInfo
      const [[socket], peer] = await Promise.all([
        once(server, "connection"),
        RawPeer.connect(`tcp://127.0.0.1:${port}`),
      ])
      return [...attach(NetStream.accepted(socket as net.Socket)), using(peer)]
    },
    dialled: async (): Promise<[NetStream, Notes, RawPeer]> => {
      const server = net.createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1")
      later(() => server.close())
      await once(server, "listening")
      const { port } = server.address() as net.AddressInfo
      const dialled = new Promise<NetStream>(resolve => {
        const stream: NetStream = NetStream.dial({ host: "127.0.0.1", port }, () => resolve(stream))
      })
      const [[socket], stream] = await Promise.all([once(server, "connection"), dialled])
      return [...attach(stream), using(new RawPeer(socket as net.Socket))]
    },
  }

  const attach = (stream: NetStream): [NetStream, Notes] => {
    const notes = new Notes()
    stream.reader = notes
    later(() => stream.destroy())
    return [stream, notes]
  }

  for (const [way, open] of Object.entries(ways)) {
    describe(way, () => {
      it("passes bytes both ways, and counts them", async () => {
        const [stream, notes, peer] = await open()
        assert.equal(stream.write(Buffer.from("to")), true)
        assert.equal(stream.writeAll([Buffer.from(" the "), Buffer.from("peer")]), true)
        assert.equal(String(await peer.read(11)), "to the peer")
        await peer.write(Buffer.from("and back"))
        await until(() => notes.text === "and back")
        assert.deepEqual([stream.bytesWritten, stream.bytesRead], [11, 8])
      })

      it("reads into the place that its reader names", async () => {
        const [, notes, peer] = await open()
        await peer.write(Buffer.from("1"))
        notes.place = Buffer.alloc(10)
        await until(() => notes.text === "1")
        // The place for the next read was asked for directly after the last one.
        await peer.write(Buffer.from("2"))
        await until(() => notes.text === "12")
        await peer.write(Buffer.from("third"))
        await until(() => notes.text === "12third")
        assert.equal(notes.place.toString("latin1", 0, 5), "third")
      })

      it("stops reading when told so, and goes on when told so", async () => {
        const [stream, notes, peer] = await open()
        notes.going = false
        await peer.write(Buffer.from("a"))
        await until(() => notes.text === "a")
        await peer.write(Buffer.from("b"))
        await pass(10)
        assert.equal(notes.text, "a")
        notes.going = true
        stream.resume()
        await until(() => notes.text === "ab")
        stream.pause()
        await peer.write(Buffer.from("c"))
        await pass(10)
        assert.equal(notes.text, "ab")
        stream.resume()
        await until(() => notes.text === "abc")
      })

      it("says when the system takes no more, and once when it has taken all", async () => {
        const [stream, notes, peer] = await open()
        peer.deafen()
        const piece = Buffer.alloc(1_000_000, "p")
        let written = 0
        while (stream.write(piece)) written += piece.length
        written += piece.length
        await pass(10)
        assert.equal(notes.drains, 0)
        peer.listen()
        await peer.read(written)
        await until(() => notes.drains === 1)
        assert.equal(stream.write(Buffer.from("on")), true)
        assert.equal(String(await peer.read(2)), "on")
        assert.equal(notes.drains, 1)
      })

      it("calls nobody after it was destroyed, though much was on its way", async () => {
        const [stream, notes, peer] = await open()
        peer.deafen()
        const piece = Buffer.alloc(1_000_000)
        while (stream.write(piece));
        stream.destroy()
        peer.listen()
        await peer.gone
        await turns(5)
        assert.deepEqual([notes.drains, notes.ends.length], [0, 0])
      })

      it("reports a reset once, and nothing else, though much was on its way", async () => {
        const [stream, notes, peer] = await open()
        peer.deafen()
        const piece = Buffer.alloc(1_000_000)
        while (stream.write(piece));
        peer.reset()
        await until(() => notes.ends.length > 0)
        await turns(5)
        assert.equal(notes.ends.length, 1)
        assert.ok(notes.ends[0] instanceof Error)
        assert.equal(notes.drains, 0)
      })

      it("reports the peer's goodbye once, after all that it had said", async () => {
        const [, notes, peer] = await open()
        await peer.write(Buffer.alloc(300_000, "x"))
        peer.end()
        await until(() => notes.ends.length > 0)
        assert.equal(notes.text.length, 300_000)
        assert.deepEqual(notes.ends, [undefined])
        await turns(5)
        assert.equal(notes.ends.length, 1)
      })

      it("says goodbye after what was written: the peer gets it all, though we have not read what it said", async () => {
        const [stream, notes, peer] = await open()
        stream.pause()
        await peer.write(Buffer.alloc(100_000, "unread"))
        stream.write(Buffer.alloc(2_000_000, "w"))
        stream.end()
        assert.equal((await peer.read(2_000_000)).length, 2_000_000)
        assert.equal(await peer.gone, "end")
        peer.end()
        await until(() => notes.ends.length === 1)
        assert.equal(notes.ends[0], undefined)
      })

      it("waits as long as it takes when told so", async () => {
        const [stream, notes, peer] = await open()
        stream.end(Number.POSITIVE_INFINITY)
        assert.equal(await peer.gone, "end")
        // Longer than it would have waited otherwise.
        await pass(1_100)
        assert.equal(notes.ends.length, 0)
        peer.end()
        await until(() => notes.ends.length === 1)
        assert.equal(notes.ends[0], undefined)
      })

      it("waits a bounded time for a peer that does not say goodbye", async () => {
        const [stream, notes, peer] = await open()
        stream.end()
        assert.equal(await peer.gone, "end")
        assert.equal(notes.ends.length, 0)
        await until(() => notes.ends.length === 1)
        assert.equal(notes.ends[0], undefined)
      })
    })
  }
})
