import type { Buffer } from "node:buffer"

/** Slots: some hundred names (subjects, topics, headers) are in use at a time; a clash costs one decoding. */
const SLOTS = 1024

/** Longer texts are rarely repeated, and comparing them costs as much as decoding them. */
const LONGEST = 96

/**
 * Gives the same string for the same bytes without decoding them again: one slot for each hash, the last one wins. Its memory is bounded.
 */
export class Interner {
  private readonly texts: (string | undefined)[] = new Array(SLOTS)

  /** UTF-8 from `start` up to `end`. */
  text(bytes: Buffer, start: number, end: number): string {
    const length = end - start
    if (length === 0) return ""
    if (length > LONGEST) return bytes.toString("utf8", start, end)
    let hash = length
    for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + bytes[at]) | 0
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1)
    const known = this.texts[slot]
    if (known !== undefined && known.length === length && same(known, bytes, start)) return known
    const text = bytes.toString("utf8", start, end)
    // Only ASCII has one byte for each character, which is what `same` compares.
    if (text.length === length) this.texts[slot] = text
    return text
  }
}

function same(text: string, bytes: Buffer, start: number): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[start + i]) return false
  return true
}
