import assert from "node:assert/strict"
import type { DropReason, PeerHello } from "../../../core/contract.ts"
import { DatagramConnection } from "../../../transports/udp/connection.ts"
import { AddressedFraming, GroupFraming } from "../../../transports/udp/framing.ts"
import type { DatagramPort, DatagramReader } from "../../../transports/udp/port.ts"
import { Collector } from "../../support/sinks.ts"
import { turns } from "../../support/wait.ts"

const PEER: PeerHello = {
  socketType: "RADIO",
  routingId: Buffer.alloc(0),
  metadata: new Map(),
  address: "udp://127.0.0.1:5",
  mechanism: "NULL",
  userId: "",
}

/** A port without a network: the test is the operating system. */
class FakePort implements DatagramPort {
  readonly host = "127.0.0.1"
  readonly port = 5
  readonly sent: string[] = []
  room = Number.POSITIVE_INFINITY
  isClosed = false
  reader: DatagramReader | null = null
  readonly closed = Promise.resolve()

  start(reader: DatagramReader): void {
    this.reader = reader
  }

  send(bytes: Buffer, host: string, port: number): boolean {
    this.sent.push(`${host}:${port} ${bytes.toString("latin1")}`)
    return --this.room > 0
  }

  close(): void {
    this.isClosed = true
  }
}

class Sink extends Collector {
  readonly drops: Partial<Record<DropReason, number>> = {}

  lost(reason: DropReason, count: number): void {
    this.drops[reason] = (this.drops[reason] ?? 0) + count
  }
}

function open({ max = -1, raw = false } = {}): { port: FakePort; sink: Sink; connection: DatagramConnection } {
  const port = new FakePort()
  const framing = raw ? new AddressedFraming() : new GroupFraming({ host: "127.0.0.1", port: 7 })
  const connection = new DatagramConnection(port, PEER, framing, max)
  const sink = new Sink()
  connection.start(sink)
  return { port, sink, connection }
}

const message = (...frames: string[]): Buffer[] => frames.map(frame => Buffer.from(frame, "latin1"))
const comes = (port: FakePort, text: string): void =>
  (port.reader as DatagramReader).datagram(Buffer.from(text, "latin1"), "127.0.0.1", 9)

describe("A connection of datagrams", () => {
  it("sends and receives, and counts the bytes", () => {
    const { port, sink, connection } = open()
    assert.equal(connection.send(message("g", "body")), true)
    comes(port, "\x01gx")
    assert.deepEqual(port.sent, ["127.0.0.1:7 \x01gbody"])
    assert.deepEqual(sink.texts, ["g|x"])
    assert.deepEqual([connection.bytesSent, connection.bytesReceived], [6, 3])
  })

  it("UDP-6 drops as malformed what is short, empty or longer than maxMessageSize, and goes on", () => {
    const { port, sink } = open({ max: 5 })
    for (const text of ["", "\x02g", "\x01g1234", "\x01g123"]) comes(port, text)
    assert.deepEqual(sink.texts, ["g|123"])
    assert.deepEqual(sink.drops, { malformed: 3 })
    assert.equal(sink.closes, 0)
  })

  it("UDP-7 drops as full while it is paused", () => {
    const { port, sink, connection } = open()
    connection.pause()
    connection.pause()
    for (let i = 0; i < 5; i++) comes(port, "\x01gx")
    connection.resume()
    comes(port, "\x01gy")
    assert.deepEqual(sink.texts, ["g|y"])
    assert.deepEqual(sink.drops, { full: 5 })
  })

  it("UDP-8 drops as unroutable what the system refuses, and goes on", () => {
    const { port, sink, connection } = open()
    connection.send(message("g", "a"))
    port.reader?.unsent(new Error("ENETUNREACH"))
    connection.send(message("g", "b"))
    assert.deepEqual(sink.drops, { unroutable: 1 })
    assert.equal(port.sent.length, 2)
    assert.equal(sink.closes, 0)
  })

  it("drops as malformed a message that is none", () => {
    const { port, sink, connection } = open({ raw: true })
    assert.equal(connection.send(message("nowhere", "a")), true)
    assert.deepEqual([port.sent, sink.drops], [[], { malformed: 1 }])
  })

  it("says when to stop, and when there is room", () => {
    const { port, sink, connection } = open()
    port.room = 2
    assert.equal(connection.send(message("g", "a")), true)
    assert.equal(connection.send(message("g", "b")), false)
    assert.equal(sink.drains, 0)
    port.reader?.drained()
    assert.equal(sink.drains, 1)
  })

  it("UDP-9 ends when the system has everything", async () => {
    const { port, sink, connection } = open()
    port.room = 1
    connection.send(message("g", "a"))
    connection.end()
    connection.end()
    await turns(3)
    assert.equal(sink.closes, 0)
    port.reader?.drained()
    assert.equal(sink.closes, 1)
    assert.equal(port.isClosed, true)
    assert.equal(sink.drains, 0)
  })

  it("ends in a later turn when nothing waits", async () => {
    const { port, sink, connection } = open()
    connection.end()
    assert.equal(sink.closes, 0)
    await sink.gone()
    assert.equal(port.isClosed, true)
    assert.equal(sink.reason, undefined)
  })

  it("tells of its end once, and why, also who starts it later", () => {
    const { port, sink, connection } = open()
    port.reader?.failed(Object.assign(new Error("no more"), { code: "ENODEV" }))
    connection.close(new Error("again"))
    assert.equal(sink.closes, 1)
    assert.equal((sink.reason as { code?: string }).code, "ENODEV")
    assert.equal(connection.send(message("g", "a")), true)
    assert.deepEqual(port.sent, [])

    const early = new DatagramConnection(new FakePort(), PEER, new GroupFraming(null), -1)
    early.close()
    assert.equal(new Sink().closes, 0)
    const late = new Sink()
    early.start(late)
    assert.equal(late.closes, 1)
  })
})
