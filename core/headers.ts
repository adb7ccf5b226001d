/**
 * Headers of a message, as NATS has them (ADR-4): ordered, names case-sensitive and repeatable. Unlike there a value
 * may also be bytes, and may hold line breaks, because lengths are written before everything.
 *
 * On the wire: varint (how many), then for each: varint (bytes of the name), the name in ASCII, varint (bytes of the
 * value * 2, + 1 when it is binary), the value.
 */
import { Buffer } from "node:buffer"
import { HeddleError } from "./errors.ts"
import { Reader, varintSize, writeVarint } from "./varint.ts"

/** Entries of one message. Headers describe a message; more than this is a payload, and costs more than the payload. */
export const MAX_HEADERS = 64

/**
 * Bytes that the headers of one message may take on the wire: as much as HTTP servers take at most, four times over.
 */
export const MAX_HEADERS_SIZE = 64 * 1024

/** Bytes of one name: long enough for "Namespace-Of-A-Company-And-Purpose", short enough to print. */
export const MAX_HEADER_NAME = 128

export type HeaderValue = string | Uint8Array

/** What `publish` and `request` take: headers, an object (a list for a repeated name), or pairs of name and value. */
export type HeadersInit =
  | MessageHeaders
  | Readonly<Record<string, HeaderValue | readonly HeaderValue[]>>
  | Iterable<readonly [string, HeaderValue]>

/** Called so because `Headers` is a global of Node with other rules (names without case, values without bytes). */
export class MessageHeaders implements Iterable<[string, string | Buffer]> {
  private readonly names: string[] = []
  private readonly values: (string | Buffer)[] = []

  /**
   * A new list; the values that are bytes are taken by reference. Throws EINVAL for names and values that cannot be.
   */
  static from(init: HeadersInit): MessageHeaders {
    const headers = new MessageHeaders()
    if (typeof init !== "object" || init === null) throw invalid(`Headers are an object or pairs, not ${typeof init}`)
    if (Symbol.iterator in init) {
      for (const pair of init as Iterable<readonly [string, HeaderValue]>) {
        if (!Array.isArray(pair) || pair.length !== 2) throw invalid("Headers that are a list need pairs [name, value]")
        headers.append(pair[0], pair[1])
      }
      return headers
    }
    for (const [name, value] of Object.entries(init)) {
      if (Array.isArray(value)) for (const one of value) headers.append(name, one)
      else headers.append(name, value as HeaderValue)
    }
    return headers
  }

  /** How many entries; a repeated name counts each time. */
  get size(): number {
    return this.names.length
  }

  /** The first value of that name; bytes are read as UTF-8. */
  get(name: string): string | undefined {
    const at = this.names.indexOf(name)
    if (at < 0) return undefined
    const value = this.values[at]
    return typeof value === "string" ? value : value.toString()
  }

  /** The first value of that name as bytes. Must not be changed: it may be a view of what was received. */
  getBytes(name: string): Buffer | undefined {
    const at = this.names.indexOf(name)
    if (at < 0) return undefined
    const value = this.values[at]
    return typeof value === "string" ? Buffer.from(value) : value
  }

  /** All values of that name in order, each of the kind that it was sent as. */
  getAll(name: string): (string | Buffer)[] {
    return this.values.filter((_, at) => this.names[at] === name)
  }

  has(name: string): boolean {
    return this.names.includes(name)
  }

  /** Adds an entry at the end. Throws EINVAL: see `MAX_HEADERS` and `MAX_HEADER_NAME`. */
  append(name: string, value: HeaderValue): this {
    checkName(name)
    const kept = checkValue(name, value)
    if (this.names.length >= MAX_HEADERS)
      throw invalid(`A message has at most ${MAX_HEADERS} headers; put data into it`)
    this.names.push(name)
    this.values.push(kept)
    return this
  }

  /** Replaces all values of that name by one, at the place of the first; adds it when there is none. */
  set(name: string, value: HeaderValue): this {
    const at = this.names.indexOf(name)
    if (at < 0) return this.append(name, value)
    const kept = checkValue(name, value)
    this.remove(name, at + 1)
    this.values[at] = kept
    return this
  }

  /** Removes all values of that name. False when there was none. */
  delete(name: string): boolean {
    return this.remove(name, 0)
  }

  private remove(name: string, from: number): boolean {
    let kept = from
    for (let i = from; i < this.names.length; i++) {
      if (this.names[i] === name) continue
      this.names[kept] = this.names[i]
      this.values[kept++] = this.values[i]
    }
    const found = kept < this.names.length
    this.names.length = kept
    this.values.length = kept
    return found
  }

  *[Symbol.iterator](): IterableIterator<[string, string | Buffer]> {
    for (let i = 0; i < this.names.length; i++) yield [this.names[i], this.values[i]]
  }

  /** For logs: one member per name, a list where it is repeated; bytes as `{ base64 }`. */
  toJSON(): Record<string, unknown> {
    const shown: Record<string, unknown[]> = Object.create(null) // a header may be called __proto__
    for (const [name, value] of this) {
      shown[name] ??= []
      shown[name].push(typeof value === "string" ? value : { base64: value.toString("base64") })
    }
    const json: Record<string, unknown> = Object.create(null)
    for (const name of Object.keys(shown)) json[name] = shown[name].length === 1 ? shown[name][0] : shown[name]
    return json
  }

  /** Bytes on the wire. Throws EMSGSIZE above `MAX_HEADERS_SIZE`. */
  encodedSize(): number {
    let size = varintSize(this.names.length)
    for (let i = 0; i < this.names.length; i++) {
      const name = this.names[i].length
      const value = byteLength(this.values[i])
      size += varintSize(name) + name + varintSize(value * 2) + value
    }
    if (size > MAX_HEADERS_SIZE)
      throw new HeddleError(
        "EMSGSIZE",
        `The headers of a message take ${size} bytes, at most ${MAX_HEADERS_SIZE} allowed; put data into the payload`,
      )
    return size
  }

  /** Writes `encodedSize()` bytes from `at`; the caller has made room. Returns where it ended. */
  encode(into: Buffer, at: number): number {
    at = writeVarint(this.names.length, into, at)
    for (let i = 0; i < this.names.length; i++) {
      const name = this.names[i]
      const value = this.values[i]
      at = writeVarint(name.length, into, at)
      at += into.write(name, at, "latin1")
      const size = byteLength(value)
      at = writeVarint(size * 2 + (typeof value === "string" ? 0 : 1), into, at)
      at += typeof value === "string" ? into.write(value, at) : value.copy(into, at)
    }
    return at
  }

  /**
   * Reads what a peer sent: exactly the bytes from `start` to `end`. Binary values are views of `bytes`, which stay in
   * memory as long as they. Throws EPROTO for anything that `encode` does not write.
   */
  static decode(bytes: Buffer, start = 0, end = bytes.length): MessageHeaders {
    if (end - start > MAX_HEADERS_SIZE) throw malformed(`${end - start} bytes, at most ${MAX_HEADERS_SIZE} are allowed`)
    const reader = new Reader(bytes, start, end)
    const count = reader.varint()
    if (count > MAX_HEADERS) throw malformed(`${count} entries, at most ${MAX_HEADERS} are allowed`)
    const headers = new MessageHeaders()
    for (let i = 0; i < count; i++) {
      const name = reader.latin1(nameLength(reader.varint()))
      if (!isName(name)) throw malformed(`a name that is not printable ASCII without colon: ${JSON.stringify(name)}`)
      const kind = reader.varint()
      const size = Math.floor(kind / 2)
      headers.names.push(name)
      headers.values.push(kind % 2 === 1 ? reader.view(size) : reader.utf8(size))
    }
    if (reader.left > 0) throw malformed(`${reader.left} bytes after the last entry`)
    return headers
  }
}

function byteLength(value: string | Buffer): number {
  return typeof value === "string" ? Buffer.byteLength(value) : value.length
}

/** What RFC 5322 allows in a field name: 33 to 126 without the colon, so that any text protocol can carry it. */
function isName(name: string): boolean {
  if (name.length === 0 || name.length > MAX_HEADER_NAME) return false
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (code < 33 || code > 126 || code === 58) return false
  }
  return true
}

function checkName(name: string): void {
  if (typeof name === "string" && isName(name)) return
  throw invalid(
    `${JSON.stringify(name)} is no name of a header: 1 to ${MAX_HEADER_NAME} printable ASCII characters but space and colon`,
  )
}

function checkValue(name: string, value: HeaderValue): string | Buffer {
  if (typeof value === "string") return value
  if (value instanceof Uint8Array)
    return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  throw invalid(`The header ${name} needs a string or bytes, not ${value === null ? "null" : typeof value}; convert it`)
}

function nameLength(length: number): number {
  if (length > MAX_HEADER_NAME) throw malformed(`a name of ${length} bytes, at most ${MAX_HEADER_NAME} are allowed`)
  return length
}

function invalid(text: string): HeddleError {
  return new HeddleError("EINVAL", text)
}

function malformed(what: string): HeddleError {
  return new HeddleError("EPROTO", `The peer sent headers that are malformed: ${what}`)
}
