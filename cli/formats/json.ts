import { isUtf8 } from "node:buffer"
import type { Message } from "heddle"
import { CommandError } from "../exit.ts"
import type { Decoder, Format } from "./format.ts"
import { LineSplitter } from "./line-splitter.ts"

/** A message is a line of JSON: an array of its frames, text as strings and other bytes as `{"base64": "..."}`. */
export function jsonFormat(maxSize: number): Format {
  return {
    decoder: () => new JsonDecoder(new LineSplitter(maxSize)),
    fromArgument: text => parseMessage(text),
    encode(message, parts) {
      const line = Buffer.from(`${JSON.stringify(message.map(frameToJson))}\n`)
      parts.push(line)
      return line.length
    },
  }
}

class JsonDecoder implements Decoder {
  private readonly splitter: LineSplitter

  constructor(splitter: LineSplitter) {
    this.splitter = splitter
  }

  push(chunk: Buffer, messages: Message[]): void {
    this.parse(this.splitter.push(chunk), messages)
  }

  end(messages: Message[]): void {
    this.parse(this.splitter.end(), messages)
  }

  private parse(lines: Buffer[], messages: Message[]): void {
    for (const line of lines) if (line.length > 0) messages.push(parseMessage(line.toString()))
  }
}

function frameToJson(frame: Buffer): string | { base64: string } {
  return isUtf8(frame) ? frame.toString() : { base64: frame.toString("base64") }
}

function parseMessage(text: string): Message {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new CommandError(`input: not JSON: ${(error as Error).message}; write ["first frame", "second frame"]`)
  }
  const frames = Array.isArray(value) ? value : [value]
  if (frames.length === 0) throw new CommandError("input: [] is no message; a message has at least one frame")
  return frames.map(frameFromJson)
}

function frameFromJson(value: unknown): Buffer {
  if (typeof value === "string") return Buffer.from(value)
  if (typeof value === "object" && value !== null && "base64" in value && typeof value.base64 === "string") {
    return Buffer.from(value.base64, "base64")
  }
  throw new CommandError(`input: ${JSON.stringify(value)} is no frame; a frame is a string or {"base64": "..."}`)
}
