import type { Message } from "heddle"
import type { Decoder, Format, FormatSettings } from "./format.ts"
import { LineSplitter } from "./line-splitter.ts"

const NEWLINE = Buffer.from("\n")
const TAB = Buffer.from("\t")

/** A message is a line of text. Not reversible for payloads that contain "\n" or the delimiter; frames and JSON are. */
export function linesFormat({ delimiter, maxSize }: FormatSettings): Format {
  const split = (line: Buffer): Message => (delimiter === null ? [line] : splitAt(line, delimiter))
  const between = delimiter ?? TAB
  return {
    decoder: () => new LinesDecoder(new LineSplitter(maxSize), split),
    fromArgument: text => split(Buffer.from(text)),
    encode(message, parts) {
      let size = NEWLINE.length
      for (let i = 0; i < message.length; i++) {
        if (i > 0) {
          parts.push(between)
          size += between.length
        }
        parts.push(message[i])
        size += message[i].length
      }
      parts.push(NEWLINE)
      return size
    },
  }
}

class LinesDecoder implements Decoder {
  private readonly splitter: LineSplitter
  private readonly split: (line: Buffer) => Message

  constructor(splitter: LineSplitter, split: (line: Buffer) => Message) {
    this.splitter = splitter
    this.split = split
  }

  push(chunk: Buffer, messages: Message[]): void {
    for (const line of this.splitter.push(chunk)) messages.push(this.split(line))
  }

  end(messages: Message[]): void {
    for (const line of this.splitter.end()) messages.push(this.split(line))
  }
}

function splitAt(line: Buffer, delimiter: Buffer): Message {
  const frames: Buffer[] = []
  let start = 0
  for (let at = line.indexOf(delimiter); at >= 0; at = line.indexOf(delimiter, start)) {
    frames.push(line.subarray(start, at))
    start = at + delimiter.length
  }
  frames.push(line.subarray(start))
  return frames
}
