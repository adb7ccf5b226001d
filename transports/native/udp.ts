/**
 * Datagrams in batches: one system call for many (`recvmmsg`, `sendmmsg`, segmentation offload), over the descriptor of a
 * bound Node datagram socket. Node has no event for "readable" alone; its `message` event serves: read the batch in it,
 * and everything that arrived after that datagram comes in one call, in order.
 */
import type dgram from "node:dgram"
import net from "node:net"
import type { NativeDatagrams } from "./addon.ts"

/** Bytes of an address: family, unused, port (2), scope (4), address (16); high bytes first. */
const ADDRESS = 24
/** The same as numbers of four bytes, for comparing. */
export const ADDRESS_WORDS = ADDRESS / 4

const FAMILY = 0
const PORT = 2
const SCOPE = 4
const HOST = 8

/** Most datagrams of a batch: one system call of the addon reads as many. */
const SLOTS = 64

/** Bytes of a slot: an Ethernet packet's 1,500 and some room; larger datagrams ask for larger slots. */
const SLOT = 2_048

export interface Source {
  readonly family: 4 | 6
  /** Without a zone; an IPv4 sender is IPv4 for sockets of both families, too. */
  readonly host: string
  readonly port: number
  /** The interface's number for a link-local IPv6 sender, else 0. */
  readonly scope: number
}

/** Room for one batch that is read, used again for each. Views are valid until the next `receive`. */
export class ReceivedBatch {
  /** Datagrams of the last `receive`. */
  count = 0
  private readonly bytes: Buffer
  private readonly slot: number
  private readonly lengths: Int32Array
  private readonly addresses: Buffer
  private readonly words: Int32Array

  constructor(slots = SLOTS, slot = SLOT) {
    this.bytes = Buffer.allocUnsafeSlow(slots * slot)
    this.slot = slot
    this.lengths = new Int32Array(slots)
    this.words = new Int32Array(slots * ADDRESS_WORDS)
    this.addresses = Buffer.from(this.words.buffer)
  }

  /** Reads what is there; a full batch says that there may be more. Throws the system's error. */
  receive(native: NativeDatagrams, descriptor: number): number {
    this.count = 0
    this.count = native.receiveDatagrams(descriptor, this.bytes, this.slot, this.lengths, this.addresses)
    return this.count
  }

  get full(): boolean {
    return this.count === this.lengths.length
  }

  /** A view of datagram `index`; its end is missing when it is `cut`. */
  at(index: number): Buffer {
    const from = index * this.slot
    return this.bytes.subarray(from, from + Math.min(this.lengths[index], this.slot))
  }

  /** Whether it was larger than a slot. */
  cut(index: number): boolean {
    return this.lengths[index] > this.slot
  }

  /** Who sent it, as bytes: equal for equal senders, for a look-up without a string. */
  key(index: number): Buffer {
    return this.addresses.subarray(index * ADDRESS, (index + 1) * ADDRESS)
  }

  /** Whether it came from who `remember` put into these `ADDRESS_WORDS` numbers; cheaper than `key`. */
  isFrom(index: number, sender: Int32Array): boolean {
    const from = index * ADDRESS_WORDS
    for (let at = 0; at < ADDRESS_WORDS; at++) if (this.words[from + at] !== sender[at]) return false
    return true
  }

  remember(index: number, sender: Int32Array): void {
    for (let at = 0; at < ADDRESS_WORDS; at++) sender[at] = this.words[index * ADDRESS_WORDS + at]
  }

  source(index: number): Source {
    return parseAddress(this.key(index))
  }
}

/** Datagrams that wait to be sent together to one address. */
export class SendBatch {
  private readonly bytes: Buffer
  private readonly lengths: Int32Array
  private readonly slots: number
  private count = 0
  private end = 0

  constructor(slots = SLOTS, capacity = SLOTS * SLOT) {
    this.bytes = Buffer.allocUnsafeSlow(capacity)
    this.lengths = new Int32Array(slots)
    this.slots = slots
  }

  get size(): number {
    return this.count
  }

  hasRoom(bytes: number): boolean {
    return this.count < this.slots && this.end + bytes <= this.bytes.length
  }

  /** Copies a datagram into the batch; false = it has no room, send first. */
  add(datagram: Uint8Array): boolean {
    if (!this.hasRoom(datagram.length)) return false
    this.bytes.set(datagram, this.end)
    this.lengths[this.count++] = datagram.length
    this.end += datagram.length
    return true
  }

  /**
   * Sends as many as the operating system takes and keeps the others; true = the batch is empty. An error is that of
   * the first: `drop` it, or try again.
   */
  send(native: NativeDatagrams, descriptor: number, address: Uint8Array, segments = true): boolean {
    if (this.count === 0) return true
    this.drop(native.sendDatagrams(descriptor, this.bytes, this.lengths, this.count, address, segments))
    return this.count === 0
  }

  /** Takes the first one out. */
  shift(): Buffer {
    const first = Buffer.from(this.bytes.subarray(0, this.lengths[0]))
    this.drop(1)
    return first
  }

  /** Forgets the first ones. */
  drop(datagrams: number): void {
    let from = 0
    for (let index = 0; index < datagrams; index++) from += this.lengths[index]
    this.bytes.copyWithin(0, from, this.end)
    this.lengths.copyWithin(0, datagrams, this.count)
    this.count -= datagrams
    this.end -= from
  }
}

/** The descriptor of a bound socket of Node's, -1 where it has none. Node keeps it from view, but for a deprecated field. */
export function descriptorOf(socket: dgram.Socket): number {
  for (const symbol of Object.getOwnPropertySymbols(socket)) {
    const value = (socket as unknown as Record<symbol, unknown>)[symbol] as { handle?: { fd?: unknown } } | null
    const fd = value?.handle?.fd
    if (typeof fd === "number") return Math.max(fd, -1)
  }
  return -1
}

/**
 * An address in the addon's form. `family` is the socket's: one for IPv6 names an IPv4 host by its mapped address.
 * `scope`: the interface's number, for a link-local IPv6 host, which is written without its zone.
 */
export function encodeAddress(host: string, port: number, family: 4 | 6, scope = 0): Buffer {
  const result = Buffer.alloc(ADDRESS)
  result[FAMILY] = family
  result.writeUInt16BE(port, PORT)
  result.writeUInt32BE(scope, SCOPE)
  if (net.isIPv4(host) && family === 4) result.set(host.split(".").map(Number), HOST)
  else if (net.isIP(host) === 0 || host.includes("%") || family === 4) {
    throw new TypeError(`${host} is no IPv${family} address`)
  } else writeIPv6(net.isIPv4(host) ? `::ffff:${host}` : host, result)
  return result
}

function writeIPv6(host: string, result: Buffer): void {
  const [head, tail] = canonical(host)
    .split("::")
    .map(part => (part === "" ? [] : part.split(":")))
  for (const [index, group] of head.entries()) result.writeUInt16BE(Number.parseInt(group, 16), HOST + 2 * index)
  if (tail === undefined) return
  const start = HOST + 2 * (8 - tail.length)
  for (const [index, group] of tail.entries()) result.writeUInt16BE(Number.parseInt(group, 16), start + 2 * index)
}

function parseAddress(bytes: Buffer): Source {
  const family = bytes[FAMILY] === 6 ? 6 : 4
  const groups = Array.from({ length: 8 }, (_group, index) => bytes.readUInt16BE(HOST + 2 * index).toString(16))
  return {
    family,
    host: family === 4 ? bytes.subarray(HOST, HOST + 4).join(".") : canonical(groups.join(":")),
    port: bytes.readUInt16BE(PORT),
    scope: bytes.readUInt32BE(SCOPE),
  }
}

/** Hexadecimal groups, the longest run of zeros as `::`: the URL parser writes addresses so (RFC 5952). */
function canonical(host: string): string {
  return new URL(`http://[${host}]`).hostname.slice(1, -1)
}
