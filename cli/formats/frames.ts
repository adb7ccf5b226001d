import type { Message } from "heddle"
import { CommandError } from "../exit.ts"
import { ByteQueue } from "./byte-queue.ts"
import type { Decoder, Format } from "./format.ts"

/** Bytes of a count or a length: unsigned, 32 bits, big endian. */
const FIELD = 4

/**
 * A message is: number of frames, then each frame's length and bytes; both numbers are 32 bits, unsigned, big endian.
 * Carries anything, empty frames included.
 */
export function framesFormat(maxSize: number): Format {
  return {
    decoder: () => new FramesDecoder(maxSize),
    fromArgument: text => [Buffer.from(text)],
    encode(message, parts) {
      const fields = Buffer.allocUnsafe(FIELD * (1 + message.length))
      fields.writeUInt32BE(message.length, 0)
      let size = fields.length
      for (let i = 0; i < message.length; i++) {
        const at = FIELD * (1 + i)
        fields.writeUInt32BE(message[i].length, at)
        // The count stands directly before the first length.
        parts.push(fields.subarray(i === 0 ? 0 : at, at + FIELD), message[i])
        size += message[i].length
      }
      return size
    },
  }
}

class FramesDecoder implements Decoder {
  private readonly maxSize: number
  private readonly bytes = new ByteQueue()
  /** Frames of the message that are still to come; 0 = its count is. */
  private missing = 0
  /** Length of the frame that comes next; -1 = not known yet. */
  private next = -1
  private frames: Buffer[] = []
  /** Bytes of the message so far, fields included: a count alone must not make us keep endless empty frames. */
  private size = 0

  constructor(maxSize: number) {
    this.maxSize = maxSize
  }

  push(chunk: Buffer, messages: Message[]): void {
    this.bytes.push(chunk)
    while (this.step()) {
      if (this.missing > 0 || this.frames.length === 0) continue
      messages.push(this.frames)
      this.frames = []
      this.size = 0
    }
  }

  end(): void {
    if (this.missing > 0 || this.bytes.length > 0) throw new CommandError("input: it ends in the middle of a message")
  }

  /** Takes the next field or frame; false when its bytes are not there yet. */
  private step(): boolean {
    if (this.missing === 0) {
      const count = this.bytes.take(FIELD)
      if (count === null) return false
      this.missing = count.readUInt32BE(0)
      if (this.missing === 0) throw new CommandError("input: a message without frames; is this the --frames format?")
      this.grow(this.missing * FIELD)
    } else if (this.next < 0) {
      const length = this.bytes.take(FIELD)
      if (length === null) return false
      this.next = length.readUInt32BE(0)
      this.grow(this.next)
    } else {
      const frame = this.bytes.take(this.next)
      if (frame === null) return false
      this.frames.push(frame)
      this.next = -1
      this.missing--
    }
    return true
  }

  private grow(bytes: number): void {
    this.size += bytes
    if (this.size <= this.maxSize) return
    throw new CommandError(
      `input: a message of ${this.size} bytes or more; raise --max-size (${this.maxSize}), or check that this is the --frames format`,
    )
  }
}
