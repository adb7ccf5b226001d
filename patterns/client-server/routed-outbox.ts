import type { Message } from "../../core/contract.ts"
import { closedError } from "../../core/errors.ts"
import { toMessage } from "../../core/message.ts"
import type { Outbox, Writer } from "../../core/outbox.ts"

/** Where a pattern that addresses its peers keeps the sends of each. */
export interface Lines<O> {
  /** The sends of the peer that the message is for. Throws EINVAL or EHOSTUNREACH. */
  lineFor(message: Message, option: O | undefined): Outbox
  /** Those of every peer. */
  lines(): Iterable<Outbox>
}

/** The writing end of a socket that says whom each message is for: a peer without room keeps nobody else waiting. */
export class RoutedOutbox<O = undefined> implements Writer<O> {
  private readonly routes: Lines<O>
  private closed = false

  constructor(routes: Lines<O>) {
    this.routes = routes
  }

  get waiting(): number {
    let sum = 0
    for (const line of this.routes.lines()) sum += line.waiting
    return sum
  }

  trySend(value: unknown, option?: O): boolean {
    if (this.closed) throw closedError()
    const message = toMessage(value)
    return this.routes.lineFor(message, option).trySend(message)
  }

  send(value: unknown, option?: O): Promise<void> {
    try {
      if (this.closed) throw closedError()
      const message = toMessage(value)
      return this.routes.lineFor(message, option).send(message)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  close(): void {
    this.closed = true
    for (const line of this.routes.lines()) line.close()
  }
}
