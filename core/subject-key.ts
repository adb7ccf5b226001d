import { HASH_START, hashWord } from "./prefix-hash.ts"
import { MAX_SUBJECT } from "./subject.ts"

const encoder = new TextEncoder()

const DOT = 0x2e
const STAR = 0x2a
const REST = 0x3e
/** Whitespace and NUL, which no subject has, are among the codes up to here. */
const SPACE = 0x20

/**
 * A subject or pattern as the tables take it: its UTF-8 in 32-bit words (little-endian, the last one filled up with zeros) and
 * their hash. One is used again and again: nothing is allocated for a subject.
 */
export class SubjectKey {
  words = new Int32Array((MAX_SUBJECT >>> 2) + 2)
  /** Where its tokens end, `tokens` of them: at their dots and, the last one, at `length`. */
  ends = new Int32Array(MAX_SUBJECT + 1)
  tokens = 0
  /** Bytes. */
  length = 0
  hash = 0
  /** What `setText` took last. */
  text = ""

  /** Returns true for what `checkSubject` would take, if it is in ASCII; false = ask that. */
  setText(text: string): boolean {
    this.text = text
    const { length } = text
    if (length > MAX_SUBJECT) this.grow(length)
    const { words, ends } = this
    let valid = length <= MAX_SUBJECT
    let tokens = 0
    let token = 0
    let hash = HASH_START
    let word = 0
    let code = 0
    for (let at = 0; at < length; at++) {
      const before = code
      code = text.charCodeAt(at)
      if (code <= DOT) {
        if (code === DOT) {
          if (at === token || (at === token + 1 && isWildcard(before))) valid = false
          token = at + 1
          ends[tokens++] = at
        } else if (code <= SPACE) valid = false
      } else if (code > 0x7f) return this.setUtf8(text)
      word |= code << ((at & 3) << 3)
      if ((at & 3) !== 3) continue
      words[at >>> 2] = word
      hash = hashWord(hash, word)
      word = 0
    }
    if ((length & 3) !== 0) {
      words[length >>> 2] = word
      hash = hashWord(hash, word)
    }
    ends[tokens++] = length
    this.tokens = tokens
    this.length = length
    this.hash = hash
    return valid && length > token && (length > token + 1 || !isWildcard(code))
  }

  /** What lies in `bytes` from `start` to `end`. Returns as `setText`. */
  setBytes(bytes: Uint8Array, start: number, end: number): boolean {
    this.text = ""
    const length = end - start
    if (length > MAX_SUBJECT) this.grow(length)
    const { words, ends } = this
    let valid = length <= MAX_SUBJECT
    let tokens = 0
    let token = start
    let hash = HASH_START
    let word = 0
    let shift = 0
    let count = 0
    let code = 0
    for (let at = start; at < end; at++) {
      const before = code
      code = bytes[at]
      if (code <= DOT) {
        if (code === DOT) {
          if (at === token || (at === token + 1 && isWildcard(before))) valid = false
          token = at + 1
          ends[tokens++] = at - start
        } else if (code <= SPACE) valid = false
      } else if (code > 0x7f) valid = false
      word |= code << shift
      shift += 8
      if (shift < 32) continue
      words[count++] = word
      hash = hashWord(hash, word)
      word = 0
      shift = 0
    }
    if (shift > 0) {
      words[count] = word
      hash = hashWord(hash, word)
    }
    ends[tokens++] = length
    this.tokens = tokens
    this.length = length
    this.hash = hash
    return valid && end > token && (end > token + 1 || !isWildcard(code))
  }

  byteAt(at: number): number {
    return (this.words[at >>> 2] >>> ((at & 3) << 3)) & 0xff
  }

  /** Four bytes from `at` on. */
  wordAt(at: number): number {
    const { words } = this
    const word = at >>> 2
    const shift = (at & 3) << 3
    // A shift by 32 is none at all.
    return shift === 0 ? words[word] : (words[word] >>> shift) | (words[word + 1] << (32 - shift))
  }

  /** Writes the bytes to `into`; returns where they end. */
  copyTo(into: Uint8Array, at: number): number {
    const { words, length } = this
    for (let i = 0; i < length; i++) into[at++] = words[i >>> 2] >>> ((i & 3) << 3)
    return at
  }

  /** Longer than any subject: matched nevertheless. */
  private grow(length: number): void {
    if (length < this.ends.length) return
    this.words = new Int32Array((length >>> 2) + 2)
    this.ends = new Int32Array(length + 1)
  }

  private setUtf8(text: string): boolean {
    const bytes = encoder.encode(text)
    this.setBytes(bytes, 0, bytes.length)
    this.text = text
    return false
  }
}

function isWildcard(code: number): boolean {
  return code === STAR || code === REST
}
