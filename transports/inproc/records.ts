/** What the records of a ring between threads hold, and how messages get into them and out again. */
import type { ControlName, Message } from "../../core/contract.ts"
import type { RingReader, RingWriter } from "./ring.ts"
import { align, RECORD_HEADER } from "./ring-layout.ts"

/**
 * The low byte of a record's type; above it, 24 bits of detail.
 *
 *   MESSAGE   detail = frames. One frame: its bytes. Otherwise the length of each as int32, then the bytes of all
 *   CONTROL   detail = index of the name; payload = body
 *   LOAD      detail = type of what was posted on the port beforehand, since it is too large: MESSAGE, or CONTROL and name
 *   GOODBYE   nothing follows
 */
export const MESSAGE = 1
export const CONTROL = 2
export const LOAD = 3
export const GOODBYE = 4

export const CONTROL_NAMES: readonly ControlName[] = ["SUBSCRIBE", "CANCEL", "JOIN", "LEAVE"]

/** Bytes that the payload of a MESSAGE record would have. */
export function payloadLength(message: Message): number {
  if (message.length === 1) return message[0].length
  let length = 4 * message.length
  for (let i = 0; i < message.length; i++) length += message[i].length
  return length
}

/** `length` is that of `payloadLength`. False = the ring has no room. */
export function writeMessage(ring: RingWriter, message: Message, length: number): boolean {
  const frames = message.length
  let at = ring.claim(length, MESSAGE | (frames << 8))
  if (at < 0) return false
  const { bytes, words } = ring
  if (frames === 1) {
    bytes.set(message[0], at)
    return true
  }
  for (let i = 0; i < frames; i++, at += 4) words[at >> 2] = message[i].length
  for (let i = 0; i < frames; i++) {
    bytes.set(message[i], at)
    at += message[i].length
  }
  return true
}

/** Node's own view class: its constructor is what `subarray` spends most of its time around. */
export const View = (Buffer as unknown as { [Symbol.species]: BufferViewConstructor })[Symbol.species]
type BufferViewConstructor = new (buffer: ArrayBufferLike, offset: number, length: number) => Buffer

/** `at` is that of the record's header; the whole record lies in `words`. */
export function readMessage(words: Int32Array, at: number, length: number, frames: number): Message {
  const memory = words.buffer
  if (frames === 1) return [new View(memory, at + RECORD_HEADER, length - RECORD_HEADER)]
  const message = new Array<Buffer>(frames)
  let word = (at + RECORD_HEADER) >> 2
  let from = at + RECORD_HEADER + 4 * frames
  for (let i = 0; i < frames; i++) {
    const size = words[word++]
    message[i] = new View(memory, from, size)
    from += size
  }
  return message
}

/**
 * Messages are read in runs: all bytes that are there are copied at once into memory of this thread, and the messages
 * are views of it, as with bytes from a network. All connections of a thread share it.
 */
const SLAB = 64 * 1024
/** A new slab is begun rather than cutting a run to less than this. */
const SHORT = 4 * 1024

let slabBytes = new Uint8Array(0)
let slabWords = new Int32Array(0)
let slabAt = 0

/** Records in memory of this thread: those from `at` to `end`, the last of which may be cut off. */
export class Run {
  words = slabWords
  at = 0
  end = 0
  private begin = 0

  /** Copies what the ring has, up to a slab. False = nothing is there. Throws EPROTO. No record is larger than a slab. */
  fetch(ring: RingReader): boolean {
    const available = ring.available
    if (available === 0) return false
    let count = Math.min(available, ring.beforeEnd)
    const least = Math.min(count, Math.max(ring.nextLength, SHORT))
    if (slabBytes.length - slabAt < least) {
      slabBytes = Buffer.allocUnsafeSlow(SLAB)
      slabWords = new Int32Array(slabBytes.buffer)
      slabAt = 0
    }
    count = Math.min(count, slabBytes.length - slabAt)
    const from = ring.position
    slabBytes.set(ring.bytes.subarray(from, from + count), slabAt)
    this.words = slabWords
    this.begin = slabAt
    this.at = slabAt
    slabAt += count
    this.end = slabAt
    return true
  }

  /** The next record is not whole in here. */
  get cut(): boolean {
    return this.end - this.at < RECORD_HEADER || align(this.words[this.at >> 2]) > this.end - this.at
  }

  /** Gives back what was read. The rest is fetched again. */
  finish(ring: RingReader): void {
    if (this.at > this.begin) ring.release(this.at - this.begin)
    this.begin = this.at
    this.end = this.at
  }
}

/** A message that travels beside the ring: its frames one after another, but for those in shared memory. */
export interface Load {
  readonly lengths: readonly number[]
  readonly body: ArrayBuffer
  /** Frame number, memory and offset of frames that need no copy. */
  readonly shared: readonly (readonly [number, SharedArrayBuffer, number])[]
}

/**
 * Copies once. The body is then transferred, so that the receiver owns it; the sender's own memory could not be (the
 * message may go to others too). A frame of at least `share` bytes in a SharedArrayBuffer is passed as it is.
 */
export function packLoad(message: Message, share: number): Load {
  const lengths = new Array<number>(message.length)
  const shared: [number, SharedArrayBuffer, number][] = []
  let size = 0
  for (let i = 0; i < message.length; i++) {
    const frame = message[i]
    lengths[i] = frame.length
    if (frame.length >= share && frame.buffer instanceof SharedArrayBuffer) {
      shared.push([i, frame.buffer, frame.byteOffset])
    } else size += frame.length
  }
  const body = Buffer.allocUnsafeSlow(size)
  let at = 0
  let next = 0
  for (let i = 0; i < message.length; i++) {
    if (next < shared.length && shared[next][0] === i) next++
    else {
      body.set(message[i], at)
      at += message[i].length
    }
  }
  return { lengths, body: body.buffer as ArrayBuffer, shared }
}

export function unpackLoad({ lengths, body, shared }: Load): Message {
  const message = new Array<Buffer>(lengths.length)
  let at = 0
  let next = 0
  for (let i = 0; i < lengths.length; i++) {
    if (next < shared.length && shared[next][0] === i) {
      message[i] = new View(shared[next][1], shared[next][2], lengths[i])
      next++
    } else {
      message[i] = new View(body, at, lengths[i])
      at += lengths[i]
    }
  }
  return message
}

/** What a load of so many bytes counts for in the window: KiB, rounded up, so that 32 bits are enough. */
export function weight(bytes: number): number {
  return Math.ceil(bytes / 1024)
}
