import type { Message, Pair } from "heddle"
import { CommandError } from "../exit.ts"
import { decodeOrder, encode } from "./orders.ts"

/** The partner's side: does what it is told until the other says goodbye. Rejects when the other leaves without. */
export function receive(socket: Pair): Promise<void> {
  return new Promise((resolve, reject) => {
    const partner = new Partner(socket, resolve)
    socket.events.on("disconnect", () => reject(new CommandError("the other side left in the middle of a measurement")))
    socket.consume(message => {
      try {
        partner.message(message)
      } catch (error) {
        reject(new CommandError(`the other side is no heddle bench --role send: ${(error as Error).message}`))
      }
    })
  })
}

class Partner {
  private readonly socket: Pair
  private readonly done: () => void
  /** Payloads of the present order that are still to come. */
  private left = 0
  private total = 0
  private echo = false
  private began = 0

  constructor(socket: Pair, done: () => void) {
    this.socket = socket
    this.done = done
  }

  message(message: Message): void {
    if (this.left === 0) this.obey(message)
    else if (this.echo) {
      this.left--
      // One payload is under way at a time: there is always room.
      this.socket.trySend(message)
    } else {
      if (this.left === this.total) this.began = performance.now()
      if (--this.left === 0) this.socket.trySend(encode({ seconds: (performance.now() - this.began) / 1000 }))
    }
  }

  private obey(message: Message): void {
    const order = decodeOrder(message[0])
    if (order.kind === "goodbye") {
      this.done()
      return
    }
    this.echo = order.kind === "echo"
    this.total = order.count
    this.left = order.count
  }
}
