/**
 * `MessageHeaders` of core/headers.ts without Node's Buffer: the same rules and the same bytes on the wire.
 */
import { HeddleError } from "../../../core/errors.ts"
import { RecordWriter } from "../edge/wire.ts"

/** As in core/headers.ts, which says why. */
const MAX_HEADERS = 64
const MAX_HEADERS_SIZE = 64 * 1024
const MAX_HEADER_NAME = 128

export type HeaderValue = string | Uint8Array

/** What `publish` and `request` take: headers, an object (a list for a repeated name), or pairs of name and value. */
export type HeadersInit =
  | MessageHeaders
  | Readonly<Record<string, HeaderValue | readonly HeaderValue[]>>
  | Iterable<readonly [string, HeaderValue]>

/** Headers of a message: ordered, names case-sensitive and repeatable, values text or bytes. */
export class MessageHeaders implements Iterable<[string, HeaderValue]> {
  private entries: [string, HeaderValue][] = []

  /** A new list; values that are bytes are taken by reference. Throws EINVAL for names and values that cannot be. */
  static from(init: HeadersInit): MessageHeaders {
    const headers = new MessageHeaders()
    if (typeof init !== "object" || init === null) throw invalid(`Headers are an object or pairs, not ${typeof init}`)
    const pairs = Symbol.iterator in init ? (init as Iterable<readonly [string, HeaderValue]>) : Object.entries(init)
    for (const pair of pairs) {
      if (!Array.isArray(pair) || pair.length !== 2) throw invalid("Headers that are a list need pairs [name, value]")
      const [name, value] = pair as [string, HeaderValue | readonly HeaderValue[]]
      if (Array.isArray(value)) for (const one of value) headers.append(name, one)
      else headers.append(name, value as HeaderValue)
    }
    return headers
  }

  /** How many entries; a repeated name counts each time. */
  get size(): number {
    return this.entries.length
  }

  /** The first value of that name; bytes are read as UTF-8. */
  get(name: string): string | undefined {
    const value = this.entries.find(entry => entry[0] === name)?.[1]
    return value === undefined || typeof value === "string" ? value : new TextDecoder().decode(value)
  }

  /** The first value of that name as bytes. Must not be changed: it may be a view of what was received. */
  getBytes(name: string): Uint8Array | undefined {
    const value = this.entries.find(entry => entry[0] === name)?.[1]
    return typeof value === "string" ? new TextEncoder().encode(value) : value
  }

  /** All values of that name in order, each of the kind that it was sent as. */
  getAll(name: string): HeaderValue[] {
    return this.entries.filter(entry => entry[0] === name).map(entry => entry[1])
  }

  has(name: string): boolean {
    return this.entries.some(entry => entry[0] === name)
  }

  /** Adds an entry at the end. Throws EINVAL. */
  append(name: string, value: HeaderValue): this {
    if (typeof name !== "string" || !isName(name)) {
      throw invalid(
        `${JSON.stringify(name)} is no name of a header: 1 to ${MAX_HEADER_NAME} printable ASCII characters but space and colon`,
      )
    }
    if (typeof value !== "string" && !(value instanceof Uint8Array))
      throw invalid(`The header ${name} needs a string or bytes, not ${value === null ? "null" : typeof value}`)
    if (this.entries.length >= MAX_HEADERS) throw invalid(`A message has at most ${MAX_HEADERS} headers`)
    this.entries.push([name, value])
    return this
  }

  /** Replaces all values of that name by one, at the place of the first; adds it when there is none. */
  set(name: string, value: HeaderValue): this {
    const at = this.entries.findIndex(entry => entry[0] === name)
    if (at < 0) return this.append(name, value)
    const kept = new MessageHeaders().append(name, value).entries[0]
    this.entries = this.entries.filter((entry, index) => index === at || entry[0] !== name)
    this.entries[at] = kept
    return this
  }

  /** Removes all values of that name. False when there was none. */
  delete(name: string): boolean {
    const before = this.entries.length
    this.entries = this.entries.filter(entry => entry[0] !== name)
    return this.entries.length < before
  }

  [Symbol.iterator](): IterableIterator<[string, HeaderValue]> {
    return this.entries.map((entry): [string, HeaderValue] => [...entry]).values()
  }
}

/** Bytes on the wire. Throws EMSGSIZE. */
export function encodeHeaders(headers: MessageHeaders): Uint8Array {
  const writer = new RecordWriter(256).varint(headers.size)
  for (const [name, value] of headers) {
    const binary = typeof value !== "string"
    const bytes = binary ? value : new TextEncoder().encode(value)
    writer
      .text(name)
      .varint(bytes.length * 2 + (binary ? 1 : 0))
      .raw(bytes)
  }
  if (writer.at > MAX_HEADERS_SIZE) {
    const text = `The headers of a message take ${writer.at} bytes, at most ${MAX_HEADERS_SIZE} allowed; put data into the payload`
    throw new HeddleError("EMSGSIZE", text)
  }
  return writer.written
}

/** Reads what a peer sent; binary values are views of `bytes`. Throws EPROTO for anything that `encodeHeaders` does not write. */
export function decodeHeaders(bytes: Uint8Array): MessageHeaders {
  let at = 0
  const number = (): number => {
    let value = 0
    // Five bytes hold 35 bits: more than any length that is allowed here.
    for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
      if (at >= bytes.length) throw malformed("they end too soon")
      const byte = bytes[at++]
      value += (byte & 0x7f) * scale
      if (byte < 128) return value
    }
    throw malformed("a length that is too large")
  }
  const view = (size: number): Uint8Array => {
    if (size > bytes.length - at) throw malformed("they end too soon")
    at += size
    return bytes.subarray(at - size, at)
  }
  if (bytes.length > MAX_HEADERS_SIZE) throw malformed(`${bytes.length} bytes, at most ${MAX_HEADERS_SIZE} are allowed`)
  const count = number()
  if (count > MAX_HEADERS) throw malformed(`${count} entries, at most ${MAX_HEADERS} are allowed`)
  const headers = new MessageHeaders()
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  for (let i = 0; i < count; i++) {
    const name = decoder.decode(view(number()))
    if (!isName(name))
      throw malformed(`a name that is not printable ASCII without colon: ${JSON.stringify(name.slice(0, 80))}`)
    const kind = number()
    const value = view(Math.floor(kind / 2))
    headers.append(name, kind % 2 === 1 ? value : decoder.decode(value))
  }
  if (at < bytes.length) throw malformed(`${bytes.length - at} bytes after the last entry`)
  return headers
}

/** What RFC 5322 allows in a field name: 33 to 126 without the colon, so that any text protocol can carry it. */
function isName(name: string): boolean {
  return name.length <= MAX_HEADER_NAME && /^[!-9;-~]+$/.test(name)
}

function invalid(text: string): HeddleError {
  return new HeddleError("EINVAL", text)
}

function malformed(what: string): HeddleError {
  return new HeddleError("EPROTO", `The peer sent headers that are malformed: ${what}`)
}
