/**
 * ZMTP frames built by hand, as the specification writes them down. Nothing of the engine is used here: what the engine
 * writes and reads is judged by it.
 */

/** `"ff 00*7 01 7f 'NULL' 00*16"`: bytes in hexadecimal, repeated by `*n`, and text in single quotes. */
export function octets(transcript: string): Buffer {
  const parts: Buffer[] = []
  for (const token of transcript.match(/'[^']*'(?:\*\d+)?|[^\s']+/g) ?? []) {
    const [, text, hex, times] = /^(?:'([^']*)'|([0-9a-f]{2}))(?:\*(\d+))?$/i.exec(token) ?? []
    if (text === undefined && hex === undefined) throw new TypeError(`${token} is no part of a transcript`)
    const unit = text === undefined ? Buffer.from(hex, "hex") : Buffer.from(text, "latin1")
    for (let left = times === undefined ? 1 : Number(times); left > 0; left--) parts.push(unit)
  }
  return Buffer.concat(parts)
}

/** The greeting of a 3.1 peer with the NULL mechanism (zmtp.md 1.2). */
export const GREETING = octets("ff 00*7 01 7f 03 01 'NULL' 00*16 00 00*31")

export const MORE = 1
export const LONG = 2
export const COMMAND = 4

/** One frame; `long` forces the nine-octet header, `size` announces another length than the body has. */
export function frame(flags: number, body: Buffer | string = "", { long = false, size = -1n } = {}): Buffer {
  const bytes = Buffer.from(body as string)
  const length = size < 0n ? BigInt(bytes.length) : size
  if (length < 256n && !long) return Buffer.concat([Buffer.from([flags, Number(length)]), bytes])
  const head = Buffer.alloc(9)
  head[0] = flags | LONG
  head.writeBigUInt64BE(length, 1)
  return Buffer.concat([head, bytes])
}

/** A message of one or more frames. */
export function message(...parts: (Buffer | string)[]): Buffer {
  return Buffer.concat(parts.map((part, i) => frame(i < parts.length - 1 ? MORE : 0, part)))
}

export function command(name: string, data: Buffer | string = ""): Buffer {
  return frame(COMMAND, Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from(data as string)]))
}

export function property(name: string, value: Buffer | string): Buffer {
  const bytes = Buffer.from(value as string)
  const size = Buffer.alloc(4)
  size.writeUInt32BE(bytes.length)
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), size, bytes])
}

/** READY of the NULL mechanism: Socket-Type first, then what else is given. */
export function ready(socketType: string, ...properties: [name: string, value: Buffer | string][]): Buffer {
  const all: [string, Buffer | string][] = [["Socket-Type", socketType], ...properties]
  return command("READY", Buffer.concat(all.map(([name, value]) => property(name, value))))
}

export function ping(timeToLive: number, context = ""): Buffer {
  const data = Buffer.alloc(2)
  data.writeUInt16BE(timeToLive)
  return command("PING", Buffer.concat([data, Buffer.from(context)]))
}
