import type dgram from "node:dgram"
import type { Addon } from "../native/addon.ts"
import { descriptorOf, ReceivedBatch, SendBatch } from "../native/udp.ts"
import { Addresses } from "./addresses.ts"
import { keep } from "./keep.ts"
import { plain } from "./node-port.ts"
import type { DatagramPort, DatagramReader, PortOptions } from "./port.ts"
import { openSocket, receiveBufferOf } from "./socket.ts"
import { type Sender, Sources } from "./sources.ts"

/** The largest datagram that there is. */
const SLOT = 64 * 1024
/** Datagrams of one system call. Small ones touch one page of a slot each; of large ones so many still lie in the cache. */
const SLOTS = 32
/** Bytes that one event may read beyond its own datagram: Node reads up to 32 in a row, and timers and others wait. */
const EVENT_BYTES = 256 * 1024
/** From here on a datagram is sent where it lies: the call costs less than the copy. */
const COPY_LIMIT = 8 * 1024
/** What may go out in one turn: then others shall read, for every receive buffer is finite. */
const TURN_DATAGRAMS = 512
const TURN_BYTES = 1024 * 1024

/** Where all ports of this thread read: what is read is copied at once, so that an idle port owns no memory. */
let room: ReceivedBatch | null = null

interface Held {
  readonly bytes: Buffer
  readonly host: string
  readonly port: number
}

/** A port that reads and sends many datagrams by one system call (recvmmsg, sendmmsg and segmentation offload of Linux). */
export class NativePort implements DatagramPort {
  readonly host: string
  readonly port: number
  readonly receiveBuffer: number
  readonly closed: Promise<void>
  private readonly native: Addon
  private readonly socket: dgram.Socket
  private readonly descriptor: number
  private readonly family: 4 | 6
  private readonly addresses: Addresses
  private readonly sources = new Sources()
  private reader: DatagramReader | null = null
  private over = false

  private readonly batch = new SendBatch()
  private readonly lengthAlone = new Int32Array(1)
  /** Where the batch goes. */
  private to: Sender = { host: "", port: 0 }
  private address: Buffer = Buffer.alloc(0)
  private scheduled = false
  /** What has gone out in this turn. */
  private turnDatagrams = 0
  private turnBytes = 0
  private readonly mostBytes: number
  /** The operating system is full: one datagram is with Node, which says when there is room; these come after it. */
  private blocked = false
  private held: Held[] = []
  private awaited = false
  private readonly flushLater = (): void => {
    this.scheduled = false
    this.flush()
  }
  private readonly turnEnded = (): void => {
    this.turnDatagrams = 0
    this.turnBytes = 0
    this.release()
  }

  static async open(native: Addon, options: PortOptions): Promise<NativePort> {
    return new NativePort(native, await openSocket(options), options)
  }

  private constructor(native: Addon, socket: dgram.Socket, { family, turnBytes = TURN_BYTES }: PortOptions) {
    const { address, port } = socket.address()
    this.host = address
    this.port = port
    this.receiveBuffer = receiveBufferOf(socket)
    this.native = native
    this.socket = socket
    this.descriptor = descriptorOf(socket)
    this.family = family
    this.addresses = new Addresses(family)
    this.mostBytes = turnBytes
    this.closed = new Promise(resolve => socket.once("close", resolve))
    // The first of what is there; the others follow it by one call.
    socket.on("message", (bytes, from) => {
      if (!this.over && this.reader !== null) this.read(this.reader, bytes, plain(from.address), from.port)
    })
    socket.on("error", error => {
      if (!this.over) this.reader?.failed(error)
    })
  }

  start(reader: DatagramReader): void {
    this.reader = reader
  }

  send(bytes: Buffer, host: string, port: number): boolean {
    if (this.over) return true
    this.put(bytes, host, port)
    const { turnDatagrams } = this
    this.turnDatagrams++
    this.turnBytes += bytes.length
    if (turnDatagrams === 0) setImmediate(this.turnEnded)
    if (!this.blocked && this.turnDatagrams < TURN_DATAGRAMS && this.turnBytes < this.mostBytes) return true
    this.awaited = true
    return false
  }

  flush(): void {
    const { batch } = this
    while (!this.over && !this.blocked && batch.size > 0) {
      try {
        if (!batch.send(this.native, this.descriptor, this.address)) this.block(batch.shift(), this.to)
      } catch (error) {
        batch.drop(1)
        this.refused(error)
      }
    }
  }

  close(): void {
    if (this.over) return
    this.flush()
    this.over = true
    this.held = []
    this.socket.close()
  }

  private put(bytes: Buffer, host: string, port: number): void {
    const { batch, to } = this
    const elsewhere = port !== to.port || host !== to.host
    const alone = bytes.length > COPY_LIMIT
    if (elsewhere || alone || !batch.hasRoom(bytes.length)) this.flush()
    if (this.blocked) this.held.push({ bytes, host, port })
    else if (elsewhere && !this.redirect(host, port)) return
    else if (alone) this.sendAlone(bytes)
    else {
      batch.add(bytes)
      if (!this.scheduled) {
        this.scheduled = true
        process.nextTick(this.flushLater)
      }
    }
  }

  /** False = it cannot be sent there. */
  private redirect(host: string, port: number): boolean {
    try {
      this.address = this.addresses.of(host, port)
    } catch (error) {
      this.refused(error)
      return false
    }
    this.to = { host, port }
    return true
  }

  /** Without a copy. */
  private sendAlone(bytes: Buffer): void {
    try {
      this.lengthAlone[0] = bytes.length
      if (this.native.sendDatagrams(this.descriptor, bytes, this.lengthAlone, 1, this.address, false) === 1) return
      this.block(Buffer.from(bytes), this.to)
    } catch (error) {
      this.refused(error)
    }
  }

  /** Node hears when there is room, and only of what was sent through it. */
  private block(bytes: Buffer, { host, port }: Sender): void {
    this.blocked = true
    const named = this.family === 6 && !host.includes(":") ? `::ffff:${host}` : host
    this.socket.send(bytes, port, named, error => {
      this.blocked = false
      if (this.over) return
      if (error !== null) this.reader?.unsent(error)
      this.flush()
      while (!this.blocked && this.held.length > 0) {
        const held = this.held
        this.held = []
        for (const one of held) this.put(one.bytes, one.host, one.port)
      }
      this.release()
    })
  }

  /** Lets the sender go on. */
  private release(): void {
    if (!this.awaited || this.blocked || this.over || this.turnDatagrams > 0) return
    this.awaited = false
    this.reader?.drained()
  }

  /** The reader must not be called from within `send`. */
  private refused(error: unknown): void {
    process.nextTick(() => {
      if (!this.over) this.reader?.unsent(error as Error)
    })
  }

  /** Delivers a datagram, and what came after it. */
  private read(reader: DatagramReader, first: Buffer, from: string, fromPort: number): void {
    room ??= new ReceivedBatch(SLOTS, SLOT)
    // The room is read into by events only: nobody else comes in between, whatever the reader does.
    const batch = room
    let count = this.receive(batch)
    reader.datagram(first, from, fromPort, count > 0)
    for (let bytes = 0; count > 0 && !this.over; ) {
      for (let index = 0; index < count && !this.over; index++) {
        const { host, port } = this.sources.of(batch, index)
        const datagram = keep(batch.at(index))
        bytes += datagram.length
        reader.datagram(datagram, host, port, index < count - 1)
      }
      count = batch.full && bytes < EVENT_BYTES && !this.over ? this.receive(batch) : 0
    }
  }

  private receive(batch: ReceivedBatch): number {
    try {
      return batch.receive(this.native, this.descriptor)
    } catch {
      // News of the network about something that was sent (ECONNREFUSED...); what breaks the socket Node reports as well.
      return 0
    }
  }
}
