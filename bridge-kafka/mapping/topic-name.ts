/**
 * Text in names of topics (MAP-3): Kafka takes `[a-zA-Z0-9._-]{1,249}`, not `.` nor `..`. Every other byte of the UTF-8
 * becomes `_` and two hex digits, and so does `_` itself: different texts have different names, and each name has one text.
 */
import { Buffer, isUtf8 } from "node:buffer"
import { unmappable } from "./failure.ts"

/** Kafka's limit: file names of 255 bytes, with room for a partition's number. */
export const MAX_TOPIC = 249

const LEGAL = /^[a-zA-Z0-9._-]{1,249}$/
const PLAIN = /^[a-zA-Z0-9.-]*$/

export function isTopic(name: string): boolean {
  return LEGAL.test(name) && name !== "." && name !== ".."
}

/** Throws poison: the record that leads to this topic can never be stored. */
export function checkTopic(name: string): string {
  if (isTopic(name)) return name
  const wrong =
    name.length > MAX_TOPIC ? `it has ${name.length} characters, at most ${MAX_TOPIC} are allowed` : "see MAP-3"
  throw unmappable(
    `${JSON.stringify(name.slice(0, MAX_TOPIC))} is no name of a topic (letters, digits, ".", "_" and "-"): ${wrong}; change the topic of its route`,
  )
}

/** A part of a topic's name for any well-formed text; lone surrogates count as U+FFFD. */
export function escapeTopicPart(text: string): string {
  if (PLAIN.test(text)) return text
  let escaped = ""
  for (const byte of Buffer.from(text)) {
    const sign = String.fromCharCode(byte)
    escaped += byte < 0x80 && PLAIN.test(sign) ? sign : `_${byte.toString(16).padStart(2, "0")}`
  }
  return escaped
}

/** The two names that look like folders. */
export function avoidDots(name: string): string {
  return name === "." ? "_2e" : name === ".." ? "_2e_2e" : name
}

/** The text that was escaped to this name; null for a name that escaping does not make. */
export function unescapeTopic(name: string): string | null {
  if (!name.includes("_")) return isTopic(name) ? name : null
  if (!isTopic(name)) return null
  const bytes: number[] = []
  for (let at = 0; at < name.length; at++) {
    if (name[at] !== "_") bytes.push(name.charCodeAt(at))
    else {
      const hex = name.slice(at + 1, at + 3)
      if (!/^[0-9a-f]{2}$/.test(hex)) return null
      bytes.push(Number.parseInt(hex, 16))
      at += 2
    }
  }
  const text = Buffer.from(bytes)
  if (!isUtf8(text)) return null
  const found = text.toString()
  // Of several ways to write a text only ours counts: "_41" is not how "A" is written.
  return avoidDots(escapeTopicPart(found)) === name ? found : null
}
