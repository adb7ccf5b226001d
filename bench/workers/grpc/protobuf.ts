import type { StockReply, StockRequest } from "../api/stock.ts"

/**
 * Protocol Buffers by hand (encoding of proto3), for two messages of two fields:
 * `message Request { string sku = 1; uint32 quantity = 2; }` and `message Reply { uint64 left = 1; uint64 price = 2; }`.
 */

const VARINT_1 = (1 << 3) | 0
const VARINT_2 = (2 << 3) | 0
const BYTES_1 = (1 << 3) | 2

function varint(value: number, into: Buffer, at: number): number {
  let rest = value
  let next = at
  while (rest > 0x7f) {
    into[next++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  into[next++] = rest
  return next
}

/** Reads the fields of a message in whatever order they come. */
function read(bytes: Buffer, number: (field: number, value: number) => void, text: (value: string) => void): void {
  let at = 0
  const next = () => {
    let value = 0
    for (let scale = 1; ; scale *= 0x80) {
      if (at >= bytes.length) throw new RangeError("a message is cut short")
      const byte = bytes[at++]
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
  }
  while (at < bytes.length) {
    const tag = next()
    if (tag === BYTES_1) {
      const length = next()
      text(bytes.toString("utf8", at, at + length))
      at += length
    } else number(tag, next())
  }
}

export function encodeRequest({ sku, quantity }: StockRequest): Buffer {
  const length = Buffer.byteLength(sku)
  const bytes = Buffer.allocUnsafe(length + 16)
  let at = varint(BYTES_1, bytes, 0)
  at = varint(length, bytes, at)
  at += bytes.write(sku, at)
  at = varint(VARINT_2, bytes, at)
  return bytes.subarray(0, varint(quantity, bytes, at))
}

export function decodeRequest(bytes: Buffer): StockRequest {
  let sku = ""
  let quantity = 0
  read(
    bytes,
    (field, value) => {
      if (field === VARINT_2) quantity = value
    },
    value => {
      sku = value
    },
  )
  return { sku, quantity }
}

export function encodeReply({ left, price }: StockReply): Buffer {
  const bytes = Buffer.allocUnsafe(24)
  let at = varint(VARINT_1, bytes, 0)
  at = varint(left, bytes, at)
  at = varint(VARINT_2, bytes, at)
  return bytes.subarray(0, varint(price, bytes, at))
}

export function decodeReply(bytes: Buffer): StockReply {
  let left = 0
  let price = 0
  read(
    bytes,
    (field, value) => {
      if (field === VARINT_1) left = value
      if (field === VARINT_2) price = value
    },
    () => {},
  )
  return { left, price }
}
