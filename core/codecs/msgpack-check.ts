/**
 * Looks through MessagePack from the network before the library may read it. The library bounds lengths, but it takes
 * an unknown record for a small number, makes RegExp, Error and BigInt of any size from extensions, lets a payload
 * define records of its own (each a new function), and overflows the stack on deep nesting. None of that passes here:
 * what is left is well-formed, has an end, and is made of plain data.
 */
import type { Buffer } from "node:buffer"

/**
 * Containers within containers. The library reads by recursion: this leaves most of a stack of Node's usual 984 KiB.
 */
export const MAX_DEPTH = 512

/** Arrays and objects in one payload. An empty one takes a byte, but 64 in memory: some 256 MB at most. */
export const MAX_CONTAINERS = 4_000_000

/** Values left to read at each outer level. One for all: nothing is called while it is in use. */
const outer = new Float64Array(MAX_DEPTH)

const UNDEFINED = 0x00 // extension 0 in one byte, as notepack and msgpackr write `undefined`
const TIMESTAMP = 0xff // extension -1 of the specification

/**
 * Throws an Error that says why, unless `bytes` from `start` to `end` are exactly one value. `keys` holds the number of keys of each record
 * structure that is known; null = plain MessagePack, where 0x40 to 0x7f are numbers.
 */
export function checkMsgpack(
  bytes: Buffer,
  keys: readonly number[] | null,
  start: number = 0,
  end: number = bytes.length,
): void {
  let at = start
  let depth = 0
  let left = 1
  let containers = 0
  while (true) {
    while (left === 0) {
      if (depth === 0) {
        if (at !== end) throw new Error(`${end - at} bytes after the value`)
        return
      }
      left = outer[--depth]
    }
    if (at >= end) throw endsTooSoon()
    left--
    const token = bytes[at++]
    let inside = 0
    if (token < 0x80) {
      if (token < 0x40 || keys === null) continue
      let index = token - 0x40
      if (index >= 32) {
        if (at >= end) throw endsTooSoon()
        index += bytes[at++] * 32
      }
      if (index >= keys.length) throw new Error(`it names the record structure ${index}, which is unknown`)
      inside = keys[index]
    } else if (token < 0xc0) {
      if (token >= 0xa0) {
        at += token - 0xa0
        if (at > end) throw endsTooSoon()
        continue
      }
      inside = token < 0x90 ? (token - 0x80) * 2 : token - 0x90
    } else if (token >= 0xe0) {
      continue
    } else {
      switch (token) {
        case 0xc0: // nil, false, true
        case 0xc2:
        case 0xc3:
          continue
        case 0xc4: // bin 8, str 8
        case 0xd9:
          at += 1 + uint(bytes, at, 1)
          break
        case 0xc5: // bin 16, str 16
        case 0xda:
          at += 2 + uint(bytes, at, 2)
          break
        case 0xc6: // bin 32, str 32
        case 0xdb:
          at += 4 + uint(bytes, at, 4)
          break
        case 0xcc: // uint 8, int 8
        case 0xd0:
          at += 1
          break
        case 0xcd: // uint 16, int 16
        case 0xd1:
          at += 2
          break
        case 0xca: // float 32, uint 32, int 32
        case 0xce:
        case 0xd2:
          at += 4
          break
        case 0xcb: // float 64, uint 64, int 64
        case 0xcf:
        case 0xd3:
          at += 8
          break
        case 0xd4: {
          const type = uint(bytes, at, 1)
          if (type !== UNDEFINED && type !== TIMESTAMP) throw extension(type)
          at += 2
          break
        }
        case 0xd6: // the timestamp of 32, 64 and 96 bits
          at = timestamp(bytes, at, 4)
          break
        case 0xd7:
          at = timestamp(bytes, at, 8)
          break
        case 0xc7:
          if (uint(bytes, at, 1) !== 12) throw extension(at + 1 < end ? bytes[at + 1] : -1)
          at = timestamp(bytes, at + 1, 12)
          break
        case 0xdc: // array 16, map 16
          inside = uint(bytes, at, 2)
          at += 2
          break
        case 0xde:
          inside = uint(bytes, at, 2) * 2
          at += 2
          break
        case 0xdd: // array 32, map 32
          inside = uint(bytes, at, 4)
          at += 4
          break
        case 0xdf:
          inside = uint(bytes, at, 4) * 2
          at += 4
          break
        case 0xd5: // the other extensions
        case 0xd8:
        case 0xc8:
        case 0xc9:
          throw extension(bytes[at + (token === 0xc8 ? 2 : token === 0xc9 ? 4 : 0)] ?? -1)
        default:
          throw new Error(`the byte 0x${token.toString(16)} begins no value`)
      }
      if (at > end) throw endsTooSoon()
      if (token < 0xdc) continue
    }
    if (++containers > MAX_CONTAINERS) throw new Error(`it has more than ${MAX_CONTAINERS} arrays and objects`)
    if (inside === 0) continue
    if (depth === MAX_DEPTH) throw new Error(`it is nested more than ${MAX_DEPTH} deep`)
    outer[depth++] = left
    left = inside
  }
}

function uint(bytes: Buffer, at: number, size: 1 | 2 | 4): number {
  if (at + size > bytes.length) throw endsTooSoon()
  if (size === 1) return bytes[at]
  if (size === 2) return bytes[at] * 256 + bytes[at + 1]
  return bytes[at] * 0x1000000 + (bytes[at + 1] << 16) + (bytes[at + 2] << 8) + bytes[at + 3]
}

function timestamp(bytes: Buffer, at: number, size: number): number {
  const type = uint(bytes, at, 1)
  if (type !== TIMESTAMP) throw extension(type)
  return at + 1 + size
}

function endsTooSoon(): Error {
  return new Error("it ends too soon")
}

function extension(type: number): Error {
  return new Error(
    `it has the extension type ${type > 127 ? type - 256 : type}; only timestamps and undefined are accepted`,
  )
}
