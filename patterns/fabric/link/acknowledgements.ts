import type { Link } from "./link.ts"

/** Milliseconds that word of what arrived may wait: a link with little traffic sends one such note for many messages. */
const ACK_DELAY = 20

/** Tells peers what has arrived, one note for all messages of a while. */
export class Acknowledgements {
  private due: Link[] = []

  later(link: Link): void {
    this.due.push(link)
    if (this.due.length > 1) return
    setTimeout(() => {
      const { due } = this
      this.due = []
      for (const one of due) if (one.ackDue) one.sendAck()
    }, ACK_DELAY).unref()
  }
}
