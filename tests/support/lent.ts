import type { Loan } from "../../core/contract.ts"

/** A message as a transport lends it. */
export class Lent implements Loan {
  readonly bytes: Buffer
  readonly count: number
  readonly bounds = new Int32Array(128)

  constructor(frames: readonly Buffer[]) {
    this.bytes = Buffer.concat([Buffer.from("before"), ...frames, Buffer.from("behind")])
    this.count = frames.length
    let at = 6
    frames.forEach((frame, i) => {
      this.bounds[2 * i] = at
      at += frame.length
      this.bounds[2 * i + 1] = at
    })
  }

  /** The call that it was passed to is over. */
  spoil(): void {
    this.bytes.fill(0xee)
  }
}
