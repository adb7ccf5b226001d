import assert from "node:assert/strict"
import type { Message, Pull } from "../../index.ts"

/** A way to receive: gives copies of messages to `got` until `enough` says so, then leaves the socket to others. */
export type Way = (pull: Pull, got: (message: Buffer[]) => void, enough: () => boolean) => Promise<void>

const copy = (message: Message): Buffer[] => message.map(frame => Buffer.from(frame))

/**
 * What does not wait for promises ends within its handler; but what waits already is poured out before the handler's owner
 * has anything to stop, and may be more than enough.
 */
function handled(start: (finish: () => void) => { stop(): void }, enough: () => boolean): Promise<void> {
  return new Promise(resolve => {
    let consumer: { stop(): void } | null = null
    const finish = (): void => {
      if (consumer === null || !enough()) return
      consumer.stop()
      resolve()
    }
    consumer = start(finish)
    finish()
  })
}

/** All ways of `ReceivingSocket`. */
export const WAYS: Readonly<Record<string, Way>> = {
  async receive(pull, got, enough) {
    while (!enough()) got(copy(await pull.receive()))
  },
  async receiveMany(pull, got, enough) {
    while (!enough()) for (const message of await pull.receiveMany(5)) got(copy(message))
  },
  async tryReceive(pull, got, enough) {
    while (!enough()) {
      const message = pull.tryReceive()
      if (message !== null) got(copy(message))
      else await new Promise(resolve => setImmediate(resolve))
    }
  },
  async iterate(pull, got, enough) {
    if (enough()) return
    for await (const message of pull) {
      got(copy(message))
      if (enough()) return
    }
  },
  async batches(pull, got, enough) {
    if (enough()) return
    for await (const batch of pull.batches(5)) {
      for (const message of batch) got(copy(message))
      if (enough()) return
    }
  },
  consume(pull, got, enough) {
    return handled(
      finish =>
        pull.consume(message => {
          got(copy(message))
          finish()
        }),
      enough,
    )
  },
  borrow(pull, got, enough) {
    let frames: Buffer[] = []
    return handled(
      finish =>
        pull.borrow((bytes, start, end, more) => {
          frames.push(Buffer.from(bytes.subarray(start, end)))
          if (more) return
          got(frames)
          frames = []
          finish()
        }),
      enough,
    )
  },
}

/** Compares message by message as they come, and says which one is wrong. */
export class Expected {
  private readonly messages: readonly Buffer[][]
  private seen = 0

  constructor(messages: readonly Buffer[][]) {
    this.messages = messages
  }

  get left(): number {
    return this.messages.length - this.seen
  }

  readonly got = (message: Buffer[]): void => {
    const expected = this.messages[this.seen]
    assert.ok(expected !== undefined, "more messages came than were sent")
    const same = message.length === expected.length && message.every((frame, i) => frame.equals(expected[i]))
    assert.ok(same, `message ${this.seen} is another than was sent`)
    this.seen++
  }
}
