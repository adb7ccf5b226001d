/** A WebSocket that leads nowhere, and the node behind it, which does what the test says. */
import assert from "node:assert/strict"
import { connect } from "../../patterns/fabric/browser/connect.ts"
import type { FabricClient } from "../../patterns/fabric/browser/fabric-client.ts"
import type { ConnectOptions } from "../../patterns/fabric/browser/options.ts"
import type { WebSocketConstructor, WebSocketLike } from "../../patterns/fabric/browser/websocket.ts"
import { HELLO, REFUSED, WELCOME } from "../../patterns/fabric/edge/protocol.ts"
import { RecordReader, RecordWriter } from "../../patterns/fabric/edge/wire.ts"
import { later } from "../support/cleanup.ts"
import { turns } from "../support/wait.ts"

/** Ends the record. */
export function framed(writer: RecordWriter): Uint8Array {
  writer.end()
  return writer.written
}

/** One record of the client: read its fields by `reader`. */
export interface Said {
  readonly type: number
  readonly body: RecordReader
}

/** One connection, seen from the node. */
export class Wire implements WebSocketLike {
  readonly url: string
  readonly protocol: string
  readonly bufferedAmount = 0
  binaryType = "blob"
  onopen: WebSocketLike["onopen"] = null
  onmessage: WebSocketLike["onmessage"] = null
  onerror: WebSocketLike["onerror"] = null
  onclose: WebSocketLike["onclose"] = null
  /** What the client has said, and the node has not looked at. */
  readonly said: Said[] = []
  /** WebSocket messages that it came in. */
  messages = 0
  /** Code by which the client closed. */
  closed: number | null = null

  constructor(url: string, protocol: string) {
    this.url = url
    this.protocol = protocol
  }

  send(bytes: Uint8Array): void {
    this.messages++
    const reader = new RecordReader().reset(bytes)
    for (let type = reader.next(); type !== -1; type = reader.next()) {
      // Each with a reader of its own: a copy of its record alone.
      const body = new Uint8Array(reader.left)
      for (let i = 0; i < body.length; i++) body[i] = reader.byte()
      const one = new RecordReader().reset(framed(new RecordWriter().begin(type).raw(body)))
      one.next()
      this.said.push({ type, body: one })
    }
  }

  close(code = 1005): void {
    this.closed ??= code
  }

  /** The handshake of the WebSocket succeeds. */
  open(): void {
    this.onopen?.(undefined as never)
  }

  /** The node says a record. */
  say(type: number, write: (writer: RecordWriter) => void = () => {}): void {
    const writer = new RecordWriter().begin(type)
    write(writer)
    this.deliver(framed(writer))
  }

  deliver(bytes: Uint8Array): void {
    this.onmessage?.({ data: bytes.slice().buffer } as never)
  }

  /** The connection ends. 1006 = it breaks. */
  end(code = 1006, reason = ""): void {
    this.onclose?.({ code, reason } as never)
  }

  /** The next record of this type. Waits by turns of the loop: tests may have a clock of their own. */
  async hears(type: number): Promise<RecordReader> {
    while (!this.said.some(one => one.type === type)) await turns()
    const at = this.said.findIndex(one => one.type === type)
    return this.said.splice(at, 1)[0].body
  }

  refuse(of: number, number: number, code: string, text: string): void {
    this.say(REFUSED, writer => writer.byte(of).varint(number).text(code).text(text))
  }

  async welcome({
    session = "s1",
    resumed = false,
    publishes = 0,
    maxMessage = 65_536,
    rate = 0,
  } = {}): Promise<RecordReader> {
    this.open()
    const hello = await this.hears(HELLO)
    this.say(WELCOME, writer =>
      writer
        .varint(1)
        .text(session)
        .byte(resumed ? 1 : 0)
        .varint(publishes)
        .text("shop")
        .text("id-1")
        .text("stock")
        .varint(30_000)
        .varint(maxMessage)
        .varint(0)
        .varint(rate),
    )
    return hello
  }
}

/** All connections that clients make, in order. */
export class ScriptedNode {
  readonly wires: Wire[] = []
  readonly webSocket: WebSocketConstructor

  constructor() {
    const { wires } = this
    this.webSocket = class extends Wire {
      constructor(url: string, protocol: string) {
        super(url, protocol)
        wires.push(this)
      }
    }
  }

  /** The connection with this number, as soon as it is tried. */
  async wire(index: number): Promise<Wire> {
    while (this.wires.length <= index) await turns()
    return this.wires[index]
  }

  /** A client whose first connection stands. */
  async client(options: ConnectOptions = {}): Promise<[FabricClient, Wire]> {
    const index = this.wires.length
    const reconnect = { delay: 1, maxDelay: 2 }
    const connected = connect("ws://node", { webSocket: this.webSocket, reconnect, ...options })
    const wire = await this.wire(index)
    await wire.welcome()
    const fabric = await connected
    later(() => fabric.close())
    assert.equal(fabric.status, "open")
    return [fabric, wire]
  }
}
