import type { Message, Pattern, Pipe } from "../../../core/contract.ts"
import { HeddleError } from "../../../core/errors.ts"
import type { PublishOptions } from "../publishing.ts"
import { refuseReserved } from "../reserved.ts"
import type { PublishResult } from "../topics.ts"
import type { Complaints } from "./complaints.ts"
import type { Payloads } from "./payloads.ts"

export interface PublishersHost {
  readonly publishing: {
    publish(subject: string, data: unknown, options: PublishOptions | undefined): PublishResult
    whenRoom(again: () => void): () => void
  }
}

const EVERYTHING = Buffer.alloc(0)

/**
 * PUB, XPUB and PUSH clients: what they send, `[subject, payload]`, is published. A client is not read while a subscriber
 * with the policy "block" is full.
 */
export class Publishers implements Pattern {
  private readonly host: PublishersHost
  private readonly complaints: Complaints
  private readonly payloads: Payloads
  private readonly options: PublishOptions | undefined
  /** How to end the waiting of clients that are not read now. */
  private readonly waiting = new Map<Pipe, () => void>()

  constructor(host: PublishersHost, complaints: Complaints, payloads: Payloads) {
    this.host = host
    this.complaints = complaints
    this.payloads = payloads
    this.options = payloads.codec === undefined ? undefined : { codec: payloads.codec }
  }

  attach(): void {}

  online(pipe: Pipe): void {
    const type = pipe.peer?.socketType
    if (type === "PUB" || type === "XPUB") pipe.control("SUBSCRIBE", EVERYTHING)
  }

  receive(pipe: Pipe, message: Message): void {
    const subject = message[0].toString()
    let value: unknown
    try {
      if (message.length > 2) {
        throw new HeddleError(
          "EINVAL",
          `A message of ${message.length} frames; to publish, send two: the subject, then the payload`,
        )
      }
      refuseReserved(subject)
      value = message.length === 1 ? undefined : this.payloads.read(message[1])
    } catch (error) {
      this.complaints.malformed(pipe, subject, error)
      return
    }
    if (!this.publish(pipe, subject, value)) this.wait(pipe, subject, value)
  }

  writable(): void {}

  offline(pipe: Pipe): void {
    this.waiting.get(pipe)?.()
    if (this.waiting.delete(pipe)) pipe.drop("closed")
  }

  detach(): void {}

  /** False = a subscriber that blocks is full. */
  private publish(pipe: Pipe, subject: string, value: unknown): boolean {
    try {
      return this.host.publishing.publish(subject, value, this.options).taken
    } catch (error) {
      this.complaints.malformed(pipe, subject, error)
      return true
    }
  }

  private wait(pipe: Pipe, subject: string, value: unknown): void {
    pipe.pause()
    const again = (): void => {
      if (!this.publish(pipe, subject, value)) this.waiting.set(pipe, this.host.publishing.whenRoom(again))
      else {
        this.waiting.delete(pipe)
        pipe.resume()
      }
    }
    this.waiting.set(pipe, this.host.publishing.whenRoom(again))
  }
}
