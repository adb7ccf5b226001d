import type { Message } from "heddle"
import { framesFormat } from "./frames.ts"
import { jsonFormat } from "./json.ts"
import { linesFormat } from "./lines.ts"

/** Cuts a stream of bytes into messages, however the bytes arrive. Throws a `CommandError` for bytes that are none. */
export interface Decoder {
  /**
   * Appends every message that is complete now; when it throws, those before the bad one are there. Frames may be views
   * on `chunk`.
   */
  push(chunk: Buffer, messages: Message[]): void
  /** The stream has ended: appends what an incomplete last piece still makes, if anything. */
  end(messages: Message[]): void
}

/** How messages stand on stdin and stdout. */
export interface Format {
  decoder(): Decoder
  /** Appends the bytes of one message to `parts`; returns how many bytes. */
  encode(message: Message, parts: Buffer[]): number
  /** One message from an argument of the command line. */
  fromArgument(text: string): Message
}

export interface FormatSettings {
  /** Between the frames of a message in a line; null = a line is one frame, and frames are printed with a tab between. */
  delimiter: Buffer | null
  /** Bytes; larger messages on stdin are refused, so that input without an end of line cannot fill the memory. */
  maxSize: number
}

export type FormatName = "lines" | "frames" | "json"
export const FORMAT_NAMES: readonly FormatName[] = ["lines", "frames", "json"]

export function formatOf(name: FormatName, settings: FormatSettings): Format {
  if (name === "frames") return framesFormat(settings.maxSize)
  return name === "json" ? jsonFormat(settings.maxSize) : linesFormat(settings)
}
