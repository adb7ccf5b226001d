/**
 * Objects whose keys are a record structure and whose values are short: written here byte for byte as the library writes
 * them, in a third of the time, because nothing else needs to be looked for. Everything else is the library's.
 */
import { Buffer } from "node:buffer"

/** Bytes of the buffer that payloads lie in, one behind the other. A payload that somebody keeps holds all of it in memory. */
const CHUNK = 16 * 1024
/** Room that is left for a payload at least, and that it takes at most. */
const ROOM = 1024
/** Longer strings are copied faster by the library, which asks the runtime. */
const LONGEST = 63
/** Room for the largest value. */
const VALUE = LONGEST + 2
/** Structures that are compared with an object: programs send few kinds of objects at a time. */
const CANDIDATES = 4
/** Objects of a structure that were not flat one after the other until the structure is left to the library. */
const PATIENCE = 32

/** A structure, and how often an object with its keys was not flat since one was. */
interface Candidate {
  readonly index: number
  readonly keys: readonly string[]
  misses: number
}

type Plain = Readonly<Record<string, unknown>>

const doubles = new DataView(new ArrayBuffer(8))

export class FlatEncoder {
  /** Where the last payload lies. It never changes. */
  bytes: Buffer = Buffer.alloc(0)
  start = 0
  end = 0
  private position = 0
  private latest: Candidate | null = null
  private readonly candidates: Candidate[] = []
  /** By index of the structure: how many times in a row its objects were not flat. */
  private readonly hopeless = new Set<number>()
  private oldest = 0
  /** A getter of a value that is being written may want to encode something else. */
  private busy = false

  /** True = it is written, see `bytes`. False: the library must do it. `value` has the prototype of plain objects. */
  encode(value: object): boolean {
    const { latest } = this
    if (latest === null || this.busy) return false
    this.busy = true
    try {
      if (this.write(value as Plain, latest)) return true
      for (let i = 0; i < this.candidates.length; i++) {
        const candidate = this.candidates[i]
        if (candidate === latest || !this.write(value as Plain, candidate)) continue
        this.latest = candidate
        return true
      }
    } catch {
      // A getter has thrown, and will again: the library says so.
    } finally {
      this.busy = false
    }
    return false
  }

  /** The library has written an object as a record of the structure `index`: the next one may be tried here. */
  learn(index: number, keys: readonly string[]): void {
    if (this.hopeless.has(index)) return
    const known = this.candidates.find(one => one.index === index)
    if (known !== undefined) {
      if (known.misses < PATIENCE) return
      this.hopeless.add(index)
      this.candidates.splice(this.candidates.indexOf(known), 1)
      this.latest = this.candidates[0] ?? null
      return
    }
    // An object with such a member is not taken for a plain one everywhere.
    if (keys.includes("constructor")) return
    const candidate = { index, keys, misses: 0 }
    if (this.candidates.length < CANDIDATES) this.candidates.push(candidate)
    else this.candidates[this.oldest++ % CANDIDATES] = candidate
    this.latest = candidate
  }

  private write(value: Plain, candidate: Candidate): boolean {
    const { keys, index } = candidate
    if (this.position + ROOM > this.bytes.length) {
      this.bytes = Buffer.allocUnsafeSlow(CHUNK)
      this.position = 0
    }
    const { bytes, position } = this
    const limit = position + ROOM - VALUE
    let at = position
    if (index < 32) bytes[at++] = 0x40 + index
    else {
      bytes[at++] = 0x60 + (index & 31)
      bytes[at++] = (index - 32) >> 5
    }
    let count = 0
    for (const key in value) {
      if (key !== keys[count]) return false
      count++
      const one = value[key]
      if (at > limit) return miss(candidate)
      if (typeof one === "number") at = writeNumber(one, bytes, at)
      else if (typeof one === "string") {
        const { length } = one
        if (length > LONGEST) return miss(candidate)
        if (length < 32) bytes[at++] = 0xa0 | length
        else {
          bytes[at++] = 0xd9
          bytes[at++] = length
        }
        for (let i = 0; i < length; i++) {
          const code = one.charCodeAt(i)
          if (code > 127) return miss(candidate)
          bytes[at++] = code
        }
      } else if (one === null) bytes[at++] = 0xc0
      else if (one === true) bytes[at++] = 0xc3
      else if (one === false) bytes[at++] = 0xc2
      else return miss(candidate)
    }
    if (count !== keys.length) return false
    candidate.misses = 0
    this.start = position
    this.end = at
    this.position = at
    return true
  }
}

function miss(candidate: Candidate): false {
  candidate.misses++
  return false
}

function writeNumber(value: number, bytes: Buffer, at: number): number {
  if (value >>> 0 === value) {
    if (value < 0x40) bytes[at++] = value
    else if (value < 0x100) {
      bytes[at++] = 0xcc
      bytes[at++] = value
    } else if (value < 0x10000) {
      bytes[at++] = 0xcd
      bytes[at++] = value >> 8
      bytes[at++] = value & 0xff
    } else {
      bytes[at++] = 0xce
      at = writeWord(value, bytes, at)
    }
  } else if (value >> 0 === value) {
    if (value >= -0x20) bytes[at++] = value & 0xff
    else if (value >= -0x80) {
      bytes[at++] = 0xd0
      bytes[at++] = value & 0xff
    } else if (value >= -0x8000) {
      bytes[at++] = 0xd1
      bytes[at++] = (value >> 8) & 0xff
      bytes[at++] = value & 0xff
    } else {
      bytes[at++] = 0xd2
      at = writeWord(value, bytes, at)
    }
  } else {
    doubles.setFloat64(0, value)
    bytes[at++] = 0xcb
    at = writeWord(doubles.getUint32(4), bytes, writeWord(doubles.getUint32(0), bytes, at))
  }
  return at
}

function writeWord(value: number, bytes: Buffer, at: number): number {
  bytes[at] = value >>> 24
  bytes[at + 1] = (value >>> 16) & 0xff
  bytes[at + 2] = (value >>> 8) & 0xff
  bytes[at + 3] = value & 0xff
  return at + 4
}
