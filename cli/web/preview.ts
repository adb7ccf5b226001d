import { isUtf8 } from "node:buffer"
import type { FabricMessage } from "heddle"
import { jsonOf } from "../fabric/payload.ts"
import type { Sample } from "./sheet.ts"

/** Bytes of a payload that is still decoded: to look at one large message must not hold up the others. */
const MOST_DECODED = 64 * 1024

/** Characters, and bytes as numbers, that a page shows. */
const MOST_TEXT = 600
const MOST_HEX = 128

const MOST_HEADERS = 20

export function sampleOf(message: FabricMessage, number: number): Sample {
  const { subject, fromName, size, encoding } = message
  const headers = [...message.headers].slice(0, MOST_HEADERS).map(([name, value]): [string, string] => {
    const text = typeof value === "string" ? value : value.toString("hex")
    return [name.slice(0, 100), text.slice(0, 200)]
  })
  return {
    number,
    at: Date.now(),
    subject: subject.slice(0, 300),
    from: fromName.slice(0, 200),
    size,
    encoding,
    headers,
    ...previewOf(message),
  }
}

type Preview = Pick<Sample, "kind" | "preview" | "cut">

function previewOf(message: FabricMessage): Preview {
  const { encoding, size, bytes } = message
  if (encoding === "none") return { kind: "text", preview: "", cut: false }
  const text = encoding === "string" || encoding === "json"
  if (encoding === "bytes" || (size > MOST_DECODED && !text)) return bytesPreview(bytes)
  // Text need not be decoded as a whole to show how it begins.
  if (size > MOST_DECODED) return { ...cutText(bytes.toString("utf8", 0, MOST_TEXT * 4)), cut: true }
  try {
    const { data } = message
    if (typeof data === "string") return cutText(data)
    if (data instanceof Uint8Array) return bytesPreview(Buffer.from(data.buffer, data.byteOffset, data.length))
    return { ...cutText(jsonOf(data) ?? ""), kind: "json" }
  } catch {
    // A codec of the sender's own, or a value that JSON cannot carry.
    return bytesPreview(bytes)
  }
}

function cutText(text: string): Preview {
  return { kind: "text", preview: text.slice(0, MOST_TEXT), cut: text.length > MOST_TEXT }
}

/** Bytes that are a readable text are shown as one. */
function bytesPreview(bytes: Buffer): Preview {
  if (bytes.length <= MOST_DECODED && isUtf8(bytes)) {
    const text = bytes.toString()
    if (!UNREADABLE.test(text)) return cutText(text)
  }
  const preview = bytes.toString("hex", 0, MOST_HEX).replace(/(..)(?=.)/g, "$1 ")
  return { kind: "hex", preview, cut: bytes.length > MOST_HEX }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
const UNREADABLE = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/
