import type { Message, Pipe } from "../../core/contract.ts"
import { Distributor } from "../../core/distributor.ts"

/**
 * Sends to everybody who is connected, best effort. A peer that is only being dialled is left out: it would get all
 * that was said in its absence at once, and long too late.
 */
export class Broadcast {
  private readonly connected: Pipe[] = []
  private readonly absent = new Set<Pipe>()
  private readonly distributor = new Distributor()

  attach(pipe: Pipe): void {
    this.absent.add(pipe)
  }

  online(pipe: Pipe): void {
    if (!this.absent.delete(pipe)) return
    this.distributor.forget()
    pipe.sendSlot = this.connected.length
    this.connected.push(pipe)
  }

  offline(pipe: Pipe): void {
    this.leave(pipe)
    this.absent.add(pipe)
  }

  detach(pipe: Pipe): void {
    this.leave(pipe)
    this.absent.delete(pipe)
  }

  /** Who has no room misses the message ("full"), and so does who is not connected ("no-peer"). */
  send(message: Message): void {
    this.distributor.send(message, this.connected)
    if (this.absent.size > 0) for (const pipe of this.absent) pipe.drop("no-peer")
  }

  /** See `Pattern.flush`. */
  flush(): void {
    this.distributor.flush()
  }

  private leave(pipe: Pipe): void {
    const at = pipe.sendSlot
    if (at < 0) return
    this.distributor.forget()
    const last = this.connected.pop() as Pipe
    if (last !== pipe) {
      this.connected[at] = last
      last.sendSlot = at
    }
    pipe.sendSlot = -1
  }
}
