/**
 * Two things that every message needs, in the forms that V8 makes machine code of. Methods of a Buffer are looked up along a
 * chain of four prototypes at each call: 15 to 20 ns where the work itself takes 2 (Node 20 and 24, docs/benchmarks.md).
 */
import { Buffer } from "node:buffer"
import { View } from "./view.ts"

const set = Uint8Array.prototype.set

/** `target.set(bytes, at)`. */
export function copyInto(target: Uint8Array, bytes: Uint8Array, at: number): void {
  set.call(target, bytes, at)
}

/** Both have the same prototype in Node; `instanceof` is only quick with the one that is a class. */
const BufferClass = View.prototype === Buffer.prototype ? View : Buffer

/** `Buffer.isBuffer(value)`. */
export function isBuffer(value: unknown): value is Buffer {
  return value instanceof BufferClass
}
